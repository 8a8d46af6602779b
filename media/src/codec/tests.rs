use super::*;

#[test]
fn mime_types_are_compared_without_case() {
    let of = Codec::from_mime_type;
    assert_eq!(of("audio/OPUS", MediaKind::Audio), Codec::Opus);
    assert_eq!(of("audio/multiopus", MediaKind::Audio), Codec::Opus);
    assert_eq!(of("video/vp8", MediaKind::Video), Codec::Vp8);
    assert_eq!(of("video/H264", MediaKind::Video), Codec::H264);
    assert_eq!(of("audio/PCMU", MediaKind::Audio), Codec::OtherAudio);
    assert_eq!(of("video/AV1", MediaKind::Video), Codec::OtherVideo);
}

#[test]
fn only_codecs_whose_key_frames_are_seen_wait_for_one() {
    let waiting = [Codec::Vp8, Codec::H264];
    for codec in [Codec::Opus, Codec::Vp8, Codec::H264, Codec::OtherAudio, Codec::OtherVideo] {
        assert_eq!(codec.can_be_key_frame(), waiting.contains(&codec));
    }
    assert_eq!(Codec::Vp8.kind(), MediaKind::Video);
    assert_eq!(Codec::Opus.kind(), MediaKind::Audio);
}

#[test]
fn opus_silence_is_an_empty_frame() {
    for (payload, dtx) in [
        (&[][..], false),
        (&[0b00], true),
        (&[0b01], true),
        (&[0b10], false),
        (&[0b11], false),
        (&[0b00, 1], false),
        (&[0b10, 1], true),
        (&[0b11, 1], false),
        (&[0b10, 1, 1], false),
    ] {
        assert_eq!(opus::is_dtx(payload), dtx, "{payload:?}");
    }
}

#[test]
fn h264_key_frame_is_a_parameter_set_in_any_packing() {
    for (payload, key_frame) in [
        (&[][..], false),
        (&[0x67], false),
        (&[0x67, 0x42], true),
        (&[0x68, 0x42], false),
        (&[0x65, 0x88], false),
        // STAP-A: SEI, then SPS.
        (&[0x78, 0, 1, 6, 0, 2, 0x67, 0x42], true),
        (&[0x78, 0, 1, 6, 0, 2, 0x68, 0x42], false),
        (&[0x78, 0, 9, 6, 0, 2, 0x67], false),
        (&[0x78, 0, 0, 0, 1, 0x67], true),
        (&[0x78, 0], false),
        // FU-A: first fragment of an SPS, a later one, and one of an IDR slice.
        (&[0x7c, 0x87, 1], true),
        (&[0x7c, 0x07, 1], false),
        (&[0x7c, 0x85, 1], false),
        (&[0x7d, 0x87, 1], true),
        (&[0x7c], false),
    ] {
        assert_eq!(h264::is_key_frame(payload), key_frame, "{payload:02x?}");
    }
}

#[test]
fn unreadable_payloads_have_no_facts() {
    for codec in [Codec::Opus, Codec::Vp8, Codec::H264, Codec::OtherAudio, Codec::OtherVideo] {
        assert_eq!(describe(codec, &[]), PacketFacts::default());
    }
    assert_eq!(describe(Codec::OtherVideo, &[0x67, 0x42]), PacketFacts::default());
}

#[test]
fn vp8_facts_come_from_its_descriptor() {
    let payload = [0x90, 0xe0, 0x80, 0x05, 9, 0b1010_0000, 0x00];
    let facts = describe(Codec::Vp8, &payload);
    assert!(facts.key_frame && facts.layer_sync && !facts.dtx);
    assert_eq!(facts.temporal_layer, 2);
    assert_eq!(facts.vp8.unwrap().picture_id, Some(5));
}
