//! H.264 `profile-level-id` (RFC 6184 §8.1): which streams a decoder takes, and which level an
//! answer names. Rules and test vectors are those of the `h264-profile-level-id` package, which
//! follows libwebrtc `api/video_codecs/h264_profile_level_id.cc`. Never does: look into a stream.

use serde_json::Value;
use starling_proto::rtp::Parameters;

use super::codec::integer;

/// Profiles that WebRTC tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Constrained Baseline.
    ConstrainedBaseline,
    /// Baseline.
    Baseline,
    /// Main.
    Main,
    /// Constrained High.
    ConstrainedHigh,
    /// High.
    High,
    /// High 4:4:4 Predictive.
    PredictiveHigh444,
}

/// A level in order of what it demands: 1b lies between 1 and 1.1 (ITU-T H.264 table A-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Level 1.
    L1,
    /// Level 1b.
    L1b,
    /// `level_idc` 11 to 52: ten times the level.
    Idc(u8),
}

/// What `profile-level-id` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProfileLevelId {
    /// Which tools the stream uses.
    pub profile: Profile,
    /// How much it demands.
    pub level: Level,
}

/// Of a codec without `profile-level-id`. RFC 6184 says Baseline 1; browsers and libwebrtc mean
/// this.
const DEFAULT: ProfileLevelId =
    ProfileLevelId { profile: Profile::ConstrainedBaseline, level: Level::Idc(31) };

/// `level_idc` values beyond 1 and 1b.
const LEVELS: [u8; 15] = [11, 12, 13, 20, 21, 22, 30, 31, 32, 40, 41, 42, 50, 51, 52];

/// With `level_idc` 11 it makes level 1b.
const CONSTRAINT_SET3: u8 = 0x10;

/// `profile_idc`, mask and value of `profile-iop`, profile (RFC 6184 table 5).
const PATTERNS: [(u8, u8, u8, Profile); 9] = [
    (0x42, 0b0100_1111, 0b0100_0000, Profile::ConstrainedBaseline),
    (0x4d, 0b1000_1111, 0b1000_0000, Profile::ConstrainedBaseline),
    (0x58, 0b1100_1111, 0b1100_0000, Profile::ConstrainedBaseline),
    (0x42, 0b0100_1111, 0b0000_0000, Profile::Baseline),
    (0x58, 0b1100_1111, 0b1000_0000, Profile::Baseline),
    (0x4d, 0b1010_1111, 0b0000_0000, Profile::Main),
    (0x64, 0b1111_1111, 0b0000_0000, Profile::High),
    (0x64, 0b1111_1111, 0b0000_1100, Profile::ConstrainedHigh),
    (0xf4, 0b1111_1111, 0b0000_0000, Profile::PredictiveHigh444),
];

impl ProfileLevelId {
    /// Reads six hexadecimal digits; `None` if they name no profile or no level.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 6 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let [_, profile_idc, profile_iop, level_idc] =
            u32::from_str_radix(text, 16).ok()?.to_be_bytes();
        let level = match level_idc {
            10 => Level::L1,
            11 if profile_iop & CONSTRAINT_SET3 != 0 => Level::L1b,
            idc if LEVELS.contains(&idc) => Level::Idc(idc),
            _ => return None,
        };
        let (_, _, _, profile) = *PATTERNS
            .iter()
            .find(|(idc, mask, value, _)| *idc == profile_idc && profile_iop & mask == *value)?;
        Some(Self { profile, level })
    }

    /// Of `fmtp` parameters; the default where they say nothing, `None` where they say nonsense.
    pub fn of(parameters: &Parameters) -> Option<Self> {
        match parameters.get("profile-level-id") {
            None => Some(DEFAULT),
            Some(Value::String(text)) if text.is_empty() => Some(DEFAULT),
            Some(Value::String(text)) => Self::parse(text),
            // SDP parsers turn `640032` into a number.
            Some(Value::Number(number)) => Self::parse(&number.to_string()),
            Some(_) => None,
        }
    }

    /// Six hexadecimal digits; `None` for level 1b of a profile that has none.
    pub fn text(self) -> Option<String> {
        let level = match self.level {
            Level::L1 => 10,
            Level::Idc(idc) => idc,
            Level::L1b => {
                return match self.profile {
                    Profile::ConstrainedBaseline => Some("42f00b".to_owned()),
                    Profile::Baseline => Some("42100b".to_owned()),
                    Profile::Main => Some("4d100b".to_owned()),
                    Profile::ConstrainedHigh | Profile::High | Profile::PredictiveHigh444 => None,
                };
            }
        };
        let profile = match self.profile {
            Profile::ConstrainedBaseline => "42e0",
            Profile::Baseline => "4200",
            Profile::Main => "4d00",
            Profile::ConstrainedHigh => "640c",
            Profile::High => "6400",
            Profile::PredictiveHigh444 => "f400",
        };
        Some(format!("{profile}{level:02x}"))
    }
}

/// Both name the same profile; levels may differ.
pub(super) fn same_profile(a: &Parameters, b: &Parameters) -> bool {
    match (ProfileLevelId::of(a), ProfileLevelId::of(b)) {
        (Some(a), Some(b)) => a.profile == b.profile,
        _ => false,
    }
}

/// `profile-level-id` of an answer to `remote` by an endpoint that supports `local` (RFC 6184
/// §8.2.2): the local level where both allow asymmetry, else the lower one. `None` where neither
/// side names any, or the profiles differ.
pub(super) fn answer(local: &Parameters, remote: &Parameters) -> Option<String> {
    if !names_level(local) && !names_level(remote) {
        return None;
    }
    let (ours, theirs) = (ProfileLevelId::of(local)?, ProfileLevelId::of(remote)?);
    if ours.profile != theirs.profile {
        return None;
    }
    let asymmetric = allows_asymmetry(local) && allows_asymmetry(remote);
    let level = if asymmetric { ours.level } else { ours.level.min(theirs.level) };
    ProfileLevelId { profile: ours.profile, level }.text()
}

fn names_level(parameters: &Parameters) -> bool {
    parameters.get("profile-level-id").is_some_and(|value| value.as_str() != Some(""))
}

fn allows_asymmetry(parameters: &Parameters) -> bool {
    let key = "level-asymmetry-allowed";
    parameters.get(key) == Some(&Value::Bool(true)) || integer(parameters, key) == Some(1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fmtp(value: Value) -> Parameters {
        value.as_object().unwrap().clone()
    }

    fn parsed(text: &str) -> Option<(Profile, Level)> {
        ProfileLevelId::parse(text).map(|id| (id.profile, id.level))
    }

    #[test]
    fn profiles_and_levels_are_read() {
        use Profile::*;
        let rows = [
            ("42e01f", ConstrainedBaseline, Level::Idc(31)),
            ("42e00b", ConstrainedBaseline, Level::Idc(11)),
            ("42f00b", ConstrainedBaseline, Level::L1b),
            ("42C02A", ConstrainedBaseline, Level::Idc(42)),
            ("4de01f", ConstrainedBaseline, Level::Idc(31)),
            ("58f01f", ConstrainedBaseline, Level::Idc(31)),
            ("42a01f", Baseline, Level::Idc(31)),
            ("58A01F", Baseline, Level::Idc(31)),
            ("4D401f", Main, Level::Idc(31)),
            ("64001f", High, Level::Idc(31)),
            ("640c1f", ConstrainedHigh, Level::Idc(31)),
            ("640c34", ConstrainedHigh, Level::Idc(52)),
            ("f4000a", PredictiveHigh444, Level::L1),
        ];
        for (text, profile, level) in rows {
            assert_eq!(parsed(text), Some((profile, level)), "{text}");
        }
    }

    #[test]
    fn nonsense_is_no_profile() {
        let rows = [
            "", " 42e01f", "4242e01f", "e01f", "gggggg", "+2e01f", "42e000", "42e00f", "42e0ff",
            "42e11f", "58601f", "64e01f", "000000", "日本",
        ];
        for text in rows {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn text_is_canonical() {
        let rows = [
            ("42E01F", "42e01f"),
            ("42c01f", "42e01f"),
            ("4D100B", "4d100b"),
            ("42900b", "42100b"),
            ("42f00b", "42f00b"),
            ("640C2A", "640c2a"),
            ("42000a", "42000a"),
            ("64002a", "64002a"),
        ];
        for (text, canonical) in rows {
            assert_eq!(ProfileLevelId::parse(text).unwrap().text().unwrap(), canonical);
        }
        let impossible = ProfileLevelId { profile: Profile::High, level: Level::L1b };
        assert_eq!(impossible.text(), None);
    }

    #[test]
    fn profiles_compare_without_levels() {
        let id = |text: &str| fmtp(json!({ "profile-level-id": text }));
        assert!(same_profile(&fmtp(json!({"foo": "foo"})), &fmtp(json!({"bar": "bar"}))));
        assert!(same_profile(&id("42e01f"), &id("42C02A")));
        assert!(same_profile(&id("42a01f"), &id("58A01F")));
        assert!(same_profile(&id("42e01f"), &Parameters::new()));
        assert!(!same_profile(&Parameters::new(), &id("4d001f")));
        assert!(!same_profile(&id("42a01f"), &id("640c1f")));
        assert!(!same_profile(&id("42000a"), &id("64002a")));
        assert!(!same_profile(&id("foobar"), &id("foobar")));
        assert!(same_profile(&fmtp(json!({"profile-level-id": 640032})), &id("640032")));
    }

    #[test]
    fn levels_order_with_1b_between_1_and_1_1() {
        assert!(Level::L1 < Level::L1b);
        assert!(Level::L1b < Level::Idc(11));
        assert!(Level::Idc(11) < Level::Idc(52));
    }

    #[test]
    fn answer_takes_the_lower_level_unless_both_allow_asymmetry() {
        let low = fmtp(json!({"profile-level-id": "42e015"}));
        let high = fmtp(json!({"profile-level-id": "42e01f"}));
        assert_eq!(answer(&Parameters::new(), &Parameters::new()), None);
        assert_eq!(answer(&low, &high).unwrap(), "42e015");
        assert_eq!(answer(&high, &low).unwrap(), "42e015");
        let free = |id: &str, allowed: Value| {
            fmtp(json!({"profile-level-id": id, "level-asymmetry-allowed": allowed}))
        };
        let (ours, theirs) = (free("42e01f", json!("1")), free("42e015", json!(1)));
        assert_eq!(answer(&ours, &theirs).unwrap(), "42e01f");
        assert_eq!(answer(&ours, &low).unwrap(), "42e015");
        assert_eq!(answer(&ours, &free("42e015", json!(true))).unwrap(), "42e01f");
        assert_eq!(answer(&ours, &free("64001f", json!(1))), None);
    }
}
