//! One connection, on a thread of its own: requests and answers, until it is closed.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::SockRef;

use super::faults::Fault;

/// An idle connection is kept for so long while draining.
const IDLE: Duration = Duration::from_secs(3);
/// The same while serving.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// The longest that the client's end is awaited after a close.
const LINGER: Duration = Duration::from_secs(2);
/// A longer head is none.
const HEAD_MAX: usize = 16 << 10;

/// Whether the server drains, and a pipe that has its end when it begins to.
pub(super) struct Drain {
    pub(super) since: OnceLock<Instant>,
    pub(super) begun: OwnedFd,
}

impl Drain {
    pub(super) fn is_on(&self) -> bool {
        self.since.get().is_some()
    }
}

/// What ended the wait for bytes.
enum Wait {
    Bytes,
    DrainBegun,
    Expired,
}

/// Serves until the client or the server is done.
pub(super) fn serve(stream: &TcpStream, drain: &Drain, fault: Fault) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    let mut quiet_since = Instant::now();
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            buffer.drain(..end + 4);
            match answer(stream, &head, drain, fault)? {
                Answered::KeptAlive => {}
                Answered::Announced if fault == Fault::CloseNotKept => {}
                Answered::Announced | Answered::AsAsked => return linger(stream),
            }
            quiet_since = Instant::now();
            continue;
        }
        match wait(stream, drain, quiet_since, fault)? {
            Wait::DrainBegun if fault == Fault::IdleClosed && buffer.is_empty() => return linger(stream),
            Wait::DrainBegun => {}
            Wait::Expired if fault == Fault::Reset => {
                // The close is a reset then.
                return SockRef::from(stream).set_linger(Some(Duration::ZERO));
            }
            Wait::Expired => return linger(stream),
            Wait::Bytes => {
                let mut bytes = [0; 4096];
                let count = (&mut &*stream).read(&mut bytes)?;
                buffer.extend_from_slice(&bytes[..count]);
                if count == 0 || buffer.len() > HEAD_MAX {
                    return Ok(());
                }
            }
        }
    }
}

fn wait(stream: &TcpStream, drain: &Drain, quiet_since: Instant, fault: Fault) -> io::Result<Wait> {
    let draining = drain.since.get();
    let limit = match draining {
        Some(_) if fault == Fault::IdleKept => None,
        Some(since) => Some(*since.max(&quiet_since) + IDLE),
        None => Some(quiet_since + KEEP_ALIVE),
    };
    let mut watched = vec![PollFd::new(stream.as_fd(), PollFlags::POLLIN)];
    if draining.is_none() {
        watched.push(PollFd::new(drain.begun.as_fd(), PollFlags::POLLIN));
    }
    let ready = poll(&mut watched, timeout(limit))?;
    let bytes = watched[0].any().unwrap_or(false);
    Ok(match (ready, bytes) {
        (0, _) if limit.is_none_or(|limit| Instant::now() < limit) => Wait::DrainBegun,
        (0, _) => Wait::Expired,
        (_, true) => Wait::Bytes,
        (_, false) => Wait::DrainBegun,
    })
}

/// Until then, rounded up.
fn timeout(limit: Option<Instant>) -> PollTimeout {
    let Some(limit) = limit else { return PollTimeout::NONE };
    let left = limit.saturating_duration_since(Instant::now()).as_millis() + 1;
    PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
}

/// What becomes of the connection after an answer.
enum Answered {
    KeptAlive,
    /// The client asked for the close.
    AsAsked,
    /// The server drains.
    Announced,
}

fn answer(mut stream: &TcpStream, head: &str, drain: &Drain, fault: Fault) -> io::Result<Answered> {
    let path = head.split(' ').nth(1).unwrap_or_default();
    if let Some(millis) = path.strip_prefix("/slow?ms=").and_then(|millis| millis.parse().ok()) {
        std::thread::sleep(Duration::from_millis(millis));
    }
    let (status, body) = if path == "/" || path.starts_with("/slow") {
        ("200 OK", "it works\n")
    } else {
        ("404 Not Found", "not found\n")
    };
    let wanted = head.lines().any(|line| line.to_ascii_lowercase().replace(' ', "") == "connection:close");
    // Asked last, so that it is true of the moment at which the head is written.
    let announced = drain.is_on() && fault != Fault::NoClose;
    let last = if wanted || announced { "Connection: close\r\n" } else { "" };
    let length = body.len();
    stream.write_all(
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n{last}\r\n{body}"
        )
        .as_bytes(),
    )?;
    Ok(match (wanted, announced) {
        (true, _) => Answered::AsAsked,
        (false, true) => Answered::Announced,
        (false, false) => Answered::KeptAlive,
    })
}

/// Says that there is no more, and reads what is left, so that the close makes no reset.
fn linger(mut stream: &TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(LINGER))?;
    let mut bytes = [0; 4096];
    while stream.read(&mut bytes)? > 0 {}
    Ok(())
}
