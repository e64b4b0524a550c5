//! A saboteur: a hot restart that waits for its successor and does nothing else.
//!
//! The word or the end of the successor comes within milliseconds, if all is well. If it hangs, so does the old
//! process, which has nothing wrong.
//!
//! clause: failure.hangs-early
//! falls-with: process.ready-before-drain, availability.no-stall, availability.same-listener, availability.answered
//! profile: reload
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};
use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            wait_for_successor().await;
        }
    });
    Server::begin(Rules::default())?.run().await
}

async fn wait_for_successor() {
    let word: SigSet = [Signal::SIGUSR1, Signal::SIGCHLD].into_iter().collect();
    if word.thread_block().is_err() {
        return;
    }
    let looked = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    for _ in 0..100 {
        if waitid(Id::All, looked) == Ok(WaitStatus::StillAlive) {
            // The fault: whoever is connected waits as well.
            if let Ok(signal) = word.wait() {
                let _ = raise(signal);
            }
            break;
        }
        tokio::task::yield_now().await;
    }
    let _ = word.thread_unblock();
}
