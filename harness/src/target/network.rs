//! The network that a scenario has: this machine's, a namespace of its own, or two that a cable joins, so that what is sent and
//! counted on the server's side is the server's alone.
//!
//! The scenario's thread lives on the clients' side. What looks at the server's side, and the server itself, is made there, by
//! [`Network::at_server`]: sockets and processes stay in the network namespace in which they were made.

use std::fs::{self, File};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};

use super::listen::ListenKind;
use super::namespace::{Isolation, IsolationDenied, enter_network_namespace};
use super::veth;

/// Addresses that are meant for documentation, so that nobody's own are hidden (RFC 5737, RFC 3849).
const SERVER_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const SERVER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const CLIENT_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
/// The last part of the clients' first IPv4 address; further ones follow on it.
const FIRST_CLIENT: u8 = 2;
/// So many addresses clients have at least.
const CLIENTS: u8 = 16;
/// Bits that both ends' addresses have in common.
const PREFIX_V4: u8 = 24;
const PREFIX_V6: u8 = 64;
/// A cable carries packets within this, or there is none.
const CARRIES_WITHIN: Duration = Duration::from_secs(10);
/// A first packet that was lost is not waited for.
const TRY: Duration = Duration::from_millis(20);
/// Whether the kernel hands queued connections of a closed SO_REUSEPORT listener on (ip-sysctl.rst).
pub(crate) const MIGRATE_REQ: &str = "/proc/sys/net/ipv4/tcp_migrate_req";

/// Where servers listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hosts {
    /// The address of listeners on IPv4.
    pub v4: Ipv4Addr,
    /// The address of listeners on IPv6.
    pub v6: Ipv6Addr,
}

impl Hosts {
    /// The loopback's.
    pub const LOOPBACK: Self = Self { v4: Ipv4Addr::LOCALHOST, v6: Ipv6Addr::LOCALHOST };

    /// For a kind of listener; unix sockets have no use for it.
    pub fn of(&self, kind: ListenKind) -> IpAddr {
        match kind {
            ListenKind::Ipv6 => self.v6.into(),
            ListenKind::Ipv4 | ListenKind::Unix | ListenKind::Abstract => self.v4.into(),
        }
    }

    /// Where whoever listens on this address can be reached.
    pub fn reachable(&self, address: SocketAddr) -> SocketAddr {
        match address {
            SocketAddr::V4(v4) if v4.ip().is_unspecified() => SocketAddr::from((self.v4, v4.port())),
            SocketAddr::V6(v6) if v6.ip().is_unspecified() => SocketAddr::from((self.v6, v6.port())),
            named => named,
        }
    }
}

/// The network of the calling thread.
#[derive(Debug)]
pub struct Network {
    isolation: Isolation,
    ipv6: bool,
    sides: Option<Sides>,
}

/// The two namespaces.
#[derive(Debug)]
struct Sides {
    server: File,
    client: File,
}

impl Network {
    /// Puts the calling thread into a network of this kind, for good. `migrate_req` sets net.ipv4.tcp_migrate_req on the
    /// server's side, unless that is this machine's own.
    ///
    /// # Errors
    /// It is not permitted, or the setting can't be made.
    pub fn enter(isolation: Isolation, migrate_req: Option<bool>) -> Result<Self, IsolationDenied> {
        let network = match isolation {
            Isolation::None => {
                let ipv6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
                Self { isolation, ipv6, sides: None }
            }
            Isolation::Net => Self { isolation, ipv6: enter_network_namespace()?.ipv6, sides: None },
            Isolation::Full => Self::enter_two()?,
        };
        if let Some(on) = migrate_req.filter(|_| network.is_own()) {
            network
                .at_server(|| fs::write(MIGRATE_REQ, if on { "1" } else { "0" }))
                .and_then(|written| written)
                .map_err(denied("setting net.ipv4.tcp_migrate_req"))?;
        }
        Ok(network)
    }

    /// Two new namespaces; the thread stays in the second one, the clients'.
    fn enter_two() -> Result<Self, IsolationDenied> {
        let here =
            || File::open("/proc/thread-self/ns/net").map_err(denied("opening /proc/thread-self/ns/net"));
        let server_ipv6 = enter_network_namespace()?.ipv6;
        let server = here()?;
        let client_ipv6 = enter_network_namespace()?.ipv6;
        let client = here()?;
        veth::join(server.as_fd()).map_err(denied("making a veth pair"))?;
        // On the loopback a client's port may be used again at once (ip-sysctl.rst, tcp_tw_reuse), and so it should be here.
        let _ = fs::write("/proc/sys/net/ipv4/tcp_tw_reuse", "1");
        let [a, b, c, _] = SERVER_V4.octets();
        let clients: Vec<IpAddr> =
            (FIRST_CLIENT..FIRST_CLIENT + CLIENTS).map(|last| Ipv4Addr::new(a, b, c, last).into()).collect();
        let ipv6 = server_ipv6 && client_ipv6;
        let mut network = Self { isolation: Isolation::Full, ipv6, sides: Some(Sides { server, client }) };
        let near = End { v4: &clients, v6: CLIENT_V6, mac: veth::NEAR };
        let far = End { v4: &[SERVER_V4.into()], v6: SERVER_V6, mac: veth::FAR };
        // Without IPv6 the rest is still worth having.
        network.ipv6 &= near.set_up(&far, ipv6).map_err(denied("setting the clients' side up"))?;
        network.ipv6 &= network
            .at_server(|| far.set_up(&near, ipv6))
            .and_then(|done| done)
            .map_err(denied("setting the server's side up"))?;
        for host in
            [Some(IpAddr::from(SERVER_V4)), network.ipv6.then_some(SERVER_V6.into())].into_iter().flatten()
        {
            network.await_path(host).map_err(denied("waiting for the veth pair"))?;
        }
        Ok(network)
    }

    /// The interfaces are up at once, but may drop packets for a moment more.
    fn await_path(&self, host: IpAddr) -> io::Result<()> {
        let listener = self.at_server(|| TcpListener::bind((host, 0)))??;
        let address = listener.local_addr()?;
        let deadline = Instant::now() + CARRIES_WITHIN;
        loop {
            match TcpStream::connect_timeout(&address, TRY) {
                // Accepted, so that it does not end by RST.
                Ok(_) => return listener.accept().map(drop),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => std::thread::yield_now(),
            }
        }
    }

    /// Does something on the server's side, and comes back. What it makes stays there.
    ///
    /// # Errors
    /// The way there or back failed. In the latter case the thread is of no use any more.
    pub fn at_server<T>(&self, act: impl FnOnce() -> T) -> io::Result<T> {
        let Some(sides) = &self.sides else { return Ok(act()) };
        setns(sides.server.as_fd(), CloneFlags::CLONE_NEWNET)?;
        let done = act();
        setns(sides.client.as_fd(), CloneFlags::CLONE_NEWNET)?;
        Ok(done)
    }

    /// Whether every port is free.
    pub fn is_own(&self) -> bool {
        self.isolation > Isolation::None
    }

    /// Whether there is IPv6.
    pub fn has_ipv6(&self) -> bool {
        self.ipv6
    }

    /// Where servers listen.
    pub fn hosts(&self) -> Hosts {
        if self.sides.is_some() { Hosts { v4: SERVER_V4, v6: SERVER_V6 } } else { Hosts::LOOPBACK }
    }

    /// The interface on the server's side over which clients come.
    pub fn interface(&self) -> &'static str {
        if self.sides.is_some() { veth::INTERFACE } else { "lo" }
    }
}

fn denied(step: &'static str) -> impl Fn(io::Error) -> IsolationDenied {
    move |error| IsolationDenied::new(step, error)
}

/// One end of the cable.
struct End<'a> {
    v4: &'a [IpAddr],
    v6: Ipv6Addr,
    mac: veth::Mac,
}

impl End<'_> {
    /// Gives this namespace's end its addresses, sets it up, and tells it those of the other; false if there is none of IPv6.
    fn set_up(&self, other: &End<'_>, ipv6: bool) -> io::Result<bool> {
        for address in self.v4 {
            veth::add_address(*address, PREFIX_V4)?;
        }
        let given = ipv6 && veth::add_address(self.v6.into(), PREFIX_V6).is_ok();
        veth::raise()?;
        for address in other.v4 {
            veth::know(*address, other.mac)?;
        }
        Ok(given && veth::know(other.v6.into(), other.mac).is_ok())
    }
}

/// Whether a target can be put into two namespaces: it has to be told the address, since whoever chooses his own may listen on
/// the loopback only, which nobody reaches from the other side.
///
/// # Errors
/// Why not, in words.
pub fn takes_address(target: &super::file::Target) -> Result<(), String> {
    let told = |text: &String| ["{address}", "{host}"].iter().any(|name| text.contains(name));
    let told_somewhere = target.start.iter().any(told)
        || target.environment.values().any(told)
        || target.files.iter().any(|file| told(&file.text));
    if !told_somewhere {
        return Err("nothing tells the target its address ({address} or {host}), so it may listen on the loopback only".to_owned());
    }
    match &target.address {
        Some(address) if !told(address) => {
            Err(format!("the target file says that the target listens on {address}"))
        }
        _ => Ok(()),
    }
}
