//! A small HTTP/1.1 client: one request, one connection, bounded in size and time. For [`Client`]
//! and for handing requests on between nodes. Never does: follow redirects, keep connections,
//! retry.
//!
//! [`Client`]: crate::Client

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    HeaderMap, Method, Request, StatusCode, Uri,
    body::{Bytes, Incoming},
    client::conn::http1,
    header::{CONTENT_TYPE, DATE, HOST, HeaderName, HeaderValue, LINK, RETRY_AFTER},
};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    task::AbortHandle,
};
use tokio_rustls::TlsConnector;

/// Longest answer in bytes: a list of 10,000 rooms is about 3 MB.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// Longest wait for a TCP and TLS handshake: three round trips between continents, and one resend.
const CONNECT: Duration = Duration::from_secs(4);
/// What an operator has named is asked wherever it is.
const ANYWHERE: Reach = |_, _| true;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Not an http or https URL.
    #[error("{0} is not an http:// or https:// URL")]
    Url(String),
    /// Nobody is there.
    #[error("cannot connect to {0}: {1}")]
    Connect(String, std::io::Error),
    /// It is nowhere that may be asked.
    #[error("{0} is at no address that may be asked")]
    Barred(String),
    /// It took too long.
    #[error("{0} did not answer within {1:?}")]
    Timeout(String, Duration),
    /// Somebody is there who does not speak HTTP, or stopped.
    #[error("{0} did not answer properly: {1}")]
    Http(String, String),
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Ask {
    /// How.
    pub method: Method,
    /// Whom and what.
    pub url: String,
    /// Beside Host; Content-Type is JSON's unless it is among them.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// JSON, if no header says what it is; or empty.
    pub body: Bytes,
    /// Longest wait for the whole answer.
    pub within: Duration,
}

/// What was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Its Content-Type.
    pub content_type: Option<HeaderValue>,
    /// Its Link.
    pub link: Option<HeaderValue>,
    /// Its Date.
    pub date: Option<HeaderValue>,
    /// Its Retry-After.
    pub retry_after: Option<HeaderValue>,
    /// All of it.
    pub body: Bytes,
}

/// Whether to connect to an address, with TLS or without.
pub type Reach = fn(IpAddr, bool) -> bool;

/// An answer that goes on: it is read as it comes.
#[derive(Debug)]
pub struct Streamed {
    /// Status.
    pub status: StatusCode,
    body: Incoming,
    connection: Connection,
}

impl Streamed {
    /// What comes next; nothing at the end, and when the connection breaks.
    pub async fn chunk(&mut self) -> Option<Bytes> {
        loop {
            if let Ok(data) = self.body.frame().await?.ok()?.into_data() {
                return Some(data);
            }
        }
    }

    /// All of it, within bounds.
    ///
    /// # Errors
    /// [`ClientError::Http`].
    pub async fn read(self, url: &str) -> Result<Bytes, ClientError> {
        self.read_most(url, MAX_ANSWER).await
    }

    /// All of it, if that is no more than so many bytes.
    ///
    /// # Errors
    /// [`ClientError::Http`].
    pub async fn read_most(self, url: &str, most: usize) -> Result<Bytes, ClientError> {
        let Self { body, connection, .. } = self;
        let read = Limited::new(body, most).collect().await;
        drop(connection);
        read.map(|body| body.to_bytes())
            .map_err(|error| ClientError::Http(url.into(), error.to_string()))
    }
}

/// Ends with its answer.
#[derive(Debug)]
struct Connection(AbortHandle);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Asks.
///
/// # Errors
/// [`ClientError`]; an answer with an error status is an answer.
pub async fn ask(ask: Ask) -> Result<Answer, ClientError> {
    let (within, url) = (ask.within, ask.url.clone());
    let exchange = async {
        let (headers, answer) = begin(ask, ANYWHERE).await?;
        let header = |name: HeaderName| headers.get(name).cloned();
        let (content_type, link, date) = (header(CONTENT_TYPE), header(LINK), header(DATE));
        let (status, retry_after) = (answer.status, header(RETRY_AFTER));
        let body = answer.read(&url).await?;
        Ok(Answer { status, content_type, link, date, retry_after, body })
    };
    let late = || ClientError::Timeout(url.clone(), within);
    tokio::time::timeout(within, exchange).await.map_err(|_| late())?
}

/// Asks for an answer that goes on; `within` bounds the wait for its beginning.
///
/// # Errors
/// [`ClientError`]; an answer with an error status is an answer.
pub async fn stream(ask: Ask) -> Result<Streamed, ClientError> {
    stream_from(ask, ANYWHERE).await
}

/// The same, of somebody who is only asked at certain addresses: what a name resolves to now is
/// looked at, and that is connected to.
///
/// # Errors
/// [`ClientError`]; an answer with an error status is an answer.
pub async fn stream_from(ask: Ask, reach: Reach) -> Result<Streamed, ClientError> {
    let (within, url) = (ask.within, ask.url.clone());
    let late = |_| ClientError::Timeout(url, within);
    let (_, answer) = tokio::time::timeout(within, begin(ask, reach)).await.map_err(late)??;
    Ok(answer)
}

async fn begin(ask: Ask, reach: Reach) -> Result<(HeaderMap, Streamed), ClientError> {
    let uri: Uri = ask.url.parse().map_err(|_| ClientError::Url(ask.url.clone()))?;
    let tls = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err(ClientError::Url(ask.url)),
    };
    let authority = uri.authority().ok_or_else(|| ClientError::Url(ask.url.clone()))?.clone();
    let host = authority.host().trim_matches(['[', ']']).to_owned();
    let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let name = authority.to_string();
    let stream = dial_where(&host, port, tls, reach).await?;
    send(TokioIo::new(stream), &uri, ask, &name).await
}

/// A connection, encrypted or not.
pub trait Io: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Io for T {}

/// Connects, with TLS if it is wanted; for WebSockets, too.
///
/// # Errors
/// [`ClientError`].
pub async fn dial(host: &str, port: u16, tls: bool) -> Result<Box<dyn Io>, ClientError> {
    dial_where(host, port, tls, ANYWHERE).await
}

async fn dial_where(
    host: &str,
    port: u16,
    tls: bool,
    reach: Reach,
) -> Result<Box<dyn Io>, ClientError> {
    let name =
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let refused = |error| ClientError::Connect(name.clone(), error);
    let timeout = || ClientError::Timeout(name.clone(), CONNECT);
    let connect = async {
        let found = lookup_host((host, port)).await.map_err(refused)?;
        let allowed: Vec<_> = found.filter(|address| reach(address.ip(), tls)).collect();
        if allowed.is_empty() {
            return Err(ClientError::Barred(name.clone()));
        }
        TcpStream::connect(&allowed[..]).await.map_err(refused)
    };
    let tcp = tokio::time::timeout(CONNECT, connect).await.map_err(|_| timeout())??;
    if !tls {
        return Ok(Box::new(tcp));
    }
    let server = ServerName::try_from(host.to_owned())
        .map_err(|error| ClientError::Http(name.clone(), error.to_string()))?;
    let handshake = connector().connect(server, tcp);
    let tls = tokio::time::timeout(CONNECT, handshake).await.map_err(|_| timeout())?;
    Ok(Box::new(tls.map_err(refused)?))
}

async fn send<T>(
    io: T,
    uri: &Uri,
    ask: Ask,
    name: &str,
) -> Result<(HeaderMap, Streamed), ClientError>
where
    T: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let broken = |error: &dyn std::fmt::Display| ClientError::Http(name.into(), error.to_string());
    let (mut sender, connection) = http1::handshake(io).await.map_err(|e| broken(&e))?;
    let connection = Connection(tokio::spawn(connection).abort_handle());
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::builder().method(ask.method).uri(path).header(HOST, name);
    if !ask.body.is_empty() && ask.headers.iter().all(|(name, _)| name != CONTENT_TYPE) {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    for (header, value) in ask.headers {
        request = request.header(header, value);
    }
    let request = request.body(Full::new(ask.body)).map_err(|e| broken(&e))?;
    let answer = sender.send_request(request).await.map_err(|e| broken(&e))?;
    let (parts, body) = answer.into_parts();
    Ok((parts.headers, Streamed { status: parts.status, body, connection }))
}

/// With the system's roots (`SSL_CERT_FILE` adds others), read once and only if https is used.
fn connector() -> TlsConnector {
    static CONFIG: OnceLock<Arc<rustls::ClientConfig>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    });
    TlsConnector::from(config.clone())
}
