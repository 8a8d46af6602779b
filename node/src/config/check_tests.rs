//! Tests of `check`.

use super::*;
use crate::{
    auth::AdminTokens,
    config::{Flags, Hooks, IceAccess},
};

const SECRET: &str = "pQ3v9sZk1LmX7tRb2NcY8wHd4JfG6aUe";

fn host() -> Host {
    Host {
        name: "host-1".into(),
        cores: 4,
        address: Some([192, 0, 2, 7].into()),
        random_secret: "R4nd0mR4nd0mR4nd0mR4nd0mR4nd0mR4nd0m".into(),
    }
}

fn checked(file: &str) -> Result<Config, Vec<String>> {
    let mut mistakes = Vec::new();
    let raw = Raw::merge(&Flags::default(), |_| None, Some(("s.toml", file)), &mut mistakes);
    assert_eq!(mistakes, []);
    let read = |path: &str| match path {
        "/secret" => Ok(format!("{SECRET}\n")),
        _ => Err(std::io::ErrorKind::NotFound.into()),
    };
    check(&raw, &host(), read).map_err(|told| told.iter().map(ToString::to_string).collect())
}

fn with_secrets(file: &str) -> Result<Config, Vec<String>> {
    checked(&format!("token_secret = '{SECRET}'\nadmin_token_file = '/secret'\n{file}"))
}

#[test]
fn two_secrets_are_all_a_single_node_needs() {
    let config = with_secrets("").unwrap();
    assert_eq!(config.id.as_str(), "host-1");
    assert_eq!(config.admin_tokens, AdminTokens::of_secret(&Secret::new(SECRET)));
    assert_eq!(config.registry, Registry::Memory);
    assert_eq!(config.rtc.announced, ["192.0.2.7"]);
    assert_eq!(config.rtc.workers, 4);
    assert_eq!(config.link.announced, Some(([192, 0, 2, 7], 7443).into()));
    assert_eq!(config.http.api_url, "http://192.0.2.7:4443");
    assert_eq!(config.http.admin_listen, Some(([127, 0, 0, 1], 9400).into()));
    assert_eq!(config.files, [PathBuf::from("/secret")]);
    assert_eq!(config.cluster_secret.expose(), host().random_secret);
}

#[test]
fn the_rest_api_is_on_loopback_elsewhere_or_on_listen() {
    let at = |file: &str| with_secrets(file).map(|config| config.http.admin_listen);
    assert_eq!(at("admin_listen = '10.0.0.5:1'"), Ok(Some(([10, 0, 0, 5], 1).into())));
    assert_eq!(at("admin_listen = 'listen'"), Ok(None));
    assert!(at("admin_listen = 'there'").unwrap_err()[0].contains("or `listen`"));
    assert!(at("listen = '127.0.0.1:9400'").unwrap_err()[0].contains("same as listen"));
}

#[test]
fn files_of_keys_and_tokens_stand_in_for_the_single_ones() {
    let read = |path: &str| match path {
        "/keys" => Ok(format!(r#"{{"keys": [{{"kty": "oct", "kid": "a", "k": "{KEY}"}}]}}"#)),
        "/tokens" => {
            let hash = crate::auth::sha256_hex("t");
            Ok(format!("[[token]]\nname = 'n'\nsha256 = '{hash}'\nscopes = ['read']"))
        }
        "/broken" => Ok("{".to_owned()),
        _ => Err(std::io::ErrorKind::NotFound.into()),
    };
    let check = |file: &str| {
        let raw = Raw::merge(&Flags::default(), |_| None, Some(("s", file)), &mut Vec::new());
        check(&raw, &host(), read).map_err(|told| told[0].to_string())
    };
    let config = check("token_keys_file = '/keys'\nadmin_tokens_file = '/tokens'").unwrap();
    assert_eq!((config.token_keys.len(), config.admin_tokens.len()), (1, 1));
    assert_eq!(config.files, ["/keys", "/tokens"].map(PathBuf::from));
    for (file, told) in [("/broken", "line 1"), ("/nowhere", "cannot be read")] {
        let given = format!("token_keys_file = '{file}'\nadmin_tokens_file = '/tokens'");
        assert!(check(&given).unwrap_err().contains(told));
    }
}

/// 32 bytes.
const KEY: &str = "cFEzdjlzWmsxTG1YN3RSYjJOY1k4d0hkNEpmRzZhVWU";

#[test]
fn plain_transports_get_ephemeral_ports_or_a_range() {
    let range = |file: &str| with_secrets(file).map(|config| config.rtc.plain_ports);
    assert_eq!(range(""), Ok(None));
    assert_eq!(range("rtc_plain_ports = '40000-40999'"), Ok(Some(40_000..=40_999)));
    for wrong in ["40000", "0-9", "9-8", "1-65536", "a-b"] {
        let told = range(&format!("rtc_plain_ports = '{wrong}'")).unwrap_err();
        assert!(told[0].starts_with("rtc_plain_ports ("), "{told:?}");
    }
}

#[test]
fn missing_and_weak_secrets_are_refused_together() {
    let told = checked("token_secret = 'short'").unwrap_err();
    assert_eq!(
        told,
        [
            "token_secret (s.toml): it has 5 bytes and needs 32; make one with `openssl rand \
             -base64 32`",
            "admin_token (not given): the REST API needs a token; set STARLING_ADMIN_TOKEN or \
             admin_token_file; make one with `openssl rand -base64 32`",
        ]
    );
}

#[test]
fn a_cluster_needs_certificates_and_a_shared_secret() {
    let told = with_secrets("etcd = ['http://etcd:2379']").unwrap_err();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("link_ca (not given): links between nodes need certificates"));
    assert!(told[1].starts_with("cluster_secret (not given): nodes share a secret"));
    let file = format!(
        "etcd = ['http://etcd:2379']\ncluster_secret = '{SECRET}'\n\
         link_ca = 'a'\nlink_cert = 'b'\nlink_key = 'c'"
    );
    assert!(matches!(with_secrets(&file).unwrap().registry, Registry::Etcd(_)));
}

#[test]
fn every_mistake_is_told_with_its_key() {
    let told = with_secrets(
        "id = 'a/b'\nlisten = 'here'\nrtc_port = 70000\nworkers = 0\ndrain_deadline = '5'\n\
         link_cert = 'x'\ntls_key = 'y'\nlog_format = 'xml'\nannounce = 'a b'\n\
         cors_origins = 'example.org'\napi_url = 'ftp://x'\nregion = 'e u'",
    )
    .unwrap_err();
    for key in [
        "id",
        "listen",
        "rtc_port",
        "workers",
        "drain_deadline",
        "link_ca",
        "link_key",
        "tls_cert",
        "log_format",
        "announce",
        "cors_origins",
        "api_url",
        "region",
    ] {
        assert!(told.iter().any(|line| line.starts_with(&format!("{key} ("))), "{key}: {told:?}");
    }
}

#[test]
fn a_link_protocol_is_one_that_this_release_speaks() {
    use starling_proto::link::{VERSION_MAX, VERSION_MIN};
    assert_eq!(with_secrets("").unwrap().link.protocol_max, VERSION_MAX);
    let of = |version: u16| with_secrets(&format!("link_protocol_max = {version}"));
    assert_eq!(of(VERSION_MIN).unwrap().link.protocol_max, VERSION_MIN);
    assert!(of(VERSION_MIN - 1).is_err() && of(VERSION_MAX + 1).is_err());
}

#[test]
fn the_last_worker_needs_a_port_too() {
    assert!(with_secrets("rtc_port = 65532").is_ok());
    assert!(with_secrets("rtc_port = 65533").is_err());
}

#[test]
fn an_unreadable_secret_file_is_one_mistake() {
    let file = format!("token_secret = '{SECRET}'\nadmin_token_file = '/nowhere'");
    let told = checked(&file).unwrap_err();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("admin_token_file (s.toml): /nowhere cannot be read"));
}

#[test]
fn ipv6_addresses_stand_in_brackets_in_urls() {
    let config = with_secrets("announce = '2001:db8::1'").unwrap();
    assert_eq!(config.http.api_url, "http://[2001:db8::1]:4443");
    assert_eq!(config.link.announced, Some("[2001:db8::1]:7443".parse().unwrap()));
}

#[test]
fn turn_servers_need_one_way_to_let_clients_in() {
    let turn = "ice_servers = ['stun:s.example', 'turn:t.example?transport=udp']\n";
    let told = |more: &str| {
        let told = with_secrets(&format!("{turn}{more}"));
        told.map(|config| config.ice.access).map_err(|told| told.join("\n"))
    };
    let shared = format!("ice_secret = '{SECRET}'\nice_ttl = '1h'");
    let (secret, ttl) = (Secret::new(SECRET), Duration::from_secs(3600));
    assert_eq!(told(&shared), Ok(IceAccess::Shared { secret, ttl }));
    let fixed = "ice_username = 'u'\nice_credential = 'p'";
    let (username, credential) = ("u".to_owned(), Secret::new("p"));
    assert_eq!(told(fixed), Ok(IceAccess::Fixed { username, credential }));
    let wrong = |more: &str, key: &str| {
        let told = told(more).unwrap_err();
        assert!(told.starts_with(&format!("{key} (")), "{more}: {told}");
    };
    wrong("", "ice_servers");
    wrong("ice_username = 'u'", "ice_credential");
    wrong(&format!("{shared}\n{fixed}"), "ice_secret");
    wrong("ice_username = 'u'\nice_credential = 'a\"b'", "ice_credential");
    wrong(&format!("ice_secret = '{SECRET}'\nice_ttl = '10s'"), "ice_ttl");
    wrong(&format!("ice_secret = '{SECRET}'\nice_ttl = 'soon'"), "ice_ttl");
    wrong("ice_secret = 'short'", "ice_secret");
    assert!(with_secrets(fixed).unwrap_err()[0].starts_with("ice_servers ("));
    assert!(with_secrets("ice_servers = ['stun:s.example']").is_ok());
    let nine = ["'stun:s.example'"; 9].join(",");
    let told = with_secrets(&format!("ice_servers = [{nine}]")).unwrap_err();
    assert!(told[0].contains("at most 8"), "{told:?}");
}

#[test]
fn webhooks_and_the_admission_hook_are_signed_and_bounded() {
    assert_eq!(with_secrets("").unwrap().hooks, Hooks::signed_with(None));
    let hooks = |file: &str| with_secrets(file).map(|config| config.hooks);
    let signed = "webhook_secret_file = '/secret'\n";
    assert_eq!(hooks(signed).unwrap(), Hooks::signed_with(Some(Secret::new(SECRET))));
    let asked = hooks(&format!(
        "{signed}admission_url = 'http://backend:8080/ask'\nadmission_timeout = '500ms'\n\
         admission_failure = 'open'\nwebhook_key = 'k2'\nwebhook_private = true"
    ));
    let asked = asked.unwrap();
    assert_eq!((asked.key.as_str(), asked.private), ("k2", true));
    let admission = asked.admission.unwrap();
    assert_eq!(admission.url, "http://backend:8080/ask");
    assert_eq!((admission.timeout, admission.open), (Duration::from_millis(500), true));
    for (file, told) in [
        ("admission_url = 'https://example.org'", "webhook_secret"),
        ("webhook_secret = 'short'", "webhook_secret"),
        ("webhook_secret_file = '/secret'\nadmission_url = 'example.org'", "admission_url"),
        ("admission_timeout = '11s'", "50 ms to 10 s"),
        ("admission_timeout = '49ms'", "50 ms to 10 s"),
        ("admission_failure = 'maybe'", "open or closed"),
        ("webhook_key = ''", "webhook_key"),
    ] {
        let told_all = hooks(file).unwrap_err();
        assert!(told_all.len() == 1 && told_all[0].contains(told), "{file}: {told_all:?}");
    }
}
