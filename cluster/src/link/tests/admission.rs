//! Who gets a link and who does not.

use bytes::BytesMut;
use quinn::{Connection, Endpoint};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use starling_proto::{
    link::{Hello, VERSION_MAX, VERSION_MIN},
    voice::Voices,
};

use super::*;

fn hello(node: &str, epoch: u64) -> Hello {
    let (version_min, version_max) = (VERSION_MIN, VERSION_MAX);
    Hello { node: id(node), epoch, version_min, version_max }
}

/// A connection to `to` made by hand.
async fn connect(tls: &LinkTls, to: &Node) -> Result<Connection, quinn::ConnectionError> {
    let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let config = transport::client(tls, Congestion::Steady);
    endpoint.connect_with(config, to.endpoint.local_addr(), &to.name).unwrap().await
}

/// What becomes of it after `bytes` on the control stream.
async fn fate(connection: &Connection, bytes: &[u8]) -> String {
    let talk = async {
        if let Ok((mut send, _recv)) = connection.open_bi().await {
            let _ = send.write_all(bytes).await;
            connection.closed().await.to_string()
        } else {
            connection.closed().await.to_string()
        }
    };
    timeout(PATIENCE, talk).await.expect("it is refused")
}

fn framed(hello: &Hello) -> BytesMut {
    let mut out = BytesMut::new();
    control::frame(hello, &mut out).unwrap();
    out
}

/// A node "b" that wants "a" (at an address where nobody is), and its CA.
fn lonely() -> (DevCa, Node) {
    let ca = ca();
    let b = Node::new(&ca, "b", 1);
    b.endpoint.set_targets(vec![target("a", 3, "127.0.0.1:9".parse().unwrap())]);
    (ca, b)
}

#[tokio::test]
async fn an_endpoint_needs_its_own_certificate() {
    let ca = ca();
    let tls = LinkTls::ephemeral(&ca, &id("b")).unwrap();
    let config = LinkConfig::new(id("a"), 1, "127.0.0.1:0".parse().unwrap(), tls);
    let refused = LinkEndpoint::bind(config).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "certificate is for [\"b\"], not for node a; issue one with DNS name a"
    );
}

#[test]
fn an_id_that_is_no_dns_name_has_no_certificate() {
    let refused = LinkTls::ephemeral(&ca(), &id("a~b")).unwrap_err();
    assert!(matches!(refused, TlsError::NotDns(_)), "{refused}");
}

#[test]
fn a_stored_ca_issues_certificates_that_the_first_one_knows() {
    let first = ca();
    let stored = DevCa::from_pem(&first.cert_pem(), &first.key_pem()).unwrap();
    let issued = issue(&stored, &id("a")).unwrap();
    LinkTls::from_pem(&first.cert_pem(), &issued.cert_pem, &issued.key_pem).unwrap();
    assert!(LinkTls::from_pem("", &issued.cert_pem, &issued.key_pem).is_err());
}

#[tokio::test]
async fn another_nodes_certificate_at_the_targets_address_is_refused() {
    let ca = ca();
    let (mut a, mut c) = (Node::new(&ca, "a", 1), Node::new(&ca, "c", 1));
    c.wants(&[&a]);
    a.endpoint.set_targets(vec![target("b", 1, c.endpoint.local_addr())]);
    let trouble = a.trouble("b").await;
    assert!(trouble.contains("not valid for name"), "{trouble}");
    a.no_event();
    c.no_event();
}

#[tokio::test]
async fn a_hello_that_is_not_the_certificates_is_refused() {
    let (ca, mut b) = lonely();
    let tls = LinkTls::ephemeral(&ca, &id("aa")).unwrap();
    let connection = connect(&tls, &b).await.unwrap();
    let fate = fate(&connection, &framed(&hello("a", 3))).await;
    assert!(fate.contains("certificate is not that of node a"), "{fate}");
    b.no_event();
}

#[tokio::test]
async fn a_certificate_of_another_ca_is_refused() {
    let (_, mut b) = lonely();
    let other = ca();
    let tls = LinkTls::ephemeral(&other, &id("a")).unwrap();
    let refused = connect(&tls, &b).await.unwrap_err().to_string();
    assert!(refused.contains("invalid peer certificate"), "{refused}");
    b.no_event();
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let (ca, mut b) = lonely();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.cert_pem().as_bytes()).unwrap()).unwrap();
    let mut client =
        rustls::ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
            .with_root_certificates(roots)
            .with_no_client_auth();
    client.alpn_protocols = vec![tls::ALPN.to_vec()];
    let client = quinn::crypto::rustls::QuicClientConfig::try_from(client).unwrap();
    let mut tls = LinkTls::ephemeral(&ca, &id("a")).unwrap();
    tls.client = Arc::new(client);
    let fate = match connect(&tls, &b).await {
        Ok(connection) => fate(&connection, &framed(&hello("a", 3))).await,
        Err(refused) => refused.to_string(),
    };
    assert!(fate.contains("sent no certificates"), "{fate}");
    b.no_event();
}

#[tokio::test]
async fn another_protocol_is_refused() {
    let (ca, mut b) = lonely();
    let issued = issue(&ca, &id("a")).unwrap();
    let parse = |pem: &str| vec![CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap();
    let (roots, chain) = (parse(&ca.cert_pem()), parse(&issued.cert_pem));
    let tls = LinkTls::new(roots, chain, key, b"h3").unwrap();
    let refused = connect(&tls, &b).await.unwrap_err().to_string();
    assert!(refused.contains("known protocol"), "{refused}");
    b.no_event();
}

#[tokio::test]
async fn versions_without_overlap_are_refused() {
    let ca = ca();
    let mut a = Node::from(LinkConfig { versions: (8, 9), ..config(&ca, "a", 1) });
    let mut b = Node::new(&ca, "b", 1);
    b.wants(&[&a]);
    a.wants(&[&b]);
    let trouble = a.trouble("b").await;
    let ours = (VERSION_MIN, VERSION_MAX);
    let why = format!("(8, 9) and {ours:?} have no version in common");
    assert!(trouble.contains(&why), "{trouble}");
    a.no_event();
    b.no_event();
}

#[tokio::test]
async fn overlapping_versions_link() {
    let ca = ca();
    // As releases to come will speak them: the link has the newest version that both know.
    let mut a = Node::from(LinkConfig { versions: (1, 1), ..config(&ca, "a", 1) });
    let mut b = Node::from(LinkConfig { versions: (1, 2), ..config(&ca, "b", 1) });
    b.wants(&[&a]);
    a.wants(&[&b]);
    let (to_b, to_a) = (a.up().await, b.up().await);
    assert_eq!((to_b.node(), to_a.node()), (&id("b"), &id("a")));
    // An older release does not get what it cannot read, and keeps its link.
    let voices = LinkMessage::Voices { room: "r".parse().unwrap(), voices: Voices::default() };
    assert!(to_a.send(voices) && to_a.send(LinkMessage::Draining(id("b"))));
    assert_eq!(a.message().await, LinkMessage::Draining(id("b")));
}

#[tokio::test]
async fn a_release_and_the_one_before_it_speak_the_older_ones_protocol() {
    let ca = ca();
    for (one, other) in [(VERSION_MIN, VERSION_MAX), (VERSION_MAX, VERSION_MIN)] {
        let until = |newest| (VERSION_MIN, newest);
        let mut a = Node::from(LinkConfig { versions: until(one), ..config(&ca, "a", 1) });
        let mut b = Node::from(LinkConfig { versions: until(other), ..config(&ca, "b", 1) });
        b.wants(&[&a]);
        a.wants(&[&b]);
        assert_eq!((a.up().await.version(), b.up().await.version()), (VERSION_MIN, VERSION_MIN));
    }
}

#[tokio::test]
async fn a_life_that_is_over_is_refused() {
    let (ca, mut b) = lonely();
    let tls = LinkTls::ephemeral(&ca, &id("a")).unwrap();
    let connection = connect(&tls, &b).await.unwrap();
    let fate = fate(&connection, &framed(&hello("a", 2))).await;
    assert!(fate.contains("epoch 2 is over, 3 is known"), "{fate}");
    b.no_event();
}

#[tokio::test]
async fn a_life_newer_than_the_registrys_view_is_welcome() {
    let ca = ca();
    let (mut a, mut b) = (Node::new(&ca, "a", 9), Node::new(&ca, "b", 9));
    b.endpoint.set_targets(vec![Target { epoch: 8, ..a.target() }]);
    a.endpoint.set_targets(vec![Target { epoch: 8, ..b.target() }]);
    assert_eq!((a.up().await.epoch(), b.up().await.epoch()), (9, 9));
}

#[tokio::test]
async fn a_node_nobody_listed_is_refused() {
    let (ca, mut b) = lonely();
    let tls = LinkTls::ephemeral(&ca, &id("0")).err();
    assert!(tls.is_some(), "digits alone are an address to TLS");
    let tls = LinkTls::ephemeral(&ca, &id("a0")).unwrap();
    let connection = connect(&tls, &b).await.unwrap();
    let fate = fate(&connection, &framed(&hello("a0", 3))).await;
    assert!(fate.contains("not wanted"), "{fate}");
    b.no_event();
}

#[tokio::test]
async fn a_hello_above_its_limit_is_refused() {
    let (ca, mut b) = lonely();
    let tls = LinkTls::ephemeral(&ca, &id("a")).unwrap();
    let connection = connect(&tls, &b).await.unwrap();
    let fate = fate(&connection, &u32::MAX.to_be_bytes()).await;
    assert!(fate.contains("above the limit of 1024"), "{fate}");
    b.no_event();
}

#[tokio::test]
async fn a_message_that_is_none_closes_the_link_with_a_reason() {
    let (ca, mut b) = lonely();
    let tls = LinkTls::ephemeral(&ca, &id("a")).unwrap();
    let connection = connect(&tls, &b).await.unwrap();
    let mut bytes = framed(&hello("a", 3));
    bytes.extend_from_slice(&[0, 0, 0, 2, 0xff, 0xff]);
    let fate = fate(&connection, &bytes).await;
    assert!(fate.contains("control message cannot be decoded"), "{fate}");
    b.up().await;
    let (node, epoch, reason) = b.down().await;
    assert_eq!((node, epoch), (id("a"), 3));
    assert!(reason.contains("control message cannot be decoded"), "{reason}");
}

#[tokio::test]
async fn a_new_certificate_is_used_from_the_next_link_on_and_links_that_are_up_stay() {
    let (old, new) = (ca(), ca());
    let (mut a, mut b) = (Node::new(&old, "a", 1), Node::new(&old, "b", 1));
    let (a_is, b_is) = (a.target(), b.target());
    let meet = |a: &Node, b: &Node| {
        a.endpoint.set_targets(vec![b_is.clone()]);
        b.endpoint.set_targets(vec![a_is.clone()]);
    };
    meet(&a, &b);
    let (to_b, _) = (a.up().await, b.up().await);
    let of = |ca: &DevCa, node: &str| LinkTls::ephemeral(ca, &id(node)).unwrap();
    assert!(a.endpoint.set_tls(of(&new, "c")).is_err(), "it is another node's");
    a.endpoint.set_tls(of(&new, "a")).unwrap();
    to_b.send(room("r"));
    assert_eq!(b.message().await, room("r"), "the link is as it was");
    // One of them alone has the new authority: no other link comes about.
    a.endpoint.set_targets(Vec::new());
    b.endpoint.set_targets(Vec::new());
    let _ = (a.down().await, b.down().await);
    meet(&a, &b);
    assert!(timeout(Duration::from_millis(800), a.events.recv()).await.is_err());
    b.endpoint.set_tls(of(&new, "b")).unwrap();
    let _ = (a.up().await, b.up().await);
}
