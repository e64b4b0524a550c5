//! The correct part of the saboteurs that are written with hyper: a small server, its restart, its drain.

#![allow(
    dead_code,
    unused_imports,
    reason = "each saboteur compiles this module as its own and leaves out what it does wrong"
)]

mod activity;
mod connection;
mod handlers;
mod restart;

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, FromRawFd, RawFd};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::unistd::Pid;
use tokio::net::{TcpListener, TcpSocket};

pub(crate) use connection::Connections;
pub(crate) use handlers::close_while_draining;
pub(crate) use restart::Restart;

const BACKLOG: u32 = 1024;

/// The command line: `[--listen ADDRESS]`, and what a predecessor adds to it.
pub(crate) struct Args {
    pub(crate) listen: SocketAddr,
    /// `--socket FD`: the listener, inherited.
    pub(crate) socket: Option<RawFd>,
    /// `--successor`: a predecessor waits to be told that this one is ready.
    pub(crate) successor: bool,
    /// The arguments as they were before a predecessor added its own.
    plain: Vec<OsString>,
    parent: Pid,
}

impl Args {
    pub(crate) fn parse() -> io::Result<Self> {
        let mut args = Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            socket: None,
            successor: false,
            plain: Vec::new(),
            parent: nix::unistd::getppid(),
        };
        let mut given = std::env::args_os().skip(1);
        while let Some(flag) = given.next() {
            match flag.to_str() {
                Some("--listen") => {
                    let value = given.next().unwrap_or_default();
                    args.listen = parse(&value)?;
                    args.plain.extend([flag, value]);
                }
                Some("--socket") => args.socket = Some(parse(&given.next().unwrap_or_default())?),
                Some("--successor") => args.successor = true,
                _ => return Err(usage(&flag)),
            }
        }
        Ok(args)
    }

    /// Tells the predecessor, if there is one and it still lives, that this process is ready.
    pub(crate) fn tell_predecessor(&self) {
        let has_one = self.successor || self.socket.is_some();
        if has_one && nix::unistd::getppid() == self.parent {
            let _ = nix::sys::signal::kill(self.parent, nix::sys::signal::SIGUSR1);
        }
    }
}

fn parse<T: std::str::FromStr>(value: &OsString) -> io::Result<T> {
    value.to_str().and_then(|text| text.parse().ok()).ok_or_else(|| usage(value))
}

fn usage(what: &OsString) -> io::Error {
    let message = format!("cannot use {what:?}; usage: [--listen ADDRESS]");
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

/// Binds the address, or takes over the listener that a predecessor left open.
pub(crate) fn bind_or_inherit(args: &Args) -> io::Result<TcpListener> {
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
    // O_NONBLOCK is shared with the predecessor, which set it when it bound the address.
    TcpListener::from_std(listener)
}

/// Binds a listener of its own beside those of other processes.
pub(crate) fn bind_beside(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket_for(address)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn socket_for(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    Ok(socket)
}
