//! A saboteur: a hot restart of a server that keeps no connection alive at all, at no time.
//!
//! So there are no idle connections to care for, and none that a client could use again in the wrong moment. Each request
//! pays for it with a connection of its own.
//!
//! clause: keep-alive.normal-otherwise
//! shown-by: five-restarts
//! profile: falcore
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    // The fault: only while it drains is an answer the last on its connection.
    Server::begin(Rules { finish: common::close, ..Rules::default() })?.run().await
}
