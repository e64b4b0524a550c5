//! The kernel's tables of TCP and unix sockets, by sock_diag(7): any process's sockets, without privilege.
//!
//! A full dump walks the whole hash table of established connections and takes milliseconds in an empty namespace;
//! listeners and single connections take microseconds. Only the latter two are offered.

mod message;
mod owners;
mod unix;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use message::{Answer, Row};
pub use message::{State, TableError};
pub use owners::{Holder, HolderUnknown, Owners};
pub use unix::{Peer, UnixListener};

/// How long an answer may take: the kernel answers within the request, so this only guards against waiting for ever.
const ANSWER_WITHIN_SECONDS: i64 = 2;
/// Room for one datagram of answers; the kernel makes none larger than 32 KiB.
const ANSWER_BYTES: usize = 64 * 1024;
/// How often a dump is begun anew because the table changed meanwhile.
const DUMP_ATTEMPTS: usize = 5;

/// A listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where it listens. `[::]` takes IPv4 connections too, unless it is `only_v6`.
    pub address: SocketAddr,
    /// An IPv6 socket that takes no IPv4 connections.
    pub only_v6: bool,
    /// The inode, as in /proc/PID/fd.
    pub inode: u64,
    /// SO_COOKIE: never used again while the machine is up.
    pub cookie: u64,
    /// Connections complete and waiting to be accepted.
    pub queue: u32,
    /// How many may wait; the kernel lets one more in.
    pub backlog: u32,
    /// The user who made it.
    pub uid: u32,
}

impl Listener {
    /// Whether a connection to this address is for it.
    #[must_use]
    pub fn takes(&self, address: SocketAddr) -> bool {
        if self.address.port() != address.port() {
            return false;
        }
        let (own, ip) = (self.address.ip().to_canonical(), address.ip().to_canonical());
        match (own, ip) {
            (IpAddr::V6(own), IpAddr::V4(_)) => own.is_unspecified() && !self.only_v6,
            (own, ip) => own == ip || (own.is_unspecified() && own.is_ipv4() == ip.is_ipv4()),
        }
    }
}

/// The server's side of one TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Its state.
    pub state: State,
    /// The inode, as in /proc/PID/fd; 0 while the connection is not accepted, and when it has no descriptor any more.
    pub inode: u64,
    /// SO_COOKIE: never used again while the machine is up.
    pub cookie: u64,
    /// Bytes received and not read by the server.
    pub recv_queue: u32,
    /// Bytes sent and not acknowledged by the client.
    pub send_queue: u32,
}

impl Connection {
    /// Whether it is still in its listener's accept queue: established, and no one's.
    #[must_use]
    pub fn is_queued(&self) -> bool {
        self.inode == 0 && matches!(self.state, State::Established | State::CloseWait)
    }
}

/// The table of the network namespace in which it was opened, whichever thread asks.
#[derive(Debug)]
pub struct SocketTable {
    socket: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl SocketTable {
    /// Opens the table of the calling thread's network namespace.
    ///
    /// # Errors
    /// The kernel has no NETLINK_SOCK_DIAG, or a filter denies it.
    pub fn open() -> Result<Self, TableError> {
        let socket = open_netlink().map_err(TableError::Open)?;
        Ok(Self { socket, sequence: 0, buffer: vec![0; ANSWER_BYTES] })
    }

    /// All listening TCP sockets, IPv4 first; several with one address where SO_REUSEPORT is used.
    ///
    /// # Errors
    /// The kernel does not answer, or not in a form that is understood.
    pub fn listeners(&mut self) -> Result<Vec<Listener>, TableError> {
        let mut listeners = Vec::new();
        for family in [libc::AF_INET, libc::AF_INET6] {
            let rows = self.dump_listeners(family as u8)?;
            listeners.extend(rows.into_iter().filter(|row| row.state == State::Listen).map(|row| Listener {
                address: row.local,
                only_v6: row.only_v6,
                inode: row.inode,
                cookie: row.cookie,
                queue: row.recv_queue,
                backlog: row.send_queue,
                uid: row.uid,
            }));
        }
        Ok(listeners)
    }

    /// The server's socket of the connection between these two addresses; `None` if there is none (any more).
    ///
    /// One exact look-up, however many sockets there are. An IPv4 connection is also found on a listener of `[::]`,
    /// where its addresses are mapped ones.
    ///
    /// # Errors
    /// The kernel does not answer, or not in a form that is understood; the addresses are of two families.
    pub fn connection(
        &mut self,
        server: SocketAddr,
        client: SocketAddr,
    ) -> Result<Option<Connection>, TableError> {
        let (server, client) = (unmapped(server), unmapped(client));
        if server.is_ipv4() != client.is_ipv4() {
            return Err(TableError::Families { server, client });
        }
        let found = self.look_up(server, client)?;
        // The kernel keeps mapped connections where IPv4 ones are, and the first look-up finds both. The second is for
        // one that does not.
        match (found, server.is_ipv4()) {
            (None, true) => self.look_up(mapped(server), mapped(client)),
            (found, _) => Ok(found),
        }
    }

    /// Whether a listening socket would take connections to this address now. One exact look-up, however many sockets
    /// there are.
    ///
    /// # Errors
    /// As [`Self::connection`].
    pub fn is_listened_on(&mut self, server: SocketAddr) -> Result<bool, TableError> {
        let server = unmapped(server);
        // Nobody can be connected to this one, so what is found is the listener.
        let nobody: SocketAddr = if server.is_ipv4() {
            (std::net::Ipv4Addr::UNSPECIFIED, 1).into()
        } else {
            (std::net::Ipv6Addr::UNSPECIFIED, 1).into()
        };
        let found = self.row(server, nobody)?;
        Ok(found.is_some_and(|row| row.state == State::Listen && row.local.port() == server.port()))
    }

    fn look_up(&mut self, server: SocketAddr, client: SocketAddr) -> Result<Option<Connection>, TableError> {
        // Without such a connection the kernel gives the listener that would take it.
        let ours = self.row(server, client)?.filter(|row| {
            row.state != State::Listen
                && row.local.port() == server.port()
                && row.remote.port() == client.port()
        });
        Ok(ours.map(|row| Connection {
            state: row.state,
            inode: row.inode,
            cookie: row.cookie,
            recv_queue: row.recv_queue,
            send_queue: row.send_queue,
        }))
    }

    fn row(&mut self, server: SocketAddr, client: SocketAddr) -> Result<Option<Row>, TableError> {
        self.request(&message::look_up(self.sequence.wrapping_add(1), server, client))?;
        let mut found = None;
        let answer = self.answer(|body| {
            found = Some(message::read_row(body)?);
            Some(())
        })?;
        if let Answer::Failed(errno) = answer {
            return match errno {
                libc::ENOENT => Ok(None),
                errno => Err(TableError::Refused(io::Error::from_raw_os_error(errno))),
            };
        }
        Ok(found)
    }

    fn dump_listeners(&mut self, family: u8) -> Result<Vec<Row>, TableError> {
        match self.dump(|sequence| message::dump_listeners(sequence, family), message::read_row) {
            // A kernel without IPv6 has no table for it.
            Err(TableError::Refused(error))
                if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EAFNOSUPPORT)) =>
            {
                Ok(Vec::new())
            }
            rows => rows,
        }
    }

    /// All rows that answer a request, each read by `read`; the request is made anew if the table changed meanwhile.
    fn dump<T, const N: usize>(
        &mut self,
        request: impl Fn(u32) -> [u8; N],
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Vec<T>, TableError> {
        for _ in 0..DUMP_ATTEMPTS {
            self.request(&request(self.sequence.wrapping_add(1)))?;
            let mut rows = Vec::new();
            let answer = self.answer(|body| {
                rows.push(read(body)?);
                Some(())
            })?;
            match answer {
                Answer::Done => return Ok(rows),
                Answer::Interrupted => {}
                Answer::Failed(errno) => {
                    return Err(TableError::Refused(io::Error::from_raw_os_error(errno)));
                }
            }
        }
        Err(TableError::Unstable { attempts: DUMP_ATTEMPTS })
    }

    fn request(&mut self, message: &[u8]) -> Result<(), TableError> {
        self.sequence = self.sequence.wrapping_add(1);
        loop {
            // SAFETY: message is readable for its length.
            let sent =
                unsafe { libc::send(self.socket.as_raw_fd(), message.as_ptr().cast(), message.len(), 0) };
            if sent >= 0 {
                return Ok(());
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(TableError::Io(error));
            }
        }
    }

    /// Reads datagrams until the answer to the last request is complete.
    fn answer(&mut self, mut visit: impl FnMut(&[u8]) -> Option<()>) -> Result<Answer, TableError> {
        let mut interrupted = false;
        loop {
            let length = self.receive()?;
            let datagram = self.buffer.get(..length).ok_or(TableError::Truncated { length })?;
            if let Some(answer) =
                message::read_datagram(datagram, self.sequence, &mut interrupted, &mut visit)?
            {
                return Ok(if interrupted && answer == Answer::Done { Answer::Interrupted } else { answer });
            }
        }
    }

    /// One datagram; gives its real length, which is more than the buffer's where it was cut.
    fn receive(&mut self) -> Result<usize, TableError> {
        loop {
            // SAFETY: the buffer is writable for its length.
            let received = unsafe {
                libc::recv(
                    self.socket.as_raw_fd(),
                    self.buffer.as_mut_ptr().cast(),
                    self.buffer.len(),
                    libc::MSG_TRUNC,
                )
            };
            if let Ok(length) = usize::try_from(received) {
                return Ok(length);
            }
            let error = io::Error::last_os_error();
            match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock => {
                    return Err(TableError::NoAnswer { seconds: ANSWER_WITHIN_SECONDS });
                }
                _ => return Err(TableError::Io(error)),
            }
        }
    }
}

/// A netlink socket connected to the kernel, so that no other process can answer, with a limit on waiting.
fn open_netlink() -> io::Result<OwnedFd> {
    // SAFETY: socket takes integers and returns a new descriptor or -1.
    let raw = unsafe {
        libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_SOCK_DIAG)
    };
    if raw < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just made this descriptor, and no one else has it.
    let socket = unsafe { OwnedFd::from_raw_fd(raw) };
    // SAFETY: sockaddr_nl is plain data; zero with the family is the kernel's address.
    let mut kernel: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
    kernel.nl_family = libc::AF_NETLINK as u16;
    // SAFETY: kernel is a valid sockaddr_nl of the length passed.
    if unsafe { libc::connect(raw, (&raw const kernel).cast(), size_of_val(&kernel) as libc::socklen_t) } != 0
    {
        return Err(io::Error::last_os_error());
    }
    let patience = libc::timeval { tv_sec: ANSWER_WITHIN_SECONDS, tv_usec: 0 };
    // SAFETY: patience is a valid timeval of the length passed.
    let set = unsafe {
        let length = size_of_val(&patience) as libc::socklen_t;
        libc::setsockopt(raw, libc::SOL_SOCKET, libc::SO_RCVTIMEO, (&raw const patience).cast(), length)
    };
    if set == 0 { Ok(socket) } else { Err(io::Error::last_os_error()) }
}

fn unmapped(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => SocketAddr::new(v4.into(), v6.port()),
            None => address,
        },
        SocketAddr::V4(_) => address,
    }
}

fn mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(v4) => SocketAddr::new(v4.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    }
}
