//! An admission hook of a real node, asked at joins over a real socket.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use serde_json::json;
use starling_actors::session::SessionRequest;
use starling_proto::{Code, Grants};
use tokio::net::TcpListener;

use super::Admission;
use crate::{
    config,
    hooks::{Hooks, receiver::Receiver},
    testing::config,
};

fn hook(url: String, open: bool) -> Admission {
    let timeout = Duration::from_millis(200);
    let admission = Some(config::Admission { url, timeout, open });
    let hooks = config::Hooks { admission, ..config().hooks };
    Admission::new(&hooks, Hooks::new(&hooks).signing(), "node-1".parse().unwrap())
}

fn request(peer: &str, ticket: Option<&str>) -> SessionRequest {
    SessionRequest {
        room: "r".parse().unwrap(),
        peer: peer.parse().unwrap(),
        resume_ticket: ticket.map(str::to_owned),
        remote: IpAddr::from([192, 0, 2, 1]),
        grants: Grants::member(),
        narrowed: false,
        trace: None,
    }
}

fn counted(admission: &Admission, outcome: &str) -> f64 {
    let all = admission.metrics();
    let of = |metric: &&starling_actors::Metric| metric.labels.iter().any(|(_, it)| it == outcome);
    all.iter().find(of).unwrap().value
}

#[tokio::test]
async fn a_hook_is_told_who_comes_and_refuses_or_lowers() {
    let mut receiver = Receiver::start().await;
    let admission = hook(receiver.url(), false);
    receiver.answer(200, "");
    receiver.answer(200, r#"{"grants":{"publish":false}}"#);
    receiver.answer(403, r#"{"reason":"your trial is over"}"#);
    let mut ada = request("ada", None);
    assert_eq!(admission.admit(&mut ada).await, Ok(()));
    assert_eq!((&ada.grants, ada.narrowed), (&Grants::member(), false));
    let told = receiver.next().await;
    assert!(told.signed);
    let event = told.event;
    assert_eq!(event["type"], "admission.requested");
    assert_eq!(
        (&event["room"], &event["peer"], &event["node"], &event["address"]),
        (&json!("r"), &json!("ada"), &json!("node-1"), &json!("192.0.2.1"))
    );
    assert_eq!(
        (&event["grants"]["publish"], &event["grants"]["admin"]),
        (&json!(true), &json!(false))
    );
    let mut ben = request("ben", None);
    assert_eq!(admission.admit(&mut ben).await, Ok(()));
    assert!(!ben.grants.publish && ben.grants.subscribe && ben.narrowed);
    let refusal = admission.admit(&mut request("cleo", None)).await.unwrap_err();
    assert_eq!((refusal.code, refusal.message.as_str()), (Code::Forbidden, "your trial is over"));
    let counts = ["admitted", "lowered", "refused", "failed_closed"];
    assert_eq!(counts.map(|outcome| counted(&admission, outcome)), [1.0, 1.0, 1.0, 0.0]);
}

#[tokio::test]
async fn who_comes_back_is_not_asked_about() {
    let mut receiver = Receiver::start().await;
    let admission = hook(receiver.url(), false);
    assert_eq!(admission.admit(&mut request("ada", Some("ticket"))).await, Ok(()));
    assert!(receiver.is_quiet().await);
}

#[tokio::test]
async fn a_hook_that_does_not_answer_is_not_waited_for_by_everybody() {
    // It takes connections and says nothing: the worst there is.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    for (open, outcome) in [(false, "failed_closed"), (true, "failed_open")] {
        let admission = hook(url.clone(), open);
        let began = Instant::now();
        let mut refused = 0;
        for n in 0..100 {
            let answer = admission.admit(&mut request(&format!("p{n}"), None)).await;
            refused += usize::from(answer.is_err());
            if let Err(refusal) = answer {
                assert_eq!(refusal.code, Code::AdmissionUnavailable);
            }
        }
        assert_eq!(refused, if open { 0 } else { 100 });
        assert_eq!(counted(&admission, outcome), 100.0);
        let took = began.elapsed();
        assert!(took < Duration::from_secs(3), "five wait 0.2 s each, the rest not: {took:?}");
    }
}

#[tokio::test]
async fn a_hook_that_is_back_is_asked_again() {
    let mut receiver = Receiver::start().await;
    let admission = hook(receiver.url(), false);
    for _ in 0..5 {
        receiver.answer(500, "");
        assert!(admission.admit(&mut request("p", None)).await.is_err());
        receiver.next().await;
    }
    assert!(admission.admit(&mut request("p", None)).await.is_err());
    assert!(receiver.is_quiet().await, "nobody asks just now");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(admission.admit(&mut request("p", None)).await, Ok(()));
    assert_eq!(admission.admit(&mut request("q", None)).await, Ok(()));
}
