//! A saboteur: a hot restart that takes a fork that fails for a reason to end.
//!
//! So does every `?` and every `expect` on the way from the signal to the successor: written for a program that starts, where
//! an error ends it, and read by nobody again when the program had connections to lose.
//!
//! clause: failure.no-resources
//! falls-with: availability.not-refused, availability.answered, failure.reaped, failure.visible
//! profile: falcore
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut server = Server::begin(Rules::default())?;
    // The fault: the next SIGHUP may find what this one did not.
    server.restart.fork_fatal = true;
    server.run().await
}
