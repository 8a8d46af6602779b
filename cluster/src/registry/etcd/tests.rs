//! etcd dies, forgets, stalls, compacts, and is written to by strangers.

mod late;
mod wire;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use etcd_client::{Client, Permission, PermissionType};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
};

use self::wire::Wire;
use super::*;
use crate::registry::{
    View,
    contract::{PRESENCE, ROOM, Seen, TTL, config, node, record, room},
    server::{EtcdServer, ServerTls},
};

fn connect(server: &EtcdServer, name: &str) -> EtcdRegistry {
    EtcdRegistry::connect(config(server.url(), name)).unwrap()
}

async fn raw(server: &EtcdServer) -> Client {
    Client::connect([server.url()], None).await.unwrap()
}

#[tokio::test]
async fn after_kill_and_restart_the_watch_goes_on_and_the_node_is_registered() {
    let mut server = EtcdServer::spawn();
    let a = connect(&server, "a");
    a.register(record("a", 1)).await.unwrap();
    a.set_presence(&room("r"), Some(PRESENCE)).await.unwrap();
    let mut seen = Seen::new(a.watch());
    seen.until(|view| view.nodes.len() == 1 && view.presence.len() == 1).await;
    server.kill();
    server.start();
    let b = connect(&server, "b");
    b.put_room(&room("meanwhile"), &ROOM, 0).await.unwrap();
    seen.until(|view| view.rooms.contains_key(&room("meanwhile"))).await;
    assert_eq!(a.counters().listed, 1, "it was not read again: {:?}", a.counters());
    assert!(a.counters().resumed >= 1);
    tokio::time::sleep(TTL * 2).await;
    let mut late = Seen::new(b.watch());
    late.until(|view| view.nodes.len() == 1 && view.presence.len() == 1).await;
    a.register(NodeRecord { region: "us".to_owned(), ..record("a", 1) }).await.unwrap();
    late.until(|view| view.nodes.values().all(|a| a.region == "us")).await;
}

#[tokio::test]
async fn what_changed_while_the_wire_was_cut_comes_as_changes() {
    let server = EtcdServer::spawn();
    let wire = Wire::to(&server).await;
    let a = EtcdRegistry::connect(config(wire.url.clone(), "a")).unwrap();
    let b = connect(&server, "b");
    b.put_room(&room("before"), &ROOM, 0).await.unwrap();
    let mut seen = Seen::new(a.watch());
    seen.until(|view| view.rooms.len() == 1).await;
    wire.set(false);
    seen.lost().await;
    for i in 0..200 {
        b.put_room(&room(&format!("r{i}")), &ROOM, 0).await.unwrap();
    }
    wire.set(true);
    seen.until(|view| view.rooms.len() == 201).await;
    assert_eq!((a.counters().listed, a.counters().resumed), (1, 1), "{:?}", a.counters());
}

#[tokio::test]
async fn what_was_compacted_while_the_wire_was_cut_comes_as_a_view() {
    let server = EtcdServer::spawn();
    let wire = Wire::to(&server).await;
    let a = EtcdRegistry::connect(config(wire.url.clone(), "a")).unwrap();
    let b = connect(&server, "b");
    let first = b.put_room(&room("deleted"), &ROOM, 0).await.unwrap();
    let mut seen = Seen::new(a.watch());
    seen.until(|view| view.rooms.len() == 1).await;
    wire.set(false);
    seen.lost().await;
    b.delete_room(&room("deleted"), first).await.unwrap();
    let last = b.put_room(&room("made"), &ROOM, 0).await.unwrap();
    raw(&server).await.compact(last, None).await.unwrap();
    wire.set(true);
    seen.until(|view| view.rooms.len() == 1 && view.rooms.contains_key(&room("made"))).await;
    assert_eq!((a.counters().listed, a.counters().resumed), (2, 0), "{:?}", a.counters());
}

#[tokio::test]
async fn after_all_data_is_gone_every_node_registers_again() {
    let mut server = EtcdServer::spawn();
    let nodes: Vec<_> = ["a", "b", "c"].map(|name| (name, connect(&server, name))).into();
    for (name, registry) in &nodes {
        registry.register(record(name, 1)).await.unwrap();
        registry.set_presence(&room("r"), Some(PRESENCE)).await.unwrap();
    }
    // The old cluster is some revisions ahead of the new one.
    for i in 0..50 {
        nodes[0].1.put_room(&room(&format!("r{i}")), &ROOM, 0).await.unwrap();
    }
    let mut seen: Vec<_> = nodes.iter().map(|(_, registry)| Seen::new(registry.watch())).collect();
    for seen in &mut seen {
        seen.until(|view| view.nodes.len() == 3 && view.rooms.len() == 50).await;
    }
    server.wipe();
    for seen in &mut seen {
        seen.lost().await;
    }
    server.start();
    let back = Instant::now();
    for seen in &mut seen {
        seen.until(|view| {
            view.nodes.len() == 3 && view.presence.len() == 3 && view.rooms.is_empty()
        })
        .await;
    }
    println!("registered again after {:?}", back.elapsed());
    assert!(back.elapsed() < Duration::from_secs(5), "{:?}", back.elapsed());
}

#[tokio::test]
async fn a_start_without_etcd_is_a_start() {
    let mut server = EtcdServer::down();
    let a = connect(&server, "a");
    let started = Instant::now();
    let answer = a.register(record("a", 1)).await;
    assert!(matches!(answer, Err(RegistryError::Unavailable(_))), "{answer:?}");
    assert!(started.elapsed() < Duration::from_millis(2_500));
    let mut seen = Seen::new(a.watch());
    seen.lost().await;
    server.start();
    seen.until(|view| view.nodes.len() == 1).await;
}

#[tokio::test]
async fn an_etcd_that_stalls_is_lost_within_five_seconds() {
    let server = EtcdServer::spawn();
    let a = connect(&server, "a");
    a.register(record("a", 1)).await.unwrap();
    let mut seen = Seen::new(a.watch());
    seen.until(|view| view.nodes.len() == 1).await;
    server.pause();
    let paused = Instant::now();
    seen.lost().await;
    println!("lost after {:?}", paused.elapsed());
    let lost = paused.elapsed();
    server.resume();
    assert!(lost < Duration::from_secs(5), "{lost:?}");
    seen.until(|view| view.nodes.len() == 1).await;
}

#[tokio::test]
async fn a_revoked_lease_is_taken_again() {
    let server = EtcdServer::spawn();
    let a = connect(&server, "a");
    a.register(record("a", 1)).await.unwrap();
    a.set_presence(&room("r"), Some(PRESENCE)).await.unwrap();
    let mut seen = Seen::new(a.watch());
    seen.until(|view| view.presence.len() == 1).await;
    let mut raw = raw(&server).await;
    for lease in raw.leases().await.unwrap().leases() {
        raw.lease_revoke(lease.id()).await.unwrap();
    }
    seen.until(|view| view.nodes.is_empty()).await;
    seen.until(|view| view.nodes.len() == 1 && view.presence.len() == 1).await;
    assert_eq!(a.counters().leases, 2);
}

#[tokio::test]
async fn what_strangers_write_is_counted_and_skipped() {
    let server = EtcdServer::spawn();
    let mut stranger = raw(&server).await;
    let large = vec![b' '; MAX_RECORD + 1];
    let mut write = async |name: &str| {
        stranger.put(format!("/starling/nodes/{name}"), "{}", None).await.unwrap();
        stranger.put(format!("/starling/rooms/{name}"), large.clone(), None).await.unwrap();
        stranger.put(format!("/starling/rooms/{name}/on/a"), [0xff], None).await.unwrap();
        stranger.put(format!("/starling/{name}"), "x", None).await.unwrap();
    };
    write("before").await;
    let a = connect(&server, "a");
    let mut seen = Seen::new(a.watch());
    seen.until(|_| true).await;
    assert_eq!(a.counters().undecodable, 4);
    write("after").await;
    a.put_room(&room("r"), &ROOM, 0).await.unwrap();
    seen.until(|view| !view.rooms.is_empty()).await;
    assert_eq!(a.counters().undecodable, 8);
    assert_eq!((seen.view.nodes.len(), seen.view.rooms.len(), seen.view.presence.len()), (0, 1, 0));
}

#[tokio::test]
async fn a_large_cluster_is_listed_page_by_page() {
    let server = EtcdServer::spawn();
    let a = connect(&server, "a");
    a.register(record("a", 1)).await.unwrap();
    let rooms: Vec<_> = (0..2_500).map(|i| room(&format!("room-{i}"))).collect();
    let written = rooms.iter().map(|room| a.set_presence(room, Some(PRESENCE)));
    for answer in futures::future::join_all(written).await {
        answer.unwrap();
    }
    let b = connect(&server, "b");
    let mut seen = Seen::new(b.watch());
    seen.until(|_| true).await;
    assert_eq!((seen.snapshots, seen.view.presence.len()), (1, 2_500));
}

#[tokio::test]
async fn a_password_is_used() {
    let server = EtcdServer::spawn();
    let mut admin = raw(&server).await;
    admin.user_add("root", "secret", None).await.unwrap();
    admin.user_grant_role("root", "root").await.unwrap();
    admin.role_add("starling").await.unwrap();
    let all = Permission::new(PermissionType::Readwrite, "/starling/").with_prefix();
    admin.role_grant_permission("starling", all).await.unwrap();
    admin.user_add("starling", "pass", None).await.unwrap();
    admin.user_grant_role("starling", "starling").await.unwrap();
    admin.auth_enable().await.unwrap();
    let user = Some(("starling".to_owned(), "pass".to_owned()));
    let a = EtcdRegistry::connect(EtcdConfig { user, ..config(server.url(), "a") }).unwrap();
    a.register(record("a", 1)).await.unwrap();
    let mut seen = Seen::new(a.watch());
    seen.until(|view| view.nodes.len() == 1).await;
    let stranger = connect(&server, "b");
    assert!(stranger.register(record("b", 1)).await.is_err());
}

#[tokio::test]
async fn tls_is_spoken_and_strangers_are_refused() {
    let authority = |name: &str| {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = rcgen::KeyPair::generate().unwrap();
        rcgen::CertifiedIssuer::self_signed(params, key).unwrap()
    };
    let issue = |by: &rcgen::CertifiedIssuer<'_, rcgen::KeyPair>| {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        (params.signed_by(&key, by).unwrap().pem(), key.serialize_pem())
    };
    let (ca, other) = (authority("ours"), authority("others"));
    let (certificate, key) = issue(&ca);
    let pem = ca.pem();
    let tls = ServerTls { ca: &pem, certificate: &certificate, key: &key };
    let server = EtcdServer::spawn_tls(&tls);
    let connect = |name, identity: (String, String)| {
        let identity_pem = Some((identity.0.into_bytes(), identity.1.into_bytes()));
        let tls = Some(EtcdTls { ca_pem: pem.clone().into_bytes(), identity_pem });
        EtcdRegistry::connect(EtcdConfig { tls, ..config(server.url(), name) }).unwrap()
    };
    let a = connect("a", issue(&ca));
    a.register(record("a", 1)).await.unwrap();
    let stranger = connect("b", issue(&other));
    assert!(stranger.register(record("b", 1)).await.is_err());
    let mut seen = Seen::new(a.watch());
    seen.until(|view| view.nodes.len() == 1).await;
}

#[tokio::test]
async fn dead_members_are_asked_once_and_passed_over() {
    let (dead, server) = (EtcdServer::down(), EtcdServer::spawn());
    let endpoints = vec![dead.url(), server.url(), dead.url().replace("127.0.0.1", "localhost")];
    let config = EtcdConfig { endpoints, ..config(server.url(), "a") };
    let a = EtcdRegistry::connect(config).unwrap();
    let mut seen = Seen::new(a.watch());
    seen.until(|_| true).await;
    for _ in 0..50 {
        a.room(&room("r")).await.unwrap();
    }
    a.register(record("a", 1)).await.unwrap();
    seen.until(|view| view.nodes.len() == 1).await;
    assert_eq!(a.counters().lost, 0);
}

#[tokio::test]
async fn a_member_that_dies_is_replaced_without_a_word() {
    let server = EtcdServer::spawn();
    let wires = [Wire::to(&server).await, Wire::to(&server).await];
    let endpoints = wires.iter().map(|wire| wire.url.clone()).collect();
    let config = EtcdConfig { endpoints, ..config(server.url(), "a") };
    let (a, b) = (EtcdRegistry::connect(config).unwrap(), connect(&server, "b"));
    a.register(record("a", 1)).await.unwrap();
    let mut seen = Seen::new(a.watch());
    seen.until(|view| view.nodes.len() == 1).await;
    for (wire, name) in wires.iter().zip(["one", "two"]) {
        wire.set(false);
        b.put_room(&room(name), &ROOM, 0).await.unwrap();
        seen.until(|view| view.rooms.contains_key(&room(name))).await;
        tokio::time::sleep(TTL).await;
        assert_eq!(seen.view.nodes.len(), 1, "the lease is kept");
        wire.set(true);
    }
    assert!(a.counters().resumed >= 1, "one of them was in use");
    assert_eq!((a.counters().lost, a.counters().listed, a.counters().leases), (0, 1, 1));
}

#[tokio::test]
async fn the_same_presence_is_written_once() {
    let server = EtcdServer::spawn();
    let a: Arc<dyn Registry> = Arc::new(connect(&server, "a"));
    a.register(record("a", 1)).await.unwrap();
    a.set_presence(&room("r"), Some(PRESENCE)).await.unwrap();
    let before = a.put_room(&room("r"), &ROOM, 0).await.unwrap();
    for _ in 0..10 {
        a.set_presence(&room("r"), Some(PRESENCE)).await.unwrap();
        a.register(record("a", 1)).await.unwrap();
    }
    assert_eq!(a.put_room(&room("s"), &ROOM, 0).await.unwrap(), before + 1);
}

/// Waits until a registry has found its etcd again.
async fn answers(registry: &EtcdRegistry) {
    while registry.room(&room("any")).await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_slow_etcd_is_waited_for_and_one_that_is_too_slow_is_lost_until_it_is_faster() {
    let server = EtcdServer::spawn();
    let wire = Wire::to(&server).await;
    let a = EtcdRegistry::connect(config(wire.url.clone(), "a")).unwrap();
    a.register(record("a", 1)).await.unwrap();
    let mut own = Seen::new(a.watch());
    own.until(|view| view.nodes.len() == 1).await;

    // A third of a second each way: everything works, and no lease is lost.
    wire.slow(Duration::from_millis(300));
    tokio::time::sleep(TTL * 2).await;
    let asked = Instant::now();
    a.put_room(&room("slow"), &ROOM, 0).await.unwrap();
    assert!(asked.elapsed() > Duration::from_millis(500), "it is slow: {:?}", asked.elapsed());
    own.until(|view| view.rooms.len() == 1).await;
    assert_eq!((a.counters().leases, a.counters().lost), (1, 0), "{:?}", a.counters());

    // Slower than a call may take.
    wire.slow(Duration::from_secs(3));
    let asked = Instant::now();
    let answer = a.put_room(&room("slower"), &ROOM, 0).await;
    assert!(matches!(answer, Err(RegistryError::Unavailable(_))), "{answer:?}");
    assert!(asked.elapsed() < Duration::from_millis(2_500), "{:?}", asked.elapsed());
    own.lost().await;
    wire.slow(Duration::ZERO);
    // What was under way is as late as it was; a new connection is not.
    wire.set(false);
    wire.set(true);
    own.until(|view| view.nodes.contains_key(&node("a"))).await;
    a.put_room(&room("fast"), &ROOM, 0).await.unwrap();
}

#[tokio::test]
async fn a_node_that_alone_is_cut_from_etcd_is_forgotten_and_comes_back_whole() {
    let server = EtcdServer::spawn();
    let wire = Wire::to(&server).await;
    let a = EtcdRegistry::connect(config(wire.url.clone(), "a")).unwrap();
    let b = connect(&server, "b");
    for (name, registry) in [("a", &a), ("b", &b)] {
        registry.register(record(name, 1)).await.unwrap();
        registry.set_presence(&room("r"), Some(PRESENCE)).await.unwrap();
    }
    let (mut at_a, mut at_b) = (Seen::new(a.watch()), Seen::new(b.watch()));
    at_a.until(|view| view.nodes.len() == 2 && view.presence.len() == 2).await;
    wire.set(false);
    at_a.lost().await;
    at_b.until(|view| view.nodes.len() == 1 && view.presence.len() == 1).await;
    assert_eq!(at_a.view.nodes.len(), 2, "it goes on with what it knew");
    // What it does meanwhile is remembered.
    assert!(a.set_presence(&room("r"), None).await.is_err());
    assert!(a.set_presence(&room("s"), Some(PRESENCE)).await.is_err());
    wire.set(true);
    let whole = (room("s"), node("a"));
    at_b.until(|view| view.nodes.len() == 2 && view.presence.contains_key(&whole)).await;
    at_b.until(|view| !view.presence.contains_key(&(room("r"), node("a")))).await;
    assert_eq!(a.counters().leases, 2);
}

#[tokio::test]
async fn a_restored_snapshot_is_an_earlier_state_that_all_nodes_see_and_mend() {
    let mut server = EtcdServer::spawn();
    let a = connect(&server, "a");
    a.register(record("a", 1)).await.unwrap();
    let old = connect(&server, "old");
    old.register(record("old", 1)).await.unwrap();
    let first = a.put_room(&room("deleted"), &ROOM, 0).await.unwrap();
    let mut seen = Seen::new(a.watch());
    seen.until(|view| view.nodes.len() == 2 && view.rooms.len() == 1).await;
    server.kill();
    let snapshot = server.copy();
    server.start();
    answers(&a).await;
    // After the snapshot was taken: a node leaves, another comes, a room is deleted, one is made.
    old.leave().await;
    a.delete_room(&room("deleted"), first).await.unwrap();
    a.put_room(&room("made"), &ROOM, 0).await.unwrap();
    let new = connect(&server, "new");
    new.register(record("new", 1)).await.unwrap();
    new.set_presence(&room("made"), Some(PRESENCE)).await.unwrap();
    seen.until(|view| {
        view.nodes.len() == 2 && view.rooms.contains_key(&room("made")) && view.rooms.len() == 1
    })
    .await;
    server.kill();
    server.restore(&snapshot);
    server.start();
    // The living register again under their leases; the one that had left is forgotten with its.
    // Nodes decide which rooms they want.
    let living =
        |view: &View| view.nodes.contains_key(&node("a")) && view.nodes.contains_key(&node("new"));
    seen.until(|view| view.rooms.contains_key(&room("deleted"))).await;
    seen.until(|view| living(view) && view.nodes.len() == 2 && view.presence.len() == 1).await;
    assert!(!seen.view.rooms.contains_key(&room("made")), "{:?}", seen.view.rooms);
}

#[tokio::test]
async fn of_two_processes_with_one_id_the_second_is_refused_while_the_first_lives() {
    let server = EtcdServer::spawn();
    let first = connect(&server, "a");
    first.register(record("a", 1)).await.unwrap();
    let elsewhere = NodeRecord {
        link_addr: "127.0.0.9:7443".parse().unwrap(),
        api_url: "http://elsewhere".to_owned(),
        ..record("a", 2)
    };
    let second = connect(&server, "a");
    let refused = second.register(elsewhere.clone()).await;
    assert_eq!(refused, Err(RegistryError::Taken(record("a", 1).link_addr.to_string())));
    tokio::time::sleep(TTL * 2).await;
    assert!(second.register(elsewhere.clone()).await.is_err(), "the first keeps its lease");
    first.register(NodeRecord { region: "us".to_owned(), ..record("a", 1) }).await.unwrap();
    // A pod that is moved: the earlier one is gone, and its lease ends.
    drop(first);
    let b = connect(&server, "b");
    let mut seen = Seen::new(b.watch());
    seen.until(|view| view.nodes.get(&node("a")) == Some(&elsewhere)).await;
    let late = connect(&server, "a");
    assert_eq!(late.register(record("a", 1)).await, Err(RegistryError::Succeeded));
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    let with = |endpoints: &[&str]| {
        let endpoints = endpoints.iter().map(|e| (*e).to_owned()).collect();
        EtcdConfig::new(endpoints, node("a"))
    };
    assert_eq!(with(&[]).check(), Err(EtcdConfigError::NoEndpoint));
    for bad in ["localhost:2379", "http://", "ftp://host", "http://a b"] {
        assert_eq!(with(&[bad]).check(), Err(EtcdConfigError::BadEndpoint(bad.to_owned())));
    }
    let https = "https://host:2379";
    assert_eq!(with(&[https]).check(), Err(EtcdConfigError::TlsMismatch(https.to_owned())));
    let zero = EtcdConfig { lease_ttl: Duration::ZERO, ..with(&["http://host:2379"]) };
    assert_eq!(zero.check(), Err(EtcdConfigError::BadTtl(Duration::ZERO)));
    assert_eq!(with(&["http://a:2379", "http://[::1]:2379"]).check(), Ok(()));
}
