//! What the operations on a socket give back: always with the moment right after the system call.

use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

use super::classify::{End, errno_name};

/// When a connection was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// Before the first system call of the attempt.
    pub started: Instant,
    /// When the handshake was seen to be done.
    pub at: Instant,
}

/// What names one connection in the kernel's socket table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// The addresses of both ends.
    Tcp {
        /// Where it is connected to.
        server: SocketAddr,
        /// Our end.
        client: SocketAddr,
    },
    /// Our end's inode: the table shows the other end by it.
    Unix {
        /// The inode.
        client: u64,
    },
}

/// What [`Socket::recv`](super::Socket::recv) got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// Bytes were appended.
    Data {
        /// How many, at least one.
        n: usize,
        /// Right after the system call that returned them.
        at: Instant,
    },
    /// Everything was received, and then the connection was found to be over.
    End {
        /// How it ended.
        end: End,
        /// Right after the system call that showed it.
        at: Instant,
    },
    /// Nothing before the deadline. The connection is as it was.
    TimedOut,
}

/// Why sending stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SendFailureKind {
    /// `EPIPE`: the peer has closed, and answered earlier bytes with a RST; or our own side is shut down.
    Broken,
    /// `ECONNRESET`: a RST came.
    Reset,
    /// The deadline passed with bytes left to send, or the kernel gave up retransmitting.
    TimedOut,
    /// Anything else.
    Other,
}

/// A send that did not hand over all its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendFailure {
    /// What it means.
    pub kind: SendFailureKind,
    /// What the kernel said; `None` if our deadline ended the attempt.
    pub errno: Option<i32>,
    /// The bytes of this call that the kernel had taken. That is no proof that the peer got them.
    pub sent: usize,
    /// When the failure was seen.
    pub at: Instant,
}

impl SendFailure {
    /// `None`: the deadline passed.
    pub(super) fn new(errno: Option<i32>, sent: usize, at: Instant) -> Self {
        SendFailure {
            kind: match errno {
                None | Some(libc::ETIMEDOUT) => SendFailureKind::TimedOut,
                Some(libc::EPIPE) => SendFailureKind::Broken,
                Some(libc::ECONNRESET) => SendFailureKind::Reset,
                Some(_) => SendFailureKind::Other,
            },
            errno,
            sent,
            at,
        }
    }
}

impl fmt::Display for SendFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            SendFailureKind::Broken => "sending to a connection that was closed",
            SendFailureKind::Reset => "connection reset while sending",
            SendFailureKind::TimedOut => "sending not done in time",
            SendFailureKind::Other => "sending failed",
        })?;
        if let Some(errno) = self.errno {
            write!(f, " ({})", errno_name(errno))?;
        }
        write!(f, " after {} bytes", self.sent)
    }
}

impl std::error::Error for SendFailure {}

/// What was left when [`Socket::close`](super::Socket::close) gave the connection up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed {
    /// Bytes received by the kernel that nobody read. If not 0, the kernel sent a RST in our name.
    pub unread: usize,
    /// Right after the system call.
    pub at: Instant,
}
