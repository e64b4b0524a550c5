//! A saboteur: a hot restart that expects whatever ends to have an exit status.
//!
//! A child that was killed by a signal has none, so the old process panics over its successor's end.
//!
//! clause: failure.killed-early
//! falls-with: failure.no-program, failure.hangs-early, process.clean-log
//! profile: reload
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut child = signal(SignalKind::child())?;
    let mut server = Server::begin(Rules::default())?;
    server.ready()?;
    loop {
        tokio::select! {
            biased;
            _ = child.recv() => note_status(),
            () = server.serve() => break,
        }
    }
    server.drain().await;
    Ok(())
}

/// Counts exits by their status, before the child is waited for.
fn note_status() {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    let code = match waitid(Id::All, flags) {
        Ok(WaitStatus::Exited(_, code)) => Some(code),
        Ok(WaitStatus::Signaled(..)) => None,
        _ => return,
    };
    // The fault: one that was killed has none.
    #[allow(clippy::expect_used, reason = "this is the fault")]
    let code = code.expect("a child has an exit status");
    eprintln!("a child exited with status {code}");
}
