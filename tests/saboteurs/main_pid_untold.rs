//! A saboteur: a hot restart of which the service manager learns that it is over, and not who serves now.
//!
//! To a service that is ready for the first time the manager needs no number: it has started the process. So it is never
//! told one, takes the end of the old process for the end of the service, and stops the successor.
//!
//! clause: process.notify
//! profile: reload
//! options: --socket-flag --socket --notify

use std::io;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let server = Server::begin(Rules::default())?;
    // The fault: a successor has to add `MAINPID` and its number.
    server.args.notify("READY=1")?;
    server.run().await
}
