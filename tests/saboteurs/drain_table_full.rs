//! A saboteur: a hot restart whose drain has a table of 32 connections, and closes those that find no place in it.
//!
//! With a dozen clients all is well. Of more, those beyond the table are closed in the moment in which the drain begins,
//! with no word before, and a client that keeps its connection meets that with its next request.
//!
//! clause: load.closed-loop
//! profile: falcore
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    // The fault: a table that is full is no reason to drop a client.
    Server::begin(Rules { drain_at_most: Some(32), ..Rules::default() })?.run().await
}
