//! A saboteur: a hot restart that a SIGHUP to the process group makes a stop.
//!
//! A helper writes the log. It knows nothing of restarts, so SIGHUP ends it, and the server, which may not serve
//! without a log, exits when it is gone. To the main process alone the signal is a restart as it should be.
//!
//! clause: repeat.process-group
//! level: should
//! falls-with: process.one-left
//! profile: reload
//! options: --socket-flag --socket

use std::io;
use std::process::{Command, Stdio};

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let server = Server::begin(Rules::default())?;
    let mut writer = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let _log = writer.stdin.take();
    std::thread::spawn(move || {
        let ended = writer.wait();
        eprintln!("the log writer is gone: {ended:?}");
        // The fault: it belongs into a group of its own.
        std::process::exit(1);
    });
    server.run().await
}
