//! Closing a connection so that the client gets everything that was written to it.
//!
//! A `close` with unread bytes in the receive buffer makes the kernel send a reset, and so do bytes
//! that arrive after it; a reset that overtakes the last response destroys it. So: shut down the
//! sending side, then read and discard until the client closes too, for a bounded time.

use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::stream::Stream;

/// How long to wait for the client's close once it has acknowledged everything.
const ALL_SENT: Duration = Duration::from_secs(2);

/// How long to wait for a client that has not: it may be reading slowly. Afterwards the kernel
/// goes on sending.
const NO_PROGRESS: Duration = Duration::from_secs(10);

/// How often to look at the send queue.
const LOOK: Duration = Duration::from_millis(100);

pub(crate) async fn close(mut stream: Stream) {
    if stream.shutdown().await.is_err() {
        return; // The client reset it: nothing is left to deliver.
    }
    let mut unsent = unsent_bytes(&stream);
    let mut progress = Instant::now();
    let mut discard = vec![0; 4 * 1024];
    loop {
        let give_up = progress + if unsent == 0 { ALL_SENT } else { NO_PROGRESS };
        let now = Instant::now();
        if now >= give_up {
            return;
        }
        // With everything acknowledged there is nothing to look at: thousands of idle connections
        // may be here at once.
        let look = if unsent == 0 { give_up } else { give_up.min(now + LOOK) };
        let read = tokio::time::timeout_at(look, stream.read(&mut discard)).await;
        if let Ok(Ok(0) | Err(_)) = read {
            return;
        }
        let still_unsent = unsent_bytes(&stream);
        if still_unsent != unsent {
            unsent = still_unsent;
            progress = Instant::now();
        }
    }
}

/// Bytes written and not yet acknowledged by the client's kernel (on a unix socket: not yet read).
fn unsent_bytes(stream: &Stream) -> libc::c_int {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open for as long as `stream` is borrowed, and the request writes
    // one int.
    let result = unsafe { libc::ioctl(stream.as_fd().as_raw_fd(), libc::TIOCOUTQ, &mut bytes) };
    if result == 0 { bytes } else { 0 }
}
