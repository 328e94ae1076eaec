//! A connection on which nothing moves is given up, whichever side has stopped: a client that asks nothing more, or one
//! that no longer reads what it asked for.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// How long nothing may move, in either direction. Open pages are told something more often than that.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// A stream that ends with [`io::ErrorKind::TimedOut`] when nothing moves on it.
#[derive(Debug)]
pub(super) struct Idle<S> {
    stream: S,
    until: Pin<Box<Sleep>>,
}

impl<S> Idle<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, until: Box::pin(tokio::time::sleep(IDLE_MAX)) }
    }

    /// What came of an attempt: something moved, or it is to be seen whether time is over.
    fn looked_at<T>(
        &mut self,
        tried: Poll<io::Result<T>>,
        moved: bool,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if moved {
            self.until.as_mut().reset(Instant::now() + IDLE_MAX);
        } else if tried.is_pending() && self.until.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        tried
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Idle<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let tried = Pin::new(&mut self.stream).poll_read(context, buffer);
        let moved = buffer.filled().len() > before;
        self.looked_at(tried, moved, context)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Idle<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let tried = Pin::new(&mut self.stream).poll_write(context, bytes);
        let moved = matches!(tried, Poll::Ready(Ok(1..)));
        self.looked_at(tried, moved, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let tried = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        let moved = matches!(tried, Poll::Ready(Ok(1..)));
        self.looked_at(tried, moved, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let tried = Pin::new(&mut self.stream).poll_flush(context);
        self.looked_at(tried, false, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let tried = Pin::new(&mut self.stream).poll_shutdown(context);
        self.looked_at(tried, false, context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_does_not_move_ends_and_what_moves_goes_on() {
        let (mut far, near) = tokio::io::duplex(8);
        let (mut near, began) = (Idle::new(near), Instant::now());
        for _ in 0..5 {
            tokio::time::sleep(IDLE_MAX / 2).await;
            far.write_all(b"x").await.unwrap();
            near.read_u8().await.unwrap();
        }
        assert_eq!(near.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), (IDLE_MAX / 2 * 5 + IDLE_MAX).as_secs());

        let (_far, near) = tokio::io::duplex(8);
        let mut near = Idle::new(near);
        let stuck = near.write_all(&[0; 9]).await.unwrap_err();
        assert_eq!(stuck.kind(), io::ErrorKind::TimedOut, "nobody reads it");
    }
}
