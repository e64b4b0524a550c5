//! A saboteur: a hot restart whose successor is told of another descriptor than the one that is the listener.
//!
//! The listener is moved to descriptor 3 on its way to the successor, where it looks for it. The flag was filled in before,
//! with the number that the listener has in the old process. Whatever reads the command line, as the next version of the
//! program may, finds nothing there.
//!
//! clause: process.descriptor-flag
//! falls-with: process.readiness-signal
//! profile: falcore
//! options: --socket-flag --socket

use std::io;
use std::os::fd::RawFd;

use common::{Args, Rules, Server};

const HANDED_AS: RawFd = 3;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut args = Args::parse()?;
    args.socket = args.socket.map(|_| HANDED_AS);
    let mut server = Server::with(args, Rules::default())?;
    // The fault: the flag has to be given this number too.
    server.restart.handed_as = Some(HANDED_AS);
    server.run().await
}
