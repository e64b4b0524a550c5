//! A saboteur: a hot restart whose every generation leaves a zombie.
//!
//! When it comes up it executes a program, as one would to warm a cache or to tell a registry. The program ends
//! at once, and nobody ever waits for it.
//!
//! clause: process.no-zombies
//! shown-by: zero-traffic
//! falls-with: process.one-left
//! profile: reload
//! options: --socket-flag --socket

use std::io;
use std::process::Command;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    // The fault: `wait` belongs here, or somewhere.
    if let Err(error) = Command::new("true").spawn() {
        eprintln!("cannot execute the start-up hook: {error}");
    }
    Server::begin(Rules::default())?.run().await
}
