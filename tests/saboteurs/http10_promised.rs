//! A saboteur: a hot restart that says `Connection: close` in the header, and leaves the rest to its HTTP library.
//!
//! To a client of HTTP/1.1 that is all it takes. But where one of HTTP/1.0 asked for `Connection: keep-alive`,
//! hyper puts that in the place of the header, and goes by it.
//!
//! clause: protocol.http10-keep-alive
//! profile: reload
//! options: --socket-flag --socket

use std::io;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let finish = |answer: &mut common::Answer<'_>| {
        if answer.draining {
            // The fault: `common::close` has one line more.
            common::say_close(answer.head);
        }
    };
    Server::begin(Rules { finish, ..Rules::default() })?.run().await
}
