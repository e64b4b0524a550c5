//! A saboteur: a hot restart that goes on saying `Connection: close` when its successor has failed.
//!
//! From SIGHUP on connections are to move to the new generation. There is none, and each request costs a
//! connection from then on, until somebody restarts it once more.
//!
//! clause: keep-alive.kept-on-failed-restart
//! shown-by: failing-start
//! falls-with: keep-alive.not-before-ready, keep-alive.normal-otherwise, process.ready-before-drain
//! profile: reload
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
        // The fault: nothing ever unsets it.
        while hangup.recv().await.is_some() {
            RESTARTING.store(true, Ordering::Relaxed);
        }
    });
    Server::begin(Rules { finish, ..Rules::default() })?.run().await
}

fn finish(answer: &mut Answer<'_>) {
    if answer.draining || RESTARTING.load(Ordering::Relaxed) {
        common::close(answer);
    }
}
