//! The open connections, each in a task of its own, and their drain.

use std::io;
use std::net::Shutdown;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use super::activity::{Activity, Silence};
use super::handlers;
use super::rules::{End, IDLE_MAX, Rules};

/// How long a client that was told of the end may take to end its side.
const LINGER: Duration = Duration::from_secs(2);

/// Since when the server drains.
pub type Draining = watch::Receiver<Option<Instant>>;

/// Whether the sweep of the drain has no place for a connection.
type Forgotten = Arc<AtomicBool>;

pub struct Connections {
    draining: watch::Sender<Option<Instant>>,
    rules: Rules,
    tasks: JoinSet<()>,
    /// Those that are open, in the order in which they were accepted; kept only where not all of them drain.
    open: Vec<(AbortHandle, Forgotten)>,
}

impl Connections {
    pub fn new(rules: Rules) -> Self {
        Self { draining: watch::Sender::new(None), rules, tasks: JoinSet::new(), open: Vec::new() }
    }

    pub async fn serve(&mut self, accepted: io::Result<TcpStream>) {
        while self.tasks.try_join_next().is_some() {}
        match accepted {
            Ok(stream) => {
                let forgotten = Forgotten::default();
                let served = serve(stream, self.draining.subscribe(), self.rules, Arc::clone(&forgotten));
                let task = self.tasks.spawn(served);
                if self.rules.drain_at_most.or(self.rules.sweep_at_most).is_some() {
                    self.open.retain(|(one, _)| !one.is_finished());
                    self.open.push((task, forgotten));
                }
            }
            Err(error) => {
                eprintln!("cannot accept: {error}");
                // Out of descriptors, most likely: let connections end meanwhile.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }

    /// Lets everything in flight complete and the idle ones time out; returns when all are closed.
    pub async fn drain(&mut self) {
        self.begin_drain();
        self.closed().await;
    }

    pub fn begin_drain(&mut self) {
        self.open.retain(|(one, _)| !one.is_finished());
        let beyond = self.open.iter().skip(self.rules.sweep_at_most.unwrap_or(usize::MAX));
        beyond.for_each(|(_, forgotten)| forgotten.store(true, Ordering::SeqCst));
        self.draining.send_replace(Some(Instant::now()));
        let beyond = self.open.iter().skip(self.rules.drain_at_most.unwrap_or(usize::MAX));
        beyond.for_each(|(task, _)| task.abort());
    }

    /// Returns when all connections are closed. Cancel safe.
    pub async fn closed(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    /// Whether all connections are closed by now.
    pub fn are_closed(&mut self) -> bool {
        while self.tasks.try_join_next().is_some() {}
        self.tasks.is_empty()
    }
}

async fn serve(stream: TcpStream, draining: Draining, rules: Rules, forgotten: Forgotten) {
    let _ = stream.set_nodelay(true);
    let stream = Arc::new(stream);
    let silent = exchange(Arc::clone(&stream), draining.clone(), rules, &forgotten).await;
    let end = match (draining.borrow().is_some(), silent) {
        (false, _) => rules.after_other,
        (true, false) => rules.after_answer,
        (true, true) => rules.after_silence,
    };
    match end {
        End::Linger => linger(&stream).await,
        End::ByClient => {
            end_of_client(&stream, if draining.borrow().is_some() { LINGER } else { IDLE_MAX }).await
        }
        End::Close => {}
        // A linger time of zero makes a reset of the close.
        End::Reset => drop(socket2::SockRef::from(&*stream).set_linger(Some(Duration::ZERO))),
    }
}

/// Request by request, until either side has had enough; says whether it was the client's silence that ended it.
async fn exchange(
    stream: Arc<TcpStream>,
    mut draining: Draining,
    rules: Rules,
    forgotten: &AtomicBool,
) -> bool {
    let activity = Activity::new(rules);
    let io = TokioIo::new(Watched { stream, activity: activity.clone(), read_size: rules.read_size });
    let state = (activity.clone(), draining.clone());
    let service = service_fn(move |request| {
        let (activity, draining) = state.clone();
        handlers::answer(request, activity.begin_exchange(), draining, rules)
    });
    let mut connection = pin!(http1::Builder::new().half_close(true).serve_connection(io, service));
    let mut told = draining.clone();
    loop {
        let swept = || !forgotten.load(Ordering::SeqCst);
        let draining_since = draining.borrow_and_update().filter(|_| swept());
        if rules.drops_unread && draining_since.is_some() && activity.is_unused() {
            return true;
        }
        let limit = activity.limit(draining_since);
        tokio::select! {
            // What has come is looked at before any silence ends.
            biased;
            _ = told.changed(), if rules.drops_unread => {}
            _ = connection.as_mut() => return false,
            () = activity.changed() => {}
            _ = draining.changed() => {}
            silence = expiry(limit) => {
                // Once more: what the connection has just read is no silence.
                if activity.limit(draining.borrow().filter(|_| swept())) != limit {
                    continue;
                }
                if silence == Silence::Idle {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
                return true;
            }
        }
    }
}

async fn expiry(limit: Option<(Instant, Silence)>) -> Silence {
    match limit {
        Some((instant, silence)) => {
            tokio::time::sleep_until(instant).await;
            silence
        }
        None => std::future::pending().await,
    }
}

/// Ends our side and reads what still comes until the client ends its own, so that no late byte turns
/// the end of file into a reset.
async fn linger(stream: &TcpStream) {
    let _ = socket2::SockRef::from(stream).shutdown(Shutdown::Write);
    end_of_client(stream, LINGER).await;
}

/// Reads what still comes until the client ends its side, within the time for it.
async fn end_of_client(stream: &TcpStream, within: Duration) {
    let rest = async {
        let mut scratch = [0; 4096];
        while stream.readable().await.is_ok() {
            match stream.try_read(&mut scratch) {
                Ok(0) => break,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => break,
                _ => {}
            }
        }
    };
    let _ = tokio::time::timeout(within, rest).await;
}

/// The stream, with note taken of what comes and goes.
struct Watched {
    stream: Arc<TcpStream>,
    activity: Activity,
    read_size: usize,
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            let size = buf.remaining().min(self.read_size);
            match self.stream.try_read(buf.initialize_unfilled_to(size)) {
                Ok(0) if buf.remaining() > 0 && self.activity.end_read() => return Poll::Pending,
                Ok(count) => {
                    buf.advance(count);
                    if count > 0 {
                        self.activity.bytes_read();
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let result = loop {
            match self.stream.poll_write_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break Poll::Pending,
            }
            match self.stream.try_write(data) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => break Poll::Ready(result),
            }
        };
        self.activity.blocked(result.is_pending());
        result
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The end of the connection is `linger`, whichever way it comes to it.
        Poll::Ready(Ok(()))
    }
}
