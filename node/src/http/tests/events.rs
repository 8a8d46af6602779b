//! The reference of events is written from their description.

use serde_json::Value;

use super::openapi;

/// `make openapi` writes it.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/events.md");

const HEAD: &str = "# Events

What `GET /v1/events` and webhooks tell, written from the program's own description by `make openapi`. Each event is one
JSON object: `id`, which no other event has; `at`, when, by the clock of the node that tells; `by`, that node; `type`, and
what is below. Kinds and fields are only ever added.

Each event is told by one node, of those that know it the one nearest to it. While nodes do not see each other two may
tell the same, under two ids.
";

fn written() -> String {
    let document: Value = serde_json::from_str(openapi::json()).unwrap();
    let kinds = document["components"]["schemas"]["Happening"]["oneOf"].as_array().unwrap();
    let mut text = HEAD.to_owned();
    for kind in kinds {
        let fields = kind["properties"].as_object().unwrap();
        let names = fields["type"]["enum"].as_array().unwrap();
        let about = kind["description"].as_str().unwrap().replace('\n', " ");
        text += &format!("\n## {}\n\n{about}\n\n", names[0].as_str().unwrap());
        let needed = kind["required"].as_array().unwrap();
        for (name, field) in fields.iter().filter(|(name, _)| *name != "type") {
            let maybe = if needed.iter().any(|it| it == name) { "" } else { ", may be absent" };
            let about = about_field(field);
            text += &format!("- `{name}`{maybe}: {about}\n");
        }
    }
    text
}

/// What is said of it where it is used: beside a reference, also within what may be absent.
fn about_field(field: &Value) -> &str {
    let within = field["oneOf"].as_array().into_iter().flatten();
    let mut said = std::iter::once(field).chain(within).map(|it| &it["description"]);
    said.find_map(Value::as_str).unwrap_or_default()
}

#[test]
fn the_reference_of_events_is_what_they_are() {
    let written = written();
    assert!(written.matches("\n## ").count() >= 20, "{written}");
    assert!(!written.contains(": \n"), "a field of which nothing is said:\n{written}");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(KEPT, &written).unwrap();
    }
    let kept = std::fs::read_to_string(KEPT).unwrap_or_default();
    assert!(kept == written, "docs/events.md is another: run `make openapi`");
}
