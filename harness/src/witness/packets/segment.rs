//! One TCP segment, taken out of the frame that carried it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Ethernet's header; the loopback has one too, with addresses of zeros.
const ETHERNET: usize = 14;
/// Without extension headers.
const IPV6: usize = 40;
const TCP_MIN: usize = 20;

/// The flags of a segment (RFC 9293 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// It ends one direction.
    pub fn fin(self) -> bool {
        self.0 & 0x01 != 0
    }

    /// It begins a connection.
    pub fn syn(self) -> bool {
        self.0 & 0x02 != 0
    }

    /// It breaks the connection off.
    pub fn rst(self) -> bool {
        self.0 & 0x04 != 0
    }

    /// Its acknowledgement number counts. An RST without is the kernel's answer to a segment for a connection that is no more
    /// (RFC 9293 §3.5.2); one that breaks a connection off has it.
    pub fn ack(self) -> bool {
        self.0 & 0x10 != 0
    }
}

/// A segment that begins or ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Who sent it.
    pub source: SocketAddr,
    /// To whom.
    pub destination: SocketAddr,
    /// What it does.
    pub flags: Flags,
    /// Its sequence number.
    pub sequence: u32,
    /// Bytes of the frame that carried it, as its IP header has it.
    pub frame_bytes: u32,
}

impl Segment {
    /// Takes it out of an Ethernet frame, of which later parts may be missing. None if it is none.
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let packet = frame.get(ETHERNET..)?;
        let half = |at: usize| Some(u32::from(u16::from_be_bytes(packet.get(at..at + 2)?.try_into().ok()?)));
        let (source, destination, tcp, length) = match frame.get(12..ETHERNET)? {
            [0x08, 0x00] => {
                let header = usize::from(packet.first()? & 0xf) * 4;
                let address = |at: usize| -> Option<IpAddr> {
                    let octets: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
                    Some(Ipv4Addr::from(octets).into())
                };
                (*packet.get(9)? == 6).then_some(())?;
                (address(12)?, address(16)?, packet.get(header..)?, half(2)?)
            }
            [0x86, 0xdd] => {
                let address = |at: usize| -> Option<IpAddr> {
                    let octets: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
                    Some(Ipv6Addr::from(octets).into())
                };
                (*packet.get(6)? == 6).then_some(())?;
                (address(8)?, address(24)?, packet.get(IPV6..)?, half(4)? + IPV6 as u32)
            }
            _ => return None,
        };
        let tcp = tcp.get(..TCP_MIN)?;
        let port = |at: usize| u16::from_be_bytes([tcp[at], tcp[at + 1]]);
        Some(Self {
            source: SocketAddr::new(source, port(0)),
            destination: SocketAddr::new(destination, port(2)),
            flags: Flags(tcp[13]),
            sequence: u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]),
            frame_bytes: ETHERNET as u32 + length,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tcp(flags: u8, sequence: u32) -> Vec<u8> {
        let mut header = vec![0; TCP_MIN];
        header[0..2].copy_from_slice(&8080_u16.to_be_bytes());
        header[2..4].copy_from_slice(&40_000_u16.to_be_bytes());
        header[4..8].copy_from_slice(&sequence.to_be_bytes());
        header[12] = 5 << 4;
        header[13] = flags;
        header
    }

    pub(in super::super) fn frame_v4(flags: u8, sequence: u32) -> Vec<u8> {
        let mut frame = vec![0; 12];
        frame.extend([0x08, 0x00, 0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 2]);
        frame.extend(tcp(flags, sequence));
        frame
    }

    pub(in super::super) fn frame_v6(flags: u8, sequence: u32) -> Vec<u8> {
        let mut frame = vec![0; 12];
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, 6, 64]);
        frame.extend(Ipv6Addr::LOCALHOST.octets());
        frame.extend(Ipv6Addr::LOCALHOST.octets());
        frame.extend(tcp(flags, sequence));
        frame
    }

    #[test]
    fn ends_flags_and_number_are_read_from_either_version() {
        let four = Segment::parse(&frame_v4(0x14, 77)).unwrap();
        assert_eq!(four.source, "127.0.0.1:8080".parse().unwrap());
        assert_eq!(four.destination, "127.0.0.2:40000".parse().unwrap());
        assert_eq!((four.sequence, four.frame_bytes), (77, 54));
        assert!(four.flags.rst() && four.flags.ack() && !four.flags.syn() && !four.flags.fin());
        let six = Segment::parse(&frame_v6(0x04, 7)).unwrap();
        assert_eq!(six.source, "[::1]:8080".parse().unwrap());
        assert!(six.flags.rst() && !six.flags.ack());
        assert_eq!(six.frame_bytes, 74);
    }

    proptest! {
        #[test]
        fn no_frame_makes_it_panic(frame in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = Segment::parse(&frame);
        }

        #[test]
        fn a_stump_is_none(length in 0_usize..54) {
            prop_assert_eq!(Segment::parse(&frame_v4(0x04, 1)[..length]), None);
        }
    }
}
