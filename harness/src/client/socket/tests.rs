//! Each row of the table "what the client sees" against a small std server. A listener's backlog completes
//! handshakes by itself, so the server needs no thread, and what a test depends on is waited for.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixListener};
use std::time::Duration;

use super::*;

const RESET: End = End::Reset { errno: libc::ECONNRESET };

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn listen() -> (TcpListener, Address) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address::Tcp(listener.local_addr().unwrap());
    (listener, address)
}

/// A connection and the server's side of it.
async fn pair() -> (Socket, TcpStream) {
    let (listener, address) = listen();
    let socket = Socket::connect(&address, soon()).await.unwrap();
    let (peer, _) = listener.accept().unwrap();
    (socket, peer)
}

/// Closes with a RST (SO_LINGER 1, 0).
fn abort(peer: TcpStream) {
    socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
}

/// Receives to the end: how many bytes, and which end. The end has to stay what it is.
async fn drain(socket: &Socket) -> (usize, End) {
    let mut bytes = Vec::new();
    let before = socket.bytes_received();
    loop {
        match socket.recv(&mut bytes, 65_536, soon()).await {
            Received::Data { .. } => {}
            Received::End { end, .. } => {
                let again = socket.recv(&mut bytes, 1, soon()).await;
                assert!(
                    matches!(again, Received::End { end: same, .. } if same == end),
                    "{end:?}, and then {again:?}"
                );
                assert_eq!(socket.bytes_received() - before, bytes.len() as u64);
                return (bytes.len(), end);
            }
            Received::TimedOut => panic!("neither data nor an end"),
        }
    }
}

fn state(socket: &Socket) -> u8 {
    socket.tcp_view().unwrap().state
}

async fn wait_for_error(socket: &Socket) {
    while !socket.poll_now().error() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_port_without_a_listener_refuses() {
    let (listener, address) = listen();
    drop(listener);
    let failure = Socket::connect(&address, soon()).await.unwrap_err();
    assert_eq!(failure.kind, ConnectFailureKind::Refused);
    assert_eq!(failure.errno, Some(libc::ECONNREFUSED));
    assert_eq!(failure.to_string(), "connection refused (ECONNREFUSED)");
}

#[tokio::test]
async fn data_and_a_clean_close_is_a_fin() {
    let (socket, mut peer) = pair().await;
    peer.write_all(&[7; 1000]).unwrap();
    drop(peer);
    assert_eq!(drain(&socket).await, (1000, End::Fin));
    assert_eq!(state(&socket), 8, "CLOSE_WAIT");
    assert_eq!(socket.close().unread, 0);
}

#[tokio::test]
async fn our_half_close_and_then_the_peers_is_a_fin_though_the_state_is_closed() {
    let (socket, mut peer) = pair().await;
    socket.half_close().unwrap();
    assert_eq!(peer.read(&mut [0; 8]).unwrap(), 0);
    peer.write_all(b"late answer").unwrap();
    drop(peer);
    assert_eq!(drain(&socket).await, (11, End::Fin));
    assert_eq!(state(&socket), 7, "CLOSE");
    assert!(!socket.poll_now().error());
    let failure = socket.send_all(b"x", soon()).await.unwrap_err();
    assert_eq!(failure.kind, SendFailureKind::Broken);
    assert_eq!(drain(&socket).await.1, End::Fin, "our own shutdown is no reset");
}

#[tokio::test]
async fn a_close_with_linger_zero_is_a_reset() {
    let (socket, peer) = pair().await;
    abort(peer);
    assert!(socket.ended().await.error());
    assert_eq!(drain(&socket).await, (0, RESET));
}

#[tokio::test]
async fn a_close_with_an_unread_request_is_a_reset() {
    let (socket, peer) = pair().await;
    socket.send_all(b"GET / HTTP/1.1\r\n\r\n", soon()).await.unwrap();
    peer.peek(&mut [0; 1]).unwrap();
    drop(peer);
    assert_eq!(drain(&socket).await, (0, RESET));
}

#[tokio::test]
async fn a_connection_lost_with_its_accept_queue_is_a_reset() {
    let (listener, address) = listen();
    let socket = Socket::connect(&address, soon()).await.unwrap();
    drop(listener);
    assert_eq!(drain(&socket).await, (0, RESET));
}

#[tokio::test]
async fn a_response_before_a_reset_is_received_whole() {
    let (socket, mut peer) = pair().await;
    socket.send_all(b"GET 1 GET 2", soon()).await.unwrap();
    peer.read_exact(&mut [0; 5]).unwrap();
    peer.write_all(&[7; 1000]).unwrap();
    drop(peer);
    wait_for_error(&socket).await;
    assert_eq!(drain(&socket).await, (1000, RESET));
}

#[tokio::test]
async fn an_error_that_connecting_took_is_still_the_end() {
    let (mut socket, mut peer) = pair().await;
    peer.write_all(&[7; 1000]).unwrap();
    abort(peer);
    wait_for_error(&socket).await;
    // What connecting does when the reset is there before it has returned.
    let error = socket.fd.get_ref().take_error().unwrap().unwrap();
    socket.taken = Cell::new(error.raw_os_error());
    assert_eq!(drain(&socket).await, (1000, RESET));
}

#[tokio::test]
async fn a_large_response_cut_by_a_reset_is_short_and_reset() {
    let (socket, mut peer) = pair().await;
    socket.send_all(b"unread", soon()).await.unwrap();
    peer.peek(&mut [0; 1]).unwrap();
    peer.set_nonblocking(true).unwrap();
    let mut written = 0;
    while let Ok(n) = peer.write(&[7; 65_536]) {
        written += n;
    }
    drop(peer);
    let (received, end) = drain(&socket).await;
    assert_eq!(end, RESET);
    assert!(received < written, "{received} of {written}");
}

#[tokio::test]
async fn writing_after_the_peers_close_is_a_reset_after_fin() {
    let (socket, peer) = pair().await;
    drop(peer);
    assert!(!socket.ended().await.error());
    socket.send_all(b"GET / HTTP/1.1\r\n\r\n", soon()).await.unwrap();
    wait_for_error(&socket).await;
    assert_eq!(drain(&socket).await, (0, End::ResetAfterFin));
}

#[tokio::test]
async fn a_fin_turns_into_a_reset_after_fin_by_writing_more() {
    let (socket, peer) = pair().await;
    drop(peer);
    assert_eq!(drain(&socket).await, (0, End::Fin));
    socket.send_all(b"first", soon()).await.unwrap();
    wait_for_error(&socket).await;
    let failure = socket.send_all(b"second", soon()).await.unwrap_err();
    assert_eq!(failure.kind, SendFailureKind::Broken);
    assert_eq!((failure.errno, failure.sent), (Some(libc::EPIPE), 0));
    assert_eq!(drain(&socket).await, (0, End::ResetAfterFin));
}

#[tokio::test]
async fn a_reset_that_a_send_took_is_still_the_end() {
    let (socket, mut peer) = pair().await;
    peer.write_all(&[7; 10]).unwrap();
    abort(peer);
    wait_for_error(&socket).await;
    let failure = socket.send_all(b"x", soon()).await.unwrap_err();
    assert_eq!(failure.kind, SendFailureKind::Reset);
    let second = socket.send_all(b"x", soon()).await.unwrap_err();
    assert_eq!(second.kind, SendFailureKind::Broken);
    assert_eq!(drain(&socket).await, (10, RESET));
}

#[tokio::test]
async fn a_peer_that_does_not_read_makes_sending_time_out() {
    let (socket, peer) = pair().await;
    let bytes = vec![7; 64 << 20];
    let deadline = Instant::now() + Duration::from_millis(100);
    let failure = socket.send_all(&bytes, deadline).await.unwrap_err();
    assert_eq!((failure.kind, failure.errno), (SendFailureKind::TimedOut, None));
    assert!(failure.sent > 0 && failure.sent < bytes.len());
    assert_eq!(socket.bytes_sent(), failure.sent as u64);
    drop(peer);
}

#[tokio::test]
async fn the_end_is_seen_while_data_is_left_unread() {
    let (socket, mut peer) = pair().await;
    peer.write_all(&[7; 10]).unwrap();
    assert!(socket.readable().await.readable());
    let wait = tokio::time::timeout(Duration::from_millis(20), socket.ended());
    assert!(wait.await.is_err(), "data is no end");
    let close = async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        drop(peer);
    };
    let (mask, ()) = tokio::join!(socket.ended(), close);
    assert!(mask.ended() && mask.readable() && !mask.error());
    assert_eq!(socket.pending_readable().unwrap(), 10);
    assert_eq!(drain(&socket).await, (10, End::Fin));
}

#[tokio::test]
async fn a_dropped_wait_takes_nothing() {
    let (socket, mut peer) = pair().await;
    let mut bytes = Vec::new();
    for round in 1..=100 {
        let at_once = Instant::now();
        let early = socket.recv(&mut bytes, 100, at_once).await;
        assert_eq!(early, Received::TimedOut);
        let both = async {
            tokio::select! {
                biased;
                _ = socket.recv(&mut bytes, 100, soon()) => panic!("nothing was sent"),
                () = tokio::task::yield_now() => {}
            }
        };
        both.await;
        peer.write_all(&[7; 3]).unwrap();
        assert!(socket.readable().await.readable());
        assert!(matches!(socket.recv(&mut bytes, 100, soon()).await, Received::Data { n: 3, .. }));
        assert_eq!(bytes.len(), round * 3);
    }
}

#[tokio::test]
async fn closing_with_unread_bytes_is_told() {
    let (socket, mut peer) = pair().await;
    peer.write_all(&[7; 10]).unwrap();
    socket.readable().await;
    assert_eq!(socket.close().unread, 10);
    assert!(peer.read(&mut [0; 1]).is_err(), "we sent a RST");
}

#[tokio::test]
async fn a_full_accept_queue_is_a_timeout_with_syns_sent_again() {
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    listener.bind(&any.into()).unwrap();
    listener.listen(1).unwrap();
    let address = Address::Tcp(listener.local_addr().unwrap().as_socket().unwrap());
    let mut queued = Vec::new();
    for _ in 0..2 {
        queued.push(Socket::connect(&address, soon()).await.unwrap());
    }
    let deadline = Instant::now() + Duration::from_millis(1300);
    let failure = Socket::connect(&address, deadline).await.unwrap_err();
    assert_eq!((failure.kind, failure.errno), (ConnectFailureKind::TimedOut, None));
    assert!(failure.retransmits >= Some(1), "{failure}");

    let drain_queue = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        [listener.accept().unwrap(), listener.accept().unwrap()]
    };
    let (late, _queue) = tokio::join!(Socket::connect(&address, soon()), drain_queue);
    let late = late.unwrap();
    assert!(late.retransmits() >= Some(1));
    let opened = late.opened();
    assert!(opened.at - opened.started >= Duration::from_millis(900));
}

#[tokio::test]
async fn an_impossible_source_address_is_our_own_fault() {
    let (_listener, address) = listen();
    let options = Options { source: Some("192.0.2.1".parse().unwrap()), ..Options::default() };
    let failure = Socket::connect_with(&address, &options, soon()).await.unwrap_err();
    assert_eq!(failure.kind, ConnectFailureKind::Local);
    assert_eq!(failure.errno, Some(libc::EADDRNOTAVAIL));
}

#[tokio::test]
async fn options_reach_the_socket() {
    let (_listener, address) = listen();
    let options = Options { source: Some("127.0.0.9".parse().unwrap()), receive_buffer_bytes: Some(4096) };
    let socket = Socket::connect_with(&address, &options, soon()).await.unwrap();
    assert_eq!(socket.local_address().unwrap().ip().to_string(), "127.0.0.9");
    assert_eq!(socket.peer_address().map(Address::Tcp), Some(address));
    let inner = socket.fd.get_ref();
    assert_eq!(inner.recv_buffer_size().unwrap(), 8192);
    assert!(inner.tcp_nodelay().unwrap());
    assert_eq!(socket.unacked(), Some(0));
}

#[tokio::test]
async fn unix_sockets_are_refused_missing_or_full() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let address = Address::Unix(path.clone());
    let kind = async |address: &Address| Socket::connect(address, soon()).await.unwrap_err().kind;
    assert_eq!(kind(&address).await, ConnectFailureKind::Missing);

    let listener = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    listener.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
    assert_eq!(kind(&address).await, ConnectFailureKind::Refused);
    listener.listen(1).unwrap();
    let mut queued = Vec::new();
    for _ in 0..2 {
        queued.push(Socket::connect(&address, soon()).await.unwrap());
    }
    assert_eq!(kind(&address).await, ConnectFailureKind::QueueFull);
    drop(listener);
    assert_eq!(kind(&address).await, ConnectFailureKind::Refused);
    for socket in &queued {
        assert_eq!(drain(socket).await, (0, RESET), "the queue is gone");
    }
}

#[tokio::test]
async fn the_ends_of_an_abstract_unix_connection() {
    let name = format!("hotspec-test-{}", std::process::id());
    let address: Address = format!("unix:@{name}").parse().unwrap();
    let bound = UnixAddress::from_abstract_name(&name).unwrap();
    let listener = UnixListener::bind_addr(&bound).unwrap();

    let socket = Socket::connect(&address, soon()).await.unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    peer.write_all(b"hello").unwrap();
    drop(peer);
    assert_eq!(drain(&socket).await, (5, End::Fin));
    let failure = socket.send_all(b"x", soon()).await.unwrap_err();
    assert_eq!(failure.kind, SendFailureKind::Broken);
    assert_eq!(drain(&socket).await, (0, End::Fin), "unix sockets know no RST after FIN");
    assert_eq!((socket.retransmits(), socket.local_address()), (None, None));

    let socket = Socket::connect(&address, soon()).await.unwrap();
    let (peer, _) = listener.accept().unwrap();
    socket.send_all(b"unread", soon()).await.unwrap();
    drop(peer);
    assert_eq!(drain(&socket).await, (0, RESET));

    let socket = Socket::connect(&address, soon()).await.unwrap();
    let (peer, _) = listener.accept().unwrap();
    socket.half_close().unwrap();
    peer.shutdown(Shutdown::Both).unwrap();
    assert_eq!(drain(&socket).await, (0, End::Fin));
}
