//! What a connection's end was, decided from what the kernel showed: one pure function over every combination.
//!
//! The rules, measured on Linux 6.18:
//!
//! * A pending socket error is handed out once. A failing `recv`, a failing `send` or `getsockopt(SO_ERROR)` takes it,
//!   and afterwards `recv` returns 0 as if the peer had closed in order.
//! * `recv` returns 0 *before* it looks at the pending error only when a FIN was received. So an end of file with an
//!   error still pending means: FIN first, RST after it. This is how a request written to a connection that the
//!   peer had already closed shows itself, and a client that only looks at `recv` never sees it.
//! * `TCP_INFO`'s state CLOSE proves nothing: it is also the state after our own half-close and the peer's FIN.

use std::fmt;

/// How a connection ended, as far as the receiving side can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// In order: the peer's FIN came and no RST with it or since.
    Fin,
    /// A RST came before any FIN. What the peer had sent but we had not received is lost.
    Reset {
        /// `ECONNRESET`, or 0 where the kernel flagged an error and then named none.
        errno: i32,
    },
    /// The peer's FIN came, and a RST after it: we wrote to a connection that the peer had already closed.
    ResetAfterFin,
    /// The connection failed without a RST: the kernel gave up on it (`ETIMEDOUT`, `EHOSTUNREACH`), or the fault is
    /// the harness's own (`ENOMEM`, `ENOTCONN`).
    Failed {
        /// Why, as errno(3).
        errno: i32,
    },
}

impl End {
    /// Whether a RST was part of this end.
    #[must_use]
    pub fn is_reset(self) -> bool {
        matches!(self, End::Reset { .. } | End::ResetAfterFin)
    }

    /// Whether the peer's FIN is known to have come, so that nothing that it sent is missing.
    #[must_use]
    pub fn fin_received(self) -> bool {
        matches!(self, End::Fin | End::ResetAfterFin)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Fin => f.write_str("closed by the peer (FIN)"),
            End::Reset { errno: 0 } => f.write_str("reset by the peer (RST)"),
            End::Reset { errno } => write!(f, "reset by the peer (RST, {})", errno_name(*errno)),
            End::ResetAfterFin => {
                f.write_str("closed by the peer (FIN), then reset when more was written (RST)")
            }
            End::Failed { errno } => write!(f, "failed ({})", errno_name(*errno)),
        }
    }
}

/// What one `recv` returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecvOutcome {
    /// This many bytes, at least one.
    Data(usize),
    /// `EAGAIN`: nothing now.
    WouldBlock,
    /// 0 bytes for a buffer that was not empty.
    Eof,
    /// Failed with this errno, neither `EAGAIN` nor `EINTR`.
    Error(i32),
}

/// What is known of the socket's error besides `recv`'s own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketError {
    /// `SO_ERROR` was 0, or was not asked for since no error was flagged.
    Clear,
    /// Still pending after `recv` had returned 0, and read by us just now.
    Pending(i32),
    /// Handed out earlier: to a failing `send`, or while the connection was being made.
    Taken(i32),
}

/// What an attempt to receive amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// This many bytes.
    Data(usize),
    /// Nothing yet.
    Nothing,
    /// The connection is over.
    End(End),
}

/// The events that poll(2) reported, without consuming anything.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct PollMask(i16);

impl PollMask {
    /// From `revents`.
    #[must_use]
    pub fn from_bits(revents: i16) -> Self {
        PollMask(revents)
    }

    /// The bits, as in poll(2).
    #[must_use]
    pub fn bits(self) -> i16 {
        self.0
    }

    /// No event at all.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// There is something to receive: bytes or an end.
    #[must_use]
    pub fn readable(self) -> bool {
        self.0 & libc::POLLIN != 0
    }

    /// A socket error is pending.
    #[must_use]
    pub fn error(self) -> bool {
        self.0 & libc::POLLERR != 0
    }

    /// The peer will send no more: a FIN or a RST came. Bytes from before it may still be unread.
    #[must_use]
    pub fn ended(self) -> bool {
        self.0 & (libc::POLLRDHUP | libc::POLLHUP | libc::POLLERR) != 0
    }
}

impl fmt::Debug for PollMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (libc::POLLIN, "IN"),
            (libc::POLLOUT, "OUT"),
            (libc::POLLERR, "ERR"),
            (libc::POLLHUP, "HUP"),
            (libc::POLLRDHUP, "RDHUP"),
            (libc::POLLNVAL, "NVAL"),
        ];
        let set: Vec<_> = names.iter().filter(|(bit, _)| self.0 & bit != 0).map(|(_, name)| *name).collect();
        write!(f, "PollMask({})", set.join("|"))
    }
}

/// Says what an attempt to receive amounts to. Total, and free of system calls.
///
/// `mask` is only looked at after [`RecvOutcome::Eof`], and has to be taken after that `recv`, before `SO_ERROR` is read.
#[must_use]
pub fn classify(recv: RecvOutcome, mask: PollMask, error: SocketError) -> Observed {
    match (recv, error) {
        (RecvOutcome::Data(n), _) => Observed::Data(n),
        (RecvOutcome::WouldBlock, _) => Observed::Nothing,
        (RecvOutcome::Error(errno), _) => Observed::End(by_errno(errno)),
        // The error went to somebody before; recv's 0 no longer tells whether a FIN came, the errno does.
        (RecvOutcome::Eof, SocketError::Taken(errno)) if errno != 0 => Observed::End(by_errno(errno)),
        // An error that recv stepped over: it does so only after a FIN.
        (RecvOutcome::Eof, SocketError::Pending(libc::EPIPE | libc::ECONNRESET)) => {
            Observed::End(End::ResetAfterFin)
        }
        (RecvOutcome::Eof, SocketError::Pending(errno)) if errno != 0 => Observed::End(End::Failed { errno }),
        // Flagged, but nobody can say what it was: never take this for an orderly end.
        (RecvOutcome::Eof, _) if mask.error() => Observed::End(End::Reset { errno: 0 }),
        (RecvOutcome::Eof, _) => Observed::End(End::Fin),
    }
}

/// The kernel turns a RST into `EPIPE` where a FIN had come before (`tcp_reset`: CLOSE_WAIT), else into `ECONNRESET`.
fn by_errno(errno: i32) -> End {
    match errno {
        libc::EPIPE => End::ResetAfterFin,
        libc::ECONNRESET => End::Reset { errno },
        _ => End::Failed { errno },
    }
}

/// `ECONNRESET` and the like for people; the number where there is no name.
#[must_use]
pub fn errno_name(errno: i32) -> String {
    match nix::errno::Errno::from_raw(errno) {
        nix::errno::Errno::UnknownErrno => format!("errno {errno}"),
        known => format!("{known:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::RecvOutcome::{Data, Eof, Error, WouldBlock};
    use super::SocketError::{Clear, Pending, Taken};
    use super::*;
    use proptest::prelude::*;

    const IN: i16 = libc::POLLIN;
    const ERR: i16 = libc::POLLERR;
    const HUP: i16 = libc::POLLHUP | libc::POLLRDHUP;

    #[test]
    fn the_table_of_what_the_kernel_shows() {
        let reset = Observed::End(End::Reset { errno: libc::ECONNRESET });
        let fin = Observed::End(End::Fin);
        let late_reset = Observed::End(End::ResetAfterFin);
        for (why, recv, mask, error, expected) in [
            ("data", Data(5), IN, Clear, Observed::Data(5)),
            ("data before a reset", Data(5), IN | ERR | HUP, Clear, Observed::Data(5)),
            ("nothing yet", WouldBlock, 0, Clear, Observed::Nothing),
            ("clean FIN", Eof, IN | libc::POLLRDHUP, Clear, fin),
            ("our half-close, then FIN", Eof, IN | HUP, Clear, fin),
            ("linger 0, unread request, lost accept queue", Error(libc::ECONNRESET), IN | HUP, Clear, reset),
            ("write after FIN", Eof, IN | ERR | HUP, Pending(libc::EPIPE), late_reset),
            (
                "write after FIN, then our FIN (LAST_ACK)",
                Eof,
                IN | ERR | HUP,
                Pending(libc::ECONNRESET),
                late_reset,
            ),
            ("a send took the reset", Eof, IN | HUP, Taken(libc::ECONNRESET), reset),
            ("a send took the reset after FIN", Eof, IN | HUP, Taken(libc::EPIPE), late_reset),
            ("flagged but gone", Eof, IN | ERR | HUP, Clear, Observed::End(End::Reset { errno: 0 })),
            (
                "gave up retransmitting",
                Error(libc::ETIMEDOUT),
                IN | HUP,
                Clear,
                Observed::End(End::Failed { errno: libc::ETIMEDOUT }),
            ),
        ] {
            assert_eq!(classify(recv, PollMask::from_bits(mask), error), expected, "{why}");
        }
    }

    fn recv_outcome() -> impl Strategy<Value = RecvOutcome> {
        prop_oneof![
            (1usize..).prop_map(Data),
            Just(WouldBlock),
            Just(Eof),
            any::<i32>().prop_map(Error),
            Just(Error(libc::EPIPE)),
        ]
    }

    fn socket_error() -> impl Strategy<Value = SocketError> {
        let errno = prop_oneof![any::<i32>(), Just(0), Just(libc::EPIPE), Just(libc::ECONNRESET)];
        prop_oneof![Just(Clear), errno.clone().prop_map(Pending), errno.prop_map(Taken)]
    }

    proptest! {
        #[test]
        fn every_combination_has_one_meaning(recv in recv_outcome(), bits in any::<i16>(), error in socket_error()) {
            let mask = PollMask::from_bits(bits);
            let observed = classify(recv, mask, error);
            match recv {
                Data(n) => prop_assert_eq!(observed, Observed::Data(n)),
                WouldBlock => prop_assert_eq!(observed, Observed::Nothing),
                Error(_) => prop_assert!(matches!(observed, Observed::End(end) if end != End::Fin)),
                Eof => {
                    let silent = !mask.error() && matches!(error, Clear | Pending(0) | Taken(0));
                    prop_assert_eq!(observed == Observed::End(End::Fin), silent, "an orderly end needs silence");
                }
            }
        }
    }
}
