//! Plain tests: one run each, of as many scenarios as are named.

use std::time::Duration;

use hotspec::{Profile, Signal, Target};

fn server() -> Target {
    Target::command(env!("CARGO_BIN_EXE_own-server"))
        .args(["--listen", "{address}"])
        .restart(Signal::SIGHUP)
        .slow_path("/slow?ms={ms}")
        .idle_max(Duration::from_secs(3))
}

#[test]
fn requests_under_way_are_answered() {
    server().scenarios(["in-flight-slow"]).run().expect("a run").assert_conformant();
}

#[test]
fn idle_connections_get_one_last_request() {
    let server = server().profile(Profile::Falcore).scenarios(["idle-last-request"]);
    server.run().expect("a run").assert_conformant();
}
