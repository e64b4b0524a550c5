//! A saboteur: a hot restart that tells only clients of HTTP/1.1 that it closes.
//!
//! HTTP/1.0 ends a connection after each response, so there seems to be nothing to say. But its clients may
//! ask for `Connection: keep-alive`, and are promised it by the HTTP library, as at all other times.
//!
//! clause: protocol.http10-keep-alive
//! falls-with:
//! profile: reload
//! options: --socket-flag --socket

mod common;

use std::io;

use common::{Answer, Rules, Server};
use hyper::Version;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    Server::begin(Rules { finish, ..Rules::default() })?.run().await
}

fn finish(answer: &mut Answer<'_>) {
    // The fault: the version does not matter.
    if answer.version == Version::HTTP_11 {
        common::close_while_draining(answer);
    }
}
