//! The socket table: listeners, queues, exact look-ups, and who holds a socket.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixListener, UnixStream};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use hotspec::witness::process::{Epoch, socket_inodes, sockets};
use hotspec::witness::socket_table::{
    Connection, Holder, HolderUnknown, Owners, Peer, SocketTable, State, TableError,
};
use nix::sys::socket::{Backlog, listen};
use support::*;

/// Written by whoever forks: a child has copies of all sockets, so that none is closed while it lives.
static FORKS: RwLock<()> = RwLock::new(());

fn own_epoch() -> Epoch {
    epoch(i32::try_from(std::process::id()).unwrap())
}

fn connect(listener: &TcpListener, ip: impl Into<std::net::IpAddr>) -> TcpStream {
    TcpStream::connect((ip.into(), listener.local_addr().unwrap().port())).unwrap()
}

fn look_up(table: &mut SocketTable, client: &TcpStream) -> Option<Connection> {
    table.connection(client.peer_addr().unwrap(), client.local_addr().unwrap()).unwrap()
}

/// On loopback the server's side is established a moment after the client's.
fn established(table: &mut SocketTable, client: &TcpStream) -> Connection {
    eventually("the server's side", || look_up(table, client).filter(|row| row.state == State::Established))
}

#[test]
fn a_listener_row_has_its_queue_its_backlog_and_its_inode() {
    let _nobody_forks = FORKS.read().unwrap_or_else(PoisonError::into_inner);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listen(&listener, Backlog::new(7).unwrap()).unwrap();
    let mut table = SocketTable::open().unwrap();
    let address = listener.local_addr().unwrap();
    let mut row = || table.listeners().unwrap().into_iter().find(|row| row.address == address);
    let empty = row().unwrap();
    assert_eq!((empty.queue, empty.backlog, empty.uid), (0, 7, nix::unistd::geteuid().as_raw()));
    let own = own_epoch().pid;
    assert!(sockets(own).unwrap().contains(&(listener.as_raw_fd(), empty.inode)));
    let _clients = [connect(&listener, Ipv4Addr::LOCALHOST), connect(&listener, Ipv4Addr::LOCALHOST)];
    let full = eventually("two in the queue", || row().filter(|row| row.queue == 2));
    assert_eq!((full.cookie, full.inode), (empty.cookie, empty.inode));
    drop(listener);
    assert_eq!(row(), None);
}

#[test]
fn a_queued_connection_has_no_owner_and_an_accepted_one_has() {
    let _nobody_forks = FORKS.read().unwrap_or_else(PoisonError::into_inner);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut table = SocketTable::open().unwrap();
    let mut owners = Owners::new();
    let own = own_epoch();
    let mut client = connect(&listener, Ipv4Addr::LOCALHOST);
    let queued = established(&mut table, &client);
    assert!(queued.is_queued());
    assert_eq!(owners.holder(queued.inode, &[own]), Holder::Nobody);
    client.write_all(b"four").unwrap();
    let written = eventually("four bytes", || look_up(&mut table, &client).filter(|row| row.recv_queue == 4));
    assert!(written.is_queued());
    let (served, _) = listener.accept().unwrap();
    let accepted = look_up(&mut table, &client).unwrap();
    assert_eq!(accepted.cookie, queued.cookie, "the identity stays through accept");
    assert!(!accepted.is_queued());
    assert_eq!(owners.holder(accepted.inode, &[own]), Holder::One(own));
    drop(served);
    assert!(matches!(
        owners.holder(accepted.inode, &[own]),
        Holder::Unknown(HolderUnknown::NotHeld(inode)) if inode == accepted.inode
    ));
}

#[test]
fn a_connection_that_does_not_exist_is_none_though_its_listener_does() {
    let _nobody_forks = FORKS.read().unwrap_or_else(PoisonError::into_inner);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut table = SocketTable::open().unwrap();
    let address = listener.local_addr().unwrap();
    assert_eq!(table.connection(address, "127.0.0.1:1".parse().unwrap()).unwrap(), None);
    drop(listener);
    assert_eq!(table.connection(address, "127.0.0.1:1".parse().unwrap()).unwrap(), None);
    let six: SocketAddr = "[::1]:1".parse().unwrap();
    assert!(matches!(table.connection(address, six), Err(TableError::Families { .. })));
}

#[test]
fn ipv6_and_dual_stack_connections_are_found_by_the_addresses_the_client_sees() {
    let _nobody_forks = FORKS.read().unwrap_or_else(PoisonError::into_inner);
    let Ok(listener) = TcpListener::bind("[::]:0") else {
        println!("skipped: no IPv6 here");
        return;
    };
    let mut table = SocketTable::open().unwrap();
    let address = listener.local_addr().unwrap();
    assert!(table.listeners().unwrap().iter().any(|row| row.address == address));
    let four = connect(&listener, Ipv4Addr::LOCALHOST);
    assert!(established(&mut table, &four).is_queued());
    let (server_four, from) = listener.accept().unwrap();
    let found = look_up(&mut table, &four).unwrap();
    assert!(found.inode != 0);
    // The server sees mapped addresses; asked for with those, it is the same connection.
    assert!(from.is_ipv6());
    assert_eq!(
        table.connection(server_four.local_addr().unwrap(), from).unwrap().unwrap().cookie,
        found.cookie
    );
    match TcpStream::connect((Ipv6Addr::LOCALHOST, address.port())) {
        Ok(six) => assert!(established(&mut table, &six).is_queued()),
        Err(error) => println!("no connection to ::1 here: {error}"),
    }
}

#[test]
fn a_listener_takes_what_the_kernel_would_give_it() {
    let _nobody_forks = FORKS.read().unwrap_or_else(PoisonError::into_inner);
    if TcpListener::bind("[::1]:0").is_err() {
        println!("skipped: no IPv6 here");
        return;
    }
    let mut table = SocketTable::open().unwrap();
    let mut takes = |listener: &TcpListener| {
        let address = listener.local_addr().unwrap();
        let row = table.listeners().unwrap().into_iter().find(|row| row.address == address).unwrap();
        ["127.0.0.1", "[::1]"].map(|ip| row.takes(format!("{ip}:{}", address.port()).parse().unwrap()))
    };
    let v6 = |only: bool| {
        let socket = socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::STREAM, None).unwrap();
        socket.set_only_v6(only).unwrap();
        socket.bind(&"[::]:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        socket.listen(8).unwrap();
        TcpListener::from(socket)
    };
    let reached = |listener: &TcpListener| {
        let port = listener.local_addr().unwrap().port();
        let four = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        [four, TcpStream::connect((Ipv6Addr::LOCALHOST, port)).is_ok()]
    };
    for (listener, expected) in [
        (v6(false), [true, true]),
        (v6(true), [false, true]),
        (TcpListener::bind("[::1]:0").unwrap(), [false, true]),
        (TcpListener::bind("0.0.0.0:0").unwrap(), [true, false]),
        (TcpListener::bind("127.0.0.1:0").unwrap(), [true, false]),
    ] {
        assert_eq!(takes(&listener), expected, "{listener:?}");
        assert_eq!(reached(&listener), expected, "{listener:?}: what the kernel says");
    }
}

#[test]
fn a_unix_listener_has_its_file_its_queue_and_its_backlog_wherever_its_path_moves() {
    let _nobody_forks = FORKS.read().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a");
    let listener = UnixListener::bind(&path).unwrap();
    listen(&listener, Backlog::new(7).unwrap()).unwrap();
    let inode = socket_of(&listener);
    let mut table = SocketTable::open().unwrap();
    let mut row = || table.unix_listeners().unwrap().into_iter().find(|row| row.inode == inode);
    let empty = row().unwrap();
    assert_eq!((empty.queue, empty.backlog), (0, 7));
    assert_eq!(empty.name, path.as_os_str().as_bytes());
    let _clients = [UnixStream::connect(&path).unwrap(), UnixStream::connect(&path).unwrap()];
    let full = row().unwrap();
    assert_eq!((full.queue, full.cookie), (2, empty.cookie));
    listener.accept().unwrap();
    assert_eq!(row().unwrap().queue, 1);
    let moved = directory.path().join("b");
    std::fs::rename(&path, &moved).unwrap();
    let after = row().unwrap();
    assert_eq!((&after.name, after.file), (&empty.name, empty.file), "the table knows nothing of a new name");
    assert_eq!(after.file, Some(std::fs::metadata(&moved).unwrap().ino() as u32));
    drop(listener);
    assert_eq!(row(), None);
}

#[test]
fn the_peer_of_a_unix_connection_is_nobodys_until_it_is_accepted() {
    let _nobody_forks = FORKS.read().unwrap_or_else(PoisonError::into_inner);
    let name = format!("hotspec-test-peer-{}", std::process::id());
    let address = UnixAddress::from_abstract_name(&name).unwrap();
    let listener = UnixListener::bind_addr(&address).unwrap();
    let mut table = SocketTable::open().unwrap();
    let mut owners = Owners::new();
    let own = own_epoch();
    let mut client = UnixStream::connect_addr(&address).unwrap();
    let inode = socket_of(&client);
    assert_eq!(table.unix_peer(inode).unwrap(), Some(Peer::Queued));
    client.write_all(b"four").unwrap();
    assert_eq!(table.unix_peer(inode).unwrap(), Some(Peer::Queued));
    let (served, _) = listener.accept().unwrap();
    let accepted = socket_of(&served);
    assert_eq!(table.unix_peer(inode).unwrap(), Some(Peer::Accepted(accepted)));
    assert_eq!(owners.holder(accepted, &[own]), Holder::One(own));
    served.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(table.unix_peer(inode).unwrap(), Some(Peer::Accepted(accepted)), "half closed is not closed");
    drop(served);
    assert_eq!(table.unix_peer(inode).unwrap(), Some(Peer::Closed));
    let lost = UnixStream::connect_addr(&address).unwrap();
    let half_closed = UnixStream::connect_addr(&address).unwrap();
    half_closed.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(table.unix_peer(socket_of(&half_closed)).unwrap(), Some(Peer::Queued));
    drop(listener);
    assert_eq!(table.unix_peer(socket_of(&lost)).unwrap(), Some(Peer::Closed), "lost with the queue");
    let gone = socket_of(&lost);
    drop(lost);
    assert_eq!(table.unix_peer(gone).unwrap(), None);
}

#[test]
fn an_abstract_name_belongs_to_its_network_namespace() {
    let _nobody_forks = FORKS.read().unwrap_or_else(PoisonError::into_inner);
    if !is_root() {
        println!("skipped: needs root");
        return;
    }
    let name = format!("hotspec-test-own-{}", std::process::id());
    let address = UnixAddress::from_abstract_name(&name).unwrap();
    let outer = UnixListener::bind_addr(&address).unwrap();
    let seen = |table: &mut SocketTable| -> Vec<u64> {
        let named = [b"\0", name.as_bytes()].concat();
        let rows = table.unix_listeners().unwrap();
        rows.iter().filter(|row| row.name == named && row.file.is_none()).map(|row| row.inode).collect()
    };
    assert_eq!(seen(&mut SocketTable::open().unwrap()), [socket_of(&outer)]);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            hotspec::target::namespace::enter_network_namespace().unwrap();
            let mut table = SocketTable::open().unwrap();
            assert!(seen(&mut table).is_empty());
            assert!(UnixStream::connect_addr(&address).is_err());
            let inner = UnixListener::bind_addr(&address).unwrap();
            assert_eq!(seen(&mut table), [socket_of(&inner)]);
        });
    });
}

#[test]
fn the_table_belongs_to_the_namespace_in_which_it_was_opened() {
    let _nobody_forks = FORKS.read().unwrap_or_else(PoisonError::into_inner);
    if !is_root() {
        println!("skipped: needs root");
        return;
    }
    std::thread::spawn(|| {
        let mut outer = SocketTable::open().unwrap();
        hotspec::target::namespace::enter_network_namespace().unwrap();
        let mut inner = SocketTable::open().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let inode = socket_of(&listener);
        assert!(inner.listeners().unwrap().iter().any(|row| row.inode == inode));
        assert!(!outer.listeners().unwrap().iter().any(|row| row.inode == inode));
    })
    .join()
    .unwrap();
}

fn socket_of(socket: &impl AsRawFd) -> u64 {
    let found = sockets(own_epoch().pid).unwrap();
    found.into_iter().find(|(fd, _)| *fd == socket.as_raw_fd()).unwrap().1
}

#[test]
fn a_socket_inherited_without_exec_is_held_by_several_until_one_ends() {
    let _forking = FORKS.write().unwrap_or_else(PoisonError::into_inner);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let inode = socket_of(&listener);
    // SAFETY: the child only waits to be killed, by system calls.
    let child = match unsafe { nix::unistd::fork() }.unwrap() {
        nix::unistd::ForkResult::Child => loop {
            // SAFETY: pause has no arguments.
            unsafe { libc::pause() };
        },
        nix::unistd::ForkResult::Parent { child } => child,
    };
    let (own, other) = (own_epoch(), epoch(child.as_raw()));
    let mut owners = Owners::new();
    assert_eq!(owners.holder(inode, &[own]), Holder::One(own));
    assert_eq!(owners.holder(inode, &[own, other]), Holder::Several(vec![own, other]));
    assert!(socket_inodes(other.pid).unwrap().contains(&inode));
    nix::sys::signal::kill(child, nix::sys::signal::SIGKILL).unwrap();
    nix::sys::wait::waitpid(child, None).unwrap();
    assert_eq!(owners.holder(inode, &[own, other]), Holder::One(own));
}

#[test]
fn descriptors_that_may_not_be_read_are_told_apart_from_a_process_that_is_gone() {
    let _forking = FORKS.write().unwrap_or_else(PoisonError::into_inner);
    use hotspec::witness::process::DescriptorsUnreadable;
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let gone = epoch(i32::try_from(child.id()).unwrap());
    child.wait().unwrap();
    assert_eq!(socket_inodes(gone.pid), Err(DescriptorsUnreadable::Gone(gone.pid)));
    let mut owners = Owners::new();
    assert!(matches!(owners.holder(1, &[gone]), Holder::Unknown(HolderUnknown::NotHeld(1))));
    if !is_root() {
        println!("skipped in part: only root can have a process of another user's");
        return;
    }
    let mut other = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
    let seen = epoch(i32::try_from(other.id()).unwrap());
    as_another_user_in_a_thread(move || {
        let denied = DescriptorsUnreadable::Denied(seen.pid);
        assert_eq!(socket_inodes(seen.pid), Err(denied));
        assert_eq!(Owners::new().holder(1, &[seen]), Holder::Unknown(HolderUnknown::Unreadable(denied)));
        assert_eq!(epoch(seen.pid).stack, 0, "the stack is hidden as well");
    });
    drop(other.stdin.take());
    other.wait().unwrap();
}

/// Prints what each look costs; bounds are wide, since machines are busy.
#[test]
fn a_look_up_costs_microseconds() {
    let _nobody_forks = FORKS.read().unwrap_or_else(PoisonError::into_inner);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = connect(&listener, Ipv4Addr::LOCALHOST);
    let _served = listener.accept().unwrap();
    let mut table = SocketTable::open().unwrap();
    let mut owners = Owners::new();
    let own = [own_epoch()];
    let inode = look_up(&mut table, &client).unwrap().inode;
    owners.holder(inode, &own);
    let cost = |what: &str, bound: Duration, look: &mut dyn FnMut()| {
        let mut samples: Vec<_> = (0..500)
            .map(|_| {
                let begun = Instant::now();
                look();
                begun.elapsed()
            })
            .collect();
        samples.sort();
        println!("{what}: median {:?}, 99 % {:?}", samples[250], samples[495]);
        assert!(samples[250] < bound, "{what}: {:?}", samples[250]);
    };
    cost("connection", Duration::from_millis(1), &mut || assert!(look_up(&mut table, &client).is_some()));
    cost("holder, known", Duration::from_millis(1), &mut || {
        assert!(matches!(owners.holder(inode, &own), Holder::One(_)))
    });
    cost("listeners", Duration::from_millis(5), &mut || assert!(!table.listeners().unwrap().is_empty()));
    cost("unix listeners", Duration::from_millis(5), &mut || drop(table.unix_listeners().unwrap()));
    let name = format!("hotspec-test-cost-{}", std::process::id());
    let address = UnixAddress::from_abstract_name(&name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    let client = UnixStream::connect_addr(&address).unwrap();
    let queued = socket_of(&client);
    cost("unix peer", Duration::from_millis(5), &mut || assert!(table.unix_peer(queued).unwrap().is_some()));
    cost("counters", Duration::from_millis(5), &mut || {
        drop(hotspec::witness::counters::Counters::read().unwrap())
    });
}

#[test]
fn whether_anybody_listens_is_told_by_one_look_up_for_every_kind_of_listener() {
    let _nobody_forks = FORKS.read().unwrap_or_else(PoisonError::into_inner);
    let mut table = SocketTable::open().unwrap();
    for (bound, asked) in
        [("127.0.0.1:0", "127.0.0.1"), ("0.0.0.0:0", "127.0.0.1"), ("[::]:0", "127.0.0.1"), ("[::]:0", "::1")]
    {
        let Ok(listener) = std::net::TcpListener::bind(bound) else { continue };
        let port = listener.local_addr().unwrap().port();
        let address = std::net::SocketAddr::new(asked.parse().unwrap(), port);
        assert!(table.is_listened_on(address).unwrap(), "{bound} for {asked}");
        let client = std::net::TcpStream::connect(address).unwrap();
        assert!(table.is_listened_on(address).unwrap(), "{bound} for {asked}, with a connection");
        drop(listener);
        assert!(!table.is_listened_on(address).unwrap(), "{bound} for {asked}, closed");
        drop(client);
    }
}
