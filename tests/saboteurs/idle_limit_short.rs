//! A saboteur: a hot restart that gives idle connections one second more when it drains.
//!
//! That is as good as closing them at once for every client that asks less often, and the request that it is about to
//! send meets the end of its connection.
//!
//! clause: idle.not-early
//! shown-by: idle-silent
//! falls-with: keep-alive.one-last-request, keep-alive.answered-throughout, availability.answered
//! profile: falcore
//! options: --socket-flag --socket

use std::io;
use std::time::Duration;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    // The fault: it promises idle connections three.
    Server::begin(Rules { idle: Duration::from_secs(1), ..Rules::default() })?.run().await
}
