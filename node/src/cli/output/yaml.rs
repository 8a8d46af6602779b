//! JSON values as YAML 1.2 in block style. Texts that anything could take for something else are
//! quoted as in JSON, which YAML reads. Never does: read YAML.

use serde_json::Value;

/// A document.
pub(super) fn document(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => block(value, 0, &mut text),
        Value::Array(items) if !items.is_empty() => block(value, 0, &mut text),
        scalar => {
            text = leaf(scalar);
            text.push('\n');
        }
    }
    text
}

/// A map or list that is not empty, its first line where the writer stands.
fn block(value: &Value, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(map) => {
            for (n, (key, value)) in map.iter().enumerate() {
                if n > 0 {
                    out.push_str(&pad);
                }
                out.push_str(&word(key));
                out.push(':');
                under(value, indent + 2, indent, out);
            }
        }
        Value::Array(items) => {
            for (n, value) in items.iter().enumerate() {
                if n > 0 {
                    out.push_str(&pad);
                }
                out.push('-');
                if is_block(value) {
                    out.push(' ');
                    block(value, indent + 2, out);
                } else {
                    out.push(' ');
                    out.push_str(&leaf(value));
                    out.push('\n');
                }
            }
        }
        scalar => out.push_str(&leaf(scalar)),
    }
}

/// What stands behind a key: a scalar on its line, or a block below. Lists stay at the key's own
/// indent, as kubectl has them.
fn under(value: &Value, deeper: usize, same: usize, out: &mut String) {
    if !is_block(value) {
        out.push(' ');
        out.push_str(&leaf(value));
        out.push('\n');
        return;
    }
    let indent = if value.is_array() { same } else { deeper };
    out.push('\n');
    out.push_str(&" ".repeat(indent));
    block(value, indent, out);
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

fn leaf(value: &Value) -> String {
    match value {
        Value::String(text) => word(text),
        other => other.to_string(),
    }
}

/// A text, bare if it can be nothing else.
fn word(text: &str) -> String {
    // What YAML 1.1 readers take for a boolean, a null or a number (12:30 is 750 there).
    let taken = ["true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan"];
    let first = text.as_bytes().first().is_some_and(u8::is_ascii_alphabetic);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    let bare =
        first && text.bytes().all(plain) && !taken.contains(&text.to_ascii_lowercase().as_str());
    if bare { text.to_owned() } else { Value::String(text.to_owned()).to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn maps_and_lists_are_blocks() {
        let value = json!([
            {"id": "demo", "nodes": ["n1", "n2"], "policy": {"mode": "pack", "regions": []}},
            {"id": "other", "peers": 3}
        ]);
        let text = "\
- id: demo
  nodes:
  - n1
  - n2
  policy:
    mode: pack
    regions: []
- id: other
  peers: 3
";
        assert_eq!(document(&value), text);
        assert_eq!(document(&json!([])), "[]\n");
        assert_eq!(document(&json!([[1, 2], []])), "- - 1\n  - 2\n- []\n");
    }

    #[test]
    fn what_could_be_something_else_is_quoted() {
        for (text, written) in [
            ("demo", "demo"),
            ("no", "\"no\""),
            ("TRUE", "\"TRUE\""),
            ("12:30", "\"12:30\""),
            ("1e3", "\"1e3\""),
            ("", "\"\""),
            ("a: b", "\"a: b\""),
            ("x\ny", "\"x\\ny\""),
            ("- x", "\"- x\""),
            ("video/VP8", "video/VP8"),
            ("~", "\"~\""),
        ] {
            assert_eq!(document(&json!(text)), format!("{written}\n"), "{text}");
        }
    }
}
