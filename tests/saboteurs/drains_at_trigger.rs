//! A saboteur: a hot restart that drains as soon as it has started its successor.
//!
//! The listener stays open in the successor, so nobody is refused, and a successor that is quick hides it. But who
//! connects while it starts waits for as long as that takes, and if it fails nobody serves at all.
//!
//! clause: process.ready-before-drain
//! falls-with: availability.answered, availability.no-stall, availability.same-listener, keep-alive.not-before-ready, keep-alive.kept-on-failed-restart, failure.bad-config, failure.exits-early, failure.killed-early, failure.hangs-early, failure.no-program, failure.no-resources, failure.starved, load.new-connections, load.latency
//! profile: reload
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut server = Server::begin(Rules::default())?;
    let mut hangup = signal(SignalKind::hangup())?;
    server.ready()?;
    tokio::select! {
        () = server.serve() => {}
        _ = hangup.recv() => {
            server.restart.start();
            // The fault: the successor's word that it is ready has to be awaited.
        }
    }
    server.drain().await;
    Ok(())
}
