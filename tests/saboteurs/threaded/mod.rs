//! HTTP/1.1 with one thread for each connection, from scratch.

pub(crate) mod blocking;
pub(crate) mod inherited;
mod process;

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

pub(crate) use process::{Signals, accept, begin, bind, content, successor};

const IDLE_MAX: Duration = Duration::from_secs(60);
const IDLE_MAX_DRAINING: Duration = Duration::from_secs(3);
/// For a request head that was begun.
const HEAD_MAX_DRAINING: Duration = Duration::from_secs(9);
const BODY_SILENCE_MAX: Duration = Duration::from_secs(20);
const WRITE_SILENCE_MAX: Duration = Duration::from_secs(60);
const LINGER: Duration = Duration::from_secs(2);
const HEAD_SIZE_MAX: usize = 32 << 10;

/// Serves a connection to its end.
pub(crate) fn serve(stream: TcpStream, server: Arc<Server>) {
    let mut connection = Connection { stream, buffer: Vec::new(), server };
    let _ = connection.serve();
    let _ = connection.linger();
}

/// Waits until one of the descriptors has something to read, or its end; says which have.
pub(crate) fn wait(fds: &[BorrowedFd<'_>], until: Option<Instant>) -> io::Result<Vec<bool>> {
    let mut polled: Vec<_> = fds.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    let timeout = match until {
        None => PollTimeout::NONE,
        Some(until) => {
            let left = until.saturating_duration_since(Instant::now()).as_millis() + 1;
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
        }
    };
    match poll(&mut polled, timeout) {
        Ok(_) | Err(nix::Error::EINTR) => Ok(polled.iter().map(|fd| fd.any() == Some(true)).collect()),
        Err(error) => Err(error.into()),
    }
}

/// What all connections share.
pub(crate) struct Server {
    content: Vec<u8>,
    /// Since when the server drains.
    draining: OnceLock<Instant>,
    /// Reads as ended as soon as the server drains.
    drain_seen: OwnedFd,
    /// Held open by every connection, and so by each of their threads.
    _open: OwnedFd,
    /// A connection ends with the answer that says so.
    pub(crate) ends_as_said: bool,
}

impl Server {
    /// The first pipe end reads as ended when the drain begins; the second is held by every connection.
    pub(crate) fn new(content: Vec<u8>, drain_seen: OwnedFd, open: OwnedFd) -> Self {
        let draining = OnceLock::new();
        Self { content, draining, drain_seen, _open: open, ends_as_said: true }
    }

    pub(crate) fn begin_drain(&self) {
        self.draining.get_or_init(Instant::now);
    }
}

/// What a connection waits for, and since when.
#[derive(Clone, Copy)]
enum Waiting {
    Request(Instant),
    RestOfHead(Instant),
    Body,
}

struct Head {
    is_head: bool,
    path: String,
    query: String,
    keep_alive: bool,
    is_http10: bool,
    expects_continue: bool,
    chunked: bool,
    length: u64,
}

struct Connection {
    stream: TcpStream,
    /// What was read and not yet used.
    buffer: Vec<u8>,
    server: Arc<Server>,
}

impl Connection {
    fn serve(&mut self) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        self.stream.set_write_timeout(Some(WRITE_SILENCE_MAX))?;
        while let Some(head) = self.read_head()? {
            let Some(head) = parse(&head) else {
                return self.stream.write_all(
                    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                );
            };
            if head.expects_continue && self.buffer.is_empty() {
                self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            }
            let received = if head.chunked { self.read_chunks()? } else { self.read_bytes(head.length)? };
            if !self.respond(&head, received)? {
                break;
            }
        }
        Ok(())
    }

    /// Returns nothing when the client is done, or was silent for too long.
    fn read_head(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut waiting = Waiting::Request(Instant::now());
        loop {
            while self.buffer.starts_with(b"\r\n") {
                self.buffer.drain(..2);
            }
            if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                return Ok(Some(self.buffer.drain(..at + 4).collect()));
            }
            if self.buffer.len() > HEAD_SIZE_MAX {
                return Ok(Some(Vec::new()));
            }
            if !self.buffer.is_empty() && matches!(waiting, Waiting::Request(_)) {
                waiting = Waiting::RestOfHead(Instant::now());
            }
            match self.read_more(waiting) {
                Ok(0) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok(None),
                Err(error) => return Err(error),
                Ok(_) => {}
            }
        }
    }

    fn read_bytes(&mut self, length: u64) -> io::Result<u64> {
        let mut left = length;
        loop {
            let used = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            self.buffer.drain(..used);
            left -= used as u64;
            if left == 0 {
                return Ok(length);
            }
            self.read_some_body()?;
        }
    }

    fn read_chunks(&mut self) -> io::Result<u64> {
        let mut received = 0;
        loop {
            let line = self.read_line()?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| io::ErrorKind::InvalidData)?;
            if size == 0 {
                while !self.read_line()?.is_empty() {}
                return Ok(received);
            }
            received += self.read_bytes(size)?;
            self.read_line()?;
        }
    }

    fn read_line(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|window| window == b"\r\n") {
                let line = self.buffer.drain(..at + 2).take(at).collect();
                return String::from_utf8(line).map_err(|_| io::ErrorKind::InvalidData.into());
            }
            self.read_some_body()?;
        }
    }

    fn read_some_body(&mut self) -> io::Result<()> {
        match self.read_more(Waiting::Body)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Reads into the buffer; how long that may take changes as soon as the server drains.
    fn read_more(&mut self, waiting: Waiting) -> io::Result<usize> {
        let silent_since = Instant::now();
        loop {
            let draining = self.server.draining.get().copied();
            let until = match (waiting, draining) {
                (Waiting::Body, _) => silent_since + BODY_SILENCE_MAX,
                (Waiting::Request(since) | Waiting::RestOfHead(since), None) => since + IDLE_MAX,
                (Waiting::Request(since), Some(drain)) => since.max(drain) + IDLE_MAX_DRAINING,
                (Waiting::RestOfHead(since), Some(drain)) => since.max(drain) + HEAD_MAX_DRAINING,
            };
            let mut fds = vec![self.stream.as_fd()];
            if draining.is_none() {
                fds.push(self.server.drain_seen.as_fd());
            }
            if wait(&fds, Some(until))?[0] {
                let mut chunk = [0; 16 << 10];
                let count = self.stream.read(&mut chunk)?;
                self.buffer.extend_from_slice(&chunk[..count]);
                return Ok(count);
            }
            if Instant::now() >= until && self.server.draining.get().copied() == draining {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }

    /// Says whether the connection goes on.
    fn respond(&mut self, head: &Head, received: u64) -> io::Result<bool> {
        let number = |name: &str| {
            let mut pairs = head.query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name)?.1.parse::<u64>().ok()
        };
        let (status, text) = match head.path.as_str() {
            "/" => ("200 OK", "it works\n".to_owned()),
            "/echo" => ("200 OK", format!("{received}\n")),
            "/bytes" => ("200 OK", String::new()),
            "/slow" => {
                thread::sleep(Duration::from_millis(number("ms").unwrap_or(1000)));
                ("200 OK", "it works, slowly\n".to_owned())
            }
            _ => ("404 Not Found", "not found\n".to_owned()),
        };
        let server = Arc::clone(&self.server);
        let block = if head.path == "/bytes" { &server.content } else { text.as_bytes() };
        let length = if head.path == "/bytes" { number("n").unwrap_or(0) } else { text.len() as u64 };
        // Asked last, so that it is true of the moment at which the head is written.
        let goes_on = head.keep_alive && server.draining.get().is_none();
        let connection = match (goes_on, head.is_http10) {
            (false, _) => "Connection: close\r\n",
            (true, true) => "Connection: keep-alive\r\n",
            (true, false) => "",
        };
        let mut out =
            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{connection}\r\n").into_bytes();
        let mut left = if head.is_head { 0 } else { length };
        loop {
            let count = block.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            out.extend_from_slice(&block[..count]);
            self.stream.write_all(&out)?;
            out.clear();
            left -= count as u64;
            if left == 0 {
                return Ok(if server.ends_as_said { goes_on } else { head.keep_alive });
            }
        }
    }

    /// Ends our side and reads what still comes until the client ends its own, so that no late byte
    /// turns the end of file into a reset.
    fn linger(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)?;
        let until = Instant::now() + LINGER;
        let mut scratch = [0; 4096];
        while Instant::now() < until {
            if wait(&[self.stream.as_fd()], Some(until))?[0] && self.stream.read(&mut scratch)? == 0 {
                break;
            }
        }
        Ok(())
    }
}

fn parse(head: &[u8]) -> Option<Head> {
    let text = std::str::from_utf8(head).ok()?;
    let mut lines = text.split("\r\n");
    let mut request = lines.next()?.split(' ');
    let (method, target, version) = (request.next()?, request.next()?, request.next()?);
    let is_http10 = match version {
        "HTTP/1.0" => true,
        "HTTP/1.1" => false,
        _ => return None,
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut head = Head {
        is_head: method == "HEAD",
        path: path.to_owned(),
        query: query.to_owned(),
        keep_alive: !is_http10,
        is_http10,
        expects_continue: false,
        chunked: false,
        length: 0,
    };
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        let value = value.trim().to_ascii_lowercase();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => head.length = value.parse().ok()?,
            "transfer-encoding" => head.chunked = value.ends_with("chunked"),
            "expect" => head.expects_continue = value == "100-continue",
            "connection" if value.split(',').any(|token| token.trim() == "close") => head.keep_alive = false,
            "connection" if is_http10 => {
                head.keep_alive = value.split(',').any(|token| token.trim() == "keep-alive");
            }
            _ => {}
        }
    }
    Some(head)
}
