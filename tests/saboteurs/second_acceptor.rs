//! A saboteur: a hot restart that tells one of its two acceptors to stop.
//!
//! The second was added later, for busy machines, with a copy of the listener. It goes on for as long as the process has
//! connections, and so takes a share of all new ones.
//!
//! clause: availability.successor-serves
//! shown-by: new-connections
//! falls-with: drain.stops-accepting, availability.same-listener, process.effective, drain.starts, drain.exits, idle.timed-out, idle.fresh-timed-out, keep-alive.normal-otherwise, repeat.while-draining, repeat.successor-triggered, load.new-connections, load.closed-loop, load.idle-mass
//! profile: reload
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};
use socket2::SockRef;
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let server = Server::begin(Rules::default())?;
    server.ready()?;
    let Server { listener, mut restart, mut connections, .. } = server;
    let second = TcpListener::from_std(SockRef::from(&listener).try_clone()?.into())?;
    loop {
        tokio::select! {
            () = restart.successor_ready() => break,
            accepted = listener.accept() => connections.serve(accepted.map(|(stream, _)| stream)).await,
            accepted = second.accept() => connections.serve(accepted.map(|(stream, _)| stream)).await,
        }
    }
    drop(listener);
    connections.begin_drain();
    // The fault: the other one has to be dropped too.
    while !connections.are_closed() {
        tokio::select! {
            () = connections.closed() => {}
            accepted = second.accept() => connections.serve(accepted.map(|(stream, _)| stream)).await,
        }
    }
    Ok(())
}
