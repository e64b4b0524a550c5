//! The messages of NETLINK_SOCK_DIAG: netlink(7), sock_diag(7), linux/inet_diag.h. Pure bytes, no socket.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A TCP state, as numbered by the kernel (net/tcp_states.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are TCP's own, RFC 9293 section 3.3.2")]
#[non_exhaustive]
pub enum State {
    Established,
    SynSent,
    SynReceived,
    FinWait1,
    FinWait2,
    TimeWait,
    Close,
    CloseWait,
    LastAck,
    Listen,
    Closing,
    /// A number that this version does not know.
    Unknown(u8),
}

impl State {
    fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Established,
            2 => Self::SynSent,
            // 12 is the kernel's request that has not become a socket yet.
            3 | 12 => Self::SynReceived,
            4 => Self::FinWait1,
            5 => Self::FinWait2,
            6 => Self::TimeWait,
            7 => Self::Close,
            8 => Self::CloseWait,
            9 => Self::LastAck,
            10 => Self::Listen,
            11 => Self::Closing,
            other => Self::Unknown(other),
        }
    }
}

/// Why the socket table can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// There is no such socket family here.
    #[error(
        "failed to open the socket table: {0}; the kernel needs CONFIG_INET_DIAG, and no filter may deny NETLINK_SOCK_DIAG"
    )]
    Open(#[source] io::Error),
    /// Sending or receiving failed.
    #[error("failed to ask for the socket table: {0}")]
    Io(#[source] io::Error),
    /// The kernel answered with an error.
    #[error(
        "the kernel refused to show its socket table: {0}; are the modules tcp_diag and unix_diag loaded (modprobe tcp_diag unix_diag)?"
    )]
    Refused(#[source] io::Error),
    /// The answer did not come.
    #[error("no answer of the socket table within {seconds} s; expected it at once")]
    NoAnswer {
        /// How long was waited.
        seconds: i64,
    },
    /// A datagram was larger than its buffer.
    #[error("the socket table's answer of {length} bytes was cut; expected at most 64 KiB")]
    Truncated {
        /// Its real length.
        length: usize,
    },
    /// The answer can't be understood.
    #[error("the socket table's answer is malformed: {0}")]
    Malformed(&'static str),
    /// The table changed during each dump.
    #[error(
        "the socket table changed while it was read, {attempts} times in a row; try again with less going on"
    )]
    Unstable {
        /// How often it was tried.
        attempts: usize,
    },
    /// No such connection can be.
    #[error("{server} and {client} can't be one connection: expected two addresses of one family")]
    Families {
        /// The server's.
        server: SocketAddr,
        /// The client's.
        client: SocketAddr,
    },
}

/// One socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) state: State,
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) cookie: u64,
    pub(super) recv_queue: u32,
    pub(super) send_queue: u32,
    pub(super) uid: u32,
    pub(super) inode: u64,
    /// It takes no IPv4 connections (IPV6_V6ONLY).
    pub(super) only_v6: bool,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    /// All rows came, but the table changed meanwhile.
    Interrupted,
    Failed(i32),
}

const REQUEST_BYTES: usize = 72;
const HEADER_BYTES: usize = 16;
const ROW_BYTES: usize = 72;
pub(super) const SOCK_DIAG_BY_FAMILY: u16 = 20;
pub(super) const DUMP: u16 = 0x300;
pub(super) const REQUEST: u16 = 0x1;
const DUMP_INTERRUPTED: u16 = 0x10;
/// INET_DIAG_SKV6ONLY.
const ATTRIBUTE_ONLY_V6: u16 = 11;
const LISTEN_ONLY: u32 = 1 << 10;

/// Asks for every listening TCP socket of one family.
pub(super) fn dump_listeners(sequence: u32, family: u8) -> [u8; REQUEST_BYTES] {
    request(sequence, REQUEST | DUMP, family, LISTEN_ONLY, [0; 4], [0; 16], [0; 16])
}

/// Asks for the one socket between two addresses of one family: the source is the side that is asked for.
pub(super) fn look_up(sequence: u32, server: SocketAddr, client: SocketAddr) -> [u8; REQUEST_BYTES] {
    let family = if server.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let [a, b] = server.port().to_be_bytes();
    let [c, d] = client.port().to_be_bytes();
    let mut message = request(
        sequence,
        REQUEST,
        family as u8,
        u32::MAX,
        [a, b, c, d],
        address_bytes(server.ip()),
        address_bytes(client.ip()),
    );
    if let SocketAddr::V6(server) = server {
        put(&mut message, 60, &server.scope_id().to_ne_bytes());
    }
    message
}

fn request(
    sequence: u32,
    flags: u16,
    family: u8,
    states: u32,
    ports: [u8; 4],
    source: [u8; 16],
    destination: [u8; 16],
) -> [u8; REQUEST_BYTES] {
    let mut message = [0; REQUEST_BYTES];
    put(&mut message, 0, &(REQUEST_BYTES as u32).to_ne_bytes());
    put(&mut message, 4, &SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    put(&mut message, 6, &flags.to_ne_bytes());
    put(&mut message, 8, &sequence.to_ne_bytes());
    put(&mut message, 16, &[family, libc::IPPROTO_TCP as u8]);
    put(&mut message, 20, &states.to_ne_bytes());
    put(&mut message, 24, &ports);
    put(&mut message, 28, &source);
    put(&mut message, 44, &destination);
    // INET_DIAG_NOCOOKIE twice: any socket with these addresses.
    put(&mut message, 64, &[0xff; 8]);
    message
}

pub(super) fn put(message: &mut [u8], at: usize, bytes: &[u8]) {
    message.iter_mut().skip(at).zip(bytes).for_each(|(to, from)| *to = *from);
}

fn address_bytes(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => {
            let mut bytes = [0; 16];
            bytes.iter_mut().zip(v4.octets()).for_each(|(to, from)| *to = from);
            bytes
        }
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// Reads the messages of one datagram; `None` if the answer goes on in the next one. Each row's bytes go to `visit`, which
/// gives `None` for those that it can't read.
///
/// Messages with another sequence number answer an earlier request that was given up, and are left out.
pub(super) fn read_datagram(
    mut rest: &[u8],
    sequence: u32,
    interrupted: &mut bool,
    visit: &mut impl FnMut(&[u8]) -> Option<()>,
) -> Result<Option<Answer>, TableError> {
    while !rest.is_empty() {
        let length = u32_at(rest, 0).and_then(|length| usize::try_from(length).ok());
        let length = length.ok_or(TableError::Malformed("a header is cut"))?;
        let message =
            rest.get(..length).ok_or(TableError::Malformed("a message is longer than its datagram"))?;
        let body = message
            .get(HEADER_BYTES..)
            .ok_or(TableError::Malformed("a message is shorter than its header"))?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        let (kind, flags) = (u16_at(message, 4).unwrap_or(0), u16_at(message, 6).unwrap_or(0));
        if u32_at(message, 8) != Some(sequence) {
            continue;
        }
        *interrupted |= flags & DUMP_INTERRUPTED != 0;
        match i32::from(kind) {
            libc::NLMSG_DONE => {
                // A dump that fails midway says so in its last message.
                let status = u32_at(body, 0).map_or(0, u32::cast_signed);
                return Ok(Some(if status < 0 {
                    Answer::Failed(status.wrapping_neg())
                } else {
                    Answer::Done
                }));
            }
            libc::NLMSG_ERROR => {
                let status = u32_at(body, 0).ok_or(TableError::Malformed("an error without its number"))?;
                return Ok(Some(Answer::Failed(status.cast_signed().wrapping_neg())));
            }
            _ if kind == SOCK_DIAG_BY_FAMILY => {
                visit(body).ok_or(TableError::Malformed("a row is cut, or of an unknown family"))?;
                // The answer to a look-up is this one message.
                if flags & libc::NLM_F_MULTI as u16 == 0 {
                    return Ok(Some(Answer::Done));
                }
            }
            _ => {}
        }
    }
    Ok(None)
}

/// `struct inet_diag_msg`, and its attributes.
pub(super) fn read_row(body: &[u8]) -> Option<Row> {
    let (body, attributes) = body.split_at_checked(ROW_BYTES)?;
    let family = i32::from(*body.first()?);
    let address = |ip_at: usize, port_at: usize| {
        let ip: IpAddr = match family {
            libc::AF_INET => Ipv4Addr::from(array_at::<4>(body, ip_at)?).into(),
            libc::AF_INET6 => Ipv6Addr::from(array_at::<16>(body, ip_at)?).into(),
            _ => return None,
        };
        Some(SocketAddr::new(ip, u16::from_be_bytes(array_at(body, port_at)?)))
    };
    Some(Row {
        state: State::from_number(*body.get(1)?),
        local: address(8, 4)?,
        remote: address(24, 6)?,
        cookie: u64::from(u32_at(body, 44)?) | u64::from(u32_at(body, 48)?) << 32,
        recv_queue: u32_at(body, 56)?,
        send_queue: u32_at(body, 60)?,
        uid: u32_at(body, 64)?,
        inode: u32_at(body, 68)?.into(),
        only_v6: attribute(attributes, ATTRIBUTE_ONLY_V6)
            .and_then(<[u8]>::first)
            .is_some_and(|set| *set != 0),
    })
}

/// The value of one attribute among those that follow a row (`struct rtattr`).
pub(super) fn attribute(mut rest: &[u8], kind: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16_at(rest, 0)?);
        let found = u16_at(rest, 2)? == kind;
        let value = rest.get(4..length)?;
        if found {
            return Some(value);
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_ne_bytes)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).map(u32::from_ne_bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row_message(sequence: u32, multi: bool) -> Vec<u8> {
        let mut message = vec![0; HEADER_BYTES + ROW_BYTES];
        message[0..4].copy_from_slice(&88_u32.to_ne_bytes());
        message[4..6].copy_from_slice(&20_u16.to_ne_bytes());
        message[6] = if multi { 2 } else { 0 };
        message[8..12].copy_from_slice(&sequence.to_ne_bytes());
        message[16..18].copy_from_slice(&[2, 10]);
        message[20..24].copy_from_slice(&[0x1f, 0x90, 0, 0]);
        message[24..28].copy_from_slice(&[127, 0, 0, 1]);
        message[72..76].copy_from_slice(&3_u32.to_ne_bytes());
        message[84..88].copy_from_slice(&777_u32.to_ne_bytes());
        message
    }

    fn read(bytes: &[u8], sequence: u32) -> Result<(Option<Answer>, Vec<Row>), TableError> {
        let mut rows = Vec::new();
        let answer = read_datagram(bytes, sequence, &mut false, &mut |body| {
            rows.push(read_row(body)?);
            Some(())
        })?;
        Ok((answer, rows))
    }

    #[test]
    fn a_row_is_read_and_an_answer_in_parts_goes_on() {
        let (answer, rows) = read(&row_message(7, true), 7).unwrap();
        assert_eq!(answer, None);
        assert_eq!(rows[0].local, "127.0.0.1:8080".parse().unwrap());
        assert_eq!((rows[0].state, rows[0].recv_queue, rows[0].inode), (State::Listen, 3, 777));
        assert_eq!(read(&row_message(7, false), 7).unwrap().0, Some(Answer::Done));
    }

    #[test]
    fn an_attribute_is_found_behind_others_and_a_cut_one_is_none() {
        let bytes = [5, 0, 8, 0, 9, 0, 0, 0, 5, 0, 11, 0, 1];
        assert_eq!(attribute(&bytes, 11), Some([1].as_slice()));
        assert_eq!(attribute(&bytes, 8), Some([9].as_slice()));
        assert_eq!(attribute(&bytes, 7), None);
        assert_eq!(attribute(&bytes[..12], 11), None);
        assert_eq!(attribute(&[0, 0, 8, 0, 0, 0, 0, 0], 11), None, "a length of 0 is no endless loop");
    }

    #[test]
    fn an_answer_to_an_earlier_request_is_left_out() {
        let (answer, rows) = read(&row_message(6, false), 7).unwrap();
        assert_eq!((answer, rows.len()), (None, 0));
    }

    #[test]
    fn an_error_message_gives_its_errno() {
        let mut message = vec![0; 36];
        message[0..4].copy_from_slice(&36_u32.to_ne_bytes());
        message[4..6].copy_from_slice(&2_u16.to_ne_bytes());
        message[16..20].copy_from_slice(&(-libc::ENOENT).to_ne_bytes());
        assert_eq!(read(&message, 0).unwrap().0, Some(Answer::Failed(libc::ENOENT)));
    }

    #[test]
    fn a_datagram_cut_anywhere_is_malformed_and_no_panic() {
        let message = row_message(7, false);
        for length in 1..message.len() {
            assert!(matches!(read(&message[..length], 7), Err(TableError::Malformed(_))), "cut at {length}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), length in 0_u32..200) {
            let _ = read(&bytes, 0);
            let _ = attribute(&bytes, 11);
            let mut framed = bytes;
            framed.iter_mut().zip(length.to_ne_bytes()).for_each(|(to, from)| *to = from);
            let _ = read(&framed, 0);
        }
    }
}
