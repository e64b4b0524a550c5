//! A saboteur: a hot restart that executes its successor with the listener as its only argument.
//!
//! `--socket` says all that the successor has to know of the address, so the rest seems to be of no use. Every
//! other option that the operator gave is lost with the first restart, and comes back with the next cold one.
//!
//! clause: process.arguments-kept
//! shown-by: five-restarts
//! falls-with: process.pid-file
//! profile: falcore
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut server = Server::begin(Rules::default())?;
    // The fault: what stands between the program's name and `--socket FD` has to stay.
    let argv = &mut server.restart.argv;
    argv.drain(2..argv.len() - 2);
    server.run().await
}
