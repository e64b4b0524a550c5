//! A saboteur: a hot restart whose successors tell the wrong process that they are ready.
//!
//! Whom to tell stands in a variable, which the first generation sets and the later ones find set. While the first
//! one drains, what its successor starts tells it and not its own parent. That waits in vain, serves on beside its
//! successor, and kills it in the end.
//!
//! clause: repeat.successor-triggered
//! falls-with: repeat.many, repeat.storm, repeat.double-trigger, repeat.while-draining, process.new-generation, process.one-left, process.exit-zero, process.effective, drain.starts, drain.exits
//! profile: reload
//! options: --socket-flag --socket

use std::ffi::CString;
use std::io;

use common::{Rules, Server};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getsid};

const VARIABLE: &str = "SERVER_PARENT";

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut server = Server::begin(Rules::default())?;
    server.args.write_pid_file()?;
    match std::env::var(VARIABLE).ok().and_then(|pid| pid.parse().ok()).map(Pid::from_raw) {
        // Not a stranger that has its number by now.
        Some(parent) if getsid(Some(parent)) == getsid(None) => {
            let _ = kill(parent, Signal::SIGUSR1);
        }
        Some(_) => {}
        // The fault: every generation has to set it anew.
        None => {
            let variable = format!("{VARIABLE}={}", std::process::id());
            server.restart.environment.push(CString::new(variable)?);
        }
    }
    server.serve().await;
    server.drain().await;
    Ok(())
}
