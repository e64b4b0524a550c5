//! A saboteur: a hot restart that executes its successor with an empty environment.
//!
//! What the service manager and the operator set is there in the first generation and in no other: paths,
//! locale, proxies, secrets, the notify socket.
//!
//! clause: process.environment-kept
//! shown-by: five-restarts
//! falls-with: process.notify
//! profile: falcore
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut server = Server::begin(Rules::default())?;
    // The fault: it has to be passed on as it is.
    server.restart.environment.clear();
    server.run().await
}
