use std::collections::HashSet;

use super::{model::Frame, *};

#[test]
fn mime_types_are_compared_without_case() {
    let of = Codec::from_mime_type;
    assert_eq!(of("audio/OPUS", MediaKind::Audio), Codec::Opus);
    assert_eq!(of("audio/multiopus", MediaKind::Audio), Codec::Opus);
    assert_eq!(of("video/vp8", MediaKind::Video), Codec::Vp8);
    assert_eq!(of("video/H264", MediaKind::Video), Codec::H264);
    assert_eq!(of("audio/PCMU", MediaKind::Audio), Codec::OtherAudio);
    assert_eq!(of("video/vp9", MediaKind::Video), Codec::Vp9);
    assert_eq!(of("video/H265", MediaKind::Video), Codec::H265);
    assert_eq!(of("video/AV1", MediaKind::Video), Codec::Av1);
    assert_eq!(of("video/theora", MediaKind::Video), Codec::OtherVideo);
}

#[test]
fn only_codecs_whose_key_frames_are_seen_wait_for_one() {
    for codec in [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::H265, Codec::Av1] {
        assert!(codec.can_be_key_frame(), "{codec:?}");
    }
    assert!(Codec::Encrypted.can_be_key_frame());
    for codec in [Codec::Opus, Codec::OtherAudio, Codec::OtherVideo] {
        assert!(!codec.can_be_key_frame(), "{codec:?}");
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
fn h265_key_frame_is_a_parameter_set_or_an_intra_picture_in_any_packing() {
    for (payload, key_frame) in [
        (&[][..], false),
        (&[0x40, 1], false),
        // VPS, SPS, PPS.
        (&[0x40, 1, 0], true),
        (&[0x42, 1, 0], true),
        (&[0x44, 1, 0], false),
        // TRAIL_R, BLA_W_LP, IDR_W_RADL, CRA, a reserved type.
        (&[0x02, 1, 0], false),
        (&[0x20, 1, 0], true),
        (&[0x26, 1, 0], true),
        (&[0x2a, 1, 0], true),
        (&[0x2c, 1, 0], false),
        // An aggregate of PPS and IDR_N_LP, and of PPS alone; lengths that lie.
        (&[0x60, 1, 0, 2, 0x44, 1, 0, 3, 0x28, 1, 0], true),
        (&[0x60, 1, 0, 2, 0x44, 1], false),
        (&[0x60, 1, 0, 9, 0x28, 1], false),
        // A fragment of IDR_W_RADL: the first, a later one; the first of TRAIL_R.
        (&[0x62, 1, 0x93, 0], true),
        (&[0x62, 1, 0x13, 0], false),
        (&[0x62, 1, 0x81, 0], false),
        (&[0x62, 1], false),
    ] {
        assert_eq!(h265::is_key_frame(payload), key_frame, "{payload:02x?}");
    }
}

#[test]
fn av1_key_frame_is_a_new_sequence_in_the_aggregation_header() {
    assert!(av1::is_key_frame(&[0x18, 0x0a]));
    assert!(!av1::is_key_frame(&[0x10, 0x0a]));
    assert!(!av1::is_key_frame(&[0x98, 0x0a]));
    assert!(!av1::is_key_frame(&[0x08]));
    assert!(!av1::is_key_frame(&[]));
}

#[test]
fn encrypted_payloads_have_their_facts_from_the_dependency_descriptor() {
    let frame = FrameFacts {
        starts: true,
        has_structure: true,
        layers: Layers { spatial: 0, temporal: 1 },
        ..FrameFacts::default()
    };
    for codec in [Codec::H264, Codec::H265, Codec::Av1] {
        let facts = describe(codec, &[0xff; 20], Some(frame));
        assert_eq!((facts.key_frame, facts.temporal_layer), (true, 1), "{codec:?}");
    }
    // What looks like a key frame is not one.
    let looks = [(Codec::H264, 0x67), (Codec::H265, 0x40), (Codec::Av1, 0x18)];
    for (codec, first) in looks {
        assert!(describe(codec, &[first; 20], None).key_frame, "{codec:?}");
        let facts = describe(codec, &[first; 20], Some(FrameFacts::default()));
        assert!(!facts.key_frame, "{codec:?}");
    }
    let payload = [0x90, 0xe0, 0x80, 0x05, 9, 0b1010_0000, 0x00];
    assert!(!describe(Codec::Vp8, &payload, Some(FrameFacts::default())).key_frame);
}

#[test]
fn of_what_its_sender_encrypts_no_byte_is_read() {
    for payload in [[0x90, 0xe0, 0x80, 0x05, 9, 0b1010_0000, 0x00].as_slice(), &[0x67, 0x42], &[]] {
        let facts = describe(Codec::Encrypted, payload, None);
        assert_eq!(facts, PacketFacts { unknown: true, ..PacketFacts::default() });
        let frame = FrameFacts { number: 7, ..FrameFacts::default() };
        let facts = describe(Codec::Encrypted, payload, Some(frame));
        assert_eq!((facts.key_frame, facts.unknown), (false, false));
        assert_eq!(facts.descriptor, Descriptor::Frame(frame));
    }
    assert_eq!(Codec::encrypted(MediaKind::Audio), Codec::OtherAudio);
    assert_eq!(Codec::encrypted(MediaKind::Video), Codec::Encrypted);
}

#[test]
fn redundant_audio_is_what_its_primary_block_is() {
    let silence = [0xef, 0, 0, 2, 0x6f, 0x78, 1, 0x78];
    let facts = describe_redundant(Codec::Opus, &silence).unwrap();
    assert_eq!((facts.dtx, facts.descriptor), (true, Descriptor::Red(7)));
    let voice = [0xef, 0, 0, 1, 0x6f, 0x78, 0x78, 1, 2];
    assert!(!describe_redundant(Codec::Opus, &voice).unwrap().dtx);
    assert_eq!(describe_redundant(Codec::Opus, &voice[..4]), None);
}

#[test]
fn unreadable_payloads_have_no_facts() {
    for codec in [Codec::Opus, Codec::Vp8, Codec::H264, Codec::OtherAudio, Codec::OtherVideo] {
        assert_eq!(describe(codec, &[], None), PacketFacts::default());
    }
    assert_eq!(describe(Codec::OtherVideo, &[0x67, 0x42], None), PacketFacts::default());
}

#[test]
fn vp8_facts_come_from_its_descriptor() {
    let payload = [0x90, 0xe0, 0x80, 0x05, 9, 0b1010_0000, 0x00];
    let facts = describe(Codec::Vp8, &payload, None);
    assert!(facts.key_frame && !facts.dtx);
    assert_eq!(facts.temporal_layer, 2);
    let Descriptor::Vp8(vp8) = facts.descriptor else { panic!("{facts:?}") };
    assert_eq!((vp8.picture_id, vp8.layer_sync), (Some(5), true));
}

/// Decodes what has all it depends on.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    decoded: HashSet<u16>,
}

impl Decoder {
    /// True if `frame` can be decoded.
    pub(crate) fn take(&mut self, frame: &Frame) -> bool {
        if frame.key && frame.layers.spatial == 0 {
            self.decoded.clear();
        }
        let good = frame.references.iter().all(|number| self.decoded.contains(number));
        if good {
            self.decoded.insert(frame.number);
        }
        good
    }
}
