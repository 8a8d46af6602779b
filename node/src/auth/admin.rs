//! The operators' bearer tokens: `admin_token`, which may do everything, and named ones, each with
//! scopes and perhaps rooms, of which only hashes are kept. Never does: tell how much of a wrong
//! one was right.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;
use starling_proto::{Code, Refusal, RoomId};
use subtle::ConstantTimeEq;

use super::Scope;
use crate::config::Secret;

/// Most tokens: each is compared with, in constant time, 0.1 µs each.
const MAX_TOKENS: usize = 256;
/// Longest name, and most rooms of a token; both are shown in logs.
const MAX_NAME: usize = 64;
const MAX_ROOMS: usize = 256;
/// Longest token that is hashed. Ours have 43 bytes.
const MAX_LEN: usize = 1024;
/// How the one of the setting is called in the audit log.
const SETTING: &str = "admin_token";

/// Who asks, and what they may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// For the audit log.
    pub name: Arc<str>,
    scopes: Vec<Scope>,
    /// These rooms alone; empty: everything.
    rooms: Vec<RoomId>,
}

impl Who {
    /// Somebody who may do all.
    pub fn all(name: &str) -> Self {
        Self { name: name.into(), scopes: Scope::ALL.to_vec(), rooms: Vec::new() }
    }

    /// Whether they may do something of this part.
    ///
    /// # Errors
    /// `forbidden` with what their token lacks.
    pub fn check_scope(&self, scope: Scope) -> Result<(), Refusal> {
        if self.scopes.contains(&scope) {
            return Ok(());
        }
        let message = format!("the admin token '{}' has no scope {scope}", self.name);
        Err(Refusal::new(Code::Forbidden, message).hint("its scopes are in admin_tokens_file"))
    }

    /// Whether they may do something to this room; of no room: to the cluster.
    ///
    /// # Errors
    /// As [`Who::check_scope`].
    pub fn check_room(&self, room: Option<&RoomId>) -> Result<(), Refusal> {
        if self.rooms.is_empty() || room.is_some_and(|room| self.rooms.contains(room)) {
            return Ok(());
        }
        let message = format!("the admin token '{}' is for some rooms alone", self.name);
        Err(Refusal::new(Code::Forbidden, message).hint("its rooms are in admin_tokens_file"))
    }

    /// Both.
    ///
    /// # Errors
    /// As [`Who::check_scope`].
    pub fn check(&self, scope: Scope, room: Option<&RoomId>) -> Result<(), Refusal> {
        self.check_scope(scope)?;
        self.check_room(room)
    }
}

/// A token's hash, and whose it is.
#[derive(Clone, PartialEq, Eq)]
struct Entry {
    hash: [u8; 32],
    who: Who,
}

/// All tokens.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AdminTokens(Vec<Entry>);

/// Names alone.
impl fmt::Debug for AdminTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|entry| &entry.who.name)).finish()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    token: Vec<Line>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    name: String,
    sha256: String,
    scopes: Vec<String>,
    #[serde(default)]
    rooms: Vec<RoomId>,
}

impl AdminTokens {
    /// `admin_token` alone.
    pub fn of_secret(token: &Secret) -> Self {
        Self(vec![Entry { hash: hash(token.expose()), who: Who::all(SETTING) }])
    }

    /// Adds those of a file.
    ///
    /// # Errors
    /// What is wrong.
    pub fn with_file(mut self, text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text)
            .map_err(|error| format!("it cannot be read: {}", error.message()))?;
        if file.token.len() > MAX_TOKENS {
            let found = file.token.len();
            return Err(format!("it has {found} tokens, and at most {MAX_TOKENS} are read"));
        }
        for line in file.token {
            let name = line.name.clone();
            let entry = Entry::read(line).map_err(|why| format!("token {name:?}: {why}"))?;
            if self.0.iter().any(|other| other.who.name == entry.who.name) {
                return Err(format!("two tokens are called {name:?}"));
            }
            self.0.push(entry);
        }
        if self.0.is_empty() {
            return Err("it has no token".to_owned());
        }
        Ok(self)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn find(&self, presented: &str) -> Option<&Who> {
        if presented.len() > MAX_LEN {
            return None;
        }
        let hash = hash(presented);
        // All are compared, so that the time says nothing of which one it is.
        let mut found = None;
        for Entry { hash: of, who } in &self.0 {
            if bool::from(of.ct_eq(&hash)) {
                found = Some(who);
            }
        }
        found
    }
}

impl Entry {
    fn read(line: Line) -> Result<Self, String> {
        let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte);
        if line.name.is_empty() || line.name.len() > MAX_NAME || !line.name.bytes().all(fine) {
            return Err(format!("a name has 1 to {MAX_NAME} letters, digits, '.', '_', '-', '@'"));
        }
        if line.rooms.len() > MAX_ROOMS {
            return Err(format!("it has more than {MAX_ROOMS} rooms"));
        }
        let mut scopes = Vec::new();
        for scope in &line.scopes {
            match Scope::named(scope) {
                Some(scope) => scopes.push(scope),
                None if scope == "all" => scopes.extend(Scope::ALL),
                None => {
                    let all: Vec<_> = Scope::ALL.iter().map(|scope| scope.name()).collect();
                    return Err(format!("{scope:?} is none of {}, all", all.join(", ")));
                }
            }
        }
        if scopes.is_empty() {
            return Err("it has no scope".to_owned());
        }
        let hash = unhex(&line.sha256)
            .ok_or("sha256 is not 64 hexadecimal digits: `starling token admin` prints them")?;
        let who = Who { name: line.name.into(), scopes, rooms: line.rooms };
        Ok(Self { hash, who })
    }
}

/// As it stands in the file. A token is random and long: nothing slower is needed.
pub fn sha256_hex(token: &str) -> String {
    hash(token).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash(token: &str) -> [u8; 32] {
    let digest = digest(&SHA256, token.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// Knows the tokens; all clones know the same.
#[derive(Clone, Debug)]
pub struct Admin(Arc<RwLock<Arc<AdminTokens>>>);

impl Admin {
    /// Of the configuration.
    pub fn new(tokens: AdminTokens) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(tokens))))
    }

    /// Goes on with others.
    pub fn replace(&self, tokens: AdminTokens) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tokens);
    }

    /// Who presents this.
    ///
    /// # Errors
    /// `unauthorized` with a hint on how to present a token.
    pub fn check(&self, presented: Option<&str>) -> Result<Who, Refusal> {
        let Some(presented) = presented else {
            return Err(Refusal::new(Code::Unauthorized, "this needs an admin token")
                .hint("send it as `Authorization: Bearer <admin token>`; the CLI takes --token"));
        };
        let tokens = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        tokens.find(presented).cloned().ok_or_else(|| {
            Refusal::new(Code::Unauthorized, "that is no admin token").hint(
                "it is the node's admin_token, or one of admin_tokens_file; a room token opens \
                 what is about its room, if it grants admin",
            )
        })
    }
}

/// The token in the text of an `Authorization` header (RFC 6750 §2.1).
pub fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, token: &str, more: &str) -> String {
        format!("[[token]]\nname = \"{name}\"\nsha256 = \"{}\"\n{more}\n", sha256_hex(token))
    }

    fn read(text: &str) -> Result<AdminTokens, String> {
        AdminTokens::default().with_file(text)
    }

    #[test]
    fn only_the_very_token_opens() {
        let admin = Admin::new(AdminTokens::of_secret(&Secret::new("abcdef")));
        assert_eq!(admin.check(bearer("Bearer abcdef")), Ok(Who::all("admin_token")));
        assert_eq!(admin.check(bearer("bearer  abcdef")), Ok(Who::all("admin_token")));
        for wrong in ["abcdef", "Basic abcdef", "Bearer", "Bearer abcde", "Bearer abcdefg"] {
            let refusal = admin.check(bearer(wrong)).unwrap_err();
            assert_eq!(refusal.code, Code::Unauthorized, "{wrong}");
            assert!(!format!("{refusal:?}").contains("abcde"), "{wrong}");
        }
    }

    #[test]
    fn named_tokens_have_scopes_and_rooms_and_the_setting_has_all() {
        let file = line("graphs", "t1", "scopes = ['read']")
            + &line("shop", "t2", "scopes = ['peers', 'read']\nrooms = ['a', 'b']")
            + &line("deploy@ci", "t3", "scopes = ['all']");
        let tokens = AdminTokens::of_secret(&Secret::new("root")).with_file(&file).unwrap();
        let admin = Admin::new(tokens);
        let may = |token: &str, scope, room: Option<&str>| {
            let room = room.map(|room| room.parse().unwrap());
            let who = admin.check(Some(token)).map_err(|refusal| refusal.code)?;
            who.check(scope, room.as_ref()).map_err(|refusal| refusal.code)
        };
        assert_eq!(may("t1", Scope::Read, None), Ok(()));
        assert_eq!(may("t1", Scope::Peers, Some("a")), Err(Code::Forbidden));
        assert_eq!(may("t2", Scope::Peers, Some("a")), Ok(()));
        assert_eq!(may("t2", Scope::Peers, Some("c")), Err(Code::Forbidden));
        assert_eq!(may("t2", Scope::Read, None), Err(Code::Forbidden), "nothing but its rooms");
        for token in ["t3", "root"] {
            assert!(Scope::ALL.into_iter().all(|scope| may(token, scope, None).is_ok()));
        }
        admin.replace(read(&line("graphs", "t9", "scopes = ['read']")).unwrap());
        assert_eq!(may("t1", Scope::Read, None), Err(Code::Unauthorized), "it was removed");
        assert_eq!(may("t9", Scope::Read, None), Ok(()));
    }

    #[test]
    fn mistakes_of_the_file_are_told_without_a_token() {
        let all = "scopes = ['all']";
        for (text, told) in [
            (String::new(), "no token"),
            (line("a", "t", "scopes = []"), "no scope"),
            (line("a", "t", "scopes = ['everything']"), "none of read"),
            (line("a b", "t", all), "a name has"),
            (line("a", "t", all) + &line("a", "u", all), "two tokens"),
            (line("a", "t", &format!("{all}\nroom = 'r'")), "unknown field"),
            ("[[token]]\nname = 'a'\nsha256 = 'abc'\nscopes = ['all']".into(), "64 hexadecimal"),
        ] {
            let why = read(&text).unwrap_err();
            assert!(why.contains(told), "{why}");
        }
        let shown = format!("{:?}", read(&line("a", "t", all)).unwrap());
        assert_eq!(shown, r#"["a"]"#);
    }
}
