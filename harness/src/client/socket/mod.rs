//! One raw, non-blocking stream socket, whose every failure is told apart from every other.
//!
//! There is no pool, no retry and no buffer here. A [`Socket`] belongs to one task of a current-thread runtime: its
//! methods take `&self`, so that one task can select between sending and receiving, but at most one call may wait in
//! each direction at a time.

mod classify;
mod connect;
mod kernel;
mod outcome;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::fmt;
use std::io;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub use classify::{End, Observed, PollMask, RecvOutcome, SocketError, classify, errno_name};
pub use connect::{ConnectFailure, ConnectFailureKind, Options};
pub use kernel::TcpView;
pub use outcome::{Closed, Ends, Opened, Received, SendFailure, SendFailureKind};

use super::address::Address;

/// One connection.
pub struct Socket {
    fd: AsyncFd<socket2::Socket>,
    tcp: bool,
    opened: Opened,
    /// The socket's error, if a system call other than `recv` was given it; the kernel hands it out only once.
    taken: Cell<Option<i32>>,
    /// An end other than [`End::Fin`], once seen: `recv` would show a FIN from then on.
    end: Cell<Option<End>>,
    half_closed: Cell<bool>,
    bytes_sent: Cell<u64>,
    bytes_received: Cell<u64>,
}

impl Socket {
    /// Connects with default [`Options`]. Cancel-safe: dropping the future drops the socket.
    ///
    /// # Errors
    ///
    /// [`ConnectFailure`] says whose fault it was.
    pub async fn connect(address: &Address, deadline: Instant) -> Result<Self, ConnectFailure> {
        Self::connect_with(address, &Options::default(), deadline).await
    }

    /// Connects. On TCP, `TCP_NODELAY` is set, so that each send is on the wire at once.
    ///
    /// A connection that was made and reset before this function could return is a success: the reset is what the first
    /// [`recv`](Self::recv) shows.
    ///
    /// # Errors
    ///
    /// [`ConnectFailure`] says whose fault it was.
    pub async fn connect_with(
        address: &Address,
        options: &Options,
        deadline: Instant,
    ) -> Result<Self, ConnectFailure> {
        connect::connect(address, options, deadline).await
    }

    fn connected(fd: AsyncFd<socket2::Socket>, tcp: bool, taken: Option<i32>, opened: Opened) -> Self {
        Socket {
            fd,
            tcp,
            opened,
            taken: Cell::new(taken),
            end: Cell::new(None),
            half_closed: Cell::new(false),
            bytes_sent: Cell::new(0),
            bytes_received: Cell::new(0),
        }
    }

    /// Sends all of `bytes`, and returns the moment right after the kernel took the last of them.
    ///
    /// Not cancel-safe by itself: whoever drops the future finds in [`bytes_sent`](Self::bytes_sent) how far it got.
    ///
    /// # Errors
    ///
    /// [`SendFailure`], with the number of bytes that were taken before.
    pub async fn send_all(&self, bytes: &[u8], deadline: Instant) -> Result<Instant, SendFailure> {
        let mut sent = 0;
        let sending = self.send_rest(bytes, &mut sent);
        match tokio::time::timeout_at(deadline.into(), sending).await {
            Ok(Ok(at)) => Ok(at),
            Ok(Err((errno, at))) => Err(SendFailure::new(Some(errno), sent, at)),
            Err(_) => Err(SendFailure::new(None, sent, Instant::now())),
        }
    }

    async fn send_rest(&self, bytes: &[u8], sent: &mut usize) -> Result<Instant, (i32, Instant)> {
        let mut at = Instant::now();
        while *sent < bytes.len() {
            tokio::task::consume_budget().await;
            match self.try_send(&bytes[*sent..]) {
                Ok(n) => {
                    at = Instant::now();
                    *sent += n;
                    self.bytes_sent.set(self.bytes_sent.get() + n as u64);
                }
                Err(libc::EAGAIN) => {
                    until(&self.fd, Interest::WRITABLE, libc::POLLOUT, |mask| !mask.is_empty()).await;
                }
                Err(errno) => {
                    at = Instant::now();
                    self.note_send_error(errno);
                    return Err((errno, at));
                }
            }
        }
        Ok(at)
    }

    fn try_send(&self, bytes: &[u8]) -> Result<usize, i32> {
        loop {
            match self.fd.get_ref().send_with_flags(bytes, libc::MSG_NOSIGNAL) {
                Ok(n) => return Ok(n),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.raw_os_error().unwrap_or(libc::EIO)),
            }
        }
    }

    /// A failing send has taken the socket's error with it; remembered for the verdict of `recv`.
    fn note_send_error(&self, errno: i32) {
        // Without a RST, EPIPE says only that one side is shut down: ours, or the other end of a unix socket.
        let says_nothing = errno == libc::EPIPE && (self.half_closed.get() || !self.tcp);
        if self.taken.get().is_none() && !says_nothing {
            self.taken.set(Some(errno));
        }
    }

    /// Appends what can be received, at most `max` bytes (at least 1), to `into`; waits until the deadline if there is nothing yet.
    ///
    /// Bytes come before ends: an end is reported only when everything was received. It is reported again by each further call;
    /// [`End::Fin`] can turn into [`End::ResetAfterFin`] by sending more. Cancel-safe: a dropped future has taken nothing.
    pub async fn recv(&self, into: &mut Vec<u8>, max: usize, deadline: Instant) -> Received {
        let receiving = async {
            tokio::task::consume_budget().await;
            loop {
                if let Some(received) = self.try_recv(into, max) {
                    return received;
                }
                let Ok(mut guard) = self.fd.readable().await else {
                    return never().await;
                };
                // The readiness may be stale: only a recv that finds nothing after it was seen may clear it.
                match self.try_recv(into, max) {
                    Some(received) => return received,
                    None => guard.clear_ready(),
                }
            }
        };
        tokio::time::timeout_at(deadline.into(), receiving).await.unwrap_or(Received::TimedOut)
    }

    /// Receives what is there, without waiting; `None` if there is nothing and no end.
    pub fn try_recv(&self, into: &mut Vec<u8>, max: usize) -> Option<Received> {
        let recv = self.recv_once(into, max.max(1));
        let at = Instant::now();
        let mut mask = PollMask::default();
        let mut error = SocketError::Clear;
        if recv == RecvOutcome::Eof {
            if let Some(end) = self.end.get() {
                return Some(Received::End { end, at });
            }
            mask = kernel::poll_now(self.fd.get_ref(), libc::POLLIN | libc::POLLRDHUP);
            error = self.socket_error(mask);
        }
        match classify(recv, mask, error) {
            Observed::Data(n) => {
                self.bytes_received.set(self.bytes_received.get() + n as u64);
                Some(Received::Data { n, at })
            }
            Observed::Nothing => None,
            Observed::End(end) => {
                if end != End::Fin {
                    self.end.set(Some(end));
                }
                Some(Received::End { end, at })
            }
        }
    }

    fn recv_once(&self, into: &mut Vec<u8>, max: usize) -> RecvOutcome {
        into.reserve(max);
        let length = into.len();
        loop {
            match self.fd.get_ref().recv(&mut into.spare_capacity_mut()[..max]) {
                Ok(0) => return RecvOutcome::Eof,
                Ok(n) => {
                    // SAFETY: recv(2) initialized the first n bytes of the spare capacity, and n is at most `max`, which was reserved.
                    unsafe { into.set_len(length + n) };
                    return RecvOutcome::Data(n);
                }
                Err(e) => match e.raw_os_error().unwrap_or(libc::EIO) {
                    libc::EINTR => {}
                    libc::EAGAIN => return RecvOutcome::WouldBlock,
                    errno => return RecvOutcome::Error(errno),
                },
            }
        }
    }

    /// The socket's error after `recv` returned 0; `SO_ERROR` is read only if poll(2) flagged one.
    fn socket_error(&self, mask: PollMask) -> SocketError {
        if let Some(errno) = self.taken.get() {
            return SocketError::Taken(errno);
        }
        if !mask.error() {
            return SocketError::Clear;
        }
        match self.fd.get_ref().take_error() {
            Ok(Some(e)) => SocketError::Pending(e.raw_os_error().unwrap_or(libc::EIO)),
            Ok(None) | Err(_) => SocketError::Clear,
        }
    }

    /// Waits until there is something to receive, bytes or an end, and consumes nothing. Cancel-safe, so that a lane can select
    /// between this and anything else.
    pub async fn readable(&self) -> PollMask {
        let events = libc::POLLIN | libc::POLLRDHUP;
        until(&self.fd, Interest::READABLE, events, |mask| !mask.is_empty()).await
    }

    /// Waits until the peer will send no more (FIN or RST), even while bytes from before that are left unread. Consumes nothing;
    /// cancel-safe. The mask can't tell a FIN that was followed by our own half-close from a RST unless
    /// [`error`](PollMask::error) is set: the kind of the end is for [`recv`](Self::recv) to say.
    pub async fn ended(&self) -> PollMask {
        until(&self.fd, Interest::READABLE, libc::POLLIN | libc::POLLRDHUP, PollMask::ended).await
    }

    /// The events of this moment, by poll(2); nothing is consumed.
    #[must_use]
    pub fn poll_now(&self) -> PollMask {
        kernel::poll_now(self.fd.get_ref(), libc::POLLIN | libc::POLLOUT | libc::POLLRDHUP)
    }

    /// Bytes that are received but not yet read.
    ///
    /// # Errors
    ///
    /// Those of ioctl(2), which don't depend on the peer.
    pub fn pending_readable(&self) -> io::Result<usize> {
        kernel::bytes_readable(self.fd.get_ref())
    }

    /// Sends our FIN and keeps receiving; returns the moment right after it.
    ///
    /// # Errors
    ///
    /// `ENOTCONN` when the connection is already gone by a RST.
    pub fn half_close(&self) -> io::Result<Instant> {
        self.fd.get_ref().shutdown(Shutdown::Write)?;
        let at = Instant::now();
        self.half_closed.set(true);
        Ok(at)
    }

    /// Closes the connection.
    ///
    /// The caller receives until the end first: the kernel answers a close with unread bytes, and bytes that arrive after the
    /// close, with a RST of ours, which would then be counted as the target's. [`Closed::unread`] says whether that was so.
    /// Dropping a socket does the same, without telling.
    #[must_use]
    pub fn close(self) -> Closed {
        let unread = self.pending_readable().unwrap_or(0);
        drop(self);
        Closed { unread, at: Instant::now() }
    }

    /// Closes the connection by RST (SO_LINGER of zero, socket(7)); on a unix socket the other side sees ECONNRESET only if
    /// bytes of its own were unread. Returns the moment right after it.
    ///
    /// # Errors
    ///
    /// The socket itself, if the system refuses.
    pub fn abort(self) -> Result<Instant, Self> {
        if SockRef::from(self.fd.get_ref()).set_linger(Some(Duration::ZERO)).is_err() {
            return Err(self);
        }
        drop(self);
        Ok(Instant::now())
    }

    /// When the connection was made.
    #[must_use]
    pub fn opened(&self) -> Opened {
        self.opened
    }

    /// All the bytes that the kernel took from us so far.
    #[must_use]
    pub fn bytes_sent(&self) -> u64 {
        self.bytes_sent.get()
    }

    /// All the bytes received so far.
    #[must_use]
    pub fn bytes_received(&self) -> u64 {
        self.bytes_received.get()
    }

    /// The kernel's view of a TCP connection; `None` for a unix socket.
    #[must_use]
    pub fn tcp_view(&self) -> Option<TcpView> {
        kernel::tcp_view(self.fd.get_ref())
    }

    /// Segments sent again since the SYN, which is included: 1 or more right after a connect of about a second or longer means
    /// that the accept queue was full. `None` for a unix socket.
    #[must_use]
    pub fn retransmits(&self) -> Option<u32> {
        self.tcp_view().map(|view| view.retransmits)
    }

    /// Segments sent and not acknowledged; `None` for a unix socket.
    #[must_use]
    pub fn unacked(&self) -> Option<u32> {
        self.tcp_view().map(|view| view.unacked)
    }

    /// What names the connection in the kernel's socket table; `None` for a TCP connection after a RST.
    #[must_use]
    pub fn ends(&self) -> Option<Ends> {
        if !self.tcp {
            return kernel::inode(self.fd.get_ref()).map(|client| Ends::Unix { client });
        }
        Some(Ends::Tcp { server: self.peer_address()?, client: self.local_address()? })
    }

    /// Our end's address; `None` for a unix socket.
    #[must_use]
    pub fn local_address(&self) -> Option<std::net::SocketAddr> {
        self.fd.get_ref().local_addr().ok()?.as_socket()
    }

    /// Our end's port; `None` for a unix socket, and after a RST, which takes it away.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.local_address().map(|address| address.port()).filter(|port| *port != 0)
    }

    /// The other end's address; `None` for a unix socket, and after a RST.
    #[must_use]
    pub fn peer_address(&self) -> Option<std::net::SocketAddr> {
        self.fd.get_ref().peer_addr().ok()?.as_socket()
    }
}

impl std::os::fd::AsFd for Socket {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.get_ref().as_fd()
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("local", &self.local_address())
            .field("peer", &self.peer_address())
            .field("sent", &self.bytes_sent.get())
            .field("received", &self.bytes_received.get())
            .finish_non_exhaustive()
    }
}

/// Waits until poll(2) shows a mask that satisfies `enough`. tokio's readiness is only the wake-up: it may be stale, and it hides ERR.
async fn until(
    fd: &AsyncFd<socket2::Socket>,
    interest: Interest,
    events: i16,
    enough: impl Fn(PollMask) -> bool,
) -> PollMask {
    loop {
        let mask = kernel::poll_now(fd.get_ref(), events);
        if enough(mask) {
            return mask;
        }
        let Ok(mut guard) = fd.ready(interest).await else {
            return never().await;
        };
        // Asked again after the wake-up, so that an event between the two polls is not cleared unseen.
        let mask = kernel::poll_now(fd.get_ref(), events);
        if enough(mask) {
            return mask;
        }
        guard.clear_ready();
    }
}

/// The runtime is shutting down, and its tasks are about to be dropped: nothing more will be seen.
async fn never<T>() -> T {
    std::future::pending().await
}
