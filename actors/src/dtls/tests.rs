//! Sessions against each other, a bare client and an attacker.

use std::{sync::Arc, time::Duration};

use dtls::{cipher_suite::CipherSuiteId, conn::DTLSConn};
use rand::{SeedableRng, rngs::SmallRng};
use starling_media::command::SrtpKeys;
use starling_proto::transport::SrtpProfile;
use tokio::{sync::mpsc, time::timeout};

use super::{
    loss::{CHROMIUM, Loss, chromium, client, handshakes, session},
    *,
};

const SOON: Duration = Duration::from_secs(5);

fn nothing_lost() -> Loss {
    Loss::new(0.0, SmallRng::seed_from_u64(0))
}

struct Pair {
    server: Arc<DtlsHandle>,
    client: DTLSConn,
    events: mpsc::UnboundedReceiver<DtlsEvent>,
    keys: SrtpKeys,
}

/// A server session with a client like Chromium; what the server sends goes through `carry`.
async fn pair(carry: impl Fn(&[u8]) -> bool + Send + 'static) -> Pair {
    let (ours, theirs) = (Certificate::generate(), Certificate::generate());
    let (server, mut events, mut sent) = session(Role::Server, &ours, &theirs, nothing_lost());
    let (wire, arrived) = mpsc::channel(64);
    tokio::spawn(async move {
        while let Some(datagram) = sent.recv().await {
            if carry(&datagram) {
                let _ = wire.send(datagram).await;
            }
        }
    });
    let connecting = chromium(&theirs, arrived, &CHROMIUM, server.clone(), nothing_lost());
    let client = timeout(SOON, connecting).await.unwrap().unwrap();
    let Some(DtlsEvent::Connected(keys)) = events.recv().await else { panic!("not connected") };
    Pair { server, client, events, keys }
}

fn record(content_type: u8, epoch: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let mut record = vec![content_type, 0xfe, 0xfd];
    record.extend(epoch.to_be_bytes());
    record.extend([0, 0]);
    record.extend(sequence.to_be_bytes());
    record.extend((body.len() as u16).to_be_bytes());
    record.extend(body);
    record
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_handshake_survives_a_fifth_of_loss_as_server() {
    let report = handshakes(Role::Server, 200, 0.2, 1).await;
    eprintln!("{report}");
    assert!(report.failed.is_empty(), "{report}: {:?}", report.failed);
    assert_eq!(report.times.len(), 200);
    assert!(report.repeated > 0, "{report}: the loss is too small to test anything");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_handshake_survives_a_fifth_of_loss_as_client() {
    let report = handshakes(Role::Client, 200, 0.2, 1_000).await;
    eprintln!("{report}");
    assert!(report.failed.is_empty(), "{report}: {:?}", report.failed);
    assert_eq!(report.times.len(), 200);
}

#[tokio::test]
async fn a_lost_last_flight_is_sent_again() {
    let lost = std::sync::atomic::AtomicBool::new(false);
    let carry = move |datagram: &[u8]| {
        datagram[0] != 20 || lost.swap(true, std::sync::atomic::Ordering::Relaxed)
    };
    let pair = pair(carry).await;
    assert!(pair.server.counters().repeated >= 1);
}

#[tokio::test]
async fn gcm_is_picked_wherever_it_is_offered() {
    let ours = [2, 1, 8, 7].map(dtls::extension::extension_use_srtp::SrtpProtectionProfile::from);
    for (offered, picked) in [
        (&ours[..], SrtpProfile::AeadAes128Gcm),
        (&ours[..3], SrtpProfile::AeadAes256Gcm),
        (&ours[..2], SrtpProfile::AesCm128HmacSha1_80),
        (&ours[..1], SrtpProfile::AesCm128HmacSha1_32),
    ] {
        let (ours, theirs) = (Certificate::generate(), Certificate::generate());
        let (server, mut events, wire) = session(Role::Server, &ours, &theirs, nothing_lost());
        let client = chromium(&theirs, wire, offered, server.clone(), nothing_lost());
        let _client = timeout(SOON, client).await.unwrap().unwrap();
        let Some(DtlsEvent::Connected(keys)) = events.recv().await else { panic!() };
        assert_eq!(keys.profile, picked);
    }
}

#[tokio::test]
async fn a_client_without_srtp_is_refused() {
    let (ours, theirs) = (Certificate::generate(), Certificate::generate());
    let (server, mut events, wire) = session(Role::Server, &ours, &theirs, nothing_lost());
    let client = chromium(&theirs, wire, &[], server.clone(), nothing_lost());
    let client = timeout(SOON, client).await.unwrap().unwrap();
    assert!(matches!(events.recv().await, Some(DtlsEvent::Failed(_, why)) if why.contains("SRTP")));
    let told = timeout(SOON, client.read(&mut [0; 16], None)).await.unwrap();
    assert_eq!(told, Err(dtls::Error::ErrAlertFatalOrClose));
}

/// One handshake with a client that offers these suites alone; whether both sides have keys.
async fn shakes_hands(suites: &[CipherSuiteId]) -> bool {
    let (ours, theirs) = (Certificate::generate(), Certificate::generate());
    let (server, mut events, wire) = session(Role::Server, &ours, &theirs, nothing_lost());
    let client = client(&theirs, wire, &CHROMIUM, suites, server.clone(), nothing_lost());
    let client = timeout(SOON, client).await.unwrap();
    let connected = matches!(events.recv().await, Some(DtlsEvent::Connected(_)));
    assert_eq!(client.is_ok(), connected);
    connected
}

#[tokio::test]
async fn a_client_without_authenticated_encryption_is_refused() {
    use CipherSuiteId as Suite;
    for good in [
        Suite::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256,
        Suite::Tls_Ecdhe_Ecdsa_With_ChaCha20_Poly1305_Sha256,
    ] {
        assert!(shakes_hands(&[good]).await, "{good}");
    }
    assert!(!shakes_hands(&[Suite::Tls_Ecdhe_Ecdsa_With_Aes_256_Cbc_Sha]).await);
}

#[tokio::test]
async fn a_hello_that_wants_no_encryption_gets_no_session() {
    let (ours, theirs) = (Certificate::generate(), Certificate::generate());
    let (server, mut events, mut wire) = session(Role::Server, &ours, &theirs, nothing_lost());
    // TLS_RSA_WITH_NULL_MD5, as in CVE-2023-49786, with the cookie when it is asked for.
    let hello = |cookie: &[u8]| {
        let body = [&[0xfe, 0xfd][..], &[7; 32], &[0, cookie.len() as u8], cookie].concat();
        let body = [&body[..], &[0, 2, 0, 1, 1, 0]].concat();
        let len = [0, (body.len() >> 8) as u8, body.len() as u8];
        let sequence = [0, u8::from(!cookie.is_empty())];
        [&[1][..], &len, &sequence, &[0; 3], &len, &body].concat()
    };
    assert!(server.input(record(22, 0, 0, &hello(&[]))));
    let mut heard = Vec::new();
    while let Ok(Some(answer)) = timeout(Duration::from_millis(400), wire.recv()).await {
        heard.push((answer[0], answer[13]));
        if heard.last() == Some(&(22, 3)) && heard.len() == 1 {
            let cookie = answer[13 + 12 + 3..].to_vec();
            assert!(server.input(record(22, 0, 1, &hello(&cookie))));
        }
    }
    assert!(!heard.contains(&(22, 2)), "a ServerHello: {heard:?}");
    let event = timeout(Duration::from_millis(100), events.recv()).await;
    assert!(!matches!(event, Ok(Some(DtlsEvent::Connected(_)))), "{event:?}");
}

#[tokio::test]
async fn nothing_in_the_clear_changes_an_established_session() {
    let mut pair = pair(|_| true).await;
    let before = pair.server.counters();
    let close_notify = record(21, 0, 100, &[1, 0]);
    let fatal = record(21, 0, 101, &[2, 40]);
    let next_epoch = record(23, 2, 0, &[0; 64]);
    let mut fragment = vec![11, 0, 4, 0, 0, 9, 0, 0, 0, 0, 1, 0];
    fragment.extend([0; 256]);
    let server = &pair.server;
    timeout(SOON, async {
        let mut given = 0;
        for n in 0..400 {
            let forged = record(22, 0, 200 + n, &fragment);
            for datagram in [&close_notify, &fatal, &next_epoch, &forged] {
                while !server.input(datagram.clone()) {
                    tokio::task::yield_now().await;
                }
                given += 1;
            }
        }
        while server.counters().withheld < before.withheld + given {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the guard withholds all of them");
    assert!(pair.events.try_recv().is_err(), "the session did not notice");
    pair.client.close().await.unwrap();
    assert_eq!(timeout(SOON, pair.events.recv()).await.unwrap(), Some(DtlsEvent::Closed));
}

#[tokio::test]
async fn keys_of_both_sides_agree() {
    use webrtc_util::KeyingMaterialExporter;
    let pair = pair(|_| true).await;
    let state = pair.client.connection_state().await;
    let material = state.export_keying_material("EXTRACTOR-dtls_srtp", &[], 56).await.unwrap();
    assert_eq!(pair.keys.recv.key, material[..16]);
    assert_eq!(pair.keys.send.key, material[16..32]);
    assert_eq!(pair.keys.recv.salt, material[32..44]);
    assert_eq!(pair.keys.send.salt, material[44..]);
}

#[tokio::test]
async fn a_certificate_that_was_not_announced_fails() {
    let (ours, theirs) = (Certificate::generate(), Certificate::generate());
    let stranger = Certificate::generate();
    let (server, mut events, wire) = session(Role::Server, &ours, &theirs, nothing_lost());
    let client = chromium(&stranger, wire, &CHROMIUM, server.clone(), nothing_lost());
    assert!(timeout(SOON, client).await.unwrap().is_err(), "it is told with an alert");
    let Some(DtlsEvent::Failed(cause, why)) = events.recv().await else { panic!() };
    assert!(cause == Cause::Certificate && why.contains("certificate"), "{why}");
}

#[tokio::test]
async fn a_server_with_another_certificate_fails() {
    let (ours, theirs) = (Certificate::generate(), Certificate::generate());
    let stranger = Certificate::generate();
    let (server, _server_events, mut from_server) =
        session(Role::Server, &stranger, &ours, nothing_lost());
    let (client, mut events, mut from_client) =
        session(Role::Client, &ours, &theirs, nothing_lost());
    let carry = async {
        loop {
            tokio::select! {
                Some(it) = from_server.recv() => client.input(it),
                Some(it) = from_client.recv() => server.input(it),
                else => std::future::pending().await,
            };
        }
    };
    let event = tokio::select! {
        () = carry => None,
        event = events.recv() => event,
    };
    assert!(matches!(event, Some(DtlsEvent::Failed(_, why)) if why.contains("certificate")));
}

#[tokio::test]
async fn a_dropped_session_says_goodbye_and_frees_its_tasks() {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let (ours, theirs) = (Certificate::generate(), Certificate::generate());
    let (server, mut events, mut from_server) =
        session(Role::Server, &ours, &theirs, nothing_lost());
    let (client, mut client_events, mut from_client) =
        session(Role::Client, &theirs, &ours, nothing_lost());
    let (to_server, to_client) = (server.clone(), Arc::downgrade(&client));
    let carry = tokio::spawn(async move {
        loop {
            tokio::select! {
                Some(it) = from_server.recv() => to_client.upgrade().is_some_and(|to| to.input(it)),
                Some(it) = from_client.recv() => to_server.input(it),
                else => return,
            };
        }
    });
    assert!(matches!(client_events.recv().await, Some(DtlsEvent::Connected(_))));
    assert!(matches!(events.recv().await, Some(DtlsEvent::Connected(_))));
    assert!(tasks() >= before + 6, "each session has three tasks");
    drop(client);
    assert_eq!(timeout(SOON, events.recv()).await.unwrap(), Some(DtlsEvent::Closed));
    drop(server);
    timeout(SOON, carry).await.unwrap().unwrap();
    timeout(SOON, async {
        while tasks() > before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_session_dropped_before_or_during_its_handshake_frees_its_tasks() {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let (ours, theirs) = (Certificate::generate(), Certificate::generate());
    let (waiting, _events, _wire) = session(Role::Server, &ours, &theirs, nothing_lost());
    let (calling, _events, mut wire) = session(Role::Client, &ours, &theirs, nothing_lost());
    wire.recv().await.unwrap();
    assert!(tasks() >= before + 4);
    drop((waiting, calling));
    timeout(SOON, async {
        while tasks() > before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn garbage_before_the_hello_does_not_hide_it() {
    let (ours, theirs) = (Certificate::generate(), Certificate::generate());
    let (early, _, mut first) = session(Role::Client, &theirs, &ours, nothing_lost());
    let hello = first.recv().await.unwrap();
    let (server, _events, mut sent) = session(Role::Server, &ours, &theirs, nothing_lost());
    for _ in 0..20 {
        server.input(b"\x16\xfe\xffgarbage".to_vec());
    }
    server.input(hello);
    let reply = timeout(SOON, sent.recv()).await.unwrap().unwrap();
    assert_eq!((reply[0], reply[13]), (22, 3), "HelloVerifyRequest");
    drop(early);
}

#[tokio::test]
async fn a_client_nobody_answers_gives_up() {
    let (ours, theirs) = (Certificate::generate(), Certificate::generate());
    let (_client, mut events, _wire) = session(Role::Client, &ours, &theirs, nothing_lost());
    let event = timeout(Duration::from_secs(15), events.recv()).await.unwrap();
    assert!(matches!(event, Some(DtlsEvent::Failed(_, why)) if why.contains("10 s")));
}
