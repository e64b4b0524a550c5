//! A saboteur: a hot restart that executes `/proc/self/exe`.
//!
//! That is the file that the process runs, wherever its name has gone. It needs no path and no PATH, and works until the
//! program is upgraded: then the old program is started, restart after restart, by a name that leads to the new one.
//!
//! clause: failure.program-replaced
//! shown-by: program-renamed
//! profile: falcore
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut server = Server::begin(Rules::default())?;
    // The fault: the path by which this process was started is the one to execute.
    server.restart.program = c"/proc/self/exe".to_owned();
    server.run().await
}
