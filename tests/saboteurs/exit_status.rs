//! A saboteur: a hot restart that is perfect, and ends with exit status 3.
//!
//! The status tells the supervisor that a successor took over. Whoever does not know the convention sees a
//! failed service: a unit marked as failed, an alarm, a restart.
//!
//! clause: process.exit-zero
//! shown-by: zero-traffic
//! profile: falcore
//! options: --socket-flag --socket

use std::io;
use std::process::ExitCode;

use common::{Rules, Server};

/// A successor took over.
const REPLACED: u8 = 3;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<ExitCode> {
    Server::begin(Rules::default())?.run().await?;
    // The fault: it ended well.
    Ok(ExitCode::from(REPLACED))
}
