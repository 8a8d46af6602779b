//! What the handlers' attributes do not say of an operation: its name, why it may refuse, examples.
//! Pure: a document in, a document out.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use starling_proto::{Code, Refusal, rest::Problem};

use super::operations::{find, usual};

/// Requests and answers of a real node, by the operation's name: what
/// `http::tests::examples` has recorded.
const EXAMPLES: &str = include_str!("examples.json");

/// Completes a description.
pub(super) fn complete(document: &mut Value) {
    let examples: Value = serde_json::from_str(EXAMPLES).expect("it was written as JSON");
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for (path, item) in paths {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            let Some((_, _, name, codes)) = find(method, path) else { continue };
            operation["operationId"] = json!(name);
            refusals(operation, usual(method, path, operation.get("requestBody").is_some()), codes);
            let named = operation.get_mut("parameters").and_then(Value::as_array_mut);
            named.into_iter().flatten().for_each(name_parameter);
            manners(operation, method, path);
            add_examples(operation, &examples[*name]);
        }
    }
    document["x-codes"] = codes();
}

/// All codes, for the page and for whoever writes a client.
fn codes() -> Value {
    let all = Code::ALL
        .iter()
        .map(|code| json!({ "code": code, "status": code.status(), "title": code.title() }));
    all.collect()
}

/// One response for each status, with an example for each code.
fn refusals(operation: &mut Value, usual: Vec<Code>, own: &[Code]) {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    let mut all: Vec<Code> = usual.into_iter().chain(own.iter().copied()).collect();
    all.sort_unstable();
    all.dedup();
    all.iter().for_each(|code| by_status.entry(code.status()).or_default().push(*code));
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    responses.retain(|status, _| !status.ends_with("XX"));
    for (status, codes) in by_status {
        let titles: Vec<_> =
            codes.iter().map(|code| format!("`{code}`: {}", code.title())).collect();
        let examples = codes.iter().map(|code| {
            let problem = Problem::from(Refusal::new(*code, code.title()).hint("…"));
            (code.to_string(), json!({ "value": problem }))
        });
        // What a handler answers with that status itself is described by its attributes.
        responses.entry(status.to_string()).or_insert_with(|| {
            json!({
                "description": titles.join("\n\n"),
                "content": { "application/problem+json": {
                    "schema": { "$ref": "#/components/schemas/Problem" },
                    "examples": examples.collect::<Map<_, _>>(),
                }},
            })
        });
    }
    let names = all.iter().map(|code| json!(code));
    operation["x-codes"] = names.collect();
}

/// What a parameter looks like.
fn name_parameter(parameter: &mut Value) {
    let example = match parameter["name"].as_str() {
        Some("room") => "stand-up",
        Some("peer" | "broadcaster") => "ada",
        Some("id") => "node-1",
        Some("revocation" | "recording") => "5c1b7d0e9a3f4d2c8e6b1a0f7d9c3e21",
        Some("webhook") => "billing",
        Some(
            "transport" | "producer" | "consumer" | "dataProducer" | "dataConsumer" | "session"
            | "stream",
        ) => "7f6c1f4e-2d52-4c39-8f6c-4a1d7f0e9b11",
        _ => return,
    };
    if parameter.get("example").is_none() {
        parameter["example"] = json!(example);
    }
}

/// Headers that every operation of this kind takes.
fn manners(operation: &mut Value, method: &str, path: &str) {
    if !path.starts_with("/v1/") {
        return;
    }
    let header = |name: &str, about: &str| {
        json!({
            "name": name, "in": "header", "required": false, "description": about,
            "schema": { "type": "string" },
        })
    };
    let added = match method {
        "post" => header(
            "Idempotency-Key",
            "Asked again with the same one, it is not done again but answered again, by the same \
             node, for ten minutes.",
        ),
        "get" => header("If-None-Match", "An ETag: the answer is 304 if it is still that."),
        _ => {
            header("If-Match", "An ETag of the same path: the answer is 412 if it is another now.")
        }
    };
    if !operation["parameters"].is_array() {
        operation["parameters"] = json!([]);
    }
    let Some(parameters) = operation["parameters"].as_array_mut() else { return };
    if !parameters.iter().any(|known| known["name"] == added["name"]) {
        parameters.push(added);
    }
    let json_answer = operation.pointer("/responses/200/content/application~1json").is_some();
    if method == "get" && json_answer {
        operation["responses"]["304"] = json!({ "description": "It is what you have." });
    }
}

/// `{ "request": …, "answer": … }` into the bodies.
fn add_examples(operation: &mut Value, recorded: &Value) {
    let content = operation.pointer_mut("/requestBody/content").and_then(Value::as_object_mut);
    if let (Some(request), Some(content)) = (recorded.get("request"), content) {
        content.values_mut().for_each(|content| content["example"] = request.clone());
    }
    let Some(answer) = recorded.get("answer") else { return };
    let responses = operation["responses"].as_object_mut().into_iter().flatten();
    for (status, response) in responses {
        let content = response.get_mut("content").and_then(Value::as_object_mut);
        for (kind, content) in content.into_iter().flatten() {
            if status.starts_with('2') || kind == "application/json" {
                content["example"] = answer.clone();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_described_once_for_each_status_and_keeps_what_was_there() {
        let mut operation = json!({ "responses": {
            "201": {}, "4XX": {}, "503": { "content": { "application/json": {} } }
        }});
        let usual = vec![Code::RoomNotFound, Code::PeerNotFound, Code::Timeout];
        refusals(&mut operation, usual, &[Code::RoomNotFound, Code::RoomExists]);
        let responses = operation["responses"].as_object().unwrap();
        let statuses: Vec<_> = responses.keys().map(String::as_str).collect();
        assert_eq!(statuses, ["201", "404", "409", "503"]);
        let examples = &responses["404"]["content"]["application/problem+json"]["examples"];
        assert_eq!(examples.as_object().unwrap().len(), 2);
        assert_eq!(examples["room_not_found"]["value"]["status"], 404);
        assert!(responses["503"]["content"].get("application/problem+json").is_none());
    }
}
