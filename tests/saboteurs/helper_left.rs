//! A saboteur: a hot restart after which a helper of the old process stays.
//!
//! Each generation has a process that writes its log, fed by a pipe and ended by the end of that pipe. Its
//! writing end is not closed on exec, so the successor has it too, and the helper never sees the end: one more
//! process with every restart.
//!
//! clause: process.one-left
//! shown-by: zero-traffic
//! falls-with: process.no-zombies
//! profile: reload
//! options: --socket-flag --socket

use std::io;
use std::process::{Command, Stdio};

use common::{Rules, Server};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let server = Server::begin(Rules::default())?;
    let (to_write, _log) = nix::unistd::pipe()?;
    // The fault: the other end, which is open as long as this process is, needs it as well.
    fcntl(&to_write, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Command::new("cat").stdin(to_write).stdout(Stdio::null()).spawn()?;
    server.run().await
}
