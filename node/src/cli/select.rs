//! `--selector state=up,region!=eu`: which of a list are shown, by what programs get of them. Never
//! does: ask the node to select.

use std::{fmt, str::FromStr};

use serde_json::Value;

/// All of these must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selector(Vec<Term>);

/// `policy.mode=spread`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    path: Vec<String>,
    equal: bool,
    value: String,
}

/// What is wrong with a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadSelector(String);

impl fmt::Display for BadSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no condition: write it as state=up, region!=eu or policy.mode=pack",
            self.0
        )
    }
}

impl std::error::Error for BadSelector {}

impl FromStr for Selector {
    type Err = BadSelector;

    fn from_str(text: &str) -> Result<Self, BadSelector> {
        let term = |text: &str| {
            let bad = || BadSelector(text.to_owned());
            let (name, value) = text.split_once('=').ok_or_else(bad)?;
            let (name, equal) = match name.strip_suffix('!') {
                Some(name) => (name, false),
                None => (name, true),
            };
            // kubectl takes two signs as well.
            let value = value.strip_prefix('=').unwrap_or(value).trim().to_owned();
            let path: Vec<_> = name.trim().split('.').map(String::from).collect();
            if path.iter().any(String::is_empty) {
                Err(bad())
            } else {
                Ok(Term { path, equal, value })
            }
        };
        text.split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(term)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl Selector {
    /// Whether all of it holds.
    pub(super) fn takes(&self, item: &Value) -> bool {
        self.0.iter().all(|term| {
            let path: Vec<&str> = term.path.iter().map(String::as_str).collect();
            is(item, &path, &term.value) == term.equal
        })
    }
}

/// Whether what is at `path` has this value; of a list, whether anything in it has.
fn is(item: &Value, path: &[&str], value: &str) -> bool {
    if let Value::Array(items) = item {
        return items.iter().any(|item| is(item, path, value));
    }
    match path.split_first() {
        Some((name, rest)) => item.get(name).is_some_and(|inner| is(inner, rest, value)),
        None => match item {
            Value::String(text) => text == value,
            // Numbers and booleans as JSON writes them.
            other => serde_json::to_string(other).is_ok_and(|text| text == value),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn takes(selector: &str) -> bool {
        let room = json!({
            "id": "demo", "nodes": ["n1", "n2"], "persistent": true, "peers": 4,
            "policy": {"mode": "pack", "maxPeers": 9}, "list": [{"kind": "video"}]
        });
        selector.parse::<Selector>().unwrap().takes(&room)
    }

    #[test]
    fn all_conditions_must_hold() {
        for good in [
            "",
            "id=demo",
            "id==demo",
            "nodes=n2",
            "persistent=true",
            "peers=4",
            "peers!=5",
            "policy.mode=pack",
            "id=demo, policy.maxPeers=9",
            "list.kind=video",
            "unknown!=x",
        ] {
            assert!(takes(good), "{good}");
        }
        for bad in ["id=other", "nodes=n3", "id=demo,peers=5", "nodes!=n1", "unknown=x"] {
            assert!(!takes(bad), "{bad}");
        }
    }

    #[test]
    fn what_is_no_condition_is_named() {
        for bad in ["demo", "=x", "a..b=c"] {
            assert_eq!(bad.parse::<Selector>(), Err(BadSelector(bad.to_owned())));
        }
    }
}
