//! Accepting connections, and draining them: the lifecycle that a hot restart needs.

use std::error::Error;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::service::Service;
use hyper::{Request, Response};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::address::Address;
use crate::connection;
use crate::listener::Listener;
use crate::stream::{Acceptor, Stream};

/// What a service or a body may fail with.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// How long to rest when accepting fails, for want of descriptors say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The times after which a connection that asks for nothing is closed.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// While draining: how long an idle connection may take to send its last request.
    pub idle: Duration,
    /// While serving: how long a connection may idle between two requests.
    pub keep_alive: Duration,
    /// From the first byte of a request's head to its last.
    pub head: Duration,
    /// The whole drain; what remains then is cut off.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(3),
            keep_alive: Duration::from_secs(60),
            head: Duration::from_secs(15),
            drain: Duration::from_secs(30),
        }
    }
}

/// Where the server is in its life.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Phase {
    Serving,
    /// Not accepting; every response is the last on its connection.
    Draining {
        since: Instant,
        /// Nobody takes over the listeners: what waits in their queues is accepted first.
        empty_queues: bool,
    },
    /// Connections end where they are.
    Cut {
        since: Instant,
    },
}

/// Waits for the end of [`Phase::Serving`], and tells what came after it.
async fn not_serving(phase: &mut watch::Receiver<Phase>) -> Phase {
    match phase.wait_for(|phase| !matches!(phase, Phase::Serving)).await {
        Ok(phase) => *phase,
        // Nobody is left who could stop the server in order.
        Err(_) => Phase::Cut { since: Instant::now() },
    }
}

/// What [`Server::serve`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that the drain's limit cut off.
    pub cut_off: usize,
}

/// A server on its listeners. Connections made from [`Server::new`] on wait until
/// [`Server::serve`] accepts them.
#[derive(Debug)]
pub struct Server<S> {
    /// Its own hold on them: a stop before [`Server::serve`] still finds the queues to empty.
    acceptors: Vec<Arc<Acceptor>>,
    service: S,
    limits: Limits,
    handle: Handle,
}

impl<S> Server<S> {
    /// Registers the listeners with the current tokio runtime.
    ///
    /// # Errors
    ///
    /// When the runtime can't register a listener.
    pub fn new(listeners: Vec<Listener>, service: S, limits: Limits) -> io::Result<Self> {
        let acceptors = listeners
            .into_iter()
            .map(|listener| Acceptor::new(listener).map(Arc::new))
            .collect::<io::Result<Vec<_>>>()?;
        let handle = Handle {
            phase: watch::Sender::new(Phase::Serving),
            acceptors: Arc::new(Mutex::new(acceptors.clone())),
            open: Arc::new(AtomicUsize::new(0)),
        };
        Ok(Self { acceptors, service, limits, handle })
    }

    /// To end [`Server::serve`] from elsewhere.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Accepts and serves until [`Handle::stop_accepting`], then drains, and returns when the last
    /// connection is closed.
    pub async fn serve<B>(self) -> Drained
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Unpin + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError> + Send,
        B: Body + Unpin + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        // Whoever accepts, and every connection, holds a sender: with the last one gone, the
        // receiver ends. (The same trick as in tokio's mini-redis.)
        let (alive, mut all_gone) = mpsc::channel::<()>(1);
        let cut_off = Arc::new(AtomicUsize::new(0));
        for acceptor in self.acceptors {
            tokio::spawn(accept(
                acceptor,
                Connections {
                    service: self.service.clone(),
                    limits: self.limits,
                    phase: self.handle.phase.subscribe(),
                    open: Arc::clone(&self.handle.open),
                    cut_off: Arc::clone(&cut_off),
                    alive: alive.clone(),
                },
            ));
        }
        drop(alive);

        let mut phase = self.handle.phase.subscribe();
        let limit_reached = async {
            if let Phase::Draining { since, .. } = not_serving(&mut phase).await {
                tokio::time::sleep_until(since + self.limits.drain).await;
            }
        };
        tokio::select! {
            _ = all_gone.recv() => {}
            () = limit_reached => {
                self.handle.cut();
                all_gone.recv().await;
            }
        }
        Drained { cut_off: cut_off.load(Ordering::Relaxed) }
    }
}

/// Stops a server. Clones stop the same one.
#[derive(Clone, Debug)]
pub struct Handle {
    phase: watch::Sender<Phase>,
    acceptors: Arc<Mutex<Vec<Arc<Acceptor>>>>,
    open: Arc<AtomicUsize>,
}

impl Handle {
    /// Hands over: what waits in the accept queues is left to whoever shares the listeners, this
    /// process closes its descriptors of them, and drains. Further calls do nothing.
    pub fn stop_accepting(&self) {
        self.drain(false);
    }

    /// Stops for good: accepts what waits in the queues, closes the listeners, and drains.
    /// Further calls do nothing.
    pub fn stop(&self) {
        self.drain(true);
    }

    /// Ends what is still open, at once.
    pub fn cut(&self) {
        self.acceptors().clear();
        self.phase.send_replace(Phase::Cut { since: Instant::now() });
    }

    /// How many connections are open.
    pub fn open_connections(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Where the server listens; empty once it has stopped.
    pub fn addresses(&self) -> Vec<Address> {
        let acceptors = self.acceptors();
        acceptors.iter().map(|a| a.address().clone()).collect()
    }

    /// The listeners, kept open for as long as the caller holds them.
    pub(crate) fn acceptors(&self) -> MutexGuard<'_, Vec<Arc<Acceptor>>> {
        self.acceptors.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn drain(&self, empty_queues: bool) {
        self.acceptors().clear();
        self.phase.send_if_modified(|phase| {
            let serving = matches!(phase, Phase::Serving);
            if serving {
                *phase = Phase::Draining { since: Instant::now(), empty_queues };
            }
            serving
        });
    }
}

/// What every new connection gets.
struct Connections<S> {
    service: S,
    limits: Limits,
    phase: watch::Receiver<Phase>,
    open: Arc<AtomicUsize>,
    cut_off: Arc<AtomicUsize>,
    alive: mpsc::Sender<()>,
}

async fn accept<S, B>(acceptor: Arc<Acceptor>, connections: Connections<S>)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Unpin + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + Send,
    B: Body + Unpin + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let mut phase = connections.phase.clone();
    let mut failing = false;
    let empty_queue = loop {
        // Stopping is looked at first, and an accepted connection is spawned with no await in
        // between: whatever was accepted is served, the rest stays in the queue.
        let accepted = tokio::select! {
            biased;
            phase = not_serving(&mut phase) => {
                break matches!(phase, Phase::Draining { empty_queues: true, .. });
            }
            accepted = acceptor.accept() => accepted,
        };
        match accepted {
            Ok(stream) => {
                failing = false;
                connections.spawn(stream);
            }
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                if !failing {
                    warn!(address = %acceptor.address(), %error, "accepting fails");
                }
                failing = true;
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    };
    if empty_queue && let Err(error) = connections.spawn_waiting(&acceptor) {
        warn!(address = %acceptor.address(), %error, "accepting fails");
    }
    debug!(address = %acceptor.address(), "stopped accepting");
}

impl<S> Connections<S> {
    /// Accepts all that the kernel has queued up.
    fn spawn_waiting<B>(&self, acceptor: &Acceptor) -> io::Result<()>
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Unpin + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError> + Send,
        B: Body + Unpin + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        loop {
            match acceptor.accept_waiting() {
                Ok(Some(stream)) => self.spawn(stream),
                Ok(None) => return Ok(()),
                Err(error) if is_of_the_connection(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn spawn<B>(&self, stream: Stream)
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Unpin + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError> + Send,
        B: Body + Unpin + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let alive = self.alive.clone();
        let cut_off = Arc::clone(&self.cut_off);
        let counted = Counted::new(&self.open);
        let run = connection::run(stream, self.service.clone(), self.phase.clone(), self.limits);
        tokio::spawn(async move {
            if run.await {
                cut_off.fetch_add(1, Ordering::Relaxed);
            }
            drop((counted, alive));
        });
    }
}

/// Counts a connection for as long as it lives, even if its task panics.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Errors of accept(2) that belong to the connection that is gone, not to the listener.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// Logs what became of the drain.
pub(crate) fn log_drained(drained: Drained) {
    if drained.cut_off == 0 {
        info!("drained");
    } else {
        warn!(connections = drained.cut_off, "drain limit reached, connections cut off");
    }
}
