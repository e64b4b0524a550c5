//! A saboteur: a hot restart in which the old process sends clients away to where they are.
//!
//! A redirection to the same address and `Connection: close`: so each request finds its way to the new generation. But few
//! programs follow redirections, fewer of a POST, and none expects one here.
//!
//! clause: keep-alive.answered-throughout
//! shown-by: keep-alive-traffic
//! falls-with: availability.answered, availability.accepted-unread, availability.queue-kept, in-flight.completes, in-flight.upload, in-flight.partial-head, in-flight.slow-response, keep-alive.one-last-request, keep-alive.fresh-request, drain.waits, protocol.http10, protocol.http10-keep-alive, protocol.pipelined, protocol.no-body, protocol.half-close, protocol.expect-continue, protocol.chunked-upload
//! profile: falcore
//! options: --socket-flag --socket

use std::io;

use common::{Answer, Rules, Server, StatusCode};
use hyper::header::{HeaderValue, LOCATION};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    // The fault: the old process can answer as well as ever.
    let unavailable = Some(StatusCode::TEMPORARY_REDIRECT);
    Server::begin(Rules { unavailable, finish, ..Rules::default() })?.run().await
}

fn finish(answer: &mut Answer<'_>) {
    common::close_while_draining(answer);
    if answer.status == StatusCode::TEMPORARY_REDIRECT {
        answer.head.insert(LOCATION, HeaderValue::from_static("/"));
    }
}
