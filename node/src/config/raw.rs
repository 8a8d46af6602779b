//! Settings as texts, with where each came from: flags before environment before file. Never does:
//! judge a value.

use std::{collections::BTreeMap, fmt};

use clap::{Arg, ArgMatches, Args, Command};

use super::{Mistake, keys};

/// Where a value was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// On the command line.
    Flag(String),
    /// In an environment variable.
    Env(String),
    /// In a file.
    File(String),
    /// Nowhere.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "--{name}"),
            Self::Env(name) => f.write_str(name),
            Self::File(path) => f.write_str(path),
            Self::Default => f.write_str("not given"),
        }
    }
}

/// The flags of `starling node`, unchecked: one per key that may be one, and `--config`.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The file.
    pub config: Option<String>,
    values: BTreeMap<&'static str, String>,
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .env("STARLING_CONFIG")
            .help("TOML file with any of the keys below, underscores for dashes");
        keys::KEYS.iter().filter(|key| key.flag).fold(command.arg(file), |command, key| {
            let help = format!("{} [default: {}] [env: {}]", key.help, key.default, key.env());
            let long = key.flag_name();
            command.arg(Arg::new(key.name).long(long).value_name(key.value).help(help))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |name| matches.get_one::<String>(name).cloned();
        let flags = keys::KEYS.iter().filter(|key| key.flag);
        let values = flags.filter_map(|key| Some((key.name, given(key.name)?))).collect();
        Ok(Self { config: given("config"), values })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// What was given, by key.
#[derive(Clone, Debug, Default)]
pub struct Raw(BTreeMap<&'static str, (String, Origin)>);

impl Raw {
    /// Puts flags over environment over file. Mistakes of the file are added to `mistakes`.
    pub fn merge(
        flags: &Flags,
        env: impl Fn(&str) -> Option<String>,
        file: Option<(&str, &str)>,
        mistakes: &mut Vec<Mistake>,
    ) -> Self {
        let mut all = BTreeMap::new();
        if let Some((path, text)) = file {
            all = from_file(path, text, mistakes);
        }
        for key in keys::KEYS {
            let variable = key.env();
            if let Some(value) = env(&variable).filter(|value| !value.is_empty()) {
                all.insert(key.name, (value, Origin::Env(variable)));
            }
            if let Some(value) = flags.values.get(key.name) {
                all.insert(key.name, (value.clone(), Origin::Flag(key.flag_name())));
            }
        }
        Self(all)
    }

    /// The value of a key, if one was given.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|(value, _)| value.as_str())
    }

    /// Where it came from.
    pub fn origin(&self, key: &str) -> Origin {
        self.0.get(key).map_or(Origin::Default, |(_, origin)| origin.clone())
    }
}

fn from_file(
    path: &str,
    text: &str,
    mistakes: &mut Vec<Mistake>,
) -> BTreeMap<&'static str, (String, Origin)> {
    let origin = Origin::File(path.to_owned());
    let mut mistake = |key: &str, message: String, fix: String| {
        mistakes.push(Mistake { key: key.to_owned(), origin: origin.clone(), message, fix });
    };
    let table: toml::Table = match toml::from_str(text) {
        Ok(table) => table,
        Err(error) => {
            let message = format!("the file is not TOML: {}", error.to_string().trim_end());
            mistake("config", message, "correct the line, or run without --config".to_owned());
            return BTreeMap::new();
        }
    };
    let mut values = BTreeMap::new();
    for (name, value) in table {
        let Some(key) = keys::find(&name) else {
            let fix = match keys::closest(&name) {
                Some(near) => format!("did you mean {near}?"),
                None => "docs/configuration.md lists all keys".to_owned(),
            };
            mistake(&name, "there is no such key".to_owned(), fix);
            continue;
        };
        match as_text(&value) {
            Some(text) => drop(values.insert(key.name, (text, origin.clone()))),
            None => mistake(
                key.name,
                format!("a {} is not a value for it", value.type_str()),
                format!("write {} as a text, number, boolean or list of them", key.value),
            ),
        }
    }
    values
}

/// Scalars as they are written, lists with commas: as a flag would have them.
fn as_text(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(yes) => Some(yes.to_string()),
        toml::Value::Array(items) => {
            let items: Option<Vec<_>> = items.iter().map(as_text).collect();
            items.map(|items| items.join(","))
        }
        toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(args: &[&str]) -> Flags {
        let command = Flags::augment_args(Command::new("x").no_binary_name(true));
        clap::FromArgMatches::from_arg_matches(&command.get_matches_from(args)).unwrap()
    }

    #[test]
    fn a_flag_beats_the_environment_and_that_the_file() {
        let flags = flags(&["--region", "flag"]);
        let env = |name: &str| {
            ["STARLING_REGION", "STARLING_ID"].contains(&name).then(|| "env".to_owned())
        };
        let file = "region = 'file'\nid = 'file'\nrtc_port = 9\nannounce = ['a', 'b']";
        let mut mistakes = Vec::new();
        let raw = Raw::merge(&flags, env, Some(("s.toml", file)), &mut mistakes);
        assert_eq!(mistakes, []);
        assert_eq!(raw.value("region"), Some("flag"));
        assert_eq!(raw.origin("region").to_string(), "--region");
        assert_eq!(raw.value("id"), Some("env"));
        assert_eq!(raw.value("rtc_port"), Some("9"));
        assert_eq!(raw.value("announce"), Some("a,b"));
        assert_eq!(raw.origin("max_peers"), Origin::Default);
    }

    #[test]
    fn mistakes_of_a_file_are_all_told() {
        let mut mistakes = Vec::new();
        let file = "rtc_prot = 1\nlisten = {a = 1}\nnonsense = 2";
        Raw::merge(&Flags::default(), |_| None, Some(("s.toml", file)), &mut mistakes);
        let told: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "listen (s.toml): a table is not a value for it; write ADDR,... as a text, number, \
                 boolean or list of them",
                "nonsense (s.toml): there is no such key; docs/configuration.md lists all keys",
                "rtc_prot (s.toml): there is no such key; did you mean rtc_port?",
            ]
        );
    }

    #[test]
    fn a_file_that_is_not_toml_names_the_line() {
        let mut mistakes = Vec::new();
        Raw::merge(&Flags::default(), |_| None, Some(("s.toml", "a = 1\nb = = 2")), &mut mistakes);
        assert!(mistakes[0].message.contains("line 2"), "{}", mistakes[0]);
    }

    #[test]
    fn secrets_are_no_flags() {
        let command = Flags::augment_args(Command::new("x"));
        for name in ["admin_token", "token_secret", "cluster_secret", "etcd_password"] {
            assert!(command.get_arguments().all(|arg| arg.get_id() != name), "{name}");
        }
    }
}
