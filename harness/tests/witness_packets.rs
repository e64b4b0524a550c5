//! The packet socket: which segments it hears, of both versions of IP, and that each is heard once.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use hotspec::target::namespace::{Isolation, enter_network_namespace};
use hotspec::target::network::Network;
use hotspec::witness::packets::{Heard, Tap};
use socket2::SockRef;
use support::*;

/// Runs on a thread with a network of its own, whose wire is heard.
fn heard(act: impl FnOnce(&mut Tap) + Send + 'static) {
    if !is_root() {
        println!("skipped: needs root");
        return;
    }
    let done = std::thread::spawn(|| {
        enter_network_namespace().unwrap();
        act(&mut Tap::open("lo").unwrap());
    });
    done.join().unwrap();
}

fn connected(ip: &str) -> (TcpListener, TcpStream, TcpStream) {
    let listener = TcpListener::bind((ip, 8080)).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (served, _) = listener.accept().unwrap();
    (listener, client, served)
}

/// Who sent it, and SYN, FIN, RST, ACK as far as they are set.
fn told(all: &[Heard], server: SocketAddr) -> Vec<String> {
    let one = |heard: &Heard| {
        let flags = heard.segment.flags;
        let named = [(flags.syn(), 'S'), (flags.fin(), 'F'), (flags.rst(), 'R'), (flags.ack(), 'A')];
        let who = if heard.segment.source == server { "server " } else { "client " };
        named
            .into_iter()
            .filter(|(set, _)| *set)
            .fold(who.to_owned(), |text, (_, letter)| text + &letter.to_string())
    };
    all.iter().map(one).collect()
}

fn orderly_end(tap: &mut Tap, ip: &str) {
    let (listener, mut client, served) = connected(ip);
    client.write_all(b"data is none of its business").unwrap();
    let server = listener.local_addr().unwrap();
    let mut served = served;
    served.read_exact(&mut [0; 28]).unwrap();
    drop(served);
    client.read_to_end(&mut Vec::new()).unwrap();
    drop(client);
    let all = tap.read();
    assert_eq!(told(&all, server), ["client S", "server SA", "server FA", "client FA"]);
    assert!(all.is_sorted_by_key(|heard| heard.at));
    assert_eq!(tap.lost().unwrap(), 0);
}

#[test]
fn on_the_servers_end_of_a_cable_each_segment_is_heard_once_too() {
    if !is_root() {
        println!("skipped: needs root");
        return;
    }
    let done = std::thread::spawn(|| {
        let network = Network::enter(Isolation::Full, None).unwrap();
        let mut hosts = vec![network.hosts().v4.into()];
        hosts.extend(network.has_ipv6().then(|| std::net::IpAddr::from(network.hosts().v6)));
        for host in hosts {
            let (mut tap, listener) = network
                .at_server(|| {
                    (Tap::open(network.interface()).unwrap(), TcpListener::bind((host, 8080)).unwrap())
                })
                .unwrap();
            let server = listener.local_addr().unwrap();
            let mut client = TcpStream::connect(server).unwrap();
            drop(listener.accept().unwrap());
            client.read_to_end(&mut Vec::new()).unwrap();
            drop(client);
            let all = eventually("the last segment", || {
                let all = tap.read();
                (all.len() == 4).then_some(all)
            });
            assert_eq!(told(&all, server), ["client S", "server SA", "server FA", "client FA"]);
            assert!(all.iter().all(|heard| heard.segment.frame_bytes as usize == heard.frame.len()));
        }
    });
    done.join().unwrap();
}

#[test]
fn an_orderly_connection_is_heard_segment_by_segment() {
    heard(|tap| orderly_end(tap, "127.0.0.1"));
}

#[test]
fn so_is_one_over_ipv6() {
    heard(|tap| {
        if TcpListener::bind("[::1]:0").is_err() {
            println!("skipped: this machine has no IPv6");
            return;
        }
        orderly_end(tap, "::1");
    });
}

#[test]
fn a_connection_that_is_broken_off_ends_by_a_reset_that_acknowledges() {
    heard(|tap| {
        let (listener, client, served) = connected("127.0.0.1");
        SockRef::from(&served).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(served);
        let all = told(&tap.read(), listener.local_addr().unwrap());
        assert_eq!(all, ["client S", "server SA", "server RA"]);
        drop(client);
    });
}

#[test]
fn bytes_after_the_end_are_answered_by_one_that_does_not() {
    heard(|tap| {
        let (listener, mut client, served) = connected("127.0.0.1");
        drop(served);
        client.write_all(b"too late").unwrap();
        let all = told(&tap.read(), listener.local_addr().unwrap());
        assert_eq!(all, ["client S", "server SA", "server FA", "server R"]);
    });
}

#[test]
fn a_queue_that_is_closed_resets_what_waits_in_it() {
    heard(|tap| {
        let listener = TcpListener::bind("127.0.0.1:8080").unwrap();
        let server = listener.local_addr().unwrap();
        let client = TcpStream::connect(server).unwrap();
        drop(listener);
        assert_eq!(told(&tap.read(), server), ["client S", "server SA", "server RA"]);
        drop(client);
    });
}

#[test]
fn what_was_said_before_it_was_opened_is_not_heard() {
    heard(|tap| {
        drop(connected("127.0.0.1"));
        let mut late = Tap::open("lo").unwrap();
        assert!(!tap.read().is_empty());
        assert!(late.read().is_empty());
    });
}
