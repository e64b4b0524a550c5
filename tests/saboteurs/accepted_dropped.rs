//! A saboteur: a hot restart in which the old process drops the connection that tells it to stop.
//!
//! Its acceptor sits in `accept`, and looks whether it is to go on when that returns. What it returned with is a client
//! that has been accepted already and is now nobody's.
//!
//! Written from scratch with threads, one for each connection.
//!
//! clause: availability.answered
//! shown-by: new-connections keep-alive-traffic
//! falls-with: availability.queue-kept, availability.no-wire-reset, keep-alive.fin-not-reset, keep-alive.answered-throughout, in-flight.completes, drain.exits, drain.starts, process.one-left, process.exit-zero, load.new-connections, load.closed-loop, load.idle-mass, repeat.many, repeat.double-trigger, repeat.while-draining, repeat.successor-triggered
//! profile: reload
//! options: --socket-flag --socket

#[path = "threaded/inherited.rs"]
mod inherited;
mod threaded;

use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::fcntl::OFlag;
use nix::sys::signal::Signal;

use threaded::{Server, Signals, wait};

static STOPPING: AtomicBool = AtomicBool::new(false);

fn main() -> io::Result<()> {
    let signals = Signals::block()?;
    let (listener, predecessor) = inherited::listener(false)?;
    let listener = Arc::new(listener);
    let (drain_seen, drain) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    let (all_closed, open) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    let server = Arc::new(Server::new(threaded::content(), drain_seen, open));
    let acceptor = (Arc::clone(&listener), Arc::clone(&server));
    thread::spawn(move || accept(&acceptor.0, &acceptor.1));
    predecessor.tell()?;

    let mut successor: Option<Child> = None;
    let successor = loop {
        wait(&[signals.as_fd()], None)?;
        let came = signals.read()?;
        match successor.take() {
            Some(ready) if came.contains(Signal::SIGUSR1) => break ready,
            Some(mut begun) => match begun.try_wait()? {
                Some(status) => eprintln!("the successor ended: {status}"),
                None => successor = Some(begun),
            },
            None if came.contains(Signal::SIGHUP) => match inherited::start(&listener) {
                Ok(begun) => successor = Some(begun),
                Err(error) => eprintln!("cannot start a successor: {error}"),
            },
            None => {}
        }
    };
    drop(listener);
    STOPPING.store(true, Ordering::SeqCst);
    server.begin_drain();
    drop(drain);
    drop(server);
    signals.wait_until_closed(&all_closed, successor)
}

fn accept(listener: &TcpListener, server: &Arc<Server>) {
    loop {
        let accepted = listener.accept().map(|(stream, _)| stream);
        if STOPPING.load(Ordering::SeqCst) {
            // The fault: it has to be served before that.
            return;
        }
        threaded::begin(accepted, server);
    }
}
