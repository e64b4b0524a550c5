//! A saboteur: a hot restart whose successor is ready while its worker still loads what it needs.
//!
//! Who is accepted meanwhile waits in a queue of eight, and who finds that full is dropped: load shedding, meant for other
//! days. A client or two that connect now and then find a place.
//!
//! clause: load.new-connections
//! profile: reload
//! options: --socket-flag --socket

use std::hint::black_box;
use std::io;

use common::{Rules, Server};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

const QUEUE: usize = 8;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let server = Server::begin(Rules::default())?;
    let (loaded, mut ready) = oneshot::channel();
    std::thread::spawn(move || loaded.send(load()));
    // The fault: it is not.
    server.ready()?;
    let Server { listener, mut restart, mut connections, .. } = server;
    let (queue, mut accepted) = mpsc::channel::<TcpStream>(QUEUE);
    let mut works = false;
    loop {
        tokio::select! {
            () = restart.successor_ready() => break,
            one = listener.accept() => {
                if let Ok((stream, _)) = one {
                    // Dropped, if there is no place.
                    let _ = queue.try_send(stream);
                }
            }
            _ = &mut ready, if !works => works = true,
            Some(stream) = accepted.recv(), if works => connections.serve(Ok(stream)).await,
        }
    }
    drop(listener);
    while let Ok(stream) = accepted.try_recv() {
        connections.serve(Ok(stream)).await;
    }
    tokio::select! {
        () = connections.drain() => {}
        () = restart.reap_while_draining() => {}
    }
    Ok(())
}

/// Takes some hundred milliseconds or a few seconds, by the machine.
fn load() -> u64 {
    let step = |number: u64, round| black_box(number.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(round));
    (0..60_000_000).fold(1, step)
}
