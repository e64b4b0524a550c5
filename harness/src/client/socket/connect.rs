//! Making a connection, and telling apart why it could not be made.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, SockAddr, Type};
use tokio::io::unix::AsyncFd;

use super::classify::{PollMask, errno_name};
use super::{Opened, Socket, kernel, until};
use crate::client::address::Address;

/// What is set on a socket before it connects.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// `SO_RCVBUF` in bytes, for a reader that is slow on purpose: a small one makes the target's send queue fill up early.
    /// The kernel doubles the number and has a minimum of about 2 KiB.
    pub receive_buffer_bytes: Option<usize>,
    /// The source address to connect from, so that more connections fit than one address has ports. TCP only.
    pub source: Option<IpAddr>,
}

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectFailureKind {
    /// `ECONNREFUSED`: nobody listens.
    Refused,
    /// No answer before the deadline, or the kernel's own limit. Usually the accept queue is full and SYNs are dropped: see
    /// [`ConnectFailure::retransmits`].
    TimedOut,
    /// `EAGAIN` of a unix socket: the accept queue is full. TCP shows the same by [`TimedOut`](Self::TimedOut).
    QueueFull,
    /// `ENOENT` of a unix socket: its path is not there.
    Missing,
    /// The harness's own fault and never the target's: no descriptor, no port, no memory, an impossible source address.
    Local,
    /// Anything else, such as `EHOSTUNREACH` or `EACCES`.
    Other,
}

/// An attempt to connect that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectFailure {
    /// What it means.
    pub kind: ConnectFailureKind,
    /// What the kernel said; `None` if our deadline ended the attempt.
    pub errno: Option<i32>,
    /// How many SYNs were sent again, where that is known. At least 1 after about a second without an answer.
    pub retransmits: Option<u32>,
    /// Before the first system call.
    pub started: Instant,
    /// When the failure was seen.
    pub at: Instant,
}

impl fmt::Display for ConnectFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ConnectFailureKind::Refused => "connection refused",
            ConnectFailureKind::TimedOut => "connection not made in time",
            ConnectFailureKind::QueueFull => "accept queue full",
            ConnectFailureKind::Missing => "no socket at this path",
            ConnectFailureKind::Local => "the harness could not open a connection",
            ConnectFailureKind::Other => "connection failed",
        })?;
        if let Some(errno) = self.errno {
            write!(f, " ({})", errno_name(errno))?;
        }
        match self.retransmits {
            Some(n) if n > 0 => write!(f, ", SYN sent again {n} times"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for ConnectFailure {}

pub(super) async fn connect(
    address: &Address,
    options: &Options,
    deadline: Instant,
) -> Result<Socket, ConnectFailure> {
    let attempt = Attempt { started: Instant::now(), tcp: address.is_tcp() };
    let (socket, peer) = open(address, options).map_err(|e| attempt.local(&e))?;
    let in_progress = match socket.connect(&peer) {
        Ok(()) => false,
        Err(e) if e.raw_os_error() == Some(libc::EINPROGRESS) => true,
        Err(e) => return Err(attempt.failed(e.raw_os_error())),
    };
    // Registered only now: an unconnected TCP socket reports itself writable and hung up.
    // SAFETY: a socket2::Socket owns its open descriptor, always gives the same one, and moves into the AsyncFd for good.
    let fd = unsafe { AsyncFd::register(socket) }.map_err(|e| attempt.local(&e.into()))?;
    let mut taken = None;
    if in_progress {
        taken = attempt.finish(&fd, deadline).await?;
    }
    let opened = Opened { started: attempt.started, at: Instant::now() };
    Ok(Socket::connected(fd, attempt.tcp, taken, opened))
}

/// A non-blocking socket with its options set, and the address to connect it to.
fn open(address: &Address, options: &Options) -> io::Result<(socket2::Socket, SockAddr)> {
    let peer = address.sock_addr()?;
    let socket = socket2::Socket::new(
        Domain::from(i32::from(peer.family())),
        Type::STREAM.nonblocking().cloexec(),
        None,
    )?;
    if let Some(bytes) = options.receive_buffer_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    if address.is_tcp() {
        socket.set_tcp_nodelay(true)?;
        if let Some(source) = options.source {
            // The port is chosen at connect, by the whole 4-tuple, so that one port serves several targets.
            setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
            socket.bind(&SockAddr::from(SocketAddr::new(source, 0)))?;
        }
    }
    Ok((socket, peer))
}

struct Attempt {
    started: Instant,
    tcp: bool,
}

impl Attempt {
    /// Waits for the handshake. `Ok` holds the errno of a connection that was made and reset at once: reading `SO_ERROR` took it.
    async fn finish(
        &self,
        fd: &AsyncFd<socket2::Socket>,
        deadline: Instant,
    ) -> Result<Option<i32>, ConnectFailure> {
        let writable = until(fd, tokio::io::Interest::WRITABLE, libc::POLLOUT, |mask| !mask.is_empty());
        let Ok(mask) = tokio::time::timeout_at(deadline.into(), writable).await else {
            let retransmits = kernel::tcp_view(fd.get_ref()).map(|view| view.retransmits);
            return Err(ConnectFailure { retransmits, ..self.failure(ConnectFailureKind::TimedOut, None) });
        };
        if is_connected(mask) {
            return Ok(None);
        }
        match fd.get_ref().take_error().map(|e| e.and_then(|e| e.raw_os_error())) {
            // A handshake that fails gives ECONNREFUSED. These two come only from a connection that existed.
            Ok(Some(errno @ (libc::ECONNRESET | libc::EPIPE))) => Ok(Some(errno)),
            Ok(errno) => Err(self.failed(errno)),
            Err(e) => Err(self.local(&e)),
        }
    }

    fn failure(&self, kind: ConnectFailureKind, errno: Option<i32>) -> ConnectFailure {
        ConnectFailure { kind, errno, retransmits: None, started: self.started, at: Instant::now() }
    }

    fn failed(&self, errno: Option<i32>) -> ConnectFailure {
        let kind = errno.map_or(ConnectFailureKind::Other, |errno| kind_of(errno, self.tcp));
        self.failure(kind, errno)
    }

    fn local(&self, error: &io::Error) -> ConnectFailure {
        self.failure(ConnectFailureKind::Local, error.raw_os_error())
    }
}

/// While connecting, a failure has ERR and HUP set; without them the handshake is done, and `SO_ERROR` is left alone.
fn is_connected(mask: PollMask) -> bool {
    mask.bits() & (libc::POLLERR | libc::POLLHUP) == 0
}

fn kind_of(errno: i32, tcp: bool) -> ConnectFailureKind {
    match errno {
        libc::ECONNREFUSED => ConnectFailureKind::Refused,
        libc::ETIMEDOUT => ConnectFailureKind::TimedOut,
        libc::EAGAIN if !tcp => ConnectFailureKind::QueueFull,
        libc::ENOENT if !tcp => ConnectFailureKind::Missing,
        // connect(2): for TCP, EAGAIN means that no local port is free.
        libc::EAGAIN
        | libc::EADDRNOTAVAIL
        | libc::EADDRINUSE
        | libc::EMFILE
        | libc::ENFILE
        | libc::ENOBUFS
        | libc::ENOMEM
        | libc::ENOSPC
        | libc::EINVAL
        | libc::EAFNOSUPPORT => ConnectFailureKind::Local,
        _ => ConnectFailureKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_the_harness_is_never_blamed_on_the_target() {
        for (errno, tcp, expected) in [
            (libc::ECONNREFUSED, true, ConnectFailureKind::Refused),
            (libc::ECONNREFUSED, false, ConnectFailureKind::Refused),
            (libc::ETIMEDOUT, true, ConnectFailureKind::TimedOut),
            (libc::EAGAIN, false, ConnectFailureKind::QueueFull),
            (libc::EAGAIN, true, ConnectFailureKind::Local),
            (libc::ENOENT, false, ConnectFailureKind::Missing),
            (libc::EADDRNOTAVAIL, true, ConnectFailureKind::Local),
            (libc::EMFILE, true, ConnectFailureKind::Local),
            (libc::EHOSTUNREACH, true, ConnectFailureKind::Other),
            (libc::EACCES, false, ConnectFailureKind::Other),
        ] {
            assert_eq!(kind_of(errno, tcp), expected, "{}", errno_name(errno));
        }
    }
}
