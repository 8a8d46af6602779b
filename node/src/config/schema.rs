//! A JSON Schema (2020-12) of the settings file, for editors. Made of the table of keys.

use serde_json::{Map, Value, json};

use super::keys::{KEYS, Key};

/// The schema.
pub fn schema() -> Value {
    let properties: Map<_, _> = KEYS.iter().map(|key| (key.name.to_owned(), of(key))).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of `starling node`",
        "type": "object",
        "properties": properties,
        "additionalProperties": false
    })
}

fn of(key: &Key) -> Value {
    let mut schema = kind(key.value);
    schema["description"] = json!(format!("{} Default: {}.", key.help, key.default));
    schema
}

/// What a value looks like in a file, by what it looks like for people.
fn kind(value: &str) -> Value {
    match value {
        "NUMBER" => json!({"type": "integer", "minimum": 0}),
        "PORT" => json!({"type": "integer", "minimum": 1, "maximum": 65_535}),
        "RATIO" => json!({"type": "number", "minimum": 0, "maximum": 1}),
        "BOOL" => json!({"type": "boolean"}),
        "DURATION" => json!({"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"}),
        "FIRST-LAST" => json!({"type": "string", "pattern": "^[0-9]+-[0-9]+$"}),
        list if list.ends_with(",...") => json!({
            "oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
        }),
        words if words.contains(" or ") => {
            json!({"enum": words.split(" or ").collect::<Vec<_>>()})
        }
        _ => json!({"type": "string"}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_there_with_its_kind() {
        let schema = schema();
        let kind = |key: &str| schema["properties"][key].clone();
        assert_eq!(schema["properties"].as_object().unwrap().len(), KEYS.len());
        assert_eq!(kind("rtc_port")["maximum"], 65_535);
        assert_eq!(kind("rtc_tcp")["type"], "boolean");
        assert_eq!(kind("otlp_sample")["maximum"], 1);
        assert_eq!(kind("drain_deadline")["pattern"], "^[0-9]+(ms|s|m|h)$");
        assert_eq!(kind("announce")["oneOf"][1]["type"], "array");
        assert_eq!(kind("rtc_prefer")["enum"], json!(["udp", "tcp"]));
        assert_eq!(kind("id")["type"], "string");
        assert!(kind("id")["description"].as_str().unwrap().contains("the host's name"));
    }
}
