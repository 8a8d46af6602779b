//! Every setting there is: its name, default and meaning, once. Flags, environment, file and
//! `docs/configuration.md` are made from this table. Never does: read a value.

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As in the file; the flag has dashes for underscores, the variable is `STARLING_` and
    /// capitals.
    pub name: &'static str,
    /// What a value looks like.
    pub value: &'static str,
    /// What holds where nothing is given, for people.
    pub default: &'static str,
    /// What it does, and why the default is what it is.
    pub help: &'static str,
    /// Whether it may stand on the command line, where every user of the machine can read it.
    pub flag: bool,
}

impl Key {
    /// The environment variable.
    pub fn env(&self) -> String {
        format!("STARLING_{}", self.name.to_ascii_uppercase())
    }

    /// The flag, without dashes in front.
    pub fn flag_name(&self) -> String {
        self.name.replace('_', "-")
    }
}

const fn key(
    name: &'static str,
    value: &'static str,
    default: &'static str,
    help: &'static str,
) -> Key {
    Key { name, value, default, help, flag: true }
}

const fn secret(name: &'static str, default: &'static str, help: &'static str) -> Key {
    Key { name, value: "TEXT", default, help, flag: false }
}

/// All of them, in the order of the documentation.
pub const KEYS: &[Key] = &[
    key(
        "id",
        "NAME",
        "the host's name",
        "The node's id: unique in the cluster, and the name in its link certificate.",
    ),
    key(
        "region",
        "NAME",
        "none",
        "Where the node is. Placement keeps a room's peers near each other, and streams cross a region boundary once.",
    ),
    key(
        "zone",
        "NAME",
        "none",
        "What of its region may fail as a whole: an availability zone, a rack. Placement prefers the client's zone, and that of the room's other nodes.",
    ),
    key(
        "max_peers",
        "NUMBER",
        "0",
        "Most peers the node accepts; 0 means no limit but the machine's.",
    ),
    key(
        "max_mbps",
        "NUMBER",
        "0",
        "What the node's network carries each way, in Mbit/s: placement counts how much of it is used. 0: not counted.",
    ),
    key(
        "drain_deadline",
        "DURATION",
        "150s",
        "How long a drain (SIGTERM, `nodes drain`) waits for peers to move before it cuts the rest. 150 s leaves 30 s of a Kubernetes grace period of 180 s.",
    ),
    key(
        "recordings_dir",
        "FOLDER",
        "none",
        "Where recordings (`POST /v1/recordings`) are written, by ffmpeg, which must be installed. Nothing is recorded without it.",
    ),
    key(
        "recordings_max_mb",
        "NUMBER",
        "10240",
        "What all recordings of the node may take, in millions of bytes: those under way fail beyond it, and none begins until some are deleted.",
    ),
    key(
        "recordings_max_time",
        "DURATION",
        "4h",
        "The longest recording, and how long one is if nobody says.",
    ),
    key(
        "listen",
        "ADDR,...",
        "0.0.0.0:4443",
        "Where page, signalling, WHIP, WHEP and probes are served to everyone.",
    ),
    key(
        "admin_listen",
        "ADDR or listen",
        "127.0.0.1:9400",
        "Where the REST API, its page and the metrics are served: by default to this machine alone. `listen`: on listen.",
    ),
    key(
        "api_url",
        "URL",
        "http(s)://<first announced address>:<port of listen>",
        "Where clients and other nodes reach listen. Behind a proxy or a per-node host name: that one.",
    ),
    key(
        "tls_cert",
        "FILE",
        "none",
        "PEM chain for listen. Browsers give camera and microphone only to https pages and localhost.",
    ),
    key("tls_key", "FILE", "none", "PEM key of tls_cert."),
    key(
        "cors_origins",
        "ORIGIN,...",
        "none",
        "Origins of pages that may call the REST API from a browser; * for all.",
    ),
    key(
        "ws_origins",
        "ORIGIN,...",
        "*",
        "Origins of pages that may open signalling (the WebSocket), beside listen's own. All may by default, because a room token is wanted and there are no cookies.",
    ),
    key(
        "trust_forwarded_for",
        "BOOL",
        "false",
        "Take a client's address from X-Forwarded-For. Only behind a proxy that sets it: anyone else could lie.",
    ),
    key(
        "sessions_per_second",
        "NUMBER",
        "20",
        "New signalling sessions per second and client address, with a burst of ten times as many; 0 means no limit. 20 lets an office of 200 behind one address come in within a second.",
    ),
    key(
        "joins_per_second",
        "NUMBER",
        "100 for each worker",
        "Clients that the node takes in per second, a second's worth at once; half of them only for those who come back after their node was lost. Others are told another node and when to come again. 0 means no limit. A join costs a core about 5 ms.",
    ),
    key("rtc_listen", "IP,...", "0.0.0.0", "Addresses on which media is received."),
    key(
        "rtc_port",
        "PORT",
        "7000",
        "Media port of the first worker; the next workers have the next ports.",
    ),
    key(
        "rtc_plain_ports",
        "FIRST-LAST",
        "ephemeral ones",
        "UDP ports of plain transports, in pairs of an even and an odd one where RTCP has its own: for firewalls.",
    ),
    key(
        "rtc_tcp",
        "BOOL",
        "true",
        "Take media over TCP, too, at the same port numbers (ICE-TCP): for clients whose network lets no UDP out.",
    ),
    key(
        "rtc_prefer",
        "udp or tcp",
        "none",
        "Which of them clients are told to prefer. Without it UDP, which they are told first.",
    ),
    key(
        "expose_internal_ip",
        "BOOL",
        "false",
        "Write the machine's own addresses into ICE candidates beside the announced ones: for clients on both sides of a NAT.",
    ),
    key(
        "announce",
        "HOST,...",
        "rtc_listen, or the address of the default route",
        "Addresses written into ICE candidates: those under which clients reach rtc_listen.",
    ),
    key(
        "announce_lookup",
        "BOOL",
        "false",
        "Look the names in announce up when the node starts, and write the addresses into candidates: for a load balancer whose address has only a name, and for clients that look nothing up. Waits up to 50 s for a name that is not known yet.",
    ),
    key(
        "ice_servers",
        "URL,...",
        "none",
        "STUN and TURN servers that clients are told of, as turn:turn.example.org?transport=udp: for clients whose network lets neither UDP nor TCP through to rtc_port. At most 8; each more slows clients down.",
    ),
    key("ice_username", "NAME", "none", "User name at the TURN servers, the same for all clients."),
    secret("ice_credential", "none", "Its password; every client is told it."),
    key("ice_credential_file", "FILE", "none", "File with ice_credential."),
    secret(
        "ice_secret",
        "none",
        "Instead of them: the secret that is shared with the TURN servers (coturn's static-auth-secret). Each client then gets a user name and password of its own that end.",
    ),
    key("ice_secret_file", "FILE", "none", "File with ice_secret."),
    key(
        "ice_ttl",
        "DURATION",
        "24h",
        "How long those are good for: longer than a call, because an allocation is refreshed with what it was made with.",
    ),
    key(
        "workers",
        "NUMBER",
        "one per core",
        "Media workers: each is one thread and one port. More than cores does not help.",
    ),
    key(
        "room_peers_per_core",
        "NUMBER",
        "32",
        "Peers of a room on one worker before the room takes another worker. Smaller rooms stay on one, unless it is busy.",
    ),
    key("link_listen", "ADDR", "0.0.0.0:7443", "Where other nodes reach this one (QUIC over UDP)."),
    key(
        "link_announce",
        "ADDR",
        "<first announced IP address>:<port of link_listen>",
        "The address other nodes are told.",
    ),
    key(
        "link_ca",
        "FILE",
        "none",
        "PEM certificate of the cluster's authority (`starling pki issue`). Needed with etcd.",
    ),
    key(
        "link_cert",
        "FILE",
        "none",
        "PEM certificate of this node, with its id as DNS name. Needed with etcd.",
    ),
    key("link_key", "FILE", "none", "PEM key of link_cert. Needed with etcd."),
    key(
        "link_protocol_max",
        "NUMBER",
        "the newest this release speaks",
        "Newest link protocol the node speaks. Nodes use the newest that both know, so releases mix by themselves; an older number here keeps a new release from what it would say to its like alone.",
    ),
    key(
        "etcd",
        "URL,...",
        "none",
        "etcd's endpoints. Without it the node is alone and keeps its rooms in memory.",
    ),
    key(
        "etcd_prefix",
        "TEXT",
        "starling/",
        "What the keys in etcd begin with, so that clusters can share it.",
    ),
    key("etcd_user", "NAME", "none", "User name at etcd."),
    secret("etcd_password", "none", "Its password."),
    key("etcd_password_file", "FILE", "none", "File with etcd_password."),
    key(
        "etcd_ca",
        "FILE",
        "none",
        "PEM certificate of the authority of etcd's own. Needed with https endpoints; the system's authorities are not asked.",
    ),
    key("etcd_cert", "FILE", "none", "PEM client certificate for etcd."),
    key("etcd_key", "FILE", "none", "PEM key of etcd_cert."),
    secret(
        "cluster_secret",
        "random without etcd",
        "At least 32 bytes, the same on all nodes: signs resume tickets and requests between nodes. Needed with etcd.",
    ),
    key("cluster_secret_file", "FILE", "none", "File with cluster_secret."),
    secret(
        "token_secret",
        "none: must be given",
        "At least 32 bytes, shared with whoever issues room tokens (JWT, HS256). May be left out if token_keys_file is given.",
    ),
    key("token_secret_file", "FILE", "none", "File with token_secret."),
    key(
        "token_keys_file",
        "FILE",
        "none",
        "More keys of room tokens, each with a name (`kid`) and one algorithm (HS256, ES256, RS256 or EdDSA), and the tokens that are revoked: a JSON Web Key Set (docs/tokens.md).",
    ),
    secret(
        "admin_token",
        "none: must be given",
        "At least 32 bytes: the bearer token of the REST API, for everything. May be left out if admin_tokens_file is given.",
    ),
    key("admin_token_file", "FILE", "none", "File with admin_token."),
    key(
        "admin_tokens_file",
        "FILE",
        "none",
        "More such tokens, by their hashes: each with a name, scopes and perhaps rooms (docs/tokens.md).",
    ),
    key(
        "webhook_key",
        "NAME",
        "starling",
        "What signatures of webhooks name as their issuer: LiveKit's receivers call it the API key.",
    ),
    secret(
        "webhook_secret",
        "none: there are no webhooks then",
        "At least 32 bytes, the same on all nodes, shared with receivers: signs what is sent to webhooks and to admission_url (JWT, HS256). Read again without a restart (docs/webhooks.md).",
    ),
    key("webhook_secret_file", "FILE", "none", "File with webhook_secret."),
    key(
        "webhook_private",
        "BOOL",
        "false",
        "Let webhooks be at addresses of the machine itself and of private networks, and there by http:// as well. Otherwise whoever may make a webhook could reach what only the nodes can.",
    ),
    key(
        "admission_url",
        "URL",
        "none",
        "Who is asked before a client joins, and may refuse or lower what its token grants (docs/webhooks.md). Needs webhook_secret.",
    ),
    key(
        "admission_timeout",
        "DURATION",
        "2s",
        "How long a client waits for its answer, 50 ms to 10 s.",
    ),
    key(
        "admission_failure",
        "open or closed",
        "closed",
        "Who comes in while it does not answer: everybody with a token, or nobody.",
    ),
    key("log", "FILTER", "info", "What is logged, as `warn` or `info,starling_actors=debug`."),
    key("log_format", "FORMAT", "text", "text or json."),
    key(
        "otlp_url",
        "URL",
        "none: nothing is traced",
        "Where traces of joins go: an OpenTelemetry collector that takes OTLP over HTTP in protobuf, as http://collector:4318. A URL without a path gets /v1/traces. Needs a program built with traces (docs/traces.md).",
    ),
    secret(
        "otlp_headers",
        "none",
        "What the collector wants to see, one header a line, as `Authorization: Bearer …`.",
    ),
    key("otlp_headers_file", "FILE", "none", "File with otlp_headers."),
    key(
        "otlp_sample",
        "RATIO",
        "1",
        "Which share of the joins is traced, 0 to 1. A client that brings a trace of its own decides itself.",
    ),
];

/// The key of that name.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The key that somebody who wrote `name` probably meant.
pub fn closest(name: &str) -> Option<&'static str> {
    let near = KEYS.iter().map(|key| (distance(name, key.name), key.name)).min()?;
    (near.0 <= 3).then_some(near.1)
}

/// Levenshtein's.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.bytes().enumerate() {
            let change = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// The table of `docs/configuration.md`.
pub fn markdown() -> String {
    let mut text =
        String::from("| key | value | default | what it does |\n| --- | --- | --- | --- |\n");
    for key in KEYS {
        let Key { name, value, default, help, .. } = key;
        let from = if key.flag { "" } else { " Not as a flag." };
        text +=
            &format!("| `{name}` | {value} | {default} | {help}{from} |\n").replace('<', "&lt;");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_key_is_guessed_and_nonsense_is_not() {
        assert_eq!(closest("rtc_prot"), Some("rtc_port"));
        assert_eq!(closest("adminlisten"), Some("admin_listen"));
        assert_eq!(closest("completely_other"), None);
    }

    #[test]
    fn the_documentation_has_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
        let page = std::fs::read_to_string(path).unwrap();
        if !page.contains(&markdown()) {
            panic!("docs/configuration.md is out of date; its table must be:\n\n{}", markdown());
        }
    }
}
