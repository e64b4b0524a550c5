//! Ctrl-C.

use std::sync::mpsc;

use tokio::sync::watch;

use crate::exit::{self, Failure};
use crate::run::session::Session;

/// A session of this process: from now on a first Ctrl-C (or SIGTERM) breaks what runs off in order, a second at once. There is one
/// in a process, and so many processes that run scenarios at the same time.
///
/// # Errors
/// Signals can't be watched for.
pub(super) fn session(runs: u16) -> Result<Session, Failure> {
    Ok(Session::new(watch_signals()?, runs))
}

/// Turns SIGINT and SIGTERM into a word to all scenarios.
fn watch_signals() -> Result<watch::Receiver<bool>, Failure> {
    let (sender, receiver) = watch::channel(false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::own)?;
    let (ready, is_ready) = mpsc::channel();
    let watched = move || {
        runtime.block_on(async move {
            use tokio::signal::unix::{SignalKind, signal};
            let (Ok(mut int), Ok(mut term)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return;
            };
            let _ = ready.send(());
            loop {
                tokio::select! {
                    _ = int.recv() => {}
                    _ = term.recv() => {}
                }
                if sender.send_replace(true) {
                    exit::say("hotspec: ended at once; nothing more is judged or written");
                    // The wardens notice that we are gone, and take their trees down.
                    std::process::exit(i32::from(exit::INTERRUPTED));
                }
                exit::say("hotspec: breaking off; what was recorded is still reported (again: at once)");
            }
        });
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(watched).map_err(Failure::own)?;
    is_ready.recv().map_err(|_| Failure::own("failed to watch for SIGINT and SIGTERM"))?;
    Ok(receiver)
}
