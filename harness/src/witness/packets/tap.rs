//! The packet socket (packet(7)): opened, read, and asked what it had to leave out.

use std::io::{self, IoSliceMut};
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt::RcvBuf, sockopt::RcvBufForce,
    sockopt::ReceiveTimestampns,
};
use nix::sys::time::TimeSpec;

use super::filter::{SNAP_BYTES, program};
use super::segment::Segment;

/// What may wait until it is read: about a kilobyte is kept for each frame.
const BUFFER_BYTES: usize = 8 << 20;
/// Shows each frame twice.
const LOOPBACK: &str = "lo";
/// linux/if_packet.h.
const PACKET_STATISTICS: libc::c_int = 6;

/// A segment, and when the kernel saw it.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The segment.
    pub segment: Segment,
    /// The first bytes of its frame.
    pub frame: Vec<u8>,
    /// When; where the kernel's clock was set meanwhile, no earlier than the look before.
    pub at: Instant,
}

/// Hears what begins and ends connections on one interface of the network namespace in which it was opened.
#[derive(Debug)]
pub struct Tap {
    socket: OwnedFd,
    frame: Vec<u8>,
    control: Vec<u8>,
    /// Everything that came until then was read.
    quiet: Instant,
    lost: u64,
}

impl Tap {
    /// Opens it on this interface of the calling thread's network namespace: "lo", or an Ethernet.
    ///
    /// # Errors
    /// EPERM without CAP_NET_RAW there; EAFNOSUPPORT and others where the kernel has no packet sockets.
    pub fn open(interface: &str) -> io::Result<Self> {
        // Protocol 0 hears nothing until it is bound: nothing comes before the filter is there.
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: socket(2) takes numbers only.
        let fd = Errno::result(unsafe { libc::socket(libc::AF_PACKET, kind, 0) })?;
        // SAFETY: the descriptor is new, and nobody else's.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        filter(&socket, interface == LOOPBACK)?;
        // More than the system's limit is for those with CAP_NET_ADMIN.
        if setsockopt(&socket, RcvBufForce, &BUFFER_BYTES).is_err() {
            setsockopt(&socket, RcvBuf, &BUFFER_BYTES)?;
        }
        setsockopt(&socket, ReceiveTimestampns, &true)?;
        let tap = Self {
            socket,
            frame: vec![0; SNAP_BYTES as usize],
            control: nix::cmsg_space!(TimeSpec),
            quiet: Instant::now(),
            lost: 0,
        };
        bind_to(&tap.socket, interface)?;
        Ok(tap)
    }

    /// What came since the last time.
    pub fn read(&mut self) -> Vec<Heard> {
        let mut heard = Vec::new();
        loop {
            let begun = Instant::now();
            let mut parts = [IoSliceMut::new(&mut self.frame)];
            let flags = MsgFlags::MSG_DONTWAIT;
            let (length, stamp) =
                match recvmsg::<()>(self.socket.as_raw_fd(), &mut parts, Some(&mut self.control), flags) {
                    Ok(received) => {
                        let stamp = received.cmsgs().ok().and_then(|mut said| {
                            said.find_map(|one| match one {
                                ControlMessageOwned::ScmTimestampns(stamp) => Some(stamp),
                                _ => None,
                            })
                        });
                        (received.bytes, stamp)
                    }
                    Err(Errno::EINTR) => continue,
                    // ENETDOWN comes once when the interface is taken down; nothing more is heard then.
                    Err(_) => {
                        self.quiet = begun;
                        return heard;
                    }
                };
            let now = Instant::now();
            let at = stamp.and_then(ago).and_then(|ago| now.checked_sub(ago));
            let at = at.map_or(now, |at| at.clamp(self.quiet, now));
            let frame = self.frame.get(..length).unwrap_or_default();
            heard.extend(Segment::parse(frame).map(|segment| Heard { segment, frame: frame.to_vec(), at }));
        }
    }

    /// How many segments the kernel could not hand over since the tap was opened, as its buffer was full.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn lost(&mut self) -> io::Result<u64> {
        // struct tpacket_stats: packets and drops, both since the last question.
        let mut counts = [0_u32; 2];
        let mut length = mem::size_of_val(&counts) as libc::socklen_t;
        // SAFETY: the kernel writes no more than `length` bytes into `counts`, which lives until the call returns.
        let asked = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_PACKET,
                PACKET_STATISTICS,
                counts.as_mut_ptr().cast(),
                &mut length,
            )
        };
        Errno::result(asked)?;
        self.lost += u64::from(counts[1]);
        Ok(self.lost)
    }
}

/// How long ago a time of the system's clock was.
fn ago(stamp: TimeSpec) -> Option<std::time::Duration> {
    let seconds = u64::try_from(stamp.tv_sec()).ok()?;
    let nanos = u32::try_from(stamp.tv_nsec()).ok()?;
    SystemTime::now().duration_since(UNIX_EPOCH + std::time::Duration::new(seconds, nanos)).ok()
}

fn filter(socket: &OwnedFd, loopback: bool) -> io::Result<()> {
    let mut program = program(loopback);
    let program = libc::sock_fprog { len: program.len() as libc::c_ushort, filter: program.as_mut_ptr() };
    // SAFETY: the kernel copies the program, whose length is its own, before the call returns.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            mem::size_of_val(&program) as libc::socklen_t,
        )
    };
    Errno::result(set)?;
    Ok(())
}

fn bind_to(socket: &OwnedFd, interface: &str) -> io::Result<()> {
    let index = nix::net::if_::if_nametoindex(interface)?;
    // SAFETY: all zeros is a valid sockaddr_ll.
    let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = index as i32;
    let length = mem::size_of_val(&address) as libc::socklen_t;
    // SAFETY: the address is whole, and lives until the call returns.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    Errno::result(bound)?;
    Ok(())
}
