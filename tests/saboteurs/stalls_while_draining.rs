//! A saboteur: a hot restart whose successor accepts only when the old process is gone.
//!
//! The listener stays open, so nobody is refused and the kernel goes on completing connections. But what they
//! ask is not read before the last connection of the old process has ended, which idle ones put off by
//! seconds, and long downloads by minutes. lighttpd does it that way, lest two generations be at work.
//!
//! clause: availability.no-stall
//! shown-by: new-connections
//! falls-with: availability.answered, availability.same-listener, availability.successor-serves, availability.queue-kept, process.new-generation, process.effective, process.ready-before-drain, process.readiness-signal, keep-alive.not-before-ready, drain.starts, drain.exits, idle.timed-out, idle.fresh-timed-out, load.new-connections, load.closed-loop, repeat.many, repeat.double-trigger, repeat.while-draining, repeat.successor-triggered, repeat.storm
//! profile: reload
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut server = Server::begin(Rules::default())?;
    server.ready()?;
    if let Some(parent) = server.args.parent.filter(|_| server.args.has_predecessor()) {
        // The fault: both can serve at the same time.
        common::wait_for_end(parent)?;
    }
    server.serve().await;
    server.drain().await;
    Ok(())
}
