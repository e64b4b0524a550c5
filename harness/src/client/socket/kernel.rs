//! What the kernel says about one socket without changing anything in it.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;

use super::classify::PollMask;

/// The parts of `TCP_INFO` that say something about a restart; tcp(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpView {
    /// The state, numbered as in the kernel's `tcp_states.h`: 1 ESTABLISHED, 7 CLOSE, 8 CLOSE_WAIT, …
    pub state: u8,
    /// Segments sent again in the whole life of the connection, its SYN included.
    pub retransmits: u32,
    /// Segments sent and not yet acknowledged.
    pub unacked: u32,
}

/// `TCP_INFO`; `None` for a socket that is not TCP.
pub(super) fn tcp_view(socket: &impl AsRawFd) -> Option<TcpView> {
    let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length = libc::socklen_t::try_from(size_of::<libc::tcp_info>()).ok()?;
    // SAFETY: the kernel writes at most `length` bytes, the size of `info`, which outlives the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return None;
    }
    // SAFETY: `tcp_info` consists of integers, for which the zeroes that an older kernel leaves in place are values too.
    let info = unsafe { info.assume_init() };
    Some(TcpView { state: info.tcpi_state, retransmits: info.tcpi_total_retrans, unacked: info.tcpi_unacked })
}

/// `FIONREAD`: the bytes that can be received now.
pub(super) fn bytes_readable(socket: &impl AsRawFd) -> io::Result<usize> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: FIONREAD writes one int, to `bytes`, which outlives the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::FIONREAD, &raw mut bytes) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(usize::try_from(bytes).unwrap_or(0))
}

/// The inode of the socket itself.
pub(super) fn inode(socket: &impl AsRawFd) -> Option<u64> {
    let mut status = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: fstat writes one `stat`, to `status`, which outlives the call.
    if unsafe { libc::fstat(socket.as_raw_fd(), status.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: `stat` consists of integers, and fstat has filled it in.
    Some(unsafe { status.assume_init() }.st_ino)
}

/// poll(2) with a timeout of zero. ERR and HUP are always reported; nothing is consumed.
///
/// Not nix's wrapper, which gives no events at all where POLLRDHUP, a bit unknown to it, is among them.
pub(super) fn poll_now(socket: &impl AsRawFd, events: i16) -> PollMask {
    let mut fd = libc::pollfd { fd: socket.as_raw_fd(), events, revents: 0 };
    // SAFETY: one pollfd is passed and said to be one; it outlives the call.
    let ready = unsafe { libc::poll(&raw mut fd, 1, 0) };
    // It fails only for want of memory or by a signal, and then has seen nothing.
    PollMask::from_bits(if ready > 0 { fd.revents } else { 0 })
}
