//! A saboteur: a hot restart whose successor computes its tables when the first request comes.
//!
//! It says that it is ready, and the old process stops accepting. Then the first request finds no table, and whoever comes
//! meanwhile waits with it. Before any restart nobody noticed: the first request to ask was a health check.
//!
//! clause: load.latency
//! shown-by: load-closed-loop
//! profile: reload
//! level: should
//! options: --socket-flag --socket --stall-max 30ms

use std::hint::black_box;
use std::io;
use std::sync::OnceLock;

use common::{Answer, Rules, Server};

static TABLE: OnceLock<u64> = OnceLock::new();

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    // The fault: the table is not there before the server says that it is ready.
    Server::begin(Rules { finish: with_table, ..Rules::default() })?.run().await
}

fn with_table(answer: &mut Answer<'_>) {
    black_box(TABLE.get_or_init(table));
    common::close_while_draining(answer);
}

/// A table that takes some hundred milliseconds or a few seconds, by the machine.
fn table() -> u64 {
    let step = |number: u64, round| black_box(number.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(round));
    (0..50_000_000).fold(1, step)
}
