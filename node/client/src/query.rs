//! Queries of URLs. Never does: know their names.

/// What is given, as `?a=b&c=d`; nothing if nothing is.
pub(crate) fn query(pairs: &[(&str, Option<String>)]) -> String {
    let given = pairs.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let pairs: Vec<_> = given.map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

/// What RFC 3986 does not leave as it is, in percents.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let byte = |byte: u8| {
        if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_is_left_out_and_what_means_something_is_escaped() {
        let of = |a: Option<&str>, b: Option<&str>| {
            query(&[("region", a.map(String::from)), ("zone", b.map(String::from))])
        };
        assert_eq!(of(None, None), "");
        assert_eq!(of(Some("eu"), Some("a")), "?region=eu&zone=a");
        assert_eq!(of(Some("a&b=c"), None), "?region=a%26b%3Dc");
        assert_eq!(of(None, Some("é+")), "?zone=%C3%A9%2B");
    }
}
