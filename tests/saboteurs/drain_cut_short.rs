//! A saboteur: a hot restart that gives its drain 4 s and then exits.
//!
//! That is more than idle connections get, so most restarts never come to it. What takes longer, a download or
//! an upload, goes with the process, long before the time that it declares for it.
//!
//! clause: drain.waits
//! shown-by: in-flight-large
//! falls-with: in-flight.upload, in-flight.completes, in-flight.slow-response, in-flight.slow-reader, in-flight.not-truncated, in-flight.partial-head, in-flight.close-announced, in-flight.executed-once, keep-alive.fin-not-reset, keep-alive.close-honoured, keep-alive.crossing-request, availability.no-wire-reset, idle.partial-head-bounded, protocol.pipelined, protocol.chunked-upload, protocol.server-sent-events
//! profile: reload
//! options: --socket-flag --socket

use std::io;
use std::time::Duration;

use common::{Rules, Server};

const DRAIN_MAX: Duration = Duration::from_secs(4);

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut server = Server::begin(Rules::default())?;
    server.ready()?;
    server.serve().await;
    // The fault: only silence may be limited, and not what goes on.
    if tokio::time::timeout(DRAIN_MAX, server.drain()).await.is_err() {
        eprintln!("not drained after {DRAIN_MAX:?}");
    }
    Ok(())
}
