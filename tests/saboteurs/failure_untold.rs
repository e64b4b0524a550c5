//! A saboteur: a hot restart that says nothing of its failures.
//!
//! Whoever deploys sees no error and a server that serves, and looks for the new version's faults for a day.
//!
//! clause: failure.visible
//! shown-by: failing-start
//! falls-with: failure.dies-when-ready
//! profile: reload
//! level: should
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut server = Server::begin(Rules::default())?;
    eprintln!("listening on {}", server.listener.local_addr()?);
    // The fault: the operator has to hear of it.
    server.restart.tells = false;
    server.run().await
}
