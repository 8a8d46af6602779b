//! The accept loop: bounds on handshakes, heads and connections, which `axum::serve` does not have.
//! Never does: look at a request.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use axum::{Router, extract::ConnectInfo};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::{App, doorway::head, patience::Patient};
use crate::limit::Held;

/// A client that needs longer for its TLS handshake or a request's head holds the place of another.
/// Mobile clients with losses need about 3 s.
const HEAD: Duration = Duration::from_secs(10);
/// Most connections of a listener: at about 20 KiB each once they asked for something, 320 MB.
const MAX_CONNECTIONS: usize = 16_384;
/// Most connections of one address: a quarter of all, so that no single one shuts the others out,
/// and more than the people of a large office have. Behind a proxy (`trust_forwarded_for`) all have
/// its address, and it is the proxy that bounds them.
const MAX_PER_ADDRESS: u32 = 4_096;
/// Longest time in which a client takes nothing of what is written. Mobile clients are out of reach
/// for ten seconds now and then.
const STALL: Duration = Duration::from_secs(30);
/// Longest head in bytes: a URL with a 4 KiB token and a resume ticket, and a browser's headers.
const MAX_HEAD: usize = 32 * 1024;
/// After a failed accept (no descriptors, mostly), so that the loop does not spin until some are
/// back.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Serves until `stop` is true; then open requests are finished and idle connections closed.
pub async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    app: App,
    mut stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let held = Held::new(if app.trust_forwarded_for { u32::MAX } else { MAX_PER_ADDRESS });
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let (tcp, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                app.counters.connections_refused.fetch_add(1, Relaxed);
                tracing::debug!(%error, "connection not accepted");
                sleep(BACK_OFF).await;
                continue;
            }
        };
        let place = places.clone().try_acquire_owned().ok();
        let place = place.and_then(|place| Some((place, held.take(from.ip())?)));
        let Some(place) = place else {
            app.counters.connections_refused.fetch_add(1, Relaxed);
            continue;
        };
        let (router, app, tls, stop) = (router.clone(), app.clone(), tls.clone(), stop.clone());
        tokio::spawn(async move {
            app.counters.connections.fetch_add(1, Relaxed);
            let _ = tcp.set_nodelay(true);
            match tls {
                None => connection(tcp, from, router, stop).await,
                Some(tls) => encrypted(tcp, &tls, from, router, stop).await,
            }
            app.counters.connections.fetch_sub(1, Relaxed);
            drop(place);
        });
    }
}

/// What is large is made once something was said: until then a connection is a small task.
async fn encrypted(
    tcp: TcpStream,
    tls: &TlsAcceptor,
    from: SocketAddr,
    router: Router,
    stop: watch::Receiver<bool>,
) {
    let hello = async {
        tcp.readable().await?;
        Box::pin(tls.accept(tcp)).await.map(Box::new)
    };
    match timeout(HEAD, hello).await {
        Ok(Ok(stream)) => Box::pin(connection(stream, from, router, stop)).await,
        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
        Err(_) => tracing::debug!("TLS handshake took too long"),
    }
}

async fn connection<T>(mut io: T, from: SocketAddr, router: Router, mut stop: watch::Receiver<bool>)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let begun = tokio::select! {
        begun = timeout(HEAD, head(&mut io, MAX_HEAD)) => begun,
        _ = stop.wait_for(|stop| *stop) => return,
    };
    if let Ok(Ok(Some(begun))) = begun {
        Box::pin(requests(Patient::new(io, begun, STALL), from, router, stop)).await;
    }
}

async fn requests<T>(io: T, from: SocketAddr, router: Router, mut stop: watch::Receiver<bool>)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = router.map_request(move |mut request: axum::http::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(from));
        request.map(axum::body::Body::new)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(io), TowerToHyperService::new(service))
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = &mut connection => return,
        _ = stop.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = timeout(HEAD, connection).await;
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
