//! A saboteur: a hot restart that looks at its program first, and takes a failure of that for fatal.
//!
//! It is to log which build is started next, so it reads the file. While a package is being installed there is
//! none for a moment: then the restart can't succeed, and the server that still could serve is gone as well.
//!
//! clause: failure.no-program
//! falls-with: failure.visible
//! profile: reload
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        let program = std::env::args_os().next().unwrap_or_default();
        while hangup.recv().await.is_some() {
            match std::fs::metadata(&program) {
                Ok(found) => eprintln!("restarting with a program of {} bytes", found.len()),
                // The fault: that there is none concerns the successor, and not this process.
                Err(error) => {
                    eprintln!("no program at {program:?}: {error}");
                    std::process::exit(1);
                }
            }
        }
    });
    Server::begin(Rules::default())?.run().await
}
