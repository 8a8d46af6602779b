//! The file of contexts: TOML that only its owner can read. Never does: choose one.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::cli::output::{Failure, note};

/// What a name stands for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Context {
    /// A node of the cluster.
    pub(crate) server: String,
    /// The admin token itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    /// Or the file that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<String>,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("server", &self.server).finish_non_exhaustive()
    }
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Contexts {
    /// The one that is used if none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    /// By name.
    pub(crate) contexts: BTreeMap<String, Context>,
}

impl Contexts {
    /// Reads the file; none is no contexts.
    ///
    /// # Errors
    /// [`Failure::Usage`] if it is there and cannot be read.
    pub(crate) fn load() -> Result<Self, Failure> {
        path().map_or_else(|| Ok(Self::default()), |path| Self::read(&path))
    }

    /// Writes the file.
    ///
    /// # Errors
    /// [`Failure::Failed`] if it cannot be written.
    pub(crate) fn save(&self) -> Result<(), Failure> {
        let none = "set STARLING_CONTEXTS to a file: neither XDG_CONFIG_HOME nor HOME is known";
        let path = path().ok_or_else(|| Failure::Usage(vec![none.to_owned()]))?;
        self.write(&path).map_err(|error| {
            Failure::Failed(format!("{} cannot be written: {error}", path.display()))
        })
    }

    /// The context of a name.
    ///
    /// # Errors
    /// A sentence with the names there are.
    pub(crate) fn find(&self, name: &str) -> Result<&Context, String> {
        self.contexts.get(name).ok_or_else(|| {
            let known: Vec<_> = self.contexts.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            format!("there is no context {name:?}; there are: {known}")
        })
    }

    fn read(path: &Path) -> Result<Self, Failure> {
        let usage = |why: &dyn std::fmt::Display| {
            Failure::Usage(vec![format!("{}: {why}", path.display())])
        };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(usage(&error)),
        };
        let mode = fs::metadata(path).map_or(0, |data| data.permissions().mode());
        if mode & 0o077 != 0 {
            note(&format!("{0}: others can read it; run chmod 600 {0}", path.display()));
        }
        toml::from_str(&text).map_err(|error| usage(&error))
    }

    /// Whole or not at all, and at no moment readable by others.
    fn write(&self, path: &Path) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let text = toml::to_string_pretty(self).map_err(io::Error::other)?;
        let new = path.with_extension(format!("new-{}", std::process::id()));
        let open = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new);
        open?.write_all(text.as_bytes())?;
        fs::rename(&new, path)
    }
}

/// As the XDG base directories have it; `STARLING_CONTEXTS` names another.
fn path() -> Option<PathBuf> {
    let env = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = env("STARLING_CONTEXTS") {
        return Some(path);
    }
    let config = env("XDG_CONFIG_HOME").or_else(|| Some(env("HOME")?.join(".config")))?;
    Some(config.join("starling").join("contexts.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_survive_their_file_which_only_the_owner_can_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join("contexts.toml");
        assert_eq!(Contexts::read(&path).unwrap(), Contexts::default());
        let token = Some("s3cret".to_owned());
        let prod = Context { server: "https://a".into(), token, token_file: None };
        let all =
            Contexts { current: Some("prod".into()), contexts: [("prod".into(), prod)].into() };
        all.write(&path).unwrap();
        all.write(&path).unwrap();
        assert_eq!(Contexts::read(&path).unwrap(), all);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!format!("{all:?}").contains("s3cret"));
    }

    #[test]
    fn a_file_that_is_no_file_of_contexts_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("contexts.toml");
        fs::write(&path, "current = 'a'\nserver = 'b'").unwrap();
        let Err(Failure::Usage(lines)) = Contexts::read(&path) else { panic!() };
        assert!(lines[0].contains("line 2") && lines[0].contains("contexts.toml"), "{lines:?}");
    }

    #[test]
    fn an_unknown_name_is_answered_with_those_there_are() {
        let none = Contexts::default().find("x").unwrap_err();
        assert_eq!(none, "there is no context \"x\"; there are: none");
    }
}
