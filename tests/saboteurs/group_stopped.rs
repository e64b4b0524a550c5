//! A saboteur: a hot restart after which a stop of the old process stops its successor.
//!
//! At SIGTERM the server ends its whole process group, so that no helper stays behind. Its successor is in the
//! same group.
//!
//! clause: repeat.terminate-amid
//! falls-with: availability.not-refused
//! profile: reload
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};
use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal as signals};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let server = Server::begin(Rules::default())?;
    let mut terminate = signals(SignalKind::terminate())?;
    tokio::spawn(async move {
        terminate.recv().await;
        // SAFETY: the default disposition runs no code of ours.
        let _ = unsafe { signal(Signal::SIGTERM, SigHandler::SigDfl) };
        // The fault: a successor is no helper.
        let _ = kill(Pid::from_raw(0), Signal::SIGTERM);
    });
    server.run().await
}
