//! The socket of a transport as the DTLS crate wants it: datagrams come from the transport's
//! reader.

use std::{net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use tokio::{
    net::UdpSocket,
    sync::{Mutex, mpsc},
};
use webrtc_util::{Conn, Error};

/// One client's end.
pub(super) struct Wire {
    pub(super) socket: Arc<UdpSocket>,
    pub(super) arrived: Mutex<mpsc::Receiver<Vec<u8>>>,
}

#[async_trait]
impl Conn for Wire {
    async fn recv(&self, buf: &mut [u8]) -> Result<usize, Error> {
        match self.arrived.lock().await.recv().await {
            Some(datagram) => {
                let len = datagram.len().min(buf.len());
                buf[..len].copy_from_slice(&datagram[..len]);
                Ok(len)
            }
            // An error here would make the crate spin.
            None => std::future::pending().await,
        }
    }

    async fn send(&self, buf: &[u8]) -> Result<usize, Error> {
        Ok(self.socket.send(buf).await?)
    }

    async fn close(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn connect(&self, _: SocketAddr) -> Result<(), Error> {
        Err(Error::Other("it is connected".to_owned()))
    }

    async fn recv_from(&self, _: &mut [u8]) -> Result<(usize, SocketAddr), Error> {
        Err(Error::Other("it has one peer".to_owned()))
    }

    async fn send_to(&self, _: &[u8], _: SocketAddr) -> Result<usize, Error> {
        Err(Error::Other("it has one peer".to_owned()))
    }

    fn local_addr(&self) -> Result<SocketAddr, Error> {
        Ok(self.socket.local_addr()?)
    }

    fn remote_addr(&self) -> Option<SocketAddr> {
        self.socket.peer_addr().ok()
    }

    fn as_any(&self) -> &(dyn std::any::Any + Send + Sync) {
        self
    }
}
