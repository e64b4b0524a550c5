//! One accepted connection, whatever kind of listener it came from, and the accepting itself.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::address::Address;
use crate::listener::Listener;

/// A listener registered with the runtime. Dropping it closes this process' descriptor and leaves
/// the socket to whoever shares it.
#[derive(Debug)]
pub(crate) struct Acceptor {
    kind: AcceptorKind,
    address: Address,
}

#[derive(Debug)]
enum AcceptorKind {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Acceptor {
    /// Must be called within a runtime. From here on a connection makes the runtime wake.
    pub(crate) fn new(listener: Listener) -> io::Result<Self> {
        let (socket, address) = listener.into_parts();
        let kind = match address {
            Address::Tcp(_) => AcceptorKind::Tcp(TcpListener::from_std(socket.into())?),
            Address::UnixPath(_) | Address::UnixAbstract(_) => {
                AcceptorKind::Unix(UnixListener::from_std(socket.into())?)
            }
        };
        Ok(Self { kind, address })
    }

    /// The next connection. Safe to cancel: none is lost.
    pub(crate) async fn accept(&self) -> io::Result<Stream> {
        match &self.kind {
            AcceptorKind::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // Answers are written whole; waiting to merge them only delays small ones.
                let _ = stream.set_nodelay(true);
                Ok(Stream::Tcp(stream))
            }
            AcceptorKind::Unix(listener) => Ok(Stream::Unix(listener.accept().await?.0)),
        }
    }

    /// A connection that waits already. It asks the kernel, where [`Acceptor::accept`] would wait
    /// until the runtime has heard of it.
    pub(crate) fn accept_waiting(&self) -> io::Result<Option<Stream>> {
        let (socket, _) = match SockRef::from(self).accept() {
            Ok(accepted) => accepted,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        socket.set_nonblocking(true)?;
        Ok(Some(match &self.kind {
            AcceptorKind::Tcp(_) => {
                socket.set_tcp_nodelay(true)?;
                Stream::Tcp(TcpStream::from_std(socket.into())?)
            }
            AcceptorKind::Unix(_) => Stream::Unix(UnixStream::from_std(socket.into())?),
        }))
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }
}

impl AsFd for Acceptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.kind {
            AcceptorKind::Tcp(listener) => listener.as_fd(),
            AcceptorKind::Unix(listener) => listener.as_fd(),
        }
    }
}

impl AsRawFd for Acceptor {
    fn as_raw_fd(&self) -> RawFd {
        match &self.kind {
            AcceptorKind::Tcp(listener) => listener.as_raw_fd(),
            AcceptorKind::Unix(listener) => listener.as_raw_fd(),
        }
    }
}

#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
