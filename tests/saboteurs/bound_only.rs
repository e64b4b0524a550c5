//! A saboteur: a hot restart whose successor says that it is ready when it has the address, and listens later.
//!
//! That the address is bound was all that could go wrong, so it is told at once; the index of what is served is made
//! afterwards, and `listen` comes last. Whoever connects meanwhile is refused, since the old process believes it.
//!
//! clause: availability.listener-present
//! shown-by: zero-traffic
//! falls-with: availability.not-refused, availability.answered, drain.exit-undisturbing, process.one-left, availability.queue-kept, availability.no-wire-reset, availability.same-listener, in-flight.completes, keep-alive.fin-not-reset, keep-alive.not-before-ready, process.ready-before-drain, process.new-generation, drain.starts, failure.starved, load.new-connections, load.closed-loop, load.idle-mass, repeat.many, repeat.double-trigger, repeat.while-draining, repeat.successor-triggered, repeat.storm
//! profile: reload

use std::hint::black_box;
use std::io;

use common::{Args, Connections, Restart, Rules};
use tokio::net::TcpSocket;

const BACKLOG: u32 = 1024;
/// How much is served.
const CONTENT: usize = 16 << 20;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let args = Args::parse()?;
    let mut restart = Restart::on_hangup(&args, None)?;
    let socket = if args.listen.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(args.listen)?;
    // The fault: this belongs after `listen`.
    args.tell_predecessor();
    black_box(index());
    let listener = socket.listen(BACKLOG)?;

    let mut connections = Connections::new(Rules::default());
    loop {
        tokio::select! {
            () = restart.successor_ready() => break,
            accepted = listener.accept() => connections.serve(accepted.map(|(stream, _)| stream)).await,
        }
    }
    drop(listener);
    tokio::select! {
        () = connections.drain() => {}
        () = restart.reap_while_draining() => {}
    }
    Ok(())
}

/// How often each byte stands in what is served.
fn index() -> [u64; 256] {
    let mut counts = [0; 256];
    let mut state = 0x9e37_79b9_u32;
    for _ in 0..CONTENT {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        counts[state as usize % 256] += 1;
    }
    counts
}
