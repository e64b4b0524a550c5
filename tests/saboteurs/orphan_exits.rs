//! A saboteur: a hot restart whose successor does not want to be an orphan.
//!
//! Without a parent there is nobody to take the service over from, so it gives up. But whoever killed the parent
//! has left it as the only one who could serve.
//!
//! clause: failure.old-dies
//! falls-with: process.new-generation, process.readiness-signal
//! profile: reload
//! level: should
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let server = Server::begin(Rules::default())?;
    // The fault: it has the listener, and needs nobody.
    if server.args.has_predecessor() && server.args.parent.is_none() {
        return Err(io::Error::other("the predecessor is gone"));
    }
    server.run().await
}
