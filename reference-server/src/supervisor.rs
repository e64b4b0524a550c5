//! Where a process is in its restart, and what each event does there.
//!
//! ```text
//!              SIGHUP                       SIGUSR1 from the successor
//!   serving ───────────▶ restarting ──────────────────────────────────▶ handed over ─▶ drained
//!      ▲                     │                                                            ▲
//!      └─────────────────────┘                                                            │
//!       it failed, ended, or took too long                                                │
//!      │                                                                                  │
//!      └──────────────▶ stopping ─────────────────────────────────────────────────────────┘
//!        SIGTERM, SIGINT
//! ```

use std::future::pending;
use std::io;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::address::Address;
use crate::listener;
use crate::notify;
use crate::pid_file::PidFile;
use crate::server::Handle;
use crate::signals::Event;
use crate::startup::{Startup, WaitingParent};
use crate::successor::{Successor, describe};

#[derive(Debug)]
enum State {
    Serving,
    Restarting {
        successor: Successor,
        ready_by: Instant,
        /// Another SIGHUP came meanwhile. It may stand for a change that the successor has not
        /// seen, so it is not dropped.
        again: bool,
    },
    /// Draining; `None` once the successor's end has been seen.
    HandedOver {
        successor: Option<Successor>,
    },
    /// Draining, with nobody to take over.
    Stopping,
}

/// What the signal loop drives.
pub(crate) struct Supervisor {
    startup: Startup,
    ready_timeout: Duration,
    pid_file: Option<PidFile>,
    handle: Handle,
    state: State,
}

impl Supervisor {
    pub(crate) fn new(
        startup: Startup,
        ready_timeout: Duration,
        pid_file: Option<PidFile>,
        handle: Handle,
    ) -> Self {
        Self { startup, ready_timeout, pid_file, handle, state: State::Serving }
    }

    /// All that tells others that this process serves; its parent last, which then lets go.
    pub(crate) fn announce(&self, parent: Option<WaitingParent>) -> io::Result<()> {
        if let Some(file) = &self.pid_file {
            file.claim().map_err(|error| {
                let path = file.path().display();
                io::Error::new(error.kind(), format!("failed to write {path}: {error}"))
            })?;
        }
        let generation = self.startup.generation();
        let pid = std::process::id();
        let Some(parent) = parent else {
            notify::ready();
            info!(pid, generation, "ready");
            return Ok(());
        };
        notify::main_process();
        match parent.signal_readiness()? {
            Some(parent) => info!(pid, generation, %parent, "ready, told the parent"),
            None => info!(pid, generation, "ready; the parent is gone, nobody is told"),
        }
        Ok(())
    }

    pub(crate) fn ready_by(&self) -> Option<Instant> {
        match self.state {
            State::Restarting { ready_by, .. } => Some(ready_by),
            _ => None,
        }
    }

    pub(crate) async fn on_signal(&mut self, event: Event) {
        match event {
            Event::Restart => self.on_restart(),
            Event::Ready { from } => self.on_ready(from).await,
            Event::Stop(signal) => self.on_stop(signal).await,
        }
    }

    fn on_restart(&mut self) {
        match &mut self.state {
            State::Serving => self.restart(),
            State::Restarting { successor, again, .. } => {
                *again = true;
                let successor = successor.pid();
                info!(%successor, "SIGHUP during a restart: there will be another one after it");
            }
            State::HandedOver { .. } | State::Stopping => {
                info!("SIGHUP while draining: passed over");
            }
        }
    }

    fn restart(&mut self) {
        if std::process::id() == 1 {
            error!("SIGHUP as pid 1: not restarting, its end would end all; run it under an init");
            return;
        }
        notify::reloading();
        // Cloned: the listeners stay open across the fork whatever happens.
        let acceptors = self.handle.acceptors().clone();
        match Successor::spawn(&self.startup, &acceptors) {
            Ok(successor) => {
                info!(successor = %successor.pid(), "SIGHUP: successor started");
                self.state = State::Restarting {
                    successor,
                    ready_by: Instant::now() + self.ready_timeout,
                    again: false,
                };
            }
            Err(error) => {
                let program = self.startup.program.display();
                error!(%program, %error, "restart failed: successor can't be started; serving on");
                notify::ready();
            }
        }
    }

    async fn on_ready(&mut self, from: Pid) {
        let State::Restarting { successor, .. } = &mut self.state else {
            info!(%from, "SIGUSR1 without a successor that could send it: passed over");
            return;
        };
        if successor.pid() != from {
            info!(%from, successor = %successor.pid(), "SIGUSR1 from a stranger: passed over");
            return;
        }
        // Ready and dead already: nothing was accepted yet that would be lost with it.
        if let Ok(Some(status)) = successor.try_ended() {
            self.on_successor_ended(Ok(status)).await;
            return;
        }
        let State::Restarting { successor, again, .. } = std::mem::replace(&mut self.state, State::Stopping)
        else {
            return;
        };
        self.handle.stop_accepting();
        info!(
            successor = %successor.pid(),
            connections = self.handle.open_connections(),
            "successor is ready: draining"
        );
        if again && let Err(error) = successor.signal(Signal::SIGHUP) {
            warn!(%error, "failed to pass the second SIGHUP on");
        }
        self.state = State::HandedOver { successor: Some(successor) };
    }

    async fn on_stop(&mut self, signal: Signal) {
        match &mut self.state {
            State::Serving => {}
            State::Restarting { successor, .. } => {
                info!(successor = %successor.pid(), "stopping: the successor isn't ready, killed");
                kill_and_reap(successor).await;
            }
            State::HandedOver { .. } => {
                info!(%signal, "draining already, the successor serves on");
                return;
            }
            State::Stopping => {
                let connections = self.handle.open_connections();
                warn!(%signal, connections, "a second time: not waiting any longer");
                self.handle.cut();
                return;
            }
        }
        self.state = State::Stopping;
        notify::stopping();
        let connections = self.handle.open_connections();
        self.handle.stop();
        info!(%signal, connections, "stopping: draining");
    }

    /// Pends for ever where there is no successor.
    pub(crate) async fn successor_ended(&mut self) -> io::Result<ExitStatus> {
        match &mut self.state {
            State::Restarting { successor, .. } | State::HandedOver { successor: Some(successor) } => {
                successor.ended().await
            }
            _ => pending().await,
        }
    }

    pub(crate) async fn on_successor_ended(&mut self, status: io::Result<ExitStatus>) {
        let in_order = status.as_ref().is_ok_and(|status| status.success());
        let how = match status {
            Ok(status) => describe(status),
            Err(error) => format!("is lost: {error}"),
        };
        match &mut self.state {
            State::Restarting { again, .. } => {
                let again = *again;
                error!("restart failed: the successor {how} before it was ready; serving on");
                self.serve_on(again);
            }
            State::HandedOver { successor } => {
                *successor = None;
                if in_order {
                    // It was stopped, or has a successor of its own by now.
                    info!("the successor {how} while this process drains");
                } else {
                    error!("the successor {how} while this process drains: who serves now?");
                }
            }
            State::Serving | State::Stopping => {}
        }
    }

    pub(crate) async fn give_up_if_late(&mut self) {
        let State::Restarting { successor, ready_by, again } = &mut self.state else {
            return;
        };
        if Instant::now() < *ready_by {
            return;
        }
        let again = *again;
        let limit = self.ready_timeout;
        kill_and_reap(successor).await;
        error!("restart failed: the successor was not ready within {limit:?}, killed; serving on");
        self.serve_on(again);
    }

    /// As if there had been no restart.
    fn serve_on(&mut self, again: bool) {
        self.state = State::Serving;
        // It may have got as far as writing its own pid.
        if let Some(file) = &self.pid_file
            && !file.is_ours()
            && let Err(error) = file.claim()
        {
            let path = file.path().display();
            error!(%path, %error, "failed to restore the pid file");
        }
        if again {
            info!("restarting again, for the SIGHUP that came meanwhile");
            self.restart();
        } else {
            notify::main_process();
        }
    }

    /// A real stop leaves nothing behind; after handing over everything belongs to the successor.
    pub(crate) fn finish(&self, addresses: &[Address]) {
        if !matches!(self.state, State::Stopping) {
            return;
        }
        for address in addresses {
            if let Address::UnixPath(path) = address {
                report_removal(path, listener::remove_if_unused(path));
            }
        }
        if let Some(file) = &self.pid_file {
            report_removal(file.path(), file.release());
        }
    }
}

async fn kill_and_reap(successor: &mut Successor) {
    if let Err(error) = successor.signal(Signal::SIGKILL) {
        warn!(%error, "failed to kill the successor");
    }
    if let Err(error) = successor.ended().await {
        warn!(%error, "failed to reap the successor");
    }
}

fn report_removal(path: &Path, removed: io::Result<()>) {
    if let Err(error) = removed {
        warn!(path = %path.display(), %error, "failed to remove");
    }
}
