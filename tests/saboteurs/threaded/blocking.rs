//! A server whose acceptor, a thread of its own, blocks in accept(2).

use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::fcntl::OFlag;

use super::inherited::{self, Restart};
use super::{self as threaded, Server, Signals, wait};

/// The old process is to drain.
pub(crate) static STOPPING: AtomicBool = AtomicBool::new(false);

/// Serves with this acceptor, hands the listener on at SIGHUP, and drains when the successor is ready.
pub(crate) fn run(accept: fn(&TcpListener, &Arc<Server>)) -> io::Result<()> {
    let signals = Signals::block()?;
    let (listener, predecessor) = inherited::listener(false)?;
    let listener = Arc::new(listener);
    let (drain_seen, drain) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    let (all_closed, open) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    let server = Arc::new(Server::new(threaded::content(), drain_seen, open));
    let acceptor = (Arc::clone(&listener), Arc::clone(&server));
    thread::spawn(move || accept(&acceptor.0, &acceptor.1));
    predecessor.tell()?;

    let mut restart = Restart::default();
    let successor = loop {
        wait(&[signals.as_fd()], None)?;
        if let Some(ready) = restart.take(&signals.read()?, &listener)? {
            break ready;
        }
    };
    // The acceptor has both still.
    drop(listener);
    STOPPING.store(true, Ordering::SeqCst);
    server.begin_drain();
    drop(drain);
    drop(server);
    signals.wait_until_closed(&all_closed, successor)
}
