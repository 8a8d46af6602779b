//! What holds, key by key, and where it came from. Secrets are never among it.

use serde::Serialize;
use starling_proto::Id;

use super::{
    Config, Raw,
    keys::{KEYS, Key},
};
use crate::limit::JOINS_PER_WORKER;

/// What stands for a secret.
const SECRET: &str = "<secret>";

/// A setting that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Which.
    pub key: &'static str,
    /// Its value, as it would be written.
    pub value: String,
    /// Where it came from.
    pub origin: String,
    /// Whether it was given at all.
    #[serde(skip)]
    pub given: bool,
}

/// All settings, in the order of the documentation.
pub fn settings(raw: &Raw, config: &Config) -> Vec<Setting> {
    let setting = |key: &'static Key| {
        let given = raw.value(key.name);
        let value = match given {
            Some(_) if !key.flag => SECRET.to_owned(),
            Some(text) => text.to_owned(),
            None => derived(key, config),
        };
        let origin = raw.origin(key.name).to_string();
        let origin = if given.is_some() { origin } else { "default".to_owned() };
        Setting { key: key.name, value, origin, given: given.is_some() }
    };
    KEYS.iter().map(setting).collect()
}

/// What a default comes to on this machine.
fn derived(key: &Key, config: &Config) -> String {
    match key.name {
        "id" => config.id.as_str().to_owned(),
        "api_url" => config.http.api_url.clone(),
        "announce" => config.rtc.announced.join(","),
        "workers" => config.rtc.workers.to_string(),
        "joins_per_second" => {
            let workers = u32::try_from(config.rtc.workers).unwrap_or(u32::MAX);
            JOINS_PER_WORKER.saturating_mul(workers).to_string()
        }
        "link_announce" => {
            let announced = config.link.announced.map(|address| address.to_string());
            announced.unwrap_or_else(|| "none".to_owned())
        }
        _ => key.default.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flags, Host, examine};

    fn all(variables: &[(&str, &str)]) -> Vec<Setting> {
        let env = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let raw = Raw::merge(&Flags::default(), env, None, &mut Vec::new());
        let host = Host {
            name: "host-1".into(),
            cores: 4,
            address: Some([192, 0, 2, 7].into()),
            random_secret: "random".into(),
        };
        let (config, _) = examine(&raw, &host, |_| Ok(String::new()));
        settings(&raw, &config)
    }

    fn of<'a>(all: &'a [Setting], key: &str) -> (&'a str, &'a str) {
        let found = all.iter().find(|setting| setting.key == key).unwrap();
        (&found.value, &found.origin)
    }

    #[test]
    fn what_was_given_has_its_origin_and_what_was_not_its_default() {
        let all = all(&[("STARLING_RTC_PORT", "9000")]);
        assert_eq!(of(&all, "rtc_port"), ("9000", "STARLING_RTC_PORT"));
        assert_eq!(of(&all, "id"), ("host-1", "default"));
        assert_eq!(of(&all, "api_url"), ("http://192.0.2.7:4443", "default"));
        assert_eq!(of(&all, "workers"), ("4", "default"));
        assert_eq!(of(&all, "link_announce"), ("192.0.2.7:7443", "default"));
        assert_eq!(of(&all, "log"), ("info", "default"));
        assert_eq!(all.len(), KEYS.len());
    }

    #[test]
    fn no_secret_is_among_it() {
        let secret = "pQ3v9sZk1LmX7tRb2NcY8wHd4JfG6aUe";
        let names: Vec<_> = KEYS.iter().filter(|key| !key.flag).map(Key::env).collect();
        assert!(names.len() > 3, "{names:?}");
        let variables: Vec<_> = names.iter().map(|name| (name.as_str(), secret)).collect();
        let all = all(&variables);
        assert!(!format!("{all:?}").contains(secret));
        assert_eq!(of(&all, "admin_token"), ("<secret>", "STARLING_ADMIN_TOKEN"));
    }
}
