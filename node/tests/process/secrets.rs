//! Secrets that are known, taken through joins, refusals, reloads and mistakes, and then looked for
//! in everything that comes out of the program (T-S10).

use std::{fs, process::Output};

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

use crate::harness::{Program, starling};

/// Each with a word that is nowhere else.
const TOKEN_SECRET: &str = "zebra-Tq7Lm2Xv9Kd4Fg8Hs1Pw6Ry3Nc5Jb0";
const ADMIN: &str = "quokka-Ub5Wn8Zx2Ce6Vf1Gt9Hy3Ju7Ik4Ol0";
const CLUSTER: &str = "ocelot-Ws4Ed7Rf1Tg8Yh2Uj5Ik9Ol3Pa6Qz0";
const TURN: &str = "walrus-Mn1Bv6Cx3Zl9Kj4Hg7Fd2Sa8Po5Iu0";
const SHARED: &str = "bXVza3JhdC1BczNEZjZHaDlKazJMbDVaeDhDdjFCbjQ";

const WORDS: [&str; 6] = ["zebra", "quokka", "ocelot", "walrus", "muskrat", "bXVza3JhdC"];

fn clean(what: &str, text: &str) {
    for word in WORDS {
        assert!(!text.contains(word), "{what} has {word}: …{}…", around(text, word));
    }
}

fn around<'a>(text: &'a str, word: &str) -> &'a str {
    let at = text.find(word).unwrap_or_default();
    let from = (at.saturating_sub(200)..=at).find(|n| text.is_char_boundary(*n)).unwrap_or(at);
    let to = (at + 60).min(text.len());
    let to = (to..=text.len()).find(|n| text.is_char_boundary(*n)).unwrap_or(text.len());
    &text[from..to]
}

/// Joins by a WebSocket, and says how it ended; the answers are the client's own.
async fn join(program: &Program, query: &str) -> Result<Value, String> {
    let url = format!("ws://{}/ws?{query}", program.listen);
    let mut request = url.into_client_request().unwrap();
    let protocol = HeaderValue::from_static("protoo");
    request.headers_mut().insert("sec-websocket-protocol", protocol);
    let (mut socket, _) = connect_async(request).await.map_err(|error| error.to_string())?;
    let join = json!({"request": true, "id": 1, "method": "join", "data": {"displayName": "Ada"}});
    socket.send(Message::text(join.to_string())).await.map_err(|error| error.to_string())?;
    while let Some(Ok(message)) = socket.next().await {
        if let Ok(text) = message.to_text()
            && let Ok(frame) = serde_json::from_str::<Value>(text)
            && frame["response"] == true
        {
            return Ok(frame["data"].clone());
        }
    }
    Err("closed".into())
}

fn all_of(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_comes_out_of_the_program() {
    let keys = json!({"keys": [{"kty": "oct", "kid": "k1", "k": SHARED}]}).to_string();
    let program = Program::start(
        &[("admin", ADMIN), ("keys.json", &keys)],
        &[
            ("TOKEN_SECRET", TOKEN_SECRET),
            ("ADMIN_TOKEN_FILE", "@admin"),
            ("CLUSTER_SECRET", CLUSTER),
            ("TOKEN_KEYS_FILE", "@keys.json"),
            ("ICE_SERVERS", "turn:turn.example.org"),
            ("ICE_SECRET", TURN),
            ("LOG", "trace"),
        ],
    );
    let ask = |method: &str, path: &str, token: Option<&str>, body: Option<Value>| {
        program.ask(program.admin, method, path, token, body.as_ref())
    };
    let wish = json!({"room": "r", "peer": "ada"});
    let made = ask("POST", "/v1/tokens", Some(ADMIN), Some(wish));
    clean("the answer with a token", &made.body);
    let token = made.json()["token"].as_str().unwrap().to_owned();
    let joined = join(&program, &format!("roomId=r&peerId=ada&token={token}")).await.unwrap();
    let ticket = joined["resumeTicket"].as_str().unwrap().to_owned();
    let resumed = format!("roomId=r&peerId=ada&token={token}&resume={ticket}");
    join(&program, &resumed).await.unwrap();
    // Whoever takes one thing for another.
    for wrong in [TOKEN_SECRET, ADMIN, CLUSTER, "a.b.c"] {
        let refused = join(&program, &format!("roomId=r&peerId=ada&token={wrong}")).await;
        clean("a refused join", &refused.unwrap_err());
    }
    for path in
        ["/v1/rooms", "/v1/nodes/n1/workers", "/v1/rooms/r/peers/ada", "/metrics", "/nowhere"]
    {
        for token in [None, Some(TOKEN_SECRET), Some(CLUSTER), Some(ADMIN), Some(&*token)] {
            for method in ["GET", "POST"] {
                clean(path, &ask(method, path, token, None).body);
            }
        }
    }
    let body = json!({"id": "x", "admin_token": ADMIN, "policy": TOKEN_SECRET});
    let refused = ask("POST", "/v1/rooms", Some(ADMIN), Some(body));
    assert_eq!(refused.status, 400);
    program.signal("-HUP");
    program.until("it has reloaded", || program.printed().contains("reloaded"));
    fs::write(program.file("keys.json"), keys.replace("\"kid\"", "kid")).unwrap();
    clean("a refused reload", &ask("POST", "/v1/nodes/n1/reload", Some(ADMIN), None).body);
    let pid = program.pid();
    let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    clean("ps", &line);
    let printed = program.end();
    assert!(printed.contains("audit"), "changes are in the log");
    // Each place in the code writes what it writes at least once, however often it is passed.
    assert!(printed.contains(" TRACE "), "it was told to say everything: {printed}");
    clean("the log", &printed);
    for (what, text) in [("a room token", &token), ("a resume ticket", &ticket)] {
        assert!(!printed.contains(text.as_str()), "the log has {what}: {}", around(&printed, text));
    }
}

#[test]
fn no_mistake_in_the_settings_is_told_with_a_secret() {
    let run = |variables: &[(&str, &str)]| {
        let mut command = starling();
        command.args(["node", "--listen", "nowhere"]);
        command.envs(variables.iter().map(|(name, value)| (format!("STARLING_{name}"), *value)));
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        clean("a mistake", &all_of(&output));
    };
    run(&[("TOKEN_SECRET", TOKEN_SECRET), ("ADMIN_TOKEN", ADMIN)]);
    run(&[
        ("TOKEN_SECRET", "zebra-short"),
        ("ADMIN_TOKEN", "quokka-changeme-quokka-changeme-quokka"),
    ]);
    run(&[("ICE_SERVERS", "turn:t"), ("ICE_USERNAME", "u"), ("ICE_CREDENTIAL", "walrus\"walrus")]);
    let help =
        starling().args(["node", "--help"]).env("STARLING_ADMIN_TOKEN", ADMIN).output().unwrap();
    clean("the help", &all_of(&help));
}
