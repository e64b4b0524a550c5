//! The correct part of the saboteurs that are written with hyper: a small server, its restart, its drain.

#![allow(missing_docs, reason = "each name is read beside its one use in a saboteur")]

mod activity;
mod args;
mod connection;
mod handlers;
pub mod predecessor;
mod restart;
mod rules;
mod server;

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;
use tokio::net::{TcpListener, TcpSocket};

pub use args::Args;
pub use connection::Connections;
pub use hyper::StatusCode;
pub use restart::Restart;
pub use rules::{Answer, Bodies, End, IDLE_MAX, Rules, close, close_while_draining, say_close};
pub use server::Server;

const BACKLOG: u32 = 1024;

/// Binds the address, or takes over the listener that a predecessor left open.
pub fn bind_or_inherit(args: &Args) -> io::Result<TcpListener> {
    let Some(fd) = args.socket else {
        let socket = socket_for(args.listen)?;
        socket.bind(args.listen)?;
        return socket.listen(BACKLOG);
    };
    // SAFETY: the predecessor opened this descriptor for us and named it on the command line; nothing
    // else in this process owns it.
    let listener = unsafe { std::net::TcpListener::from_raw_fd(fd) };
    listener.local_addr()?;
    fcntl(listener.as_fd(), FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    // A predecessor of this program has done so: O_NONBLOCK is shared with it.
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Binds a listener of its own beside those of other processes.
pub fn bind_beside(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket_for(address)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Waits until a process that is not a child of ours has ended.
pub fn wait_for_end(process: Pid) -> io::Result<()> {
    // SAFETY: pidfd_open takes a number and flags, and returns a new descriptor or -1.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, process.as_raw(), 0) };
    let Ok(fd @ 0..) = RawFd::try_from(fd) else {
        let error = io::Error::last_os_error();
        return if error.raw_os_error() == Some(libc::ESRCH) { Ok(()) } else { Err(error) };
    };
    // SAFETY: the descriptor is new, and nobody else's.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let mut ends = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    while let Err(error) = poll(&mut ends, PollTimeout::NONE) {
        if error != nix::Error::EINTR {
            return Err(error.into());
        }
    }
    Ok(())
}

fn socket_for(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    Ok(socket)
}
