//! A saboteur: a hot restart whose drain sweeps a table of 1,024 connections for those that are idle.
//!
//! What was accepted when the table was full is served like all others, and told of the end with its next answer. But if it
//! says nothing, nobody looks at it, and the old process stays until its client leaves or the ordinary limit is over.
//!
//! clause: load.idle-mass
//! falls-with: drain.exits, idle.timed-out, process.one-left
//! profile: reload
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    // The fault: a sweep has to reach all.
    Server::begin(Rules { sweep_at_most: Some(1024), ..Rules::default() })?.run().await
}
