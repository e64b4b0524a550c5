//! A saboteur: a hot restart after which the pid file names the process that is gone.
//!
//! The file is written where the address is bound, once the process is known to be the only one; a successor
//! binds nothing. The next reload signals nobody, or whoever has that number by then.
//!
//! clause: process.pid-file
//! profile: reload
//! arguments: --pid-file {dir}/server.pid
//! options: --socket-flag --socket --pid-file {dir}/server.pid

use std::io;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut server = Server::begin(Rules::default())?;
    if server.args.has_predecessor() {
        // The fault: a successor has to write it too.
        server.args.pid_file = None;
    }
    server.run().await
}
