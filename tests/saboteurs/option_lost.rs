//! A saboteur: a hot restart whose successor closes no connection before its client does.
//!
//! `--close-first` is for clients that wait for the end of the connection to know that of the answer, as those of HTTP/1.0
//! do. What is handed to the successor was put together when there was no such option yet.
//!
//! clause: protocol.http10
//! falls-with: process.arguments-kept, keep-alive.close-honoured
//! profile: reload
//! arguments: --close-first
//! options: --socket-flag --socket

use std::io;

use common::{Args, End, Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let args = Args::parse()?;
    let after_other = if args.close_first { End::Linger } else { End::ByClient };
    let mut server = Server::with(args, Rules { after_other, ..Rules::default() })?;
    // The fault: all that the operator gave is to be handed on.
    server.restart.argv.retain(|argument| argument.as_bytes() != b"--close-first");
    server.run().await
}
