//! A saboteur: a hot restart in which the successor says that it is ready before it does anything else.
//!
//! Its start-up takes a while: a table of prime numbers, here. The old process believes it and stops accepting,
//! and whoever connects meanwhile waits in the queue. With a table that is quickly made nobody would notice.
//!
//! clause: process.readiness-signal
//! falls-with: availability.no-stall, availability.answered, process.ready-before-drain, process.new-generation, keep-alive.not-before-ready, drain.starts, load.new-connections, load.latency, availability.same-listener
//! profile: falcore
//! options: --socket-flag --socket --jobs 4

mod common;

use std::io;

use common::{Args, Rules, Server};

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    // The fault: this belongs after all that follows.
    Args::parse()?.tell_predecessor();

    eprintln!("{} prime numbers", primes(24_000_000).len());
    let mut server = Server::begin(Rules::default())?;
    server.serve().await;
    server.drain().await;
    Ok(())
}

/// By the sieve of Eratosthenes.
fn primes(below: usize) -> Vec<usize> {
    let mut is_prime = vec![true; below];
    let mut primes = Vec::new();
    for number in 2..below {
        if is_prime[number] {
            primes.push(number);
            for multiple in (2 * number..below).step_by(number) {
                is_prime[multiple] = false;
            }
        }
    }
    primes
}
