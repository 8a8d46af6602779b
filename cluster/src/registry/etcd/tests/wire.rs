//! A way to an etcd that can be cut and slowed down.

use super::*;

/// A wire between a registry and etcd that can be cut, or slow, while etcd lives.
pub(super) struct Wire {
    pub(super) url: String,
    up: watch::Sender<bool>,
    delay: watch::Sender<Duration>,
}

impl Wire {
    pub(super) async fn to(server: &EtcdServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let target = server.url().replace("http://", "");
        let (up, state) = watch::channel(true);
        let (delay, slow) = watch::channel(Duration::ZERO);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (mut state, slow, target) = (state.clone(), slow.clone(), target.clone());
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(target).await else { return };
                    let ((from_near, to_near), (from_far, to_far)) = (near.split(), far.split());
                    tokio::select! {
                        () = pass(from_near, to_far, &slow) => {}
                        () = pass(from_far, to_near, &slow) => {}
                        _ = state.wait_for(|up| !up) => {}
                    }
                });
            }
        });
        Self { url, up, delay }
    }

    /// Each way.
    pub(super) fn slow(&self, delay: Duration) {
        self.delay.send_replace(delay);
    }

    pub(super) fn set(&self, up: bool) {
        self.up.send_replace(up);
    }
}

/// Carries bytes from one end to the other until one closes, each for as long as it is slow.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    slow: &watch::Receiver<Duration>,
) {
    let (travel, mut arrivals) = mpsc::unbounded_channel::<(tokio::time::Instant, Vec<u8>)>();
    let read = async {
        let mut bytes = vec![0; 16 * 1024];
        while let Ok(len @ 1..) = from.read(&mut bytes).await {
            let due = tokio::time::Instant::now() + *slow.borrow();
            let _ = travel.send((due, bytes[..len].to_vec()));
        }
    };
    let write = async {
        while let Some((due, bytes)) = arrivals.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::select! { () = read => {}, () = write => {} }
}
