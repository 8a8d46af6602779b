//! What a client may ask of a data channel's stream (mediasoup `ortc.js`,
//! `validateSctpStreamParameters`). Never does: SCTP.

use starling_proto::{
    Code, Refusal,
    sctp::{Delivery, STREAMS, SctpStreamParameters},
};

/// How messages of the stream are delivered.
///
/// # Errors
/// `bad_request` for a stream beyond those agreed on, for both limits at once, or for ordered
/// delivery with a limit. (A limit of zero is none in mediasoup's check, and is obeyed.)
pub fn stream_delivery(wanted: &SctpStreamParameters) -> Result<Delivery, Refusal> {
    let bad = |message: String| Err(Refusal::new(Code::BadRequest, message));
    let SctpStreamParameters { stream_id, ordered, max_packet_life_time, max_retransmits } =
        *wanted;
    if stream_id >= STREAMS {
        return bad(format!("stream {stream_id} is beyond the {STREAMS} of the association"));
    }
    let limits = |limit: Option<u16>| limit.is_some_and(|limit| limit > 0);
    let limited = limits(max_packet_life_time) || limits(max_retransmits);
    if max_packet_life_time.is_some() && max_retransmits.is_some() {
        return bad("'maxPacketLifeTime' and 'maxRetransmits' exclude each other".to_owned());
    }
    if ordered == Some(true) && limited {
        let message = "'ordered' excludes 'maxPacketLifeTime' and 'maxRetransmits'";
        return bad(message.to_owned());
    }
    let ordered = ordered.unwrap_or(!limited);
    Ok(Delivery { ordered, max_packet_life_time, max_retransmits })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(json: &str) -> SctpStreamParameters {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_mediasoup_client_sends_is_understood() {
        let text = include_str!("../../fixtures/mediasoup-client/send.producedata.json");
        let sent: serde_json::Value = serde_json::from_str(text).unwrap();
        let chat = wanted(&sent["sctpStreamParameters"].to_string());
        let chat = stream_delivery(&chat).unwrap();
        let expected =
            Delivery { ordered: false, max_packet_life_time: None, max_retransmits: Some(1) };
        assert_eq!(chat, expected);
        assert_eq!(stream_delivery(&wanted(r#"{"streamId": 3}"#)), Ok(Delivery::RELIABLE));
        let lossy = wanted(r#"{"streamId": 3, "maxPacketLifeTime": 100}"#);
        let lossy = stream_delivery(&lossy).unwrap();
        assert!(!lossy.ordered && !lossy.is_reliable());
    }

    #[test]
    fn contradictions_are_refused() {
        for bad in [
            r#"{"streamId": 1024}"#,
            r#"{"streamId": 0, "maxPacketLifeTime": 1, "maxRetransmits": 1}"#,
            r#"{"streamId": 0, "ordered": true, "maxRetransmits": 1}"#,
        ] {
            let refusal = stream_delivery(&wanted(bad)).unwrap_err();
            assert_eq!(refusal.code, Code::BadRequest, "{bad}");
        }
    }
}
