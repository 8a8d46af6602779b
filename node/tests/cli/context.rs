//! Contexts, over the file they are kept in.

use std::os::unix::fs::PermissionsExt;

use crate::bench::{Dev, TOKEN, file, run, starling};

#[test]
fn a_context_stands_for_a_server_and_its_token() {
    let dev = Dev::start(1);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("contexts.toml");
    let with = |words: &[&str]| run(starling(words).env("STARLING_CONTEXTS", &path));
    let token = file(folder.path(), "token", TOKEN);
    let token = token.to_str().unwrap();
    assert_eq!(
        with(&["context", "set", "here", "--server", &dev.url(), "--token-file", token]).code,
        0
    );
    assert_eq!(
        with(&["context", "set", "gone", "--server", "http://127.0.0.1:1", "--token", "s3cret"])
            .code,
        0
    );
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // The first is taken.
    assert_eq!(with(&["nodes", "list", "-o", "name"]).out, "node-1\n");
    assert_eq!(with(&["nodes", "list", "--context", "gone"]).code, 5);
    assert_eq!(with(&["context", "use", "gone"]).code, 0);
    assert_eq!(with(&["nodes", "list"]).code, 5);
    assert_eq!(with(&["nodes", "list", "--context", "here"]).code, 0);
    let list = with(&["context", "list"]).out;
    assert!(list.contains("*   gone") && !list.contains("s3cret"), "{list}");
    assert!(!with(&["context", "list", "-o", "json"]).out.contains("s3cret"));
    let unknown = with(&["context", "use", "nowhere"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.err.contains("there are: gone, here"), "{}", unknown.err);
    assert_eq!(with(&["context", "delete", "gone"]).code, 0);
    assert_eq!(with(&["context", "list", "-o", "name"]).out, "here\n");
}

#[test]
fn settings_are_shown_with_their_origin_and_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let text = "rtc_port = 9000\nannounce = ['203.0.113.7']\n";
    let path = file(folder.path(), "s.toml", text);
    let secret = "pQ3v9sZk1LmX7tRb2NcY8wHd4JfG6aUe";
    let with = |words: &[&str]| {
        let mut command = starling(words);
        command.args(["--config", path.to_str().unwrap(), "--region", "eu"]);
        run(command.env("STARLING_TOKEN_SECRET", secret).env("STARLING_ADMIN_TOKEN", secret))
    };
    let ran = with(&["config", "print", "--effective", "--origin"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let line = |key: &str| {
        let found = ran.out.lines().find(|line| line.split_whitespace().next() == Some(key));
        found.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("rtc_port"), format!("rtc_port 9000 {}", path.display()));
    assert_eq!(line("region"), "region eu --region");
    assert_eq!(line("admin_token"), "admin_token <secret> STARLING_ADMIN_TOKEN");
    assert_eq!(line("log"), "log info default");
    assert!(line("api_url").starts_with("api_url http://203.0.113.7:"));
    assert!(!ran.out.contains(secret));
    assert_eq!(with(&["config", "check"]).code, 0);
    let bad = run(starling(["config", "check", "--rtc-port", "x"]).env_remove("HOME"));
    assert_eq!(bad.code, 2);
    assert!(bad.err.contains("rtc_port (--rtc-port)"), "{}", bad.err);
    let schema = run(&mut starling(["config", "schema"]));
    let schema: serde_json::Value = serde_json::from_str(&schema.out).unwrap();
    assert_eq!(schema["properties"]["rtc_port"]["type"], "integer");
}
