//! A saboteur: a hot restart whose old process asks again and again whether it is done.
//!
//! It gives way to its connections each time, so all goes well, on a processor that is busy with nothing else
//! for as long as the slowest client takes.
//!
//! clause: drain.quiet
//! shown-by: idle-silent
//! profile: reload
//! level: should
//! options: --socket-flag --socket --jobs 4

use std::io;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut server = Server::begin(Rules::default())?;
    server.ready()?;
    server.serve().await;

    drop(server.listener);
    server.connections.begin_drain();
    // The fault: `server.connections.closed()` waits.
    while !server.connections.are_closed() {
        tokio::task::yield_now().await;
    }
    Ok(())
}
