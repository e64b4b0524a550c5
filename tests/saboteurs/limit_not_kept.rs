//! A saboteur: a hot restart that promises to be gone after four seconds, and then goes on waiting.
//!
//! The limit is told to the connections, as the drain was: each ends with its answer. They have all been told so before, and
//! what goes on without one goes on.
//!
//! clause: drain.hard-limit
//! falls-with: drain.exits
//! profile: reload
//! options: --socket-flag --socket --hard-limit 4s

use std::io;
use std::time::Duration;

use common::{Rules, Server};

const HARD_LIMIT: Duration = Duration::from_secs(4);

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut server = Server::begin(Rules::default())?;
    server.ready()?;
    server.serve().await;

    let Server { listener, mut restart, mut connections, .. } = server;
    drop(listener);
    let drain = async {
        connections.begin_drain();
        if tokio::time::timeout(HARD_LIMIT, connections.closed()).await.is_err() {
            eprintln!("the hard limit: {HARD_LIMIT:?} after the drain began");
            // The fault: `std::process::exit(1)` belongs here.
            connections.begin_drain();
            connections.closed().await;
        }
    };
    tokio::select! {
        () = drain => {}
        () = restart.reap_while_draining() => {}
    }
    Ok(())
}
