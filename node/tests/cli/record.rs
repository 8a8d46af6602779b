//! Recording, with the real ffmpeg: what ffmpeg sends comes back as files that play.

use std::{
    io::Read,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use starling_client::Client;
use starling_proto::{
    PeerId, RoomId,
    rest::{CreatePeer, CreatePlainTransport, CreateProducer},
};

use crate::bench::{Dev, Process, TOKEN};

const QUIET: [&str; 5] = ["-hide_banner", "-nostdin", "-loglevel", "error", "-y"];

/// Sends a test picture and a tone into the room, as a program does.
async fn send(dev: &Dev, room: &RoomId) -> Process {
    let client = Client::new(&dev.url()).unwrap().token(TOKEN).unwrap();
    let peer: PeerId = "file".parse().unwrap();
    let wish = CreatePeer::new(peer.clone(), "A file");
    client.create_peer(room, &wish).await.unwrap();
    let mut urls = Vec::new();
    for (kind, codec, ssrc) in [
        ("video", r#"{"mimeType":"video/VP8","payloadType":102,"clockRate":90000}"#, 1111),
        (
            "audio",
            r#"{"mimeType":"audio/opus","payloadType":101,"clockRate":48000,"channels":2}"#,
            2222,
        ),
    ] {
        let plain = CreatePlainTransport {
            comedia: true,
            rtcp_mux: false,
            ..CreatePlainTransport::default()
        };
        let made = client.create_plain_transport(room, &peer, &plain).await.unwrap();
        let codec: serde_json::Value = serde_json::from_str(codec).unwrap();
        let wish: CreateProducer = serde_json::from_value(serde_json::json!({
            "kind": kind, "appData": {"source": kind},
            "rtpParameters": {"codecs": [codec], "encodings": [{"ssrc": ssrc}]}
        }))
        .unwrap();
        client.produce(room, &peer, &made.transport_id, &wish).await.unwrap();
        let address = made.address;
        urls.push(format!(
            "rtp://{}:{}?rtcpport={}",
            address.ip,
            address.port,
            address.rtcp_port.unwrap()
        ));
    }
    let child = Command::new("ffmpeg")
        .args(QUIET)
        .args(["-re", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=10"])
        .args(["-re", "-f", "lavfi", "-i", "sine=440", "-map", "0:v", "-c:v", "libvpx"])
        .args(["-deadline", "realtime", "-cpu-used", "8", "-g", "10", "-b:v", "150k"])
        .args(["-ssrc", "1111", "-payload_type", "102", "-f", "rtp", &urls[0]])
        .args(["-map", "1:a", "-c:a", "libopus", "-ac", "2", "-b:a", "32k"])
        .args(["-ssrc", "2222", "-payload_type", "101", "-f", "rtp", &urls[1]])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("ffmpeg is installed");
    Process(child)
}

/// Frames of a stream that a player could show.
fn frames(file: &std::path::Path) -> u32 {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames"])
        .args(["-of", "csv=p=0"])
        .arg(file)
        .output()
        .expect("ffprobe is installed");
    let told = String::from_utf8(output.stdout).unwrap();
    told.trim().parse().unwrap_or_else(|_| panic!("{} does not play: {told}", file.display()))
}

#[test]
fn a_room_is_recorded_into_files_that_play_and_ctrl_c_ends_them_whole() {
    let dev = Dev::start(1);
    let folder = tempfile::tempdir().unwrap();
    let room: RoomId = "demo".parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let sender = runtime.block_on(send(&dev, &room));
    let out = folder.path().to_str().unwrap();
    let child = dev
        .command(["record", "demo", "--out", out, "--address", "127.0.0.1", "-o", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut recorder = Process(child);
    let begun = Instant::now();
    let of = |end: &str| {
        let mut files = std::fs::read_dir(folder.path()).unwrap().filter_map(Result::ok);
        let found = files.find(|it| {
            let name = it.file_name().to_string_lossy().into_owned();
            name.contains(end) && name.ends_with(".webm")
        });
        found.map(|it| it.path())
    };
    let size = |end: &str| of(end).map_or(0, |path| std::fs::metadata(path).unwrap().len());
    // It is on disk by the second, and not when ffmpeg's buffer is full.
    while size("-video-") < 20_000 || size("-audio-") < 5_000 {
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing is written");
        std::thread::sleep(Duration::from_millis(200));
    }
    let pid = recorder.0.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(recorder.0.wait().unwrap().code(), Some(0));
    let mut printed = String::new();
    recorder.0.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    drop(sender);
    let (video, audio) = (of("-video-").unwrap(), of("-audio-").unwrap());
    assert!(frames(&video) >= 10, "{}", frames(&video));
    assert!(frames(&audio) >= 50, "{}", frames(&audio));
    let told = std::fs::read_to_string(folder.path().join("recording.json")).unwrap();
    let told: Vec<serde_json::Value> = serde_json::from_str(&told).unwrap();
    assert_eq!(told.len(), 2);
    let printed: serde_json::Value = serde_json::from_str(&printed).expect(&printed);
    assert_eq!(printed, serde_json::json!(told));
    assert!(told.iter().all(|it| it["peer"] == "file" && it["beganAt"].as_u64() > Some(0)));
    let peers = dev.run(["peers", "list", "demo", "-o", "name"]).out;
    assert_eq!(peers, "file\n", "the recorder has left");
}

#[test]
fn a_room_that_is_not_there_is_not_recorded() {
    let dev = Dev::start(1);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    assert_eq!(dev.run(["record", "nowhere", "--out", out]).code, 3);
    assert_eq!(dev.run(["rooms", "list", "-o", "name"]).out, "");
}
