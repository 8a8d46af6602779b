//! Who has left leaves nothing behind: no session, room, flow or record.

pub(super) fn check(owned: &[String]) -> Option<String> {
    (!owned.is_empty()).then(|| owned.join(", "))
}
