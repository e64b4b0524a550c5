//! No saboteur: the part that those written with hyper have in common, and do right, as a server of its own.

use std::io;

use common::{Rules, Server};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    Server::begin(Rules::default())?.run().await
}
