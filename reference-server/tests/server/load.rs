//! Clients that never stop, through one restart after another: none may notice.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::common::{Client, Server, field};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const RESTARTS: usize = 10;

#[test]
fn neither_new_nor_kept_connections_fail_through_many_restarts() {
    let server = Server::start(&["--idle-timeout", "1s"]);
    let address: SocketAddr = server.address.parse().unwrap();
    let stop = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for kept in [false, false, true, true] {
            let (stop, answered) = (&stop, &answered);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let mut client = Client::tcp(address);
                    loop {
                        let answer = client.get("/bytes?n=5000");
                        assert_eq!((answer.status(), answer.body.len()), (200, 5000));
                        answered.fetch_add(1, Ordering::Relaxed);
                        if answer.announces_close() {
                            client.expect_fin();
                            break;
                        }
                        if !kept || stop.load(Ordering::Relaxed) {
                            break;
                        }
                    }
                }
            });
        }
        let mut pid = server.pid();
        for n in 0..RESTARTS {
            // Some answers by each generation, so that there is something to lose.
            let before = answered.load(Ordering::Relaxed);
            crate::common::wait_for("answers", || {
                (answered.load(Ordering::Relaxed) > before + 50).then_some(())
            });
            kill(Pid::from_raw(pid), Signal::SIGHUP).unwrap();
            let line = server.wait_log_nth("successor is ready: draining", n);
            pid = field(&line, "successor=").parse().unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(server.who()["generation"], RESTARTS);
    assert_eq!(server.count_log("cut off"), 0);
}

#[test]
fn what_waits_in_the_accept_queue_is_served_by_the_successor() {
    let mut server = Server::start(&["--idle-timeout", "500ms"]);
    server.signal(Signal::SIGSTOP);
    let mut waiting: Vec<_> = (0..100).map(|_| server.connect()).collect();
    for client in &mut waiting {
        client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    }
    server.signal(Signal::SIGHUP);
    server.signal(Signal::SIGCONT);
    for client in &mut waiting {
        assert_eq!(client.response().body, b"hello\n");
        client.expect_fin();
    }
    server.wait_log("successor is ready: draining");
    assert!(server.wait_exit().success());
}

#[test]
fn what_waits_in_the_accept_queue_is_served_before_a_stop() {
    let mut server = Server::start(&["--idle-timeout", "500ms"]);
    server.signal(Signal::SIGSTOP);
    let mut waiting: Vec<_> = (0..100).map(|_| server.connect()).collect();
    for client in &mut waiting {
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    server.signal(Signal::SIGTERM);
    server.signal(Signal::SIGCONT);
    for client in &mut waiting {
        assert_eq!(client.response().body, b"hello\n");
    }
    assert!(server.wait_exit().success());
}
