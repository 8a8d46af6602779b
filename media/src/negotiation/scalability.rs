//! Scalability modes (W3C webrtc-svc): `L3T3_KEY` → layers. Never does: choose a layer.

/// What a scalability mode says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScalabilityMode {
    /// 1 to 99.
    pub spatial_layers: u8,
    /// 1 to 99.
    pub temporal_layers: u8,
    /// Spatial layers depend on each other in key frames only.
    pub ksvc: bool,
}

impl ScalabilityMode {
    /// One layer of each: the meaning of no mode, and of one that cannot be read.
    pub const NONE: Self = Self { spatial_layers: 1, temporal_layers: 1, ksvc: false };

    /// Reads `^[LS]([1-9]\d?)T([1-9]\d?)(_KEY)?`; what follows is ignored (mediasoup
    /// `scalabilityModesUtils`).
    pub fn parse(mode: Option<&str>) -> Self {
        mode.and_then(Self::matched).unwrap_or(Self::NONE)
    }

    /// More than one layer of either kind.
    pub const fn is_layered(self) -> bool {
        self.spatial_layers > 1 || self.temporal_layers > 1
    }

    fn matched(mode: &str) -> Option<Self> {
        let rest = mode.strip_prefix(['L', 'S'])?;
        let (spatial_layers, rest) = count(rest)?;
        let (temporal_layers, rest) = count(rest.strip_prefix('T')?)?;
        Some(Self { spatial_layers, temporal_layers, ksvc: rest.starts_with("_KEY") })
    }
}

/// One or two digits, the first not 0.
fn count(text: &str) -> Option<(u8, &str)> {
    let digits = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(digits);
    if number.starts_with('0') {
        return None;
    }
    Some((number.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_as_mediasoup_reads_them() {
        let parsed = |mode| {
            let mode = ScalabilityMode::parse(mode);
            (mode.spatial_layers, mode.temporal_layers, mode.ksvc)
        };
        assert_eq!(parsed(None), (1, 1, false));
        assert_eq!(parsed(Some("L1T3")), (1, 3, false));
        assert_eq!(parsed(Some("L3T2_KEY")), (3, 2, true));
        assert_eq!(parsed(Some("S2T3")), (2, 3, false));
        assert_eq!(parsed(Some("L20T3")), (20, 3, false));
        assert_eq!(parsed(Some("L3T3_KEY_SHIFT")), (3, 3, true));
        assert_eq!(parsed(Some("L4T7_KEYx")), (4, 7, true));
        assert_eq!(parsed(Some("L200T3")), (1, 1, false));
        assert_eq!(parsed(Some("L0T3")), (1, 1, false));
        assert_eq!(parsed(Some("L1T0")), (1, 1, false));
        assert_eq!(parsed(Some("LT1")), (1, 1, false));
        assert_eq!(parsed(Some("xL3T3")), (1, 1, false));
        assert_eq!(parsed(Some("")), (1, 1, false));
        assert_eq!(parsed(Some("Lé")), (1, 1, false));
    }
}
