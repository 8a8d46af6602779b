//! Where events may be sent. Whoever may make a webhook has the nodes connect to what it names: not
//! to what only the nodes can reach, unless an operator of the nodes allows it. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::http::Uri;
use starling_client::http::Reach;
use starling_proto::{Code, Refusal};

/// Longest URL in bytes, as most servers take them.
const MAX_URL: usize = 2_048;

/// What kind of place an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Of the Internet.
    Public,
    /// Of the machine itself, or of a private network.
    Private,
    /// Nobody's server: many, none, or what clouds tell a machine about itself, keys included.
    Never,
}

/// Where clouds tell machines about themselves over IPv6 (AWS, Google), amid private addresses.
/// Over IPv4 it is 169.254.169.254, which is link-local.
const METADATA: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// Whom webhooks may reach: encrypted on the Internet, and where `private` addresses are allowed,
/// there in any way.
pub(super) fn reach(private: bool) -> Reach {
    if private {
        |ip, tls| match place(ip) {
            Place::Public => tls,
            Place::Private => true,
            Place::Never => false,
        }
    } else {
        |ip, tls| tls && place(ip) == Place::Public
    }
}

/// Whether a URL may be told. What its name resolves to is looked at when it is.
///
/// # Errors
/// `bad_request`, with what to write instead.
pub(super) fn check(url: &str, private: bool) -> Result<(), Refusal> {
    let uri = check_form(url)?;
    let tls = uri.scheme_str() == Some("https");
    let literal = uri.host().and_then(|host| host.trim_matches(['[', ']']).parse().ok());
    let allowed = literal.map_or(tls || private, |ip| reach(private)(ip, tls));
    if allowed {
        return Ok(());
    }
    let (message, hint) = match literal.map(place) {
        Some(Place::Never) => ("the url is at no server's address", "name the receiver's host"),
        Some(Place::Private) => (
            "the url is at a private address",
            "give a public one, or set webhook_private on every node",
        ),
        _ if private => ("the url is not encrypted", "use https for what is not in your network"),
        _ => ("the url is not encrypted", "use https, or set webhook_private on every node"),
    };
    Err(Refusal::new(Code::BadRequest, message).hint(hint))
}

/// Whether it is a URL that can be posted to; which one.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_form(url: &str) -> Result<Uri, Refusal> {
    let refuse =
        |message: &str, hint: &str| Err(Refusal::new(Code::BadRequest, message).hint(hint));
    if url.len() > MAX_URL {
        return refuse("the url is too long", "2,048 bytes are taken");
    }
    let write = "write it as https://host/path";
    let Ok(uri) = url.parse::<Uri>() else { return refuse("the url cannot be read", write) };
    if !matches!(uri.scheme_str(), Some("https" | "http")) {
        return refuse("the url is neither https nor http", write);
    }
    if uri.host().is_none_or(str::is_empty) {
        return refuse("the url names no host", write);
    }
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if authority.contains('@') || url.contains('#') {
        return refuse(
            "the url has a user or a fragment in it",
            "requests are signed; what else the receiver needs goes into path or query",
        );
    }
    Ok(uri)
}

/// By the registries of special addresses (RFC 6890).
fn place(ip: IpAddr) -> Place {
    match ip {
        IpAddr::V4(ip) => place_v4(ip),
        IpAddr::V6(ip) => place_v6(ip),
    }
}

fn place_v4(ip: Ipv4Addr) -> Place {
    let [a, b, c, _] = ip.octets();
    // RFC 6598: shared by a provider's customers, and what some clouds give their containers.
    let shared = a == 100 && (64..128).contains(&b);
    if ip.is_loopback() || ip.is_private() || shared {
        return Place::Private;
    }
    let nobodys = a == 0
        || a >= 224
        || ip.is_link_local()
        || ip.is_documentation()
        || [a, b, c] == [192, 0, 0]
        || a == 198 && (18..20).contains(&b);
    if nobodys { Place::Never } else { Place::Public }
}

fn place_v6(ip: Ipv6Addr) -> Place {
    // RFC 4291 §2.5.5.2; RFC 6052 §2.1, by which a translator would reach it.
    let mapped = ip.to_ipv4_mapped().or_else(|| match ip.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
        }
        _ => None,
    });
    if let Some(ip) = mapped {
        return place_v4(ip);
    }
    if METADATA.contains(&ip) {
        return Place::Never;
    }
    if ip.is_loopback() || ip.is_unique_local() {
        return Place::Private;
    }
    // RFC 4291 §2.4: all of the Internet is in 2000::/3; of that, 2001:db8::/32 is for books, and
    // 2002::/16 is IPv4 addresses in disguise (RFC 3056).
    let [first, second, ..] = ip.segments();
    let internet =
        first & 0xe000 == 0x2000 && first != 0x2002 && [first, second] != [0x2001, 0xdb8];
    if internet { Place::Public } else { Place::Never }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_of_the_internet_private_or_nobodys() {
        let of = |texts: &str| -> Vec<_> {
            texts.split(' ').map(|text| place(text.parse().unwrap())).collect()
        };
        let public = "1.1.1.1 100.63.0.1 172.32.0.1 198.51.99.1 2606:4700::1111 64:ff9b::101:101 ::ffff:1.1.1.1";
        let private = "127.0.0.1 10.1.2.3 172.16.0.1 192.168.1.1 100.64.0.1 ::1 fd12::1 ::ffff:10.0.0.1 64:ff9b::a00:1";
        let never = "0.0.0.0 169.254.169.254 192.0.0.1 192.0.2.1 198.18.0.1 224.0.0.1 255.255.255.255 :: fe80::1 ff02::1 2001:db8::1 2002:7f00:1::1 fd00:ec2::254 ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe";
        for (texts, expected) in
            [(public, Place::Public), (private, Place::Private), (never, Place::Never)]
        {
            for (text, place) in texts.split(' ').zip(of(texts)) {
                assert_eq!(place, expected, "{text}");
            }
        }
    }

    #[test]
    fn the_internet_is_reached_encrypted_and_private_addresses_where_it_is_allowed() {
        let [public, private, never]: [IpAddr; 3] =
            ["1.1.1.1", "10.0.0.1", "169.254.169.254"].map(|text| text.parse().unwrap());
        for (allowed, ip, tls, expected) in [
            (false, public, true, true),
            (false, public, false, false),
            (false, private, true, false),
            (true, public, true, true),
            (true, public, false, false),
            (true, private, true, true),
            (true, private, false, true),
            (true, never, true, false),
        ] {
            assert_eq!(reach(allowed)(ip, tls), expected, "{allowed} {ip} {tls}");
        }
    }

    #[test]
    fn urls_are_https_or_of_a_private_network_that_is_allowed() {
        for url in ["https://example.org", "https://example.org:8443/hook?a=b", "https://1.1.1.1/x"]
        {
            assert_eq!((check(url, false), check(url, true)), (Ok(()), Ok(())), "{url}");
        }
        for url in ["http://receiver:9000/hook", "http://127.0.0.1/", "https://[fd12::1]/x"] {
            assert!(check(url, false).unwrap_err().hint.contains("webhook_private"), "{url}");
            assert_eq!(check(url, true), Ok(()), "{url}");
        }
        for url in [
            "",
            "/hook",
            "example.org",
            "ftp://example.org",
            "file:///etc/passwd",
            "https://",
            "https:///hook",
            "https://user:word@example.org",
            "https://example.org/#there",
            "https://exa mple.org",
            "http://1.1.1.1/",
            "https://169.254.169.254/latest/meta-data",
            "https://[::ffff:169.254.169.254]/",
            &format!("https://example.org/{}", "x".repeat(MAX_URL)),
        ] {
            let refusal = check(url, true).unwrap_err();
            assert!(!refusal.hint.is_empty(), "{url}: {refusal:?}");
        }
    }
}
