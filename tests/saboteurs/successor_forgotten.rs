//! A saboteur: a hot restart that forgets its successor as soon as that is ready.
//!
//! The old process drains and is done. If the successor dies meanwhile, nobody serves, and the one process that
//! could have said so did not look.
//!
//! clause: failure.dies-when-ready
//! falls-with: process.no-zombies
//! profile: reload
//! level: should
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut server = Server::begin(Rules::default())?;
    server.ready()?;
    server.serve().await;
    let Server { listener, mut connections, .. } = server;
    drop(listener);
    // The fault: until it exits it has to look after the successor that it started.
    connections.drain().await;
    Ok(())
}
