//! Network namespaces: as root, and as an ordinary user through a user namespace.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;

use hotspec::target::namespace::{Isolation, enter_network_namespace, prepare_process};
use hotspec::target::network::Network;
use hotspec::target::warden::{CommandSpec, Warden};
use hotspec::witness::counters::Counters;
use hotspec::witness::process::Exit;
use hotspec::witness::socket_table::SocketTable;
use support::*;

/// Two threads at once, each with the same fixed port, and what each has to itself.
fn two_threads_bind_one_port() {
    let both = std::sync::Barrier::new(2);
    let inode = |ip: &'static str| {
        let namespace = enter_network_namespace().unwrap();
        let listener = TcpListener::bind((ip, 8080)).unwrap();
        both.wait();
        let before = Counters::read().unwrap();
        let mut client = TcpStream::connect((ip, 8080)).unwrap();
        let (mut served, _) = listener.accept().unwrap();
        client.write_all(b"x").unwrap();
        served.read_exact(&mut [0]).unwrap();
        let listeners = SocketTable::open().unwrap().listeners().unwrap();
        assert_eq!(
            listeners.iter().map(|row| row.address).collect::<Vec<_>>(),
            [listener.local_addr().unwrap()]
        );
        let grown = Counters::read().unwrap().since(&before);
        assert_eq!((grown.get("ActiveOpens"), grown.get("PassiveOpens")), (Some(&1), Some(&1)), "{grown:?}");
        both.wait();
        namespace.inode
    };
    std::thread::scope(|scope| {
        let (one, two) = (scope.spawn(|| inode("127.0.0.1")), scope.spawn(|| inode("127.0.0.1")));
        assert_ne!(one.join().unwrap(), two.join().unwrap());
    });
}

/// What is sent on the server's side is counted there and not on the clients'.
fn each_side_has_its_own_counters(ip: &str) {
    let network = Network::enter(Isolation::Full, None).unwrap();
    if !network.has_ipv6() {
        // Where the loopback has it, so has the cable.
        assert!(TcpListener::bind("[::1]:0").is_err());
        if ip.contains(':') {
            return;
        }
    }
    let host: std::net::IpAddr =
        if ip.contains(':') { network.hosts().v6.into() } else { network.hosts().v4.into() };
    assert_eq!(host.to_string(), ip);
    let counted = || (network.at_server(|| Counters::read().unwrap()).unwrap(), Counters::read().unwrap());
    let listener = network.at_server(|| TcpListener::bind((host, 8080)).unwrap()).unwrap();
    let (server, clients) = counted();
    let mut client = TcpStream::connect((host, 8080)).unwrap();
    client.write_all(b"x").unwrap();
    let (mut served, peer) = listener.accept().unwrap();
    served.read_exact(&mut [0]).unwrap();
    socket2::SockRef::from(&served).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(served);
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    let (server_now, clients_now) = counted();
    let (server, clients) = (server_now.since(&server), clients_now.since(&clients));
    let both = |name: &str| (server.get(name).copied(), clients.get(name).copied());
    assert_eq!(both("OutRsts"), (Some(1), None), "{server:?} {clients:?}");
    assert_eq!(both("PassiveOpens"), (Some(1), None), "{server:?} {clients:?}");
    assert_eq!(both("ActiveOpens"), (None, Some(1)), "{server:?} {clients:?}");
    // The table of one side shows the sockets of that side.
    let listening = |table: SocketTable| { table }.listeners().unwrap().len();
    assert_eq!(network.at_server(|| listening(SocketTable::open().unwrap())).unwrap(), 1);
    assert_eq!(listening(SocketTable::open().unwrap()), 0);
    // Clients may have other addresses too, as those of load do.
    assert_ne!(peer.ip(), host);
    let other = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    other.bind(&std::net::SocketAddr::from(([192, 0, 2, 9], 0)).into()).unwrap();
}

#[test]
fn two_networks_count_each_their_own() {
    if !is_root() {
        println!("skipped: needs root; an ordinary user's case is below");
        return;
    }
    for ip in ["192.0.2.1", "2001:db8::1"] {
        std::thread::spawn(move || each_side_has_its_own_counters(ip)).join().unwrap();
    }
}

#[test]
fn so_they_do_for_an_ordinary_user() {
    let text = as_ordinary_user(|| match prepare_process() {
        Ok(_) => {
            each_side_has_its_own_counters("192.0.2.1");
            "isolated".to_owned()
        }
        Err(denied) => format!("skipped: {denied}"),
    });
    println!("{text}");
    assert!(text == "isolated" || text.starts_with("skipped"), "{text}");
}

#[test]
fn what_is_set_and_started_at_the_servers_side_is_there_alone() {
    if !is_root() {
        println!("skipped: needs root");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("output");
    let thread = std::thread::spawn({
        let output = output.clone();
        move || {
            let network = Network::enter(Isolation::Full, Some(true)).unwrap();
            let setting = || std::fs::read_to_string("/proc/sys/net/ipv4/tcp_migrate_req").unwrap();
            assert_eq!((network.at_server(setting).unwrap().trim(), setting().trim()), ("1", "0"));
            let here = || std::fs::read_link("/proc/thread-self/ns/net").unwrap();
            let (server, clients) = (network.at_server(here).unwrap(), here());
            assert_ne!(server, clients);
            link_by_a_command(output, |link| network.at_server(|| warden_of([link])).unwrap());
            server
        }
    });
    let server = thread.join().unwrap();
    assert_eq!(std::fs::read_to_string(output).unwrap().trim(), server.to_str().unwrap());
}

#[test]
fn two_threads_of_root_both_bind_one_port() {
    if !is_root() {
        println!("skipped: needs root; an ordinary user's case is the next test");
        return;
    }
    two_threads_bind_one_port();
}

#[test]
fn ipv6_loopback_works_in_a_namespace_that_has_it() {
    if !is_root() {
        println!("skipped: needs root");
        return;
    }
    let entered = std::thread::spawn(|| {
        let namespace = enter_network_namespace().unwrap();
        let listener = TcpListener::bind("[::]:8080").ok();
        let connected = listener.is_some() && TcpStream::connect("[::1]:8080").is_ok();
        (namespace.ipv6, connected)
    });
    let (ipv6, connected) = entered.join().unwrap();
    assert_eq!(ipv6, connected);
}

/// Has a warden's command write down which network namespace it is in.
fn link_by_a_command(output: PathBuf, start: impl FnOnce(CommandSpec) -> Warden) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let link = CommandSpec::new("readlink").args(["/proc/self/ns/net"]).output(output);
        let mut warden = start(link);
        warden.start_command(0).await.unwrap();
        assert_eq!(next_exit(&mut warden).await.2, Exit::Code(0));
        warden.end().await.unwrap();
    });
}

#[test]
fn a_command_of_a_warden_lives_in_the_namespace_of_its_thread() {
    if !is_root() {
        println!("skipped: needs root");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("output");
    let thread = std::thread::spawn({
        let output = output.clone();
        move || {
            let namespace = enter_network_namespace().unwrap();
            link_by_a_command(output, |link| warden_of([link]));
            namespace.inode
        }
    });
    let inode = thread.join().unwrap();
    assert_eq!(std::fs::read_to_string(output).unwrap(), format!("net:[{inode}]\n"));
}

/// Runs `body` as an ordinary user in a process of one thread, as `main` is; gives what it wrote.
fn as_ordinary_user(body: impl FnOnce() -> String) -> String {
    let (mut reading, mut writing) = std::io::pipe().unwrap();
    // SAFETY: the child runs test code only. It allocates, which the C library allows after its own fork.
    match unsafe { nix::unistd::fork() }.unwrap() {
        nix::unistd::ForkResult::Child => {
            drop(reading);
            let text = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let nobody = (nix::unistd::Uid::from_raw(NOBODY), nix::unistd::Gid::from_raw(NOBODY));
                if is_root() {
                    nix::unistd::setgroups(&[]).unwrap();
                    nix::unistd::setresgid(nobody.1, nobody.1, nobody.1).unwrap();
                    nix::unistd::setresuid(nobody.0, nobody.0, nobody.0).unwrap();
                    // An ordinary user's program has this from the start; only changing the user takes it.
                    nix::sys::prctl::set_dumpable(true).unwrap();
                }
                body()
            }));
            let text = text.unwrap_or_else(|_| "panicked".to_owned());
            let _ = writing.write_all(text.as_bytes());
            // SAFETY: ends the child without the test program's own end.
            unsafe { libc::_exit(0) }
        }
        nix::unistd::ForkResult::Parent { child } => {
            drop(writing);
            let mut text = String::new();
            reading.read_to_string(&mut text).unwrap();
            nix::sys::wait::waitpid(child, None).unwrap();
            text
        }
    }
}

#[test]
fn two_threads_of_an_ordinary_user_both_bind_one_port() {
    let text = as_ordinary_user(|| match prepare_process() {
        Ok(level) => {
            assert_eq!(level, Isolation::Net);
            assert_eq!(
                nix::unistd::geteuid().as_raw(),
                if is_root() { 0 } else { nix::unistd::geteuid().as_raw() }
            );
            two_threads_bind_one_port();
            "isolated".to_owned()
        }
        Err(denied) => format!("skipped: {denied}"),
    });
    println!("{text}");
    assert!(text == "isolated" || text.starts_with("skipped"), "{text}");
}

#[test]
fn a_target_in_a_user_namespace_is_still_its_own_user_and_is_taken_down() {
    let dir = open_dir();
    let output = dir.path().join("output");
    let text = as_ordinary_user(|| {
        if let Err(denied) = prepare_process() {
            return format!("skipped: {denied}");
        }
        enter_network_namespace().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut warden = warden_of([shell("id -u; (setsid sleep 1000 &)", &output)]);
            warden.start_command(0).await.unwrap();
            assert_eq!(next_exit(&mut warden).await.2, Exit::Code(0));
            warden.end().await.unwrap();
        });
        format!("user {}", lines(&output, 1)[0])
    });
    println!("{text}");
    let user = if is_root() { NOBODY } else { nix::unistd::getuid().as_raw() };
    assert!(text == format!("user {user}") || text.starts_with("skipped"), "{text}");
}

#[test]
fn a_process_with_threads_is_told_why_and_stays_as_it_was() {
    let text = as_ordinary_user(|| {
        let (_stop, stopped) = std::sync::mpsc::channel::<()>();
        std::thread::spawn(move || stopped.recv());
        let before = std::fs::read_link("/proc/self/ns/user").unwrap();
        let process = prepare_process().unwrap_err();
        let thread = enter_network_namespace().unwrap_err();
        assert_eq!(std::fs::read_link("/proc/self/ns/user").unwrap(), before);
        assert_eq!(process.level(), Isolation::None);
        format!("{process}\n{thread}")
    });
    println!("{text}");
    let messages: Vec<_> = text.lines().collect();
    assert!(
        messages.len() == 2
            && messages.iter().all(|line| line.contains("call prepare_process() first in main")),
        "{text}"
    );
}

#[test]
fn a_limit_on_namespaces_is_told_with_the_command_that_lifts_it() {
    // In a user namespace of its own, its limit of further ones can be set to none.
    let text = as_ordinary_user(|| {
        if let Err(denied) = prepare_process() {
            return format!("skipped: {denied}");
        }
        if let Err(error) = std::fs::write("/proc/sys/user/max_net_namespaces", "0") {
            return format!("skipped: {error}");
        }
        enter_network_namespace().unwrap_err().to_string()
    });
    println!("{text}");
    assert!(
        text.contains("sudo sysctl -w user.max_user_namespaces") || text.starts_with("skipped"),
        "{text}"
    );
}
