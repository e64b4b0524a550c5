//! A saboteur: a hot restart that waits for half-closed clients for longer than it declares.
//!
//! A client may end its sending side and go on reading, so an end of file alone does not close a connection
//! here: it takes it off the list of idle ones, since nothing can come any more, and that list is what the
//! drain goes through.
//!
//! clause: idle.half-closed-bounded
//! falls-with: idle.timed-out, protocol.half-close, drain.exits
//! profile: reload
//! options: --socket-flag --socket --drain-max 12s

use std::io;
use std::time::Duration;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    // The fault: such a connection is owed nothing, and can be closed at once.
    let half_closed = Some(Duration::from_secs(20));
    Server::begin(Rules { half_closed, ..Rules::default() })?.run().await
}
