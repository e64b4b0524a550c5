//! A saboteur: a hot restart that closes connections which were never used as soon as it drains.
//!
//! They have nothing in flight, so nothing seems to be lost. But browsers and pools open connections ahead of need, and
//! the first request on one of them, unlike a later one, may not be one that its client dares to send again.
//!
//! clause: keep-alive.fresh-request
//! falls-with: keep-alive.answered-throughout, idle.not-early
//! profile: falcore
//! options: --socket-flag --socket

use std::io;
use std::time::Duration;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    // The fault: they have to be given the time that used ones have.
    Server::begin(Rules { fresh: Duration::ZERO, ..Rules::default() })?.run().await
}
