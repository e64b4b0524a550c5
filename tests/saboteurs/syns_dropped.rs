//! A saboteur: a hot restart that has the kernel drop connection attempts until its successor is ready.
//!
//! It was done with a packet filter around the reloads of proxies that had to close one listener before they opened the
//! next, so that clients try again instead of being refused. Here somebody listens all the time, and the clients wait
//! for their second attempt, a second later, for nothing.
//!
//! clause: availability.no-overflow
//! shown-by: new-connections slow-start
//! falls-with: availability.no-stall, availability.answered, availability.queue-kept, availability.accepted-unread, process.ready-before-drain, failure.bad-config, failure.exits-early, failure.killed-early, failure.hangs-early, failure.no-program, failure.no-resources, failure.reaped, failure.starved, load.new-connections, load.closed-loop, load.latency, repeat.many, repeat.double-trigger, repeat.while-draining, repeat.successor-triggered, repeat.storm
//! cause: syn-dropped
//! profile: reload
//! options: --socket-flag --socket

use std::io;
use std::os::fd::AsRawFd;

use common::{Rules, Server};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut server = Server::begin(Rules::default())?;
    server.ready()?;
    tokio::select! {
        biased;
        _ = hangup.recv() => {}
        () = server.serve() => {}
    }
    // The fault: who comes now can be served as well as ever.
    drop_attempts(&server.listener)?;
    server.restart.start();
    server.serve().await;
    admit_attempts(&server.listener)?;
    server.drain().await;
    Ok(())
}

/// Has the kernel drop each segment that comes to the listener itself.
fn drop_attempts(listener: &TcpListener) -> io::Result<()> {
    // BPF_RET | BPF_K: nothing of the packet is kept.
    let mut nothing = [libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: 0 }];
    let program = libc::sock_fprog { len: 1, filter: nothing.as_mut_ptr() };
    set(listener, libc::SO_ATTACH_FILTER, &program)
}

fn admit_attempts(listener: &TcpListener) -> io::Result<()> {
    set(listener, libc::SO_DETACH_FILTER, &0_i32)
}

fn set<T>(listener: &TcpListener, option: i32, value: &T) -> io::Result<()> {
    let (value, size) = (std::ptr::from_ref(value).cast(), size_of::<T>() as libc::socklen_t);
    // SAFETY: the value is valid for as many bytes as are told, and the kernel copies it.
    let result = unsafe { libc::setsockopt(listener.as_raw_fd(), libc::SOL_SOCKET, option, value, size) };
    nix::errno::Errno::result(result).map(drop).map_err(Into::into)
}
