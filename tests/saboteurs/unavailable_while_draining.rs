//! A saboteur: a hot restart in which the old process answers 503 while it drains.
//!
//! A server that goes away for good may do so, and its balancer will ask another. Here the next generation
//! serves already, and the clients' idle connections lead to the old one: each gets an error that it
//! need not have got.
//!
//! clause: in-flight.no-drain-errors
//! shown-by: in-flight-slow
//! falls-with: availability.answered, availability.accepted-unread, availability.queue-kept, in-flight.completes, in-flight.upload, in-flight.partial-head, keep-alive.one-last-request, keep-alive.fresh-request, keep-alive.answered-throughout, keep-alive.crossing-request, protocol.http10, protocol.http10-keep-alive, protocol.pipelined, protocol.no-body, protocol.half-close, protocol.expect-continue
//! profile: reload
//! level: should
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server, StatusCode};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    // The fault: the old process can answer as well as ever.
    Server::begin(Rules { unavailable: Some(StatusCode::SERVICE_UNAVAILABLE), ..Rules::default() })?
        .run()
        .await
}
