//! Last-N: whose video peers get.

use std::collections::BTreeSet;

use starling_proto::{
    ConsumerId, ProducerId,
    signal::{ClientNotification, ServerNotification},
};

use super::{
    rtp::Microphone,
    world::{Client, World, peer},
};

/// Producers of video that come, by what the client was told.
fn seen(client: &Client) -> BTreeSet<ProducerId> {
    let mut stopped: BTreeSet<ConsumerId> = BTreeSet::new();
    for told in &client.notifications {
        if let ServerNotification::ConsumerSuspended { consumer_id, suspended } = told {
            if *suspended {
                stopped.insert(consumer_id.clone());
            } else {
                stopped.remove(consumer_id);
            }
        }
    }
    let video = client.consumers.iter().filter(|consumer| {
        consumer.kind == starling_proto::MediaKind::Video
            && !stopped.contains(&consumer.consumer_id)
    });
    video.map(|consumer| consumer.producer_id.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_gets_the_video_of_the_last_speakers_and_of_whom_it_pins() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let mut eye = Client::join(&two, "eye", None).await;
    let wish = |last_n, pins: &[&str]| ClientNotification::SetLastN {
        last_n: Some(last_n),
        pins: pins.iter().map(|pin| peer(pin)).collect(),
    };
    let ada = Microphone::start(&one, "ada", 1).await;
    let ada_video = ada.add_camera(&one, "ada", 11).await;
    let ben = Microphone::start(&two, "ben", 2).await;
    let ben_video = ben.add_camera(&two, "ben", 12).await;
    let cleo = Microphone::start(&one, "cleo", 3).await;
    let cleo_video = cleo.add_camera(&one, "cleo", 13).await;
    let of = |producers: &[&ProducerId]| producers.iter().map(|id| (*id).clone()).collect();
    let all: BTreeSet<_> = of(&[&ada_video, &ben_video, &cleo_video]);
    eye.until("it gets everybody", |eye| seen(eye) == all).await;
    eye.notify(wish(1, &[])).await;
    // Nobody has spoken: the first by id.
    eye.until("it gets ada", |eye| seen(eye) == of(&[&ada_video])).await;
    ben.speaks(true);
    eye.until("it gets ben", |eye| seen(eye) == of(&[&ben_video])).await;
    eye.notify(wish(1, &["cleo"])).await;
    eye.until("it gets cleo too", |eye| seen(eye) == of(&[&ben_video, &cleo_video])).await;
    // A camera that comes later is left out from the start.
    let dora = Microphone::start(&one, "dora", 4).await;
    let dora_video = dora.add_camera(&one, "dora", 14).await;
    eye.until("it was told of dora", |eye| {
        eye.consumers.iter().any(|consumer| consumer.producer_id == dora_video)
    })
    .await;
    eye.until("dora is left out", |eye| seen(eye) == of(&[&ben_video, &cleo_video])).await;
    // Whoever has no camera takes no place, however much they speak.
    ben.speaks(false);
    let emil = Microphone::start(&two, "emil", 5).await;
    emil.speaks(true);
    eye.until("emil has the floor", |eye| {
        let floor = eye.notifications.iter().rev().find_map(|told| match told {
            ServerNotification::ActiveSpeaker { peer_id } => Some(peer_id.clone()),
            _ => None,
        });
        floor == Some(Some(peer("emil")))
    })
    .await;
    eye.notify(wish(1, &[])).await;
    eye.until("it still gets ben", |eye| seen(eye) == of(&[&ben_video])).await;
    eye.notify(wish(0, &[])).await;
    let all: BTreeSet<_> = of(&[&ada_video, &ben_video, &cleo_video, &dora_video]);
    eye.until("it gets everybody again", |eye| seen(eye) == all).await;
    for microphone in [ada, ben, cleo, dora, emil] {
        microphone.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_and_screens_always_come() {
    let world = World::new();
    let node = world.node("n1").await;
    let mut ada = Client::join(&node, "ada", None).await;
    let mut ben = Client::join(&node, "ben", None).await;
    let mut eye = Client::join(&node, "eye", None).await;
    let count = Some(1);
    eye.notify(ClientNotification::SetLastN { last_n: count, pins: vec![peer("ada")] }).await;
    eye.notify(ClientNotification::SetLastN { last_n: count, pins: vec![] }).await;
    let camera = ada.produce("video", "video").await;
    let screen = ben.produce("video", "screensharing").await;
    ben.produce("audio", "audio").await;
    eye.until("three consumers", |eye| eye.consumers.len() == 3).await;
    let expected = [camera, screen].iter().map(|id| id.parse().unwrap()).collect::<BTreeSet<_>>();
    assert_eq!(seen(&eye), expected);
    let suspended =
        |told: &ServerNotification| matches!(told, ServerNotification::ConsumerSuspended { .. });
    assert!(!eye.notifications.iter().any(suspended));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_is_off_leaves_its_place_to_another() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let mut ada = Client::join(&one, "ada", None).await;
    let mut ben = Client::join(&one, "ben", None).await;
    let mut eye = Client::join(&two, "eye", None).await;
    eye.notify(ClientNotification::SetLastN { last_n: Some(1), pins: vec![] }).await;
    let first: ProducerId = ada.produce("video", "video").await.parse().unwrap();
    let second: ProducerId = ben.produce("video", "video").await.parse().unwrap();
    eye.until("two consumers", |eye| eye.consumers.len() == 2).await;
    eye.until("it gets ada", |eye| seen(eye) == [first.clone()].into()).await;
    ada.notify(ClientNotification::PauseProducer(first.clone())).await;
    eye.until("it gets ben", |eye| seen(eye) == [second.clone()].into()).await;
    ada.notify(ClientNotification::ResumeProducer(first.clone())).await;
    eye.until("it gets ada again", |eye| seen(eye) == [first.clone()].into()).await;
}
