//! WebRTC transports as a client meets them: connected once, DTLS when a check has come, and what
//! operators see of both.

use std::time::Duration;

use serde_json::{Value, json};
use starling_proto::{Code, TransportId, rest::TransportBitrates};
use tokio::time::timeout;

use super::{
    channel_client::{Line, checked},
    world::{Client, World, peer, room, until},
};
use crate::{Inspected, Node, dtls::Certificate};

/// Long enough for anything that would be sent to come, on loopback.
const QUIET: Duration = Duration::from_millis(300);

fn connect(transport: &Value, role: &str) -> Value {
    let fingerprints = Certificate::generate();
    json!({
        "transportId": transport["transportId"],
        "dtlsParameters": { "role": role, "fingerprints": fingerprints.fingerprints() },
    })
}

fn id(transport: &Value) -> TransportId {
    serde_json::from_value(transport["transportId"].clone()).unwrap()
}

async fn states(node: &Node, transport: &Value) -> [String; 3] {
    let of = Inspected::Transport(id(transport));
    let stats = node.inspect(&room(), &peer("ada"), of, false).await.unwrap();
    ["iceState", "dtlsState", "sctpState"].map(|key| stats[0][key].as_str().unwrap().to_owned())
}

/// WT3.
#[tokio::test(flavor = "multi_thread")]
async fn a_transport_is_connected_once() {
    let node = World::new().node("n1").await;
    let mut ada = Client::join(&node, "ada", None).await;
    let (sending, receiving) = (ada.sending.clone(), ada.receiving.clone());
    let mut without = connect(&sending, "client");
    without["dtlsParameters"]["fingerprints"] = json!([]);
    let mut strange = connect(&sending, "client");
    strange["transportId"] = json!("another");
    for (data, code) in [(without, Code::BadRequest), (strange, Code::TransportNotFound)] {
        let refused = ada.ask("connectWebRtcTransport", data).await.unwrap_err();
        assert_eq!(refused.code, code);
    }
    for transport in [&sending, &receiving] {
        ada.ask("connectWebRtcTransport", connect(transport, "client")).await.unwrap();
        let again = ada.ask("connectWebRtcTransport", connect(transport, "client")).await;
        assert_eq!(again.unwrap_err().code, Code::WrongState);
    }
}

/// WT3, WT7.
#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_its_role_open_gets_the_hello_when_its_check_has_come() {
    let node = World::new().node("n1").await;
    let mut ada = Client::join(&node, "ada", None).await;
    let (sending, receiving) = (ada.sending.clone(), ada.receiving.clone());
    assert_eq!(states(&node, &sending).await, ["new", "new", "new"]);
    ada.ask("connectWebRtcTransport", connect(&sending, "auto")).await.unwrap();
    ada.ask("connectWebRtcTransport", connect(&receiving, "client")).await.unwrap();
    assert_eq!(states(&node, &sending).await, ["new", "new", "new"], "no check has come");
    let socket = checked(&sending).await;
    let mut hello = [0; 1_500];
    timeout(Duration::from_secs(5), socket.recv(&mut hello)).await.unwrap().unwrap();
    assert_eq!((hello[0], hello[13]), (22, 1), "a handshake's ClientHello");
    assert_eq!(states(&node, &sending).await, ["completed", "connecting", "new"]);
    // Who is to send it itself is waited for.
    let socket = checked(&receiving).await;
    assert!(timeout(QUIET, socket.recv(&mut hello)).await.is_err());
}

/// WT7: what comes before signalling has said who the client is waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_hello_that_is_early_is_kept_until_the_transport_is_connected() {
    let node = World::new().node("n1").await;
    let mut ada = Client::join(&node, "ada", None).await;
    let sending = ada.sending.clone();
    let certificate = Certificate::generate();
    // It is said once: who loses it waits longer than this test.
    let patience = Duration::from_secs(60);
    let shaking = tokio::spawn(Line::shake(certificate.clone(), sending.clone(), patience));
    until("its check has come", async || states(&node, &sending).await[0] == "completed").await;
    tokio::time::sleep(QUIET).await;
    assert!(!shaking.is_finished());
    let data = json!({
        "transportId": sending["transportId"],
        "dtlsParameters": { "role": "client", "fingerprints": certificate.fingerprints() },
    });
    ada.ask("connectWebRtcTransport", data).await.unwrap();
    let line = timeout(Duration::from_secs(5), shaking).await.unwrap().unwrap();
    let up = ["completed", "connected", "connected"];
    until("all is connected", async || states(&node, &sending).await == up).await;
    drop(line);
}

/// WT4.
#[tokio::test(flavor = "multi_thread")]
async fn restarted_ice_has_new_credentials_and_the_old_ones_still_work() {
    let node = World::new().node("n1").await;
    let mut ada = Client::join(&node, "ada", None).await;
    let mut sending = ada.sending.clone();
    let asked = json!({ "transportId": sending["transportId"] });
    let answer = ada.ask("restartIce", asked).await.unwrap();
    let fresh = &answer["iceParameters"];
    assert_eq!(fresh["iceLite"], true);
    for key in ["usernameFragment", "password"] {
        assert_eq!(fresh[key].as_str().unwrap().len(), 32);
        assert_ne!(fresh[key], sending["iceParameters"][key]);
    }
    checked(&sending).await;
    sending["iceParameters"] = fresh.clone();
    checked(&sending).await;
    let strange = ada.ask("restartIce", json!({ "transportId": "another" })).await;
    assert_eq!(strange.unwrap_err().code, Code::TransportNotFound);
}

/// WT11.
#[tokio::test(flavor = "multi_thread")]
async fn limits_that_cross_are_refused_also_one_after_the_other() {
    let node = World::new().node("n1").await;
    let ada = Client::join(&node, "ada", None).await;
    let transport = id(&ada.receiving);
    let set = async |min: Option<u64>, max: Option<u64>| {
        let limits = TransportBitrates {
            min_outgoing_bitrate: min,
            max_outgoing_bitrate: max,
            ..TransportBitrates::default()
        };
        let set = node.set_bitrates(&room(), &peer("ada"), &transport, limits).await;
        set.map_err(|refusal| refusal.code)
    };
    assert_eq!(set(Some(2_000_000), Some(1_000_000)).await, Err(Code::BadRequest));
    assert_eq!(set(None, Some(1_000_000)).await, Ok(()));
    assert_eq!(set(Some(2_000_000), None).await, Err(Code::BadRequest));
    assert_eq!(set(Some(500_000), None).await, Ok(()));
    assert_eq!(set(None, Some(400_000)).await, Err(Code::BadRequest));
    // No limit is above every other.
    assert_eq!(set(None, Some(0)).await, Ok(()));
    assert_eq!(set(Some(2_000_000), None).await, Ok(()));
}
