//! Whether this machine's clock is that of the others: tokens, passes and certificates live by it.

use std::time::{Duration, SystemTime};

use hyper::Method;
use starling_client::http::{self, Ask};

use super::finding::Finding;
use crate::config::Etcd;

const CHECK: &str = "clock";
/// HTTP dates have whole seconds, and an answer takes a moment.
const FINE: Duration = Duration::from_secs(3);
/// What tokens allow (`auth::token`), and passes between nodes twice.
const TOO_MUCH: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(3);

/// By the first member of etcd that says what time it is.
pub(super) async fn of_etcd(etcd: &Etcd, now: SystemTime) -> Option<Finding> {
    for url in etcd.endpoints.iter().filter(|url| url.starts_with("http://")) {
        let url = url.trim_end_matches('/');
        if let Some(date) = date(&format!("{url}/health")).await {
            return Some(judge(&format!("etcd at {url}"), now, date));
        }
    }
    None
}

/// What time a server says it is.
pub(super) async fn date(url: &str) -> Option<SystemTime> {
    let ask = Ask {
        method: Method::GET,
        url: url.to_owned(),
        headers: Vec::new(),
        body: hyper::body::Bytes::new(),
        within: PATIENCE,
    };
    let answer = http::ask(ask).await.ok()?;
    httpdate::parse_http_date(answer.date?.to_str().ok()?).ok()
}

/// What the difference means.
pub(super) fn judge(whose: &str, ours: SystemTime, theirs: SystemTime) -> Finding {
    let (behind, apart) = match ours.duration_since(theirs) {
        Ok(ahead) => ("ahead of", ahead),
        Err(error) => ("behind", error.duration()),
    };
    if apart <= FINE {
        return Finding::fine(CHECK, format!("it is that of {whose}"));
    }
    let message = format!("this machine is {} s {behind} {whose}", apart.as_secs());
    let fix = "run a time client on both (chrony, or `timedatectl set-ntp true`)";
    if apart <= TOO_MUCH {
        return Finding::odd(CHECK, message, fix);
    }
    Finding::wrong(CHECK, format!("{message}: tokens are refused"), fix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Level;

    #[test]
    fn clocks_that_differ_are_found_with_their_direction() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(judge("n2", at(1_000), at(998)).level, Level::Ok);
        assert_eq!(judge("n2", at(1_000), at(1_006)).level, Level::Warning);
        let found = judge("n2", at(1_061), at(1_000));
        assert_eq!(found.level, Level::Error);
        assert!(found.message.starts_with("this machine is 61 s ahead of n2"), "{found:?}");
        assert!(judge("n2", at(1_000), at(1_061)).message.contains("61 s behind n2"));
    }
}
