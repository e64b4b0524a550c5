//! A saboteur: a hot restart in which the old process goes when the next client comes, and not before.
//!
//! Its acceptor sits in `accept`, serves whatever that returns with, and then looks whether it is to go on: nobody is lost.
//! But where nobody connects it sits there, and with it the process and all that it holds.
//!
//! Written from scratch with threads, one for each connection.
//!
//! clause: drain.exits
//! shown-by: zero-traffic
//! falls-with: availability.successor-serves, drain.stops-accepting, drain.starts, availability.same-listener, process.one-left, process.no-zombies, process.exit-zero, process.effective, repeat.while-draining, repeat.successor-triggered
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
    // The acceptor has it too.
    drop(server);
    signals.wait_until_closed(&all_closed, successor)
}

/// The fault: nothing wakes it from `accept` but a client.
fn accept(listener: &TcpListener, server: &Arc<Server>) {
    while !STOPPING.load(Ordering::SeqCst) {
        threaded::begin(listener.accept().map(|(stream, _)| stream), server);
    }
}
