//! A hot restart for HTTP servers: the program is replaced, and no client notices.
//!
//! The sequence is the one Falcore introduced:
//!
//! 1. `SIGHUP`: the process forks and executes its own program again, with the same arguments and
//!    environment and with `--socket FD`, which names the listener that it keeps open.
//! 2. The successor starts as usual on that descriptor. When it can accept, it sends `SIGUSR1` to
//!    the process that started it, and accepts on the shared listener.
//! 3. The parent stops accepting and drains: what it accepted is answered, every response is now
//!    the last on its connection and says so, an idle connection gets one last request.
//! 4. When its connections are closed, [`Server::serve`] returns and the process exits.
//!
//! A successor that fails or hangs before step 2 changes nothing: the parent serves on.
//!
//! # Map
//!
//! Read in this order, it is also an explanation of how a hot restart is written.
//!
//! | module | concern |
//! | --- | --- |
//! | [`startup`] | what must happen first in `main`: signals blocked, the parent and the program's path noted |
//! | [`address`], [`listener`] | listeners, opened from an address or taken over by descriptor |
//! | [`server`] | accepting, [`Handle::stop_accepting`], and `serve` that returns when all is drained |
//! | `connection` | one connection: when it may close, and the announcement on its last response |
//! | `activity` | what a connection is doing, seen from its bytes and its requests |
//! | `linger` | closing without a reset |
//! | [`hot_restart`] | the signal loop, around a server |
//! | `supervisor` | what each event does: restart, hand over, give up a restart, stop |
//! | `successor` | fork and exec of the next generation, and its end |
//! | `signals`, `pidfd` | signals with their sender; processes without the races of pid numbers |
//! | [`pid_file`], `notify` | telling the operator and the service manager |
//! | [`cli`], `pages` | the program `reference-server`: its arguments and what it answers |
//!
//! `examples/hot_restart.rs` is the shortest complete use, to copy from.
//!
//! # Systems
//!
//! Linux only: it relies on `fork` and `exec`, signalfd and pidfd. On Windows there is no fork and
//! exec, and a listener can't be handed on by number; there, as on other Unix systems, the crate
//! builds to a [`cli::main`] that says so. Neither has been tried.

pub mod cli;

#[cfg(target_os = "linux")]
mod activity;
#[cfg(target_os = "linux")]
pub mod address;
#[cfg(target_os = "linux")]
mod connection;
#[cfg(target_os = "linux")]
pub mod hot_restart;
#[cfg(target_os = "linux")]
mod linger;
#[cfg(target_os = "linux")]
pub mod listener;
#[cfg(target_os = "linux")]
mod notify;
#[cfg(target_os = "linux")]
mod pages;
#[cfg(target_os = "linux")]
pub mod pid_file;
#[cfg(target_os = "linux")]
mod pidfd;
#[cfg(target_os = "linux")]
pub mod server;
#[cfg(target_os = "linux")]
mod signals;
#[cfg(target_os = "linux")]
pub mod startup;
#[cfg(target_os = "linux")]
mod stream;
#[cfg(target_os = "linux")]
mod successor;
#[cfg(target_os = "linux")]
mod supervisor;

#[cfg(target_os = "linux")]
pub use address::Address;
#[cfg(target_os = "linux")]
pub use hot_restart::HotRestart;
#[cfg(target_os = "linux")]
pub use listener::Listener;
#[cfg(target_os = "linux")]
pub use server::{Drained, Handle, Limits, Server};
#[cfg(target_os = "linux")]
pub use startup::Startup;
