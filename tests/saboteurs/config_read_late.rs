//! A saboteur: a hot restart in which the successor says that it is ready and then reads its configuration.
//!
//! The old process believes it, stops accepting, and is gone when its last connection is. If the configuration has a typing
//! mistake so is the new one, with a clear message in its log.
//!
//! clause: failure.bad-config
//! falls-with: availability.not-refused, availability.answered, failure.reaped, failure.visible
//! profile: falcore
//! options: --socket-flag --socket --config ../tests/saboteurs/saboteur.conf
//! arguments: --settings {config}

use std::io;

use common::{Args, Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    // The fault: this belongs after what may fail.
    Args::parse()?.tell_predecessor();

    let mut server = Server::begin(Rules::default())?;
    server.serve().await;
    server.drain().await;
    Ok(())
}
