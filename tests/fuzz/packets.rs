//! Valid packets, from which corpora are made.

/// An RTP packet with one-byte header extensions.
pub(crate) fn rtp(
    payload_type: u8,
    ssrc: u32,
    sequence: u16,
    marker: bool,
    extensions: &[(u8, &[u8])],
    payload: &[u8],
) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type | u8::from(marker) << 7];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&(u32::from(sequence) * 3_000).to_be_bytes());
    packet.extend_from_slice(&ssrc.to_be_bytes());
    if !extensions.is_empty() {
        packet[0] |= 0x10;
        let mut block = Vec::new();
        for (id, value) in extensions {
            block.push(id << 4 | (value.len() as u8 - 1));
            block.extend_from_slice(value);
        }
        block.resize(block.len().next_multiple_of(4), 0);
        packet.extend_from_slice(&[0xbe, 0xde, 0, (block.len() / 4) as u8]);
        packet.extend_from_slice(&block);
    }
    packet.extend_from_slice(payload);
    packet
}

/// A VP8 payload: 15-bit picture id, TL0PICIDX, temporal layer.
pub(crate) fn vp8(key: bool, picture: u16, tl0: u8, tid: u8) -> Vec<u8> {
    let [high, low] = (picture | 0x8000).to_be_bytes();
    let mut payload = vec![0x90, 0xe0, high, low, tl0, tid << 6, u8::from(!key)];
    payload.extend_from_slice(&[0xaa; 24]);
    payload
}

/// A record of a DTLS 1.2 ClientHello with `use_srtp`, as one fragment.
pub(crate) fn client_hello(sequence: u8) -> Vec<u8> {
    let mut body = vec![0xfe, 0xfd];
    body.extend_from_slice(&[7; 32]);
    body.extend_from_slice(&[0, 0]); // session id, cookie
    body.extend_from_slice(&[0, 4, 0xc0, 0x2b, 0xc0, 0x2f]);
    body.extend_from_slice(&[1, 0]);
    let extensions: &[u8] =
        &[0, 10, 0, 4, 0, 2, 0, 29, 0, 14, 0, 9, 0, 6, 0, 7, 0, 8, 0, 1, 0, 0, 23, 0, 0];
    body.extend_from_slice(&(extensions.len() as u16).to_be_bytes());
    body.extend_from_slice(extensions);
    let len = (body.len() as u32).to_be_bytes();
    let mut message = vec![1, len[1], len[2], len[3], 0, sequence, 0, 0, 0, len[1], len[2], len[3]];
    message.extend_from_slice(&body);
    let mut record = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, sequence];
    record.extend_from_slice(&(message.len() as u16).to_be_bytes());
    record.extend_from_slice(&message);
    record
}
