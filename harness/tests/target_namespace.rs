//! Network namespaces: as root, and as an ordinary user through a user namespace.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use hotspec::target::namespace::{Isolation, enter_network_namespace, prepare_process};
use hotspec::target::warden::CommandSpec;
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
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let link = CommandSpec::new("readlink").args(["/proc/self/ns/net"]).output(output);
                let mut warden = warden_of([link]);
                warden.start_command(0).await.unwrap();
                assert_eq!(next_exit(&mut warden).await.2, Exit::Code(0));
                warden.end().await.unwrap();
            });
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
