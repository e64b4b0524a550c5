//! Where a target listens.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::str::FromStr;

use socket2::SockAddr;

/// The size of `sun_path`; unix(7). A path needs one byte of it for its terminating NUL, an abstract name one for
/// its leading NUL.
const SUN_PATH_BYTES: usize = 108;
/// The longest path or name of a unix socket.
pub const PATH_BYTES_MAX: usize = SUN_PATH_BYTES - 1;

/// An address that a stream socket can be connected to.
///
/// Written as `127.0.0.1:80`, `[::1]:80`, `unix:/run/app.sock` or `unix:@name` for Linux's abstract names. In the
/// two `unix:` forms, bytes that are not printable ASCII, and the backslash, are written `\xNN`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IPv4 or IPv6 address with its port.
    Tcp(SocketAddr),
    /// A unix socket with a path.
    Unix(PathBuf),
    /// A unix socket with an abstract name, without its leading NUL byte.
    Abstract(Vec<u8>),
}

impl Address {
    /// What a request to this address carries in its `Host` field; RFC 9112 section 3.2.
    ///
    /// The scope of an IPv6 address is left out, since it means nothing to the other end; a unix socket has no
    /// authority of its own and is called `localhost`.
    #[must_use]
    pub fn http_host(&self) -> String {
        match self {
            Address::Tcp(SocketAddr::V4(v4)) => v4.to_string(),
            Address::Tcp(SocketAddr::V6(v6)) => format!("[{}]:{}", v6.ip(), v6.port()),
            Address::Unix(_) | Address::Abstract(_) => "localhost".to_owned(),
        }
    }

    /// What connect(2) takes.
    ///
    /// # Errors
    /// A unix name that is too long, which parsing rules out.
    pub fn sock_addr(&self) -> io::Result<SockAddr> {
        match self {
            Address::Tcp(ip) => Ok(SockAddr::from(*ip)),
            Address::Unix(path) => SockAddr::unix(path),
            Address::Abstract(name) => {
                let mut path = vec![0];
                path.extend_from_slice(name);
                SockAddr::unix(OsStr::from_bytes(&path))
            }
        }
    }

    /// Whether this is an IP address, whose connections have TCP's states, resets and retransmissions.
    #[must_use]
    pub fn is_tcp(&self) -> bool {
        matches!(self, Address::Tcp(_))
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Address::Tcp(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => write!(f, "{address}"),
            Address::Unix(path) => write!(f, "unix:{}", Escaped(path.as_os_str().as_bytes())),
            Address::Abstract(name) => write!(f, "unix:@{}", Escaped(name)),
        }
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let Some(name) = text.strip_prefix("unix:") else {
            return text
                .parse()
                .map(Address::Tcp)
                .map_err(|_| InvalidAddress::new(text, "it is neither IP:PORT nor unix:…"));
        };
        let abstract_name = name.strip_prefix('@');
        let bytes = unescape(abstract_name.unwrap_or(name))
            .ok_or_else(|| InvalidAddress::new(text, "a backslash must begin \\xNN"))?;
        if bytes.is_empty() {
            return Err(InvalidAddress::new(text, "the name is empty"));
        }
        if bytes.len() > PATH_BYTES_MAX {
            return Err(InvalidAddress::new(
                text,
                "the name is longer than 107 bytes, which is all that a unix address holds",
            ));
        }
        if abstract_name.is_some() {
            return Ok(Address::Abstract(bytes));
        }
        if bytes.contains(&0) {
            return Err(InvalidAddress::new(text, "a path can't contain a NUL byte"));
        }
        Ok(Address::Unix(PathBuf::from(OsString::from_vec(bytes))))
    }
}

/// A text that is not an [`Address`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not an address: {reason}; expected for example 127.0.0.1:8080, [::1]:8080, unix:/run/app.sock or unix:@name"
)]
pub struct InvalidAddress {
    text: String,
    reason: &'static str,
}

impl InvalidAddress {
    fn new(text: &str, reason: &'static str) -> Self {
        InvalidAddress { text: text.escape_debug().collect(), reason }
    }
}

/// Bytes shown so that they can be parsed again and never steer a terminal.
struct Escaped<'a>(&'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in self.0 {
            if (byte == b' ' || byte.is_ascii_graphic()) && byte != b'\\' {
                write!(f, "{}", char::from(byte))?;
            } else {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// The bytes that an escaped text stands for; `None` for a backslash that does not begin `\xNN`.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first != b'\\' {
            bytes.push(first);
            rest = after;
            continue;
        }
        let digits = after.strip_prefix(b"x")?.get(..2)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = &after[3..];
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_form_is_read_and_written_alike() {
        for (text, host) in [
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("[::1]:80", "[::1]:80"),
            ("unix:/run/a b.sock", "localhost"),
            ("unix:@name", "localhost"),
            ("unix:@a\\x00b", "localhost"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
            assert_eq!(address.http_host(), host);
        }
        assert_eq!("unix:@a\\x00b".parse(), Ok(Address::Abstract(b"a\0b".to_vec())));
        let scoped: Address = "[fe80::1%3]:80".parse().unwrap();
        assert_eq!(scoped.http_host(), "[fe80::1]:80");
    }

    #[test]
    fn what_is_not_an_address_is_refused_with_a_reason() {
        let too_long = format!("unix:/{}", "x".repeat(107));
        for text in [
            "",
            "localhost",
            "127.0.0.1",
            ":80",
            "unix:",
            "unix:@",
            "unix:/a\\q",
            "unix:/a\\x0",
            "unix:/a\\x+1",
            "unix:/a\\x00b",
            &too_long,
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains("is not an address"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_again(
            path in proptest::collection::vec(1u8.., 1..107),
            name in proptest::collection::vec(any::<u8>(), 1..107),
            tcp in any::<SocketAddr>(),
        ) {
            // A path that begins with @ is written as ./@…, by whoever means that.
            prop_assume!(path[0] != b'@');
            let path = Address::Unix(PathBuf::from(OsString::from_vec(path)));
            for address in [path, Address::Abstract(name), Address::Tcp(tcp)] {
                if let Address::Tcp(SocketAddr::V6(v6)) = &address && v6.flowinfo() != 0 {
                    continue; // Display leaves the flow label out.
                }
                prop_assert_eq!(address.to_string().parse(), Ok(address));
            }
        }
    }
}
