//! A saboteur: a hot restart in which the old process goes on accepting while it drains.
//!
//! The listener is shared, so the kernel wakes both generations for each connection, and the faster one gets
//! it. The old process serves what it gets and says that it closes; it leaves its loop when it has no
//! connection left, which can take as long as clients come.
//!
//! clause: drain.stops-accepting
//! shown-by: new-connections
//! falls-with: availability.successor-serves, availability.same-listener, process.effective, drain.starts, drain.exits, idle.timed-out, idle.fresh-timed-out, keep-alive.normal-otherwise, repeat.while-draining, repeat.successor-triggered, load.new-connections, load.closed-loop, load.idle-mass
//! profile: reload
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut server = Server::begin(Rules::default())?;
    server.ready()?;
    server.serve().await;

    let Server { listener, mut connections, .. } = server;
    connections.begin_drain();
    // The fault: the listener has to be dropped here, and nothing more accepted.
    while !connections.are_closed() {
        tokio::select! {
            () = connections.closed() => {}
            accepted = listener.accept() => connections.serve(accepted.map(|(stream, _)| stream)).await,
        }
    }
    Ok(())
}
