//! A case for each scenario: `cargo test --test scenarios -- --list` shows them.

use std::process::ExitCode;
use std::time::Duration;

use hotspec::{Target, test_main};

fn main() -> ExitCode {
    let server = Target::command(env!("CARGO_BIN_EXE_own-server")).args(["--listen", "{address}"]);
    test_main(&server.slow_path("/slow?ms={ms}").idle_max(Duration::from_secs(3)))
}
