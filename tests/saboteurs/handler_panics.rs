//! A saboteur: a hot restart that takes apart what its handlers still use.
//!
//! The access log is closed when the drain begins, so that the successor can move it. Whatever is answered
//! after that panics when it comes to its line in the log, and the client gets an end of file instead.
//!
//! clause: in-flight.completes
//! shown-by: in-flight-slow
//! falls-with: in-flight.upload, in-flight.slow-response, in-flight.partial-head, in-flight.not-truncated, in-flight.close-announced, keep-alive.one-last-request, keep-alive.fresh-request, keep-alive.answered-throughout, keep-alive.close-announced, keep-alive.fin-not-reset, keep-alive.crossing-request, availability.accepted-unread, availability.answered, availability.queue-kept, availability.no-wire-reset, drain.waits, protocol.http10, protocol.http10-keep-alive, protocol.pipelined, protocol.chunked-upload, protocol.expect-continue, protocol.no-body, protocol.half-close, load.closed-loop, load.new-connections, load.idle-mass
//! profile: reload
//! options: --socket-flag --socket

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use common::{Answer, Rules, Server};

static LOG: Mutex<Option<Box<dyn Write + Send>>> = Mutex::new(None);

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut server = Server::begin(Rules { finish, ..Rules::default() })?;
    *log() = Some(Box::new(io::sink()));
    server.ready()?;
    server.serve().await;
    // The fault: it is needed up to the end of the drain.
    *log() = None;
    server.drain().await;
    Ok(())
}

fn finish(answer: &mut Answer<'_>) {
    common::close_while_draining(answer);
    let mut log = log();
    let log = log.as_mut().expect("the access log is open");
    let _ = writeln!(log, "{:?} {}", answer.version, answer.status);
}

fn log() -> MutexGuard<'static, Option<Box<dyn Write + Send>>> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner)
}
