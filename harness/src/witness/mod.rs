//! What else saw a restart: the process table, the socket table, the kernel's counters, packets.
//!
//! * [`process`]: who runs, since when, in which image, below whom, and how it ended;
//! * [`socket_table`]: listeners, their queues, and which process holds the server's side of a connection;
//! * [`counters`]: what the network namespace counted: resets, drops, refusals;
//! * [`packets`]: SYN, FIN and RST on the loopback;
//! * [`output`]: lines by which a program tells that it failed within; [`socket_path`]: what becomes of a unix socket's path;
//! * [`processors`]: whether the machine had processor time left;
//! * [`pid_file`]: what becomes of a pid file; [`notify`]: what a service manager is told.

#[cfg(not(target_os = "linux"))]
compile_error!("hotspec reads /proc, pidfds and netlink: it runs on Linux only");

pub mod counters;
pub mod notify;
pub mod output;
pub mod packets;
pub mod pid_file;
mod post;
pub mod process;
pub mod processors;
pub mod socket_path;
pub mod socket_table;
