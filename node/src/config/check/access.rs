//! What lets people in: the keys of room tokens, and the operators' tokens.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use super::Checker;
use crate::{
    auth::{AdminTokens, KeySet},
    config::{Secret, value},
};

/// Who is on the machine is its operator's business; everybody else comes through a tunnel, or
/// where an operator has said so. Prometheus' exporters have ports from 9100 on.
const ADMIN_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9400);

impl Checker<'_> {
    /// `token_secret`, and the keys beside it.
    pub(super) fn token_keys(&mut self) -> KeySet {
        let why = "room tokens need a secret";
        let Some(secret) = self.secret_or_file("token_secret", "token_keys_file", why) else {
            return self.more("token_keys_file", KeySet::default(), KeySet::with_file);
        };
        self.more("token_keys_file", KeySet::of_secret(&secret), KeySet::with_file)
    }

    /// `admin_token`, and those beside it.
    pub(super) fn admin_tokens(&mut self) -> AdminTokens {
        let why = "the REST API needs a token";
        let Some(token) = self.secret_or_file("admin_token", "admin_tokens_file", why) else {
            return self.more("admin_tokens_file", AdminTokens::default(), AdminTokens::with_file);
        };
        self.more("admin_tokens_file", AdminTokens::of_secret(&token), AdminTokens::with_file)
    }

    /// Where the REST API is; nowhere of its own, if it is on `listen`.
    pub(super) fn admin_listen(&mut self) -> Option<SocketAddr> {
        if self.raw.value("admin_listen") == Some("listen") {
            return None;
        }
        let given = self.parse_some("admin_listen", "an address with port, or `listen`");
        Some(given.unwrap_or(ADMIN_LISTEN))
    }

    /// Origins of pages.
    pub(super) fn origins(&mut self, key: &'static str, default: &str) -> Vec<String> {
        let text = self.raw.value(key).unwrap_or(default);
        let origins: Vec<_> = value::list(text).map(String::from).collect();
        for origin in &origins {
            let host = origin.strip_prefix("https://").or(origin.strip_prefix("http://"));
            if origin != "*" && host.is_none_or(|host| host.is_empty() || host.contains('/')) {
                let message = format!("{origin:?} is no origin");
                self.wrong(key, &message, "write it as https://host, without path");
            }
        }
        origins
    }

    /// Certificate and key of `listen`.
    pub(super) fn tls(&mut self) -> Option<(PathBuf, PathBuf)> {
        let pair = self.pair("tls_cert", "tls_key");
        self.files.extend(pair.iter().flat_map(|(cert, key)| [cert.clone(), key.clone()]));
        pair
    }

    /// Nothing, if only the file was given.
    fn secret_or_file(&mut self, name: &str, file: &str, why: &str) -> Option<Secret> {
        match self.secret(name) {
            None if self.raw.value(file).is_some() => None,
            None => Some(self.missing_secret(name, why)),
            secret => secret,
        }
    }

    /// Adds what the file of this key has.
    fn more<T: Clone>(
        &mut self,
        key: &str,
        base: T,
        add: impl FnOnce(T, &str) -> Result<T, String>,
    ) -> T {
        let Some(path) = self.raw.value(key).map(str::to_owned) else { return base };
        self.files.push(path.clone().into());
        let text = (self.read)(&path).map_err(|error| format!("{path} cannot be read: {error}"));
        let more =
            text.and_then(|text| add(base.clone(), &text).map_err(|why| format!("{path}: {why}")));
        more.unwrap_or_else(|why| {
            self.wrong(key, &why, "docs/tokens.md shows such a file");
            base
        })
    }
}
