//! A saboteur: a hot restart in which the old process shuts its listener down when it exits.
//!
//! It stopped accepting in time, and leaves what it has for the end, as it always did: first `shutdown`, then `close`. But
//! `close` is a process's own affair, and `shutdown` is that of all who share the socket. From then on nobody listens.
//!
//! clause: drain.exit-undisturbing
//! shown-by: new-connections
//! falls-with: descriptors.not-shut-down, availability.not-refused, availability.listener-present, availability.same-listener, availability.answered, availability.queue-kept, keep-alive.answered-throughout, process.effective, load.new-connections, load.closed-loop, load.idle-mass, repeat.many, repeat.double-trigger, repeat.while-draining, repeat.successor-triggered
//! cause: listener-shut-down
//! profile: reload
//! options: --socket-flag --socket

use std::io;
use std::net::Shutdown;

use common::{Rules, Server};
use socket2::SockRef;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut server = Server::begin(Rules::default())?;
    server.ready()?;
    server.serve().await;

    let Server { listener, mut restart, mut connections, .. } = server;
    // Nothing is told of its connections any more.
    let listener = listener.into_std()?;
    tokio::select! {
        () = connections.drain() => {}
        () = restart.reap_while_draining() => {}
    }
    // The fault: closing it is all that may be done.
    SockRef::from(&listener).shutdown(Shutdown::Both)
}
