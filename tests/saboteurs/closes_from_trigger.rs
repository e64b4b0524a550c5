//! A saboteur: a hot restart that says `Connection: close` from SIGHUP on.
//!
//! That moves the clients to the new generation all the sooner, if there is one. But the successor is only
//! being started, and may take a minute or never get ready: until then every request costs a connection, and
//! connections that were told so can't be taken back.
//!
//! clause: keep-alive.not-before-ready
//! shown-by: slow-start
//! falls-with: keep-alive.kept-on-failed-restart, keep-alive.normal-otherwise, process.ready-before-drain, failure.bad-config, failure.exits-early, failure.killed-early, failure.hangs-early, failure.no-program
//! profile: falcore
//! options: --socket-flag --socket

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Answer, Rules, Server};
use tokio::signal::unix::{SignalKind, signal};

static RESTARTING: AtomicBool = AtomicBool::new(false);

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        hangup.recv().await;
        RESTARTING.store(true, Ordering::Relaxed);
    });
    Server::begin(Rules { finish, ..Rules::default() })?.run().await
}

fn finish(answer: &mut Answer<'_>) {
    // The fault: only `answer.draining` says that a successor is there.
    if answer.draining || RESTARTING.load(Ordering::Relaxed) {
        common::close(answer);
    }
}
