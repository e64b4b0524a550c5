//! The socket table: listeners, queues, exact look-ups, and who holds a socket.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use hotspec::witness::process::{Epoch, socket_inodes, sockets};
use hotspec::witness::socket_table::{
    Connection, Holder, HolderUnknown, Owners, SocketTable, State, TableError,
};
use nix::sys::socket::{Backlog, listen};
use support::*;

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
fn the_table_belongs_to_the_namespace_in_which_it_was_opened() {
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
    cost("counters", Duration::from_millis(5), &mut || {
        drop(hotspec::witness::counters::Counters::read().unwrap())
    });
}
