//! Messages of data channels between real endpoints.

use super::*;

/// Passes messages on to the test.
struct Ear(mpsc::UnboundedSender<Vec<u8>>);

impl DataSink for Ear {
    fn deliver(&self, message: &[u8]) {
        let _ = self.0.send(message.to_vec());
    }
}

fn listen(link: &Arc<dyn Link>, flow: u64) -> mpsc::UnboundedReceiver<Vec<u8>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    link.data().open(FlowId(flow), Arc::new(Ear(sender)));
    receiver
}

async fn heard(flow: &mut mpsc::UnboundedReceiver<Vec<u8>>) -> Vec<u8> {
    timeout(PATIENCE, flow.recv()).await.expect("a message comes").expect("the flow is open")
}

#[tokio::test]
async fn a_flow_sends_what_it_was_granted_and_the_rest_when_it_is_granted_more() {
    let (_a, _b, to_b, to_a) = pair(&ca()).await;
    let (mut first, mut second) = (listen(&to_a, 4), listen(&to_a, 6));
    to_b.data().serve(FlowId(4), 250);
    to_b.data().serve(FlowId(6), 100_000);
    let lane = to_b.data().clone();
    let sender = tokio::spawn(async move {
        for n in 0..10u8 {
            assert!(lane.send(FlowId(4), &[n], &[7; 9], 100).await);
        }
    });
    assert_eq!(heard(&mut first).await, [&[0][..], &[7; 9]].concat());
    assert_eq!(heard(&mut first).await[0], 1);
    // It stands still, and holds back no other.
    for n in 0..100u8 {
        assert!(to_b.data().send(FlowId(6), &[], &[n], 100).await);
        assert_eq!(heard(&mut second).await, [n]);
    }
    assert!(first.try_recv().is_err());
    to_a.data().grant(FlowId(4), 750);
    for n in 2..10 {
        assert_eq!(heard(&mut first).await[0], n);
    }
    sender.await.unwrap();
}

#[tokio::test]
async fn the_largest_messages_pass_and_rosters_with_them() {
    let (_a, mut b, to_b, to_a) = pair(&ca()).await;
    let mut flow = listen(&to_a, 4);
    to_b.data().serve(FlowId(4), usize::MAX);
    let payload = vec![5; starling_proto::sctp::MAX_MESSAGE];
    let lane = to_b.data().clone();
    let sender = tokio::spawn(async move {
        for _ in 0..16 {
            assert!(lane.send(FlowId(4), &[0, 0], &payload, payload.len()).await);
        }
    });
    assert!(to_b.send(room("x")));
    assert_eq!(b.message().await, room("x"));
    for _ in 0..16 {
        assert_eq!(heard(&mut flow).await.len(), 2 + starling_proto::sctp::MAX_MESSAGE);
    }
    sender.await.unwrap();
}

#[tokio::test]
async fn who_waits_to_send_is_told_when_the_flow_or_the_link_ends() {
    let (a, _b, to_b, _to_a) = pair(&ca()).await;
    let waits = |flow: u64| {
        let lane = to_b.data().clone();
        lane.serve(FlowId(flow), 0);
        tokio::spawn(async move { lane.send(FlowId(flow), &[], &[1], 1).await })
    };
    let (closed, cut) = (waits(4), waits(6));
    to_b.data().close(FlowId(4));
    assert!(!timeout(PATIENCE, closed).await.unwrap().unwrap());
    a.endpoint.shutdown().await;
    assert!(!timeout(PATIENCE, cut).await.unwrap().unwrap());
    assert!(!to_b.data().send(FlowId(8), &[], &[1], 1).await, "never served");
}
