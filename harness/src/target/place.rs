//! Where a target is told to listen: a place of its own, of the kind that the scenario asks for.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::{fs, io};

use tempfile::TempDir;

use super::file::ListenKind;
use super::launch::LaunchError;
use super::network::Hosts;
use crate::client::address::{Address, PATH_BYTES_MAX};

/// The lowest port that is chosen, above those of well-known services.
const PORT_MIN: u16 = 12_000;
/// Where the kernel's own range begins unless it was changed.
const EPHEMERAL: u16 = 32_768;
/// So many ports are tried, and have to be there.
const PORTS: usize = 1_000;
/// The port in a network namespace of the run's own, where every port is free.
const OWN_PORT: u16 = 8080;
/// The first of further ones there.
const FURTHER_PORT: u16 = 8200;
/// The name of a unix socket in its directory.
const SOCKET: &str = "server.sock";

/// A place to listen.
#[derive(Debug)]
pub(super) struct Place {
    /// What the harness connects to.
    pub(super) address: Address,
    /// `{host}`.
    pub(super) host: IpAddr,
    /// `{port}`.
    pub(super) port: u16,
    /// `{socket}`: the path of a unix socket, or its abstract name.
    pub(super) socket: Option<String>,
    /// The directory of the path, removed when this is dropped.
    _directory: Option<TempDir>,
}

impl Place {
    /// One on these hosts where nobody listens. `own_network` says that every port is free.
    pub(super) fn choose(kind: ListenKind, hosts: &Hosts, own_network: bool) -> Result<Self, LaunchError> {
        let host = hosts.of(kind);
        let port = if own_network { OWN_PORT } else { free_port(host)? };
        let mut place = Self {
            address: Address::Tcp(SocketAddr::new(host, port)),
            host,
            port,
            socket: None,
            _directory: None,
        };
        match kind {
            ListenKind::Ipv4 | ListenKind::Ipv6 => {}
            ListenKind::Unix => {
                let (directory, path) = socket_path()?;
                place.address = Address::Unix(path.clone().into());
                place.socket = Some(path);
                place._directory = Some(directory);
            }
            ListenKind::Abstract => {
                // Without a network of its own the name is shared with everything on this machine.
                let name = format!("hotspec-{:016x}", rand::random::<u64>());
                place.address = Address::Abstract(name.clone().into_bytes());
                place.socket = Some(name);
            }
        }
        Ok(place)
    }
}

/// Further addresses of that kind, for a target that listens on several; unix sockets have one only.
pub(super) fn further(host: IpAddr, own_network: bool, count: u16) -> Result<Vec<SocketAddr>, LaunchError> {
    let port = |n| if own_network { Ok(FURTHER_PORT + n) } else { free_port(host) };
    (0..count).map(|n| port(n).map(|port| SocketAddr::new(host, port))).collect()
}

/// A port that was free a moment ago, and that the kernel gives to nobody who does not ask for it by number: clients of all
/// the other scenarios get theirs from the range of ip_local_port_range (ip(7)). No two of one hotspec are the same.
pub(super) fn free_port(host: IpAddr) -> Result<u16, LaunchError> {
    static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new(rand::random()));
    let given = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let first_given = given.split_ascii_whitespace().next().and_then(|text| text.parse().ok());
    let range = PORT_MIN..first_given.unwrap_or(EPHEMERAL);
    if range.len() >= PORTS {
        for _ in 0..PORTS {
            let offset = usize::from(NEXT.fetch_add(1, Ordering::Relaxed)) % range.len();
            let Some(port) = range.clone().nth(offset) else { break };
            if TcpListener::bind((host, port)).is_ok() {
                return Ok(port);
            }
        }
    }
    let port = |source| LaunchError::Port { host, source };
    let listener = TcpListener::bind((host, 0)).map_err(port)?;
    Ok(listener.local_addr().map_err(port)?.port())
}

/// The run's own directory may lie too deep: a unix address holds 107 bytes.
fn socket_path() -> Result<(TempDir, String), LaunchError> {
    let temporary = std::env::temp_dir();
    directory_below(&temporary)
        .or_else(|_| directory_below(Path::new("/tmp")))
        .map_err(|source| LaunchError::Write { path: temporary, source })
}

fn directory_below(base: &Path) -> io::Result<(TempDir, String)> {
    // Absolute: the target is started elsewhere.
    let directory = tempfile::Builder::new().prefix("hotspec-").tempdir_in(std::path::absolute(base)?)?;
    // As /run is: a target that gave its user up can look for its socket there.
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))?;
    let path = directory.path().join(SOCKET);
    match path.to_str() {
        Some(text) if text.len() <= PATH_BYTES_MAX => Ok((directory, text.to_owned())),
        _ => Err(io::Error::other(format!(
            "expected a temporary directory (TMPDIR) whose path is UTF-8 and leaves room for a unix socket's name: at most {PATH_BYTES_MAX} bytes in all"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deep_temporary_directory_is_refused_and_a_short_one_is_removed_at_the_end() {
        let base = tempfile::tempdir().expect("a directory");
        let deep = base.path().join("d".repeat(100));
        fs::create_dir(&deep).expect("made");
        assert!(directory_below(&deep).expect_err("too deep").to_string().contains("107 bytes"));
        assert_eq!(fs::read_dir(&deep).expect("read").count(), 0, "nothing is left there");
        let place = Place::choose(ListenKind::Unix, &Hosts::LOOPBACK, true).expect("a place");
        let path = std::path::PathBuf::from(place.socket.clone().expect("a path"));
        assert_eq!(place.address, Address::Unix(path.clone()));
        drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
        drop(place);
        assert!(!path.exists() && !path.parent().expect("a directory").exists());
    }

    #[test]
    fn two_abstract_names_differ() {
        let name = || Place::choose(ListenKind::Abstract, &Hosts::LOOPBACK, true).expect("a place").socket;
        assert_ne!(name(), name());
    }
}
