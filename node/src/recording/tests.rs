//! Recordings of a real node by a real ffmpeg, of what another one sends; ffprobe looks at what
//! came of it.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use starling_proto::rest::CreatePlainTransport;

use super::*;
use crate::{
    http::{App, Side},
    testing::{Answer, app_with, config, request, send},
};

/// A node that records into a folder.
struct Case {
    app: App,
    folder: tempfile::TempDir,
}

/// Somebody who sends a moving picture.
struct Film(Child);

impl Drop for Film {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Case {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { app: app_with(settings(folder.path(), change)).await, folder }
    }

    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        send(&self.app, Side::Whole, request(method, path, body)).await
    }

    async fn film(&self, peer: &str) -> (Film, String) {
        film(&self.app, peer).await
    }

    /// Begins to record.
    async fn record(&self, wish: Value) -> String {
        let made = self.ask("POST", "/v1/recordings", Some(wish)).await;
        assert_eq!(made.status, 201, "{made:?}");
        made.json()["id"].as_str().unwrap().to_owned()
    }

    async fn info(&self, id: &str) -> Value {
        self.ask("GET", &format!("/v1/recordings/{id}"), None).await.json()
    }

    async fn until(&self, id: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..300 {
            let info = self.info(id).await;
            if is_so(&info) {
                return info;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("not {what} within 30 s: {}", self.info(id).await);
    }

    async fn stop(&self, id: &str) -> Value {
        let stopped = self.ask("POST", &format!("/v1/recordings/{id}/stop"), None).await;
        assert_eq!(stopped.status, 200, "{stopped:?}");
        stopped.json()
    }

    fn file(&self, info: &Value, place: usize) -> PathBuf {
        let folder = self.folder.path().join(info["id"].as_str().unwrap());
        folder.join(info["files"][place]["file"].as_str().unwrap())
    }
}

fn settings(folder: &Path, change: impl FnOnce(&mut Config)) -> Config {
    let mut config = config();
    config.recordings.folder = Some(folder.to_owned());
    change(&mut config);
    config
}

/// A peer whose film ffmpeg sends, and its producer.
async fn film(app: &App, peer: &str) -> (Film, String) {
    let (room, id): (starling_proto::RoomId, PeerId) =
        ("r".parse().unwrap(), peer.parse().unwrap());
    app.node.create_peer(&room, CreatePeer::new(id.clone(), "Ada")).await.unwrap();
    let wish = CreatePlainTransport { comedia: true, ..CreatePlainTransport::default() };
    let made = app.node.create_plain_transport(&room, &id, wish).await.unwrap();
    let ssrc = 1_000 + u32::from(made.address.port);
    let rtp = json!({
        "codecs": [{ "mimeType": "video/VP8", "payloadType": 101, "clockRate": 90_000 }],
        "encodings": [{ "ssrc": ssrc }], "rtcp": { "cname": peer }
    });
    let body = json!({ "kind": "video", "rtpParameters": rtp, "appData": { "source": "camera" } });
    let path = format!("/v1/rooms/r/peers/{peer}/transports/{}/producers", made.transport_id);
    let produced = send(app, Side::Whole, request("POST", &path, Some(body))).await.json();
    let to = format!("rtp://127.0.0.1:{}", made.address.port);
    let words = "-hide_banner -loglevel error -re -f lavfi -i testsrc2=size=320x180:rate=20 \
                 -c:v libvpx -deadline realtime -cpu-used 8 -b:v 300k -g 20 -f rtp -payload_type 101";
    let child = Command::new("ffmpeg")
        .args(words.split_whitespace())
        .args(["-ssrc", &ssrc.to_string(), &to])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("ffmpeg is installed: tests/setup.sh");
    (Film(child), produced["producerId"].as_str().unwrap().to_owned())
}

/// Frames that can be decoded.
fn probe(file: &Path) -> u32 {
    let words = "-v error -count_frames -select_streams v:0 -show_entries \
                 stream=nb_read_frames -of json";
    let probed = Command::new("ffprobe").args(words.split_whitespace()).arg(file).output().unwrap();
    assert!(probed.stderr.is_empty(), "{}", String::from_utf8_lossy(&probed.stderr));
    let told: Value = serde_json::from_slice(&probed.stdout).unwrap();
    told["streams"][0]["nb_read_frames"].as_str().unwrap_or("0").parse().unwrap()
}

/// When each frame is to be shown, in seconds.
fn times(file: &Path) -> Vec<f64> {
    let words = "-v error -select_streams v:0 -show_entries packet=pts_time -of csv=p=0";
    let probed = Command::new("ffprobe").args(words.split_whitespace()).arg(file).output().unwrap();
    let text = String::from_utf8_lossy(&probed.stdout);
    text.lines().filter_map(|line| line.trim_end_matches(',').parse().ok()).collect()
}

/// The types of what was told, with the fields of recordings.
fn told(app: &App) -> Vec<Value> {
    let mut follower = app.node.follow(Some(Timestamp::default()));
    let mut all = Vec::new();
    while let Some(told) = follower.try_next() {
        if let starling_actors::Told::Event(event) = told {
            let event = serde_json::to_value(&*event).unwrap();
            if event["type"].as_str().unwrap().starts_with("recording.") {
                all.push(event);
            }
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_is_recorded_through_a_pause_and_by_who_comes_later_and_its_files_play() {
    let case = Case::new().await;
    let (_ada, adas) = case.film("ada").await;
    let id = case.record(json!({ "room": "r" })).await;
    case.until(&id, "recording", |info| info["files"][0]["peer"] == "ada").await;
    let (_ben, _) = case.film("ben").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let paused = |paused: bool| Some(json!({ "paused": paused }));
    let producer = format!("/v1/rooms/r/peers/ada/producers/{adas}");
    assert_eq!(case.ask("PATCH", &producer, paused(true)).await.status, 204);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(case.ask("PATCH", &producer, paused(false)).await.status, 204);
    let both = case.until(&id, "of two", |info| info["files"][1]["peer"] == "ben").await;
    assert_eq!(both["state"], "recording");
    let device = case.ask("GET", "/v1/rooms/r/peers", None).await.json();
    let recorders = device.as_array().unwrap().iter().filter(|it| it["device"]["recorder"] == true);
    assert_eq!(recorders.count(), 1, "the room is told that it is recorded");
    tokio::time::sleep(Duration::from_secs(5)).await;
    let info = case.stop(&id).await;
    assert_eq!((&info["state"], &info["reason"]), (&json!("ended"), &json!("it was stopped")));
    // On a machine under load the film itself falls behind: its clock is that of its frames, of
    // which there are twenty a second.
    let times = times(&case.file(&info, 0));
    let gap = times.windows(2).position(|two| two[1] - two[0] >= 0.3).expect("the pause is in it");
    assert!(gap >= 3 && times.len() - gap >= 3, "{gap} before it, {times:?}");
    assert_eq!(probe(&case.file(&info, 0)) as usize, times.len(), "all can be decoded");
    let frames = probe(&case.file(&info, 1));
    assert!(frames >= 3, "{frames}");
    assert!(info["files"][0]["bytes"].as_u64().unwrap() > 10_000, "{info}");
    let kinds: Vec<_> = told(&case.app).iter().map(|event| event["type"].clone()).collect();
    assert_eq!(kinds, ["recording.started", "recording.ended"]);
    let peers = case.ask("GET", "/v1/rooms/r/peers", None).await.json();
    assert_eq!(peers.as_array().map(Vec::len), Some(2), "the recorder is gone: {peers}");
    let one = format!("/v1/recordings/{id}");
    assert_eq!(case.ask("DELETE", &one, None).await.status, 204);
    assert!(!case.folder.path().join(&id).exists());
    assert_eq!(case.ask("GET", &one, None).await.code(), "recording_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_whose_program_dies_has_failed_and_says_so() {
    let case = Case::new().await;
    let (_ada, _) = case.film("ada").await;
    let id = case.record(json!({ "room": "r", "peers": ["ada"], "sources": ["camera"] })).await;
    let info = case.until(&id, "recording", |info| info["files"][0]["peer"] == "ada").await;
    let writes = case.file(&info, 0).display().to_string();
    let killed = Command::new("pkill").args(["-KILL", "-f", &writes]).status().unwrap();
    assert!(killed.success());
    let info = case.until(&id, "failed", |info| info["state"] == "failed").await;
    let reason = info["reason"].as_str().unwrap();
    assert!(reason.contains("ffmpeg ended by itself") && reason.contains("signal: 9"), "{reason}");
    let failed = told(&case.app).pop().unwrap();
    assert_eq!((&failed["type"], &failed["lost"]), (&json!("recording.failed"), &json!(false)));
    assert_eq!(failed["recording"], json!(id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_ends_with_its_time_its_room_and_what_it_may_take() {
    let case = Case::with(|config| config.recordings.longest = Duration::from_secs(30)).await;
    let (_ada, _) = case.film("ada").await;
    let short = case.record(json!({ "room": "r", "maxSeconds": 3 })).await;
    let id = case.record(json!({ "room": "r" })).await;
    let ended = case.until(&short, "over", |info| info["state"] != "recording").await;
    assert_eq!(
        (&ended["state"], &ended["reason"]),
        (&json!("ended"), &json!("it was to be no longer"))
    );
    assert!(probe(&case.file(&ended, 0)) > 10);
    assert_eq!(
        case.ask("DELETE", &format!("/v1/recordings/{id}"), None).await.code(),
        "wrong_state"
    );
    assert_eq!(case.ask("DELETE", "/v1/rooms/r", None).await.status, 204);
    let ended = case.until(&id, "over", |info| info["state"] != "recording").await;
    assert_eq!(ended["state"], "ended", "{ended}");
    drop(case);
    let case = Case::with(|config| config.recordings.most_bytes = 20_000).await;
    let (_ada, _) = case.film("ada").await;
    let id = case.record(json!({ "room": "r" })).await;
    let failed = case.until(&id, "over", |info| info["state"] != "recording").await;
    assert!(failed["reason"].as_str().unwrap().contains("recordings_max_mb"), "{failed}");
    let again = case.ask("POST", "/v1/recordings", Some(json!({ "room": "r" }))).await;
    assert_eq!(again.code(), "limit_reached");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_node_recorded_is_lost_and_kept() {
    let case = Case::new().await;
    let (_ada, _) = case.film("ada").await;
    let id = case.record(json!({ "room": "r" })).await;
    case.until(&id, "recording", |info| info["files"][0]["peer"] == "ada").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    // As if the process had ended: its successor knows the folder alone, and ends the programs.
    let again = app_with(settings(case.folder.path(), |_| {})).await;
    let lost = again.recordings.find(&id.parse().unwrap()).unwrap();
    assert_eq!(lost.state, RecordingState::Lost);
    assert!(lost.bytes > 0 && lost.ended_at.is_some(), "{lost:?}");
    assert_eq!(told(&again)[0]["lost"], true);
    // The program is asked to end, and has ten seconds for it.
    let info = serde_json::to_value(&lost).unwrap();
    let sdp = format!("{}.sdp", case.file(&info, 0).display());
    for _ in 0..100 {
        let runs = Command::new("pgrep").args(["-f", &sdp]).stdout(Stdio::null()).status();
        if !runs.unwrap().success() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(probe(&case.file(&info, 0)) > 10, "its program wrote the end");
}

#[tokio::test]
async fn what_cannot_be_recorded_is_told_why() {
    let case = Case::new().await;
    assert_eq!(case.ask("POST", "/v1/rooms", Some(json!({ "id": "r" }))).await.status, 201);
    let many: Vec<_> = (0..65).map(|n| format!("p{n}")).collect();
    for (wish, code) in [
        (json!({ "room": "nobody" }), "room_not_found"),
        (json!({ "room": "r", "maxSeconds": 0 }), "bad_request"),
        (json!({ "room": "r", "maxSeconds": 1_000_000 }), "bad_request"),
        (json!({ "room": "r", "peers": many }), "bad_request"),
        (json!({ "room": "r", "folder": "/etc" }), "bad_request"),
        (json!({ "room": "r", "node": "node-9" }), "node_not_found"),
    ] {
        let answer = case.ask("POST", "/v1/recordings", Some(wish.clone())).await;
        assert_eq!(answer.code(), code, "{wish}");
    }
    for id in ["%2e%2e", "..%2f..%2fetc", "nothing"] {
        let answer = case.ask("DELETE", &format!("/v1/recordings/{id}"), None).await;
        assert!(matches!(answer.status.as_u16(), 400 | 404), "{id}: {answer:?}");
    }
    let off = app_with(config()).await;
    let answer =
        send(&off, Side::Whole, request("POST", "/v1/recordings", Some(json!({"room": "r"}))));
    assert_eq!(answer.await.code(), "wrong_state");
}
