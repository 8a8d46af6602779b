//! A stream whose beginning was read already, and whose other side must take what is written: who
//! asks for much and reads nothing would hold its connection, and what was to be sent, for as long
//! as it likes. Never does: bound reading, which each protocol does by itself.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// A stream with a bound on how long nothing of what is written is taken.
pub(super) struct Patient<T> {
    inner: T,
    /// What was read before, and is read again.
    begun: Bytes,
    limit: Duration,
    /// Runs while a write waits.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<T> Patient<T> {
    /// `begun` is read first; `limit` is the longest time without any progress.
    pub(super) fn new(inner: T, begun: Vec<u8>, limit: Duration) -> Self {
        Self { inner, begun: begun.into(), limit, waiting: None }
    }

    fn judge<R>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if polled.is_ready() {
            self.waiting = None;
            return polled;
        }
        let limit = self.limit;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(limit)));
        match waiting.as_mut().poll(context) {
            Poll::Ready(()) => {
                waiting.as_mut().reset(Instant::now() + limit);
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Patient<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.begun.is_empty() {
            let fits = self.begun.len().min(buffer.remaining());
            buffer.put_slice(&self.begun.split_to(fits));
            if self.begun.is_empty() {
                // Or its memory would stay.
                self.begun = Bytes::new();
            }
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Patient<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.judge(context, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_flush(context);
        self.judge(context, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_shutdown(context);
        self.judge(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.judge(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// Real time: long enough that a machine under load is not taken for a slow reader.
    const LIMIT: Duration = Duration::from_millis(800);

    #[tokio::test]
    async fn what_was_read_before_is_read_first() {
        let (near, mut far) = duplex(16);
        let mut near = Patient::new(near, b"begun".to_vec(), LIMIT);
        far.write_all(b" and more").await.unwrap();
        let mut read = [0; 14];
        near.read_exact(&mut read[..2]).await.unwrap();
        near.read_exact(&mut read[2..]).await.unwrap();
        assert_eq!(&read, b"begun and more");
    }

    #[tokio::test]
    async fn who_takes_nothing_is_given_up_and_who_is_slow_is_not() {
        let (near, mut far) = duplex(16);
        let mut near = Patient::new(near, Vec::new(), LIMIT);
        let reader = tokio::spawn(async move {
            for _ in 0..4 {
                sleep(LIMIT / 3).await;
                far.read_exact(&mut [0; 16]).await.unwrap();
            }
            far
        });
        near.write_all(&[7; 64]).await.unwrap();
        let far = reader.await.unwrap();
        let begun = Instant::now();
        let error = near.write_all(&[7; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() >= LIMIT);
        drop(far);
    }
}
