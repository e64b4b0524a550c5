//! A saboteur: a hot restart that removes the pid file before it puts the new one in its place.
//!
//! On some systems nothing can be renamed over a file that is there. Here it can, and whoever looks in between takes the
//! server for stopped.
//!
//! clause: process.pid-file-present
//! profile: reload
//! level: should
//! arguments: --pid-file {dir}/server.pid
//! options: --socket-flag --socket --pid-file {dir}/server.pid

use std::io;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let server = Server::begin(Rules::default())?;
    if let (Some(file), true) = (&server.args.pid_file, server.args.has_predecessor()) {
        // The fault: renaming the new one replaces it.
        std::fs::remove_file(file)?;
    }
    server.run().await
}
