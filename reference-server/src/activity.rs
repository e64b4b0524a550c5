//! What a connection is doing, seen from its bytes and its requests.
//!
//! HTTP/1 has a request under way or it has not, and only in the second case does a clock run. The
//! three observers here (the socket, the service, the response's body) tell an [`Activity`], and
//! the connection asks it for its deadline.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::server::{Limits, Phase};
use crate::stream::Stream;

#[derive(Debug)]
pub(crate) struct Activity(Mutex<State>);

#[derive(Debug)]
struct State {
    /// From a request's head being read to its response being flushed to the socket.
    answering: bool,
    /// The response's last byte was produced, but not all are with the kernel yet.
    body_done: bool,
    /// The last byte received outside a request, or the last response finished.
    last: Instant,
    /// When the first byte of a head that is not complete yet arrived.
    head_since: Option<Instant>,
}

impl Activity {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State { answering: false, body_done: false, last: Instant::now(), head_since: None }))
    }

    pub(crate) fn request_began(&self) {
        let mut state = self.state();
        state.answering = true;
        state.body_done = false;
        state.head_since = None;
    }

    /// When the connection is to be closed unless something happens; none while a request is
    /// being read, handled or answered.
    pub(crate) fn deadline(&self, phase: Phase, limits: &Limits) -> Option<Instant> {
        let state = self.state();
        if state.answering {
            return None;
        }
        // A drain starts every clock anew: whoever was idle gets the whole limit once more.
        let (idle, from) = match phase {
            Phase::Serving => (limits.keep_alive, None),
            Phase::Draining { since, .. } | Phase::Cut { since } => (limits.idle, Some(since)),
        };
        let later = |instant: Instant| from.map_or(instant, |from| from.max(instant));
        let silent = later(state.last) + idle;
        match state.head_since {
            Some(head_since) => Some(silent.min(later(head_since) + limits.head)),
            None => Some(silent),
        }
    }

    fn received(&self) {
        let mut state = self.state();
        if !state.answering {
            let now = Instant::now();
            state.last = now;
            state.head_since.get_or_insert(now);
        }
    }

    fn body_done(&self) {
        self.state().body_done = true;
    }

    fn flushed(&self) {
        let mut state = self.state();
        if state.answering && state.body_done {
            state.answering = false;
            state.last = Instant::now();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The socket, telling what passes through it.
///
/// Its shutdown does nothing: closing is the business of [`crate::linger`], once HTTP is done.
#[derive(Debug)]
pub(crate) struct Watched {
    stream: Stream,
    activity: Arc<Activity>,
}

impl Watched {
    pub(crate) fn new(stream: Stream, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }

    pub(crate) fn into_inner(self) -> Stream {
        self.stream
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.activity.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes the socket only once its own buffer is empty.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.activity.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A response's body that tells when it has been produced whole, or given up.
#[derive(Debug)]
pub(crate) struct WatchedBody<B> {
    body: B,
    activity: Arc<Activity>,
}

impl<B> WatchedBody<B> {
    pub(crate) fn new(body: B, activity: Arc<Activity>) -> Self {
        Self { body, activity }
    }
}

impl<B> Drop for WatchedBody<B> {
    fn drop(&mut self) {
        self.activity.body_done();
    }
}

impl<B: Body + Unpin> Body for WatchedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
