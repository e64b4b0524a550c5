//! The signal loop: it runs a [`Server`] from readiness to the end of its drain.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::service::Service;
use hyper::{Request, Response};
use tokio::time::{Instant, sleep_until};

use crate::pid_file::PidFile;
use crate::server::{BoxError, Drained, Server, log_drained};
use crate::signals::Signals;
use crate::startup::{Startup, WaitingParent};
use crate::supervisor::Supervisor;

/// How long a successor may take to become ready unless told otherwise.
pub const READY_TIMEOUT: Duration = Duration::from_secs(10);

/// A hot restart on `SIGHUP`, for one [`Server`].
#[derive(Debug)]
pub struct HotRestart {
    startup: Startup,
    waiting_parent: Option<WaitingParent>,
    ready_timeout: Duration,
    pid_file: Option<PidFile>,
}

impl HotRestart {
    /// With no pid file, and [`READY_TIMEOUT`].
    pub fn new(startup: Startup) -> Self {
        Self { startup, waiting_parent: None, ready_timeout: READY_TIMEOUT, pid_file: None }
    }

    /// This process was started by another one that still accepts on the same listeners and waits
    /// for `SIGUSR1`: it got them by `--socket`.
    pub fn announce_to_parent(mut self) -> Self {
        self.waiting_parent = Some(self.startup.waiting_parent());
        self
    }

    /// A successor that isn't ready by then is killed, and this process serves on.
    pub fn ready_timeout(mut self, limit: Duration) -> Self {
        self.ready_timeout = limit;
        self
    }

    /// Keeps the main process' pid in a file.
    pub fn pid_file(mut self, file: PidFile) -> Self {
        self.pid_file = Some(file);
        self
    }

    /// Announces readiness, serves, and returns when the server is drained: after a successor took
    /// over, or after `SIGTERM` or `SIGINT`.
    ///
    /// # Errors
    ///
    /// When this process can't get ready (then its parent serves on), or signals can't be read.
    pub async fn run<S, B>(self, server: Server<S>) -> io::Result<Drained>
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
        S: Clone + Unpin + Send + 'static,
        S::Future: Send + 'static,
        B: Body + Unpin + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let mut signals = Signals::new()?;
        let handle = server.handle();
        let addresses = handle.addresses();
        let mut supervisor = Supervisor::new(self.startup, self.ready_timeout, self.pid_file, handle);
        supervisor.announce(self.waiting_parent)?;

        // Its own task, so that a restart, which blocks for a moment, holds up no accepting.
        let mut serving = tokio::spawn(server.serve());
        let drained = loop {
            let ready_by = supervisor.ready_by();
            tokio::select! {
                biased;
                events = signals.next() => {
                    for event in events? {
                        supervisor.on_signal(event).await;
                    }
                }
                drained = &mut serving => break drained.map_err(io::Error::other)?,
                status = supervisor.successor_ended() => supervisor.on_successor_ended(status).await,
                () = at(ready_by) => {
                    // Its report may have come in the same instant.
                    for event in signals.pending()? {
                        supervisor.on_signal(event).await;
                    }
                    supervisor.give_up_if_late().await;
                }
            }
        };
        log_drained(drained);
        supervisor.finish(&addresses);
        Ok(drained)
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => pending().await,
    }
}
