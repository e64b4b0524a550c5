//! Listening sockets: opened from an address, or taken over from the parent by descriptor.
//!
//! A listener and its descriptor's flags are shared by every process that inherited it, so nothing
//! here ever calls `shutdown` or `listen` on one that was taken over, and `O_NONBLOCK`, once set,
//! stays set.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Mutex;

use nix::sys::socket::{UnixAddr, getsockname};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use crate::address::Address;

/// The accept queue's length asked for; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum ListenerError {
    /// The address can't be listened on.
    #[error("failed to listen on {address}")]
    Bind {
        /// The address as given.
        address: Address,
        /// The system's reason.
        source: io::Error,
    },
    /// `--socket` named a descriptor that this process does not have, or one of its own.
    #[error("descriptor {0} was not inherited: it must be above 2, open, and named once")]
    NotInherited(RawFd),
    /// `--socket` named something that doesn't listen.
    #[error("descriptor {0} is not a listening stream socket (TCP or unix)")]
    NotListening(RawFd),
    /// The descriptor is right but can't be used.
    #[error("failed to take over descriptor {fd}")]
    TakeOver {
        /// The descriptor.
        fd: RawFd,
        /// The system's reason.
        source: io::Error,
    },
}

/// A listening socket that does not block, closed on exec unless handed to a successor.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    address: Address,
}

impl Listener {
    /// Opens a listener on `address`. A unix socket's path that nobody listens on any more is
    /// replaced; one in use is an error.
    pub fn bind(address: &Address) -> Result<Self, ListenerError> {
        Self::open(address).map_err(|source| ListenerError::Bind { address: address.clone(), source })
    }

    /// Takes over the listener that the parent left open as descriptor `fd`.
    ///
    /// To be called early, before the process opens descriptors of its own: whatever is open then
    /// was inherited and belongs to nobody else here. Each descriptor can be taken over once.
    pub fn inherit(fd: RawFd) -> Result<Self, ListenerError> {
        static TAKEN: Mutex<BTreeSet<RawFd>> = Mutex::new(BTreeSet::new());
        // SAFETY: F_GETFD on any number has no effect but its result.
        if fd <= 2 || unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1 {
            return Err(ListenerError::NotInherited(fd));
        }
        {
            // SAFETY: it is open, as seen above, and only looked at.
            let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
            if !listens(borrowed) {
                return Err(ListenerError::NotListening(fd));
            }
        }
        let mut taken = TAKEN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if !taken.insert(fd) {
            return Err(ListenerError::NotInherited(fd));
        }
        // SAFETY: it is open, a listening socket, was inherited as the caller promises, and
        // TAKEN makes this the only owner in the process.
        let socket = Socket::from(unsafe { OwnedFd::from_raw_fd(fd) });
        let failed = |source| ListenerError::TakeOver { fd, source };
        socket.set_cloexec(true).map_err(failed)?;
        // The flag is on the description that the parent shares: touched only if it is missing.
        if !socket.nonblocking().map_err(failed)? {
            socket.set_nonblocking(true).map_err(failed)?;
        }
        let address = local_address(&socket).map_err(failed)?;
        Ok(Self { socket: socket.into(), address })
    }

    /// Where it listens: the real port if port 0 was asked for.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Its parts, for whoever accepts.
    pub(crate) fn into_parts(self) -> (OwnedFd, Address) {
        (self.socket, self.address)
    }

    fn open(address: &Address) -> io::Result<Self> {
        let socket = match address {
            Address::Tcp(ip) => {
                let socket = Socket::new(Domain::for_address(*ip), Type::STREAM, None)?;
                socket.set_reuse_address(true)?;
                if ip.is_ipv6() {
                    // So that 0.0.0.0:80 and [::]:80 can be given side by side.
                    socket.set_only_v6(true)?;
                }
                socket.bind(&(*ip).into())?;
                socket
            }
            Address::UnixPath(path) => {
                remove_if_unused(path)?;
                let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
                socket.bind(&SockAddr::unix(path)?)?;
                socket
            }
            Address::UnixAbstract(name) => {
                let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
                let mut raw = vec![0];
                raw.extend_from_slice(name);
                socket.bind(&SockAddr::unix(std::ffi::OsStr::from_bytes(&raw))?)?;
                socket
            }
        };
        socket.set_nonblocking(true)?;
        socket.listen(BACKLOG)?;
        let address = local_address(&socket)?;
        Ok(Self { socket: socket.into(), address })
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// Removes a unix socket's path if nobody listens there: left over from a process that was killed,
/// or our own after the listener was closed.
pub(crate) fn remove_if_unused(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => {}
        // Not a socket: bind says that the address is in use.
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        _ => Ok(()),
    }
}

fn listens(fd: BorrowedFd<'_>) -> bool {
    let socket = SockRef::from(&fd);
    let domain_is_known = matches!(socket.domain(), Ok(Domain::IPV4 | Domain::IPV6 | Domain::UNIX));
    domain_is_known && matches!(socket.r#type(), Ok(Type::STREAM)) && matches!(socket.is_listener(), Ok(true))
}

fn local_address(socket: &Socket) -> io::Result<Address> {
    if let Some(ip) = socket.local_addr()?.as_socket() {
        return Ok(Address::Tcp(ip));
    }
    let unix: UnixAddr = getsockname(socket.as_raw_fd())?;
    match (unix.path(), unix.as_abstract()) {
        (Some(path), _) => Ok(Address::UnixPath(path.to_owned())),
        (None, Some(name)) => Ok(Address::UnixAbstract(name.to_vec())),
        (None, None) => Err(io::Error::other("a unix socket without a name")),
    }
}
