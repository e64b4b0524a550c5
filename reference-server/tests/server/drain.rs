//! What becomes of connections in every state when a successor takes over.

use std::net::Shutdown;
use std::time::{Duration, Instant};

use crate::common::{Server, wait_for};
use nix::sys::signal::Signal;

const SHORT_IDLE: [&str; 2] = ["--idle-timeout", "700ms"];

#[test]
fn a_successor_takes_over_and_the_parent_exits_with_zero() {
    let mut server = Server::start::<&str>(&[]);
    assert_eq!(server.who()["generation"], 0);
    let successor = server.restart();
    assert!(server.wait_exit().success());
    let who = server.who();
    assert_eq!(who["generation"], 1);
    assert_eq!(who["pid"], successor);
    assert_eq!(who["parent"], server.pid());
}

#[test]
fn a_connection_in_any_state_is_served_to_its_end() {
    let mut server = Server::start(&["--idle-timeout", "5s"]);
    let mut idle = server.connect();
    assert!(!idle.get("/").announces_close());
    let mut fresh = server.connect();
    let mut half_head = server.connect();
    half_head.send("GET / HT");
    let mut slow = server.connect();
    slow.send("GET /slow?ms=2500 HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut stream = server.connect();
    stream.send("GET /stream?chunks=25&ms=100 HTTP/1.1\r\nHost: x\r\n\r\n");
    let stream_head = stream.head();
    assert!(!stream_head.to_ascii_lowercase().contains("connection: close"));
    let mut upload = server.connect();
    upload.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc");
    let mut chunked = server.connect();
    chunked.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");

    server.has_accepted_all();
    server.restart();

    for client in [&mut idle, &mut fresh] {
        let answer = client.get("/");
        assert_eq!(answer.body, b"hello\n");
        assert!(answer.announces_close());
        client.expect_fin();
    }
    half_head.send("TP/1.1\r\nHost: x\r\n\r\n");
    let answer = half_head.response();
    assert!(answer.status() == 200 && answer.announces_close());
    half_head.expect_fin();

    let answer = slow.response();
    assert!(answer.body == b"slow\n" && answer.announces_close());
    slow.expect_fin();

    let body = String::from_utf8(stream.chunks()).unwrap();
    assert!(body.starts_with("chunk 1\n") && body.ends_with("chunk 25\n"));
    // Its head had announced nothing: one more, which is the last.
    assert!(stream.get("/").announces_close());
    stream.expect_fin();

    upload.send("defghi");
    let answer = upload.response();
    assert!(answer.body == b"abcdefghi" && answer.announces_close());
    upload.expect_fin();
    chunked.send("3\r\ndef\r\n0\r\n\r\n");
    let answer = chunked.response();
    assert!(answer.body == b"abcdef" && answer.announces_close());
    chunked.expect_fin();

    assert!(server.wait_exit().success());
}

#[test]
fn a_slow_upload_outlasts_the_idle_limit() {
    let mut server = Server::start(&["--idle-timeout", "300ms"]);
    let mut upload = server.connect();
    upload.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n");
    server.has_accepted_all();
    server.restart();
    for byte in ["a", "b", "c", "d", "e", "f"] {
        std::thread::sleep(Duration::from_millis(450));
        upload.send(byte);
    }
    let answer = upload.response();
    assert!(answer.body == b"abcdef" && answer.announces_close());
    upload.expect_fin();
    assert!(server.wait_exit().success());
}

#[test]
fn silent_connections_get_a_fin_at_the_idle_limit_and_not_before() {
    let mut server = Server::start(&SHORT_IDLE);
    let mut idle = server.connect();
    idle.get("/");
    let mut half_head = server.connect();
    half_head.send("GET /");
    let mut fresh = server.connect();
    server.has_accepted_all();
    let start = Instant::now();
    server.restart();
    let drained = Instant::now();
    for client in [&mut idle, &mut half_head, &mut fresh] {
        client.expect_fin();
        assert!(start.elapsed() >= Duration::from_millis(700));
    }
    assert!(drained.elapsed() < Duration::from_secs(10));
    assert!(server.wait_exit().success());
}

#[test]
fn a_half_closed_client_gets_its_answer() {
    let mut server = Server::start(&SHORT_IDLE);
    let mut client = server.connect();
    client.send("GET /slow?ms=600 HTTP/1.1\r\nHost: x\r\n\r\n");
    client.stream.shutdown(Shutdown::Write).unwrap();
    server.has_accepted_all();
    server.restart();
    assert_eq!(client.response().body, b"slow\n");
    client.expect_fin();
    assert!(server.wait_exit().success());
}

#[test]
fn an_unread_pipelined_request_causes_no_reset() {
    const BYTES: usize = 8 << 20;
    let mut server = Server::start(&SHORT_IDLE);
    let mut client = server.connect();
    let first = "GET /slow?ms=300 HTTP/1.1\r\nHost: x\r\n\r\n";
    let large = format!("GET /bytes?n={BYTES} HTTP/1.1\r\nHost: x\r\n\r\n");
    client.send(format!("{first}{large}"));
    server.has_accepted_all();
    server.restart();
    let rest = "GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(200);
    client.send(&rest);
    // The slow one is the last, and what follows it is neither answered nor answered by a reset.
    let answer = client.response();
    assert!(answer.body == b"slow\n" && answer.announces_close());
    client.expect_fin();
    assert!(server.wait_exit().success());
}

#[test]
fn a_large_last_response_survives_unread_requests_and_a_slow_reader() {
    const BYTES: usize = 16 << 20;
    let mut server = Server::start::<&str>(&[]);
    let mut client = server.connect();
    client.get("/");
    server.restart();
    let large = format!("GET /bytes?n={BYTES} HTTP/1.1\r\nHost: x\r\n\r\n");
    client.send(format!("{large}{}", "GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100)));
    std::thread::sleep(Duration::from_secs(1));
    let answer = client.response();
    assert!(answer.announces_close());
    assert_eq!(answer.body.len(), BYTES);
    assert!(answer.body.iter().enumerate().all(|(i, byte)| *byte == (i % 251) as u8));
    client.expect_fin();
    assert!(server.wait_exit().success());
}

#[test]
fn http_1_0_is_never_promised_keep_alive_while_draining() {
    let mut server = Server::start::<&str>(&[]);
    let mut plain = server.connect();
    plain.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(plain.response().body, b"hello\n");
    plain.expect_fin();

    let request = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    let mut kept = server.connect();
    kept.send(request);
    let answer = kept.response();
    assert_eq!(answer.header("connection").as_deref(), Some("keep-alive"));
    server.restart();
    kept.send(request);
    let answer = kept.response();
    assert!(!answer.head.to_ascii_lowercase().contains("keep-alive"), "{}", answer.head);
    assert_eq!(answer.body, b"hello\n");
    kept.expect_fin();
    assert!(server.wait_exit().success());
}

#[test]
fn an_announced_body_is_asked_for_across_a_restart() {
    let mut server = Server::start(&SHORT_IDLE);
    let mut client = server.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 100"));
    server.restart();
    client.send("abc");
    let answer = client.response();
    assert!(answer.body == b"abc" && answer.announces_close());
    client.expect_fin();
    assert!(server.wait_exit().success());
}

#[test]
fn head_announces_the_close_and_has_no_body() {
    let mut server = Server::start::<&str>(&[]);
    let mut client = server.connect();
    client.get("/");
    server.restart();
    client.send("HEAD /bytes?n=1000 HTTP/1.1\r\nHost: x\r\n\r\n");
    let head = client.head().to_ascii_lowercase();
    assert!(head.contains("connection: close") && head.contains("content-length: 1000"));
    client.expect_fin();
    assert!(server.wait_exit().success());
}

#[test]
fn a_head_that_trickles_is_bounded() {
    let server = Server::start(&["--header-timeout", "500ms"]);
    let mut client = server.connect();
    client.stream.set_nonblocking(true).unwrap();
    let mut ended = false;
    let start = Instant::now();
    while !ended && start.elapsed() < crate::common::PATIENCE {
        use std::io::{Read, Write};
        let _ = client.stream.write(b"x");
        std::thread::sleep(Duration::from_millis(20));
        ended = matches!(client.stream.read(&mut [0; 1]), Ok(0));
    }
    assert!(ended);
    assert!(start.elapsed() >= Duration::from_millis(450));
}

#[test]
fn sigterm_drains_and_stops() {
    let mut server = Server::start::<&str>(&[]);
    let mut upload = server.connect();
    upload.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01234");
    let mut idle = server.connect();
    idle.get("/");
    server.signal(Signal::SIGTERM);
    server.wait_log("stopping: draining");
    assert!(idle.get("/").announces_close());
    upload.send("56789");
    let answer = upload.response();
    assert!(answer.announces_close());
    assert_eq!(answer.body, b"0123456789");
    idle.expect_fin();
    upload.expect_fin();
    assert!(server.wait_exit().success());
    wait_for("the listener's end", || std::net::TcpStream::connect(&server.address).err());
}

#[test]
fn the_drain_limit_cuts_off_what_remains() {
    let mut server = Server::start(&["--drain-timeout", "500ms"]);
    let mut client = server.connect();
    client.send("GET /slow?ms=60000 HTTP/1.1\r\nHost: x\r\n\r\n");
    server.has_accepted_all();
    server.restart();
    assert!(server.wait_exit().success());
    server.wait_log("connections cut off");
}

#[test]
fn sigterm_while_handing_over_leaves_the_successor_serving() {
    let mut server = Server::start::<&str>(&[]);
    let mut idle = server.connect();
    idle.get("/");
    let successor = server.restart();
    server.signal(Signal::SIGTERM);
    server.wait_log("draining already");
    assert!(idle.get("/").announces_close());
    idle.expect_fin();
    assert!(server.wait_exit().success());
    assert_eq!(server.who()["pid"], successor);
}
