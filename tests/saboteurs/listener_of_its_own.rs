//! A saboteur: a hot restart in which each generation listens by itself, and empties its queue before it goes.
//!
//! With `SO_REUSEPORT` no descriptor has to be handed on. The old process takes out all that waits in its queue before it closes its
//! listener, which is nearly right: what the kernel puts there between the last look and the close is reset.
//!
//! clause: availability.same-listener
//! shown-by: five-restarts
//! falls-with: availability.answered, availability.queue-kept, availability.no-wire-reset, in-flight.completes, keep-alive.fin-not-reset, keep-alive.answered-throughout, load.new-connections, load.closed-loop, load.idle-mass, repeat.many, repeat.double-trigger, repeat.while-draining, repeat.successor-triggered
//! profile: falcore

use std::io;

use common::{Args, Connections, Restart, Rules};
use tokio::net::TcpStream;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let args = Args::parse()?;
    let mut restart = Restart::on_hangup(&args, None)?;
    // The fault: a successor is to have the listener that there is.
    let listener = common::bind_beside(args.listen)?;
    args.tell_predecessor();

    let mut connections = Connections::new(Rules::default());
    loop {
        tokio::select! {
            () = restart.successor_ready() => break,
            accepted = listener.accept() => connections.serve(accepted.map(|(stream, _)| stream)).await,
        }
    }
    let listener = listener.into_std()?;
    while let Ok((stream, _)) = listener.accept() {
        stream.set_nonblocking(true)?;
        connections.serve(TcpStream::from_std(stream)).await;
    }
    drop(listener);
    tokio::select! {
        () = connections.drain() => {}
        () = restart.reap_while_draining() => {}
    }
    Ok(())
}
