//! Addresses to listen on, as they are written on the command line.

use std::ffi::OsStr;
use std::fmt;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::str::FromStr;

/// The longest name that fits `sockaddr_un`, in bytes: 108 with the leading or final NUL.
const UNIX_NAME_BYTES_MAX: usize = 107;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `127.0.0.1:8080`, `[::1]:8080`; port 0 takes a free one.
    Tcp(SocketAddr),
    /// `unix:/run/server.sock`.
    UnixPath(PathBuf),
    /// `unix:@name`: a name in Linux' abstract namespace, without the leading NUL.
    UnixAbstract(Vec<u8>),
}

/// An address that could not be read; the message says what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not one of the four forms.
    #[error("expected IP:PORT such as 127.0.0.1:8080 or [::1]:8080, unix:/PATH or unix:@NAME, got {0:?}")]
    Unknown(String),
    /// `unix:` with nothing after it.
    #[error("expected a path or @NAME after \"unix:\"")]
    EmptyUnix,
    /// Longer than the kernel takes.
    #[error("a unix socket's name has at most {UNIX_NAME_BYTES_MAX} bytes, this one has {0}")]
    UnixTooLong(usize),
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let Some(name) = text.strip_prefix("unix:") else {
            return match text.parse() {
                Ok(address) => Ok(Self::Tcp(address)),
                Err(_) => Err(AddressError::Unknown(text.to_owned())),
            };
        };
        if name.len() > UNIX_NAME_BYTES_MAX {
            return Err(AddressError::UnixTooLong(name.len()));
        }
        match name.strip_prefix('@') {
            Some("") => Err(AddressError::EmptyUnix),
            Some(name) => Ok(Self::UnixAbstract(name.as_bytes().to_vec())),
            None if name.is_empty() => Err(AddressError::EmptyUnix),
            None => Ok(Self::UnixPath(PathBuf::from(name))),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::UnixPath(path) => write!(f, "unix:{}", path.display()),
            Self::UnixAbstract(name) => write!(f, "unix:@{}", OsStr::from_bytes(name).display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_written_back() {
        for text in ["127.0.0.1:80", "[::1]:0", "unix:/run/a.sock", "unix:@name"] {
            let address: Address = text.parse().expect(text);
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn a_wrong_address_says_what_was_expected() {
        let error = "localhost".parse::<Address>().expect_err("no port");
        assert!(error.to_string().contains("127.0.0.1:8080"), "{error}");
        assert_eq!("unix:".parse::<Address>(), Err(AddressError::EmptyUnix));
        assert_eq!("unix:@".parse::<Address>(), Err(AddressError::EmptyUnix));
        let long = format!("unix:/{}", "x".repeat(200));
        assert_eq!(long.parse::<Address>(), Err(AddressError::UnixTooLong(201)));
    }
}
