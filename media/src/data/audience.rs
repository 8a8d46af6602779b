//! Whether a consumer gets a message: mediasoup's subchannels (`DataConsumer.cpp`).

use std::collections::BTreeSet;

use starling_proto::message::Audience;

/// Whether a consumer that is in `subchannels` gets a message for `audience`.
pub fn hears(subchannels: &BTreeSet<u16>, audience: &Audience) -> bool {
    let is_in = |subchannel: &u16| subchannels.contains(subchannel);
    audience.required.as_ref().is_none_or(is_in)
        && !audience.ignored.as_ref().is_some_and(is_in)
        && (audience.subchannels.is_empty() || audience.subchannels.iter().any(is_in))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_for_nobody_in_particular_is_for_everybody() {
        assert!(hears(&BTreeSet::new(), &Audience::default()));
        assert!(hears(&BTreeSet::from([3]), &Audience::default()));
    }

    #[test]
    fn one_subchannel_in_common_is_enough_unless_one_is_required_or_ignored() {
        let mut audience = Audience { subchannels: vec![1, 2], required: None, ignored: None };
        assert!(hears(&BTreeSet::from([2, 9]), &audience));
        assert!(!hears(&BTreeSet::from([9]), &audience));
        assert!(!hears(&BTreeSet::new(), &audience));
        audience.required = Some(7);
        assert!(!hears(&BTreeSet::from([2]), &audience));
        assert!(hears(&BTreeSet::from([2, 7]), &audience));
        audience.ignored = Some(2);
        assert!(!hears(&BTreeSet::from([2, 7]), &audience));
        assert!(hears(&BTreeSet::from([1, 7]), &audience));
    }
}
