//! Where traces go.

use axum::http::{HeaderName, HeaderValue, Uri};

use super::{Checker, Traces};

/// What OTLP over HTTP appends to a collector's address (specification, "OTLP/HTTP Request").
const PATH: &str = "/v1/traces";

impl Checker<'_> {
    pub(super) fn traces(&mut self) -> Option<Traces> {
        let url = self.raw.value("otlp_url").map(str::to_owned);
        let known = self.mistakes.len();
        let text = self.plain_secret("otlp_headers");
        // What could not be read is told already.
        let text = text.filter(|_| self.mistakes.len() == known);
        let headers = text.map_or_else(Vec::new, |text| self.headers(text.expose()));
        let share = self.parse("otlp_sample", "a number of 0 to 1", 1.0);
        if !(0.0..=1.0).contains(&share) {
            self.wrong("otlp_sample", &format!("{share} is no share"), "write 0.1 for a tenth");
        }
        let url = url?;
        if cfg!(not(feature = "otel")) {
            let fix = "build it with `cargo build --release -p starling-node --features otel`";
            self.wrong("otlp_url", "this program was built without traces", fix);
        }
        match collector_url(&url) {
            Some(url) => Some(Traces { url, headers, share }),
            None => {
                let message = format!("{url:?} is no http or https URL");
                self.wrong("otlp_url", &message, "write it as http://collector:4318");
                None
            }
        }
    }

    /// A header a line.
    fn headers(&mut self, text: &str) -> Vec<(HeaderName, HeaderValue)> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let read: Option<Vec<_>> = lines.map(header).collect();
        read.unwrap_or_else(|| {
            let fix = "write one a line, as `Authorization: Bearer …`";
            self.wrong("otlp_headers", "it has a line that is no header", fix);
            Vec::new()
        })
    }
}

fn header(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':')?;
    let mut value: HeaderValue = value.trim().parse().ok()?;
    // Not to be shown by whoever prints settings.
    value.set_sensitive(true);
    Some((name.trim().parse().ok()?, value))
}

/// The address of a collector, with the path that collectors have if it has none.
pub(crate) fn collector_url(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let known = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    let bare = uri.path() == "/" && uri.query().is_none();
    known.then(|| if bare { url.trim_end_matches('/').to_owned() + PATH } else { url.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_alone_gets_the_path_that_collectors_have() {
        let full = |url| collector_url(url).unwrap();
        assert_eq!(full("http://otel:4318"), "http://otel:4318/v1/traces");
        assert_eq!(full("http://otel:4318/"), "http://otel:4318/v1/traces");
        assert_eq!(full("https://host/otlp/v1/traces"), "https://host/otlp/v1/traces");
        assert_eq!(full("https://host/?tenant=a"), "https://host/?tenant=a");
        for bad in ["otel:4318", "grpc://otel:4317", "", "/v1/traces"] {
            assert_eq!(collector_url(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_header_is_a_name_and_a_value_that_is_not_shown() {
        let (name, value) = header("Authorization: Bearer a:b").unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("authorization", "Bearer a:b"));
        assert!(!format!("{value:?}").contains("a:b"));
        assert_eq!(header("no header"), None);
        assert_eq!(header("two words: x"), None);
    }
}
