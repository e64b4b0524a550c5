//! A saboteur: a server that takes SIGHUP for a wish to have its log opened anew.
//!
//! Nothing is lost in such a restart, as there is none.
//!
//! clause: process.new-generation
//! shown-by: five-restarts
//! falls-with: process.effective, process.pid-file, process.notify, repeat.many, repeat.double-trigger, repeat.while-draining, repeat.successor-triggered, repeat.storm
//! profile: reload
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let Server { listener, mut connections, .. } = Server::begin(Rules::default())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            // The fault: a successor is to be started.
            _ = hangup.recv() => eprintln!("SIGHUP: the log is opened anew"),
            accepted = listener.accept() => connections.serve(accepted.map(|(stream, _)| stream)).await,
        }
    }
}
