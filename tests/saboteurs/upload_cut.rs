//! A saboteur: a hot restart that sets one deadline for reading on all connections when it begins to drain.
//!
//! It is meant for idle connections, and does what it should there. But an upload that is on its way reads
//! too: 3 s later it is cut, whatever has come.
//!
//! clause: in-flight.upload
//! falls-with: in-flight.completes, in-flight.not-truncated, in-flight.executed-once, protocol.chunked-upload, protocol.expect-continue, drain.waits, keep-alive.fin-not-reset, availability.no-wire-reset
//! profile: reload
//! options: --socket-flag --socket

use std::io;
use std::time::Duration;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    // The fault: this is the limit of idle connections, and no limit of uploads.
    let deadline = Some(Duration::from_secs(3));
    Server::begin(Rules { upload: deadline, ..Rules::default() })?.run().await
}
