//! A saboteur: a hot restart that hands its log down to all generations.
//!
//! Each generation opens its log without O_CLOEXEC, so that the next one has it as well as its own: one descriptor
//! more with every restart, until there are no more to be had.
//!
//! clause: repeat.storm
//! level: should
//! falls-with: repeat.many, descriptors.no-growth, descriptors.no-strays
//! profile: reload
//! options: --socket-flag --socket

use std::fs::OpenOptions;
use std::io;

use common::{Rules, Server};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let log = OpenOptions::new().append(true).open("/dev/null")?;
    // The fault, which the library for files would not make by itself.
    fcntl(&log, FcntlArg::F_SETFD(FdFlag::empty()))?;
    Server::begin(Rules::default())?.run().await
}
