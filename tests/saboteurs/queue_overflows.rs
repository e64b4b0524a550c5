//! A saboteur: a hot restart in which nobody accepts for a while, behind a short queue.
//!
//! The successor accepts only when the old process is gone, and the queue of the listening socket holds five. Whoever comes when
//! it is full is not refused: the kernel drops the SYN, and the client's kernel tries again a second later, and
//! three, and seven. A longer backlog would hide that from clients that are patient.
//!
//! clause: availability.no-stall
//! shown-by: new-connections
//! falls-with: availability.no-overflow, availability.answered, availability.same-listener, availability.successor-serves, availability.queue-kept, availability.accepted-unread, process.new-generation, process.effective, process.ready-before-drain, process.readiness-signal, keep-alive.not-before-ready, drain.starts, drain.exits, idle.timed-out, idle.fresh-timed-out, load.new-connections, load.closed-loop, repeat.many, repeat.double-trigger, repeat.while-draining, repeat.successor-triggered, repeat.storm
//! cause: accept-queue-full
//! profile: reload
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};
use nix::sys::socket::{Backlog, listen};

/// The queue holds one more.
const BACKLOG: i32 = 4;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut server = Server::begin(Rules::default())?;
    listen(&server.listener, Backlog::new(BACKLOG)?)?;
    server.ready()?;
    if let Some(parent) = server.args.parent.filter(|_| server.args.has_predecessor()) {
        // The fault: both can serve at the same time.
        common::wait_for_end(parent)?;
    }
    server.serve().await;
    server.drain().await;
    Ok(())
}
