//! A saboteur: a hot restart that starts its successor as it would a daemon.
//!
//! Standard error leads to `/dev/null` then. The log of the service ends with its first restart, and whatever goes wrong
//! afterwards is told to nobody.
//!
//! clause: process.stdio-kept
//! shown-by: five-restarts
//! falls-with: process.clean-log, failure.visible
//! profile: falcore
//! options: --socket-flag --socket

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut server = Server::begin(Rules::default())?;
    server.restart.before_exec = silence;
    server.run().await
}

/// The fault: it is the operator's, not ours.
fn silence() -> nix::Result<()> {
    let Ok(null) = File::options().write(true).open("/dev/null") else { return Ok(()) };
    // SAFETY: both numbers are open descriptors or become one.
    nix::errno::Errno::result(unsafe { libc::dup2(null.as_raw_fd(), libc::STDERR_FILENO) }).map(drop)
}
