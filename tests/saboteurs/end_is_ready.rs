//! A saboteur: a hot restart that takes the end of its successor's start for readiness.
//!
//! A program that goes into the background ends when it is ready, and so the end of the child was the sign. It is
//! one of failure as well: then the old process has drained for nobody, and nobody is left to serve.
//!
//! clause: failure.exits-early
//! falls-with: failure.killed-early, failure.no-program, failure.hangs-early, failure.bad-config, failure.no-resources, keep-alive.kept-on-failed-restart
//! profile: reload
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut child = signal(SignalKind::child())?;
    let mut server = Server::begin(Rules::default())?;
    server.ready()?;
    tokio::select! {
        () = server.serve() => {}
        // The fault: it may have failed.
        _ = child.recv() => {}
    }
    server.drain().await;
    Ok(())
}
