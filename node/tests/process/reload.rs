//! Keys and tokens that change while the program runs.

use serde_json::json;

use crate::harness::{Program, starling};

const OLD: &str = "cFEzdjlzWmsxTG1YN3RSYjJOY1k4d0hkNEpmRzZhVWU";
const NEW: &str = "OUhkN0pmNmFVZTNwUXY5c1prMUxtWDd0UmIyTmNZOHc";
const ROOT: &str = "7Jq2Vb9Xc4Nm6Kd8Fg1Hs3Pz5Tw0Ry-root";

fn keys(keys: &[(&str, &str)], revoked: &[&str]) -> String {
    let keys: Vec<_> =
        keys.iter().map(|(kid, k)| json!({"kty": "oct", "kid": kid, "k": k})).collect();
    json!({"keys": keys, "revoked": revoked}).to_string()
}

/// What `starling token admin` prints: the token, and its lines.
fn admin_token(name: &str, scope: &str) -> (String, String) {
    let made = starling().args(["token", "admin", name, "--scope", scope]).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let told = String::from_utf8(made.stderr).unwrap();
    let token = told.lines().next().and_then(|line| line.rsplit(' ').next()).unwrap().to_owned();
    (token, String::from_utf8(made.stdout).unwrap())
}

#[test]
fn keys_rotate_and_tokens_go_by_a_signal_by_rest_and_not_with_a_mistake() {
    let (graphs, lines) = admin_token("graphs", "read");
    let program = Program::start(
        &[("keys.json", &keys(&[("old", OLD)], &[])), ("admins.toml", &lines), ("root", ROOT)],
        &[
            ("TOKEN_KEYS_FILE", "@keys.json"),
            ("ADMIN_TOKENS_FILE", "@admins.toml"),
            ("ADMIN_TOKEN_FILE", "@root"),
        ],
    );
    let admin = |method: &str, path: &str, token: &str| {
        program.ask(program.admin, method, path, Some(token), None)
    };
    let make = || {
        let wish = json!({"room": "r", "peer": "p"});
        program.ask(program.admin, "POST", "/v1/tokens", Some(ROOT), Some(&wish)).json()
    };
    let placed = |token: &serde_json::Value| {
        let path = "/v1/rooms/r/placement";
        program.ask(program.listen, "GET", path, token["token"].as_str(), None).status
    };
    let of_old = make();
    assert_eq!(placed(&of_old), 200);
    assert_eq!(admin("GET", "/v1/rooms", &graphs).status, 200);
    assert_eq!(admin("POST", "/v1/nodes/n1/reload", &graphs).status, 403);
    let public = program.ask(program.listen, "GET", "/v1/rooms", Some(ROOT), None);
    assert_eq!(public.status, 404, "the REST API is on its own listener");

    let write = |name: &str, text: &str| std::fs::write(program.file(name), text).unwrap();
    write("keys.json", &keys(&[("new", NEW), ("old", OLD)], &[]));
    write("admins.toml", &admin_token("graphs", "read").1);
    program.signal("-HUP");
    program
        .until("the old admin token is gone", || admin("GET", "/v1/rooms", &graphs).status == 401);
    let of_new = make();
    assert_eq!((placed(&of_old), placed(&of_new)), (200, 200));

    write("keys.json", &keys(&[("new", NEW)], &[of_new["id"].as_str().unwrap()]));
    let reloaded = admin("POST", "/v1/nodes/n1/reload", ROOT);
    assert_eq!((reloaded.status, reloaded.json()["tokenKeys"].as_u64()), (200, Some(1)));
    assert_eq!((placed(&of_old), placed(&of_new)), (401, 401), "its key went, and it was revoked");
    let last = make();
    assert_eq!(placed(&last), 200);

    write("keys.json", "{");
    let refused = admin("POST", "/v1/nodes/n1/reload", ROOT);
    assert_eq!((refused.status, refused.json()["code"].as_str()), (400, Some("bad_request")));
    program.signal("-HUP");
    program.until("it says so", || program.printed().contains("not reloaded"));
    assert_eq!(placed(&last), 200, "nothing was changed");
    let metrics = program.ask(program.admin, "GET", "/metrics", None, None).body;
    for reason in ["unknown_key", "revoked"] {
        let line = format!("starling_token_refusals_total{{reason=\"{reason}\"}} 1\n");
        assert!(metrics.contains(&line), "{reason}");
    }
    program.end();
}
