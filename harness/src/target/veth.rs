//! A cable between two network namespaces: a veth pair (veth(4)), made and set up by rtnetlink(7).
//!
//! A request is one message: a header of 16 bytes, a fixed part, and attributes, each with its length and its type, padded to
//! four bytes. The kernel answers each with an error number, 0 for none. All numbers are of this machine's byte order. A netlink
//! socket belongs to the network namespace in which it was opened, and so do the interfaces that it speaks of.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;

/// What either end is called in its namespace.
pub const INTERFACE: &str = "hotspec0";

/// The link address of an end: local to the cable.
pub type Mac = [u8; 6];
/// Of the end in the namespace in which the cable was made.
pub const NEAR: Mac = [2, 0, 0, 0, 0, 2];
/// Of the other one.
pub const FAR: Mac = [2, 0, 0, 0, 0, 1];

/// linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h, linux/veth.h.
const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWNEIGH: u16 = 28;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
/// No duplicate address detection: nobody else is on the cable, and it would take a second.
const IFA_F_NODAD: u8 = 0x02;
/// linux/neighbour.h.
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NUD_PERMANENT: u16 = 0x80;
const NLM_F_REQUEST: u16 = 0x01;
const NLM_F_ACK: u16 = 0x04;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
const NLMSG_ERROR: u16 = 2;
/// Header and error number of an answer.
const ANSWER: usize = 20;

/// Makes the pair, with the kernel's own MTU of 1500 bytes: with packets as large as the loopback's, a client with a small receive
/// buffer gets a third of it through (measured). One end is in the calling thread's network namespace, the
/// other in `other`.
///
/// # Errors
/// EPERM without CAP_NET_ADMIN in both; EOPNOTSUPP where the kernel has no veth.
pub fn join(other: BorrowedFd<'_>) -> io::Result<()> {
    let name = [INTERFACE.as_bytes(), b"\0"].concat();
    let mut message = Message::new(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    message.link(0, 0);
    message.attribute(IFLA_IFNAME, &name);
    message.attribute(IFLA_ADDRESS, &NEAR);
    message.nested(IFLA_LINKINFO, |message| {
        message.attribute(IFLA_INFO_KIND, b"veth");
        message.nested(IFLA_INFO_DATA, |message| {
            message.nested(VETH_INFO_PEER, |message| {
                message.link(0, 0);
                message.attribute(IFLA_IFNAME, &name);
                message.attribute(IFLA_ADDRESS, &FAR);
                message.attribute(IFLA_NET_NS_FD, &other.as_raw_fd().to_ne_bytes());
            });
        });
    });
    message.send()
}

/// Sets the end in the calling thread's network namespace up.
///
/// # Errors
/// EPERM without CAP_NET_ADMIN there.
pub fn raise() -> io::Result<()> {
    let mut message = Message::new(RTM_NEWLINK, 0);
    message.link(index()?, libc::IFF_UP as u32);
    message.send()
}

/// Gives it an address, with so many bits in common with the other end's.
///
/// # Errors
/// EPERM without CAP_NET_ADMIN there; EACCES for IPv6 where it is disabled.
pub fn add_address(address: IpAddr, prefix_bits: u8) -> io::Result<()> {
    let (family, octets) = parts(address);
    let mut message = Message::new(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
    // struct ifaddrmsg: family, prefix, flags, scope, index.
    message.bytes.extend([family, prefix_bits, IFA_F_NODAD, 0]);
    message.bytes.extend(index()?.to_ne_bytes());
    message.attribute(IFA_LOCAL, &octets);
    message.attribute(IFA_ADDRESS, &octets);
    message.send()
}

/// Tells this end, which is up, who has an address on the other: nobody has to ask, which over IPv6 takes a second if the answer
/// to the first question is lost.
///
/// # Errors
/// EPERM without CAP_NET_ADMIN there.
pub fn know(address: IpAddr, mac: Mac) -> io::Result<()> {
    let (family, octets) = parts(address);
    let mut message = Message::new(RTM_NEWNEIGH, NLM_F_CREATE);
    // struct ndmsg: family, padding, index, state, flags, type.
    message.bytes.extend([family, 0, 0, 0]);
    message.bytes.extend(index()?.to_ne_bytes());
    message.bytes.extend(NUD_PERMANENT.to_ne_bytes());
    message.bytes.extend([0, 0]);
    message.attribute(NDA_DST, &octets);
    message.attribute(NDA_LLADDR, &mac);
    message.send()
}

fn parts(address: IpAddr) -> (u8, Vec<u8>) {
    match address {
        IpAddr::V4(v4) => (libc::AF_INET as u8, v4.octets().to_vec()),
        IpAddr::V6(v6) => (libc::AF_INET6 as u8, v6.octets().to_vec()),
    }
}

fn index() -> io::Result<u32> {
    Ok(nix::net::if_::if_nametoindex(INTERFACE)?)
}

/// A request under way. Its length, in the first four bytes, is filled in when it is sent.
struct Message {
    bytes: Vec<u8>,
}

impl Message {
    fn new(kind: u16, flags: u16) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend((flags | NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
        // Number of the request, and port of who asks: there is one request for each socket.
        bytes.extend([0; 8]);
        Self { bytes }
    }

    /// struct ifinfomsg: family, type, index, flags, and which of the flags are meant.
    fn link(&mut self, index: u32, flags: u32) {
        self.bytes.extend([0; 4]);
        for number in [index, flags, flags] {
            self.bytes.extend(number.to_ne_bytes());
        }
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.nested(kind, |message| message.bytes.extend(value));
    }

    /// Nothing here comes near the 64 KiB that an attribute may have.
    fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let begin = self.bytes.len();
        self.bytes.extend([0; 2]);
        self.bytes.extend(kind.to_ne_bytes());
        fill(self);
        let length = (self.bytes.len() - begin) as u16;
        self.bytes[begin..begin + 2].copy_from_slice(&length.to_ne_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn send(mut self) -> io::Result<()> {
        let length = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        // SAFETY: socket(2) takes numbers only.
        let fd = Errno::result(unsafe {
            libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_ROUTE)
        })?;
        // SAFETY: the descriptor is new, and nobody else's.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        nix::sys::socket::send(socket.as_raw_fd(), &self.bytes, nix::sys::socket::MsgFlags::empty())?;
        let mut answer = [0; 4096];
        let received =
            nix::sys::socket::recv(socket.as_raw_fd(), &mut answer, nix::sys::socket::MsgFlags::empty())?;
        match error_of(answer.get(..received).unwrap_or_default()) {
            Some(0) => Ok(()),
            Some(errno) => Err(io::Error::from_raw_os_error(errno)),
            None => Err(io::Error::other("rtnetlink gave an answer that is none")),
        }
    }
}

/// The error number of an answer (struct nlmsgerr has it negated).
fn error_of(answer: &[u8]) -> Option<i32> {
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    let error = i32::from_ne_bytes(answer.get(ANSWER - 4..ANSWER)?.try_into().ok()?);
    (kind == NLMSG_ERROR).then_some(error.checked_neg()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_have_their_lengths_and_are_padded() {
        let mut message = Message::new(RTM_NEWLINK, 0);
        message.nested(IFLA_LINKINFO, |message| {
            message.attribute(IFLA_INFO_KIND, b"veth");
            message.attribute(IFLA_IFNAME, b"lo\0");
        });
        let attributes = &message.bytes[16..];
        let half = |at: usize| u16::from_ne_bytes([attributes[at], attributes[at + 1]]);
        assert_eq!((half(0), half(2)), (20, IFLA_LINKINFO));
        assert_eq!((half(4), half(6)), (8, IFLA_INFO_KIND));
        assert_eq!(&attributes[8..12], b"veth");
        // The inner one is padded, and its length does not say so; the outer one's does.
        assert_eq!((half(12), half(14)), (7, IFLA_IFNAME));
        assert_eq!(attributes.len(), 20);
    }

    #[test]
    fn an_answer_of_another_kind_is_none() {
        let mut answer = [0; ANSWER];
        answer[4..6].copy_from_slice(&NLMSG_ERROR.to_ne_bytes());
        answer[16..].copy_from_slice(&(-libc::EPERM).to_ne_bytes());
        assert_eq!(error_of(&answer), Some(libc::EPERM));
        assert_eq!(error_of(&answer[..18]), None);
        answer[4] = 3;
        assert_eq!(error_of(&answer), None);
    }
}
