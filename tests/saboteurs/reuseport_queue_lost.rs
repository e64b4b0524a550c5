//! A saboteur: a hot restart by SO_REUSEPORT in which the old process closes its listener with
//! connections still queued in it.
//!
//! Each generation binds a listener of its own, and the kernel deals new connections out among all of
//! them. The successor is up before the old process stops, so nobody is ever refused, but a connection
//! belongs to the queue it was dealt to: what the accept loop has not taken out when it is told to stop
//! goes with the listener, and the kernel resets it (unless `net.ipv4.tcp_migrate_req` is set). The
//! loop looks for the end first and for connections second, which is what makes it stop in time when
//! it is busy, and what makes it leave the queue as it is.
//!
//! clause: availability.queue-kept
//! shown-by: queued-at-handover
//! falls-with: availability.answered, in-flight.completes, availability.no-wire-reset, availability.same-listener, keep-alive.fin-not-reset, load.new-connections, load.closed-loop, load.idle-mass, repeat.many, repeat.double-trigger, repeat.while-draining, repeat.successor-triggered
//! cause: accept-queue-destroyed
//! profile: reload

use std::io;

use common::{Args, Connections, Restart, Rules};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let args = Args::parse()?;
    let mut restart = Restart::on_hangup(&args, None)?;
    let listener = common::bind_beside(args.listen)?;
    args.tell_predecessor();

    let mut connections = Connections::new(Rules::default());
    loop {
        tokio::select! {
            biased;
            () = restart.successor_ready() => break,
            accepted = listener.accept() => connections.serve(accepted.map(|(stream, _)| stream)).await,
        }
    }
    // The fault: the queue should be emptied first, and even that would leave a gap.
    drop(listener);
    tokio::select! {
        () = connections.drain() => {}
        () = restart.reap_while_draining() => {}
    }
    Ok(())
}
