//! A server under test and raw clients: sockets of the standard library, nothing in between.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

/// Far above anything a test waits for on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Polls until `what` is there.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_reference-server"))
}

/// What it has written so far.
#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    grew: Condvar,
}

/// A running server with all its generations; they are killed with this value.
pub struct Server {
    child: Child,
    log: Arc<Log>,
    pub address: String,
}

impl Server {
    pub fn start<S: AsRef<OsStr>>(arguments: &[S]) -> Self {
        let mut command = Command::new(program());
        command.args(["--listen", "127.0.0.1:0"]).args(arguments);
        Self::start_command(command)
    }

    /// Waits until it is ready; `address` is the first one that it listens on.
    pub fn start_command(command: Command) -> Self {
        let mut server = Self::spawn(command);
        server.wait_log("ready pid=");
        let line = server.wait_log("listening address=");
        server.address = field(&line, "address=");
        server
    }

    /// In a process group of its own, its log read by a thread.
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command
            .env_remove("RUST_LOG")
            .process_group(0)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let log = Arc::new(Log::default());
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let sink = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                sink.lines.lock().unwrap().push(line);
                sink.grew.notify_all();
            }
        });
        Self { child, log, address: String::new() }
    }

    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    pub fn log(&self) -> Vec<String> {
        self.log.lines.lock().unwrap().clone()
    }

    /// The n-th line (from 0) that contains `text`.
    pub fn wait_log_nth(&self, text: &str, n: usize) -> String {
        let find = |log: &[String]| log.iter().filter(|line| line.contains(text)).nth(n).cloned();
        let log = self.log.lines.lock().unwrap();
        let (log, _) = self.log.grew.wait_timeout_while(log, PATIENCE, |log| find(log).is_none()).unwrap();
        find(&log).unwrap_or_else(|| panic!("no line {n} with {text:?} in\n{}", log.join("\n")))
    }

    pub fn wait_log(&self, text: &str) -> String {
        self.wait_log_nth(text, 0)
    }

    pub fn count_log(&self, text: &str) -> usize {
        self.log().iter().filter(|l| l.contains(text)).count()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).expect("the server is there");
    }

    /// SIGHUP to this process, and the pid of the successor once this process drains.
    pub fn restart(&self) -> i32 {
        self.signal(Signal::SIGHUP);
        let line = self.wait_log("successor is ready: draining");
        field(&line, "successor=").parse().unwrap()
    }

    pub fn wait_exit(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            let log = || self.log().join("\n");
            assert!(start.elapsed() < PATIENCE, "no exit, log:\n{}", log());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn connect(&self) -> Client<TcpStream> {
        Client::tcp(self.address.parse().unwrap())
    }

    /// Until this process has accepted all connections made so far: they are accepted in order, and
    /// one made now is answered.
    pub fn has_accepted_all(&self) {
        assert_eq!(self.who()["pid"], self.pid());
    }

    /// Which generation and pid answers a new connection.
    pub fn who(&self) -> serde_json::Value {
        let mut client = self.connect();
        client.send("GET /generation HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = client.response();
        serde_json::from_slice(&answer.body).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("log of the server:\n{}", self.log().join("\n"));
        }
        let _ = killpg(Pid::from_raw(self.pid()), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// The word that follows `key` in a line of the log.
pub fn field(line: &str, key: &str) -> String {
    let start = line.find(key).unwrap_or_else(|| panic!("{key} in {line}")) + key.len();
    line[start..].split(' ').next().unwrap().to_owned()
}

pub struct Response {
    pub head: String,
    pub body: Vec<u8>,
}

impl Response {
    pub fn status(&self) -> u16 {
        self.head[9..12].parse().unwrap()
    }

    pub fn header(&self, name: &str) -> Option<String> {
        let lines = self.head.lines().skip(1);
        let pairs = lines.filter_map(|line| line.split_once(": "));
        let mut found = pairs.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.to_ascii_lowercase())
    }

    pub fn announces_close(&self) -> bool {
        self.header("connection").as_deref() == Some("close")
    }
}

/// A client on one connection.
pub struct Client<S> {
    pub stream: S,
    buffer: Vec<u8>,
}

impl Client<TcpStream> {
    pub fn tcp(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("connect");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::new(stream)
    }
}

impl<S: Read + Write> Client<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub fn send(&mut self, text: impl AsRef<[u8]>) {
        self.stream.write_all(text.as_ref()).expect("send");
    }

    pub fn get(&mut self, path: &str) -> Response {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        self.response()
    }

    /// A head, up to and with its empty line.
    pub fn head(&mut self) -> String {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let head = self.buffer.drain(..end + 4).collect();
                return String::from_utf8(head).unwrap();
            }
            assert!(self.fill() > 0, "end of file in a head: {:?}", self.buffer);
        }
    }

    pub fn response(&mut self) -> Response {
        let mut response = Response { head: self.head(), body: Vec::new() };
        if let Some(length) = response.header("content-length") {
            response.body = self.take(length.parse().unwrap());
        } else if response.header("transfer-encoding").as_deref() == Some("chunked") {
            response.body = self.chunks();
        } else {
            while self.fill() > 0 {}
            response.body = std::mem::take(&mut self.buffer);
        }
        response
    }

    pub fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                if let Some(end) = find(&self.buffer, b"\r\n") {
                    break end;
                }
                assert!(self.fill() > 0, "end of file in a chunk's head");
            };
            let size = String::from_utf8(self.take(end + 2)).unwrap();
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            body.extend(self.take(size));
            assert_eq!(self.take(2), b"\r\n");
            if size == 0 {
                return body;
            }
        }
    }

    /// The connection ends, with nothing more and no reset.
    pub fn expect_fin(&mut self) {
        assert_eq!(String::from_utf8_lossy(&self.buffer), "", "more bytes");
        let got = self.fill();
        assert_eq!(got, 0, "{:?}", String::from_utf8_lossy(&self.buffer));
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count {
            assert!(self.fill() > 0, "end of file in a body");
        }
        self.buffer.drain(..count).collect()
    }

    fn fill(&mut self) -> usize {
        let mut piece = [0; 65536];
        loop {
            match self.stream.read(&mut piece) {
                Ok(count) => {
                    self.buffer.extend_from_slice(&piece[..count]);
                    return count;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("reading: {error}"),
            }
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

/// One line's value from /proc/PID/status.
pub fn status(pid: i32, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line[key.len()..].trim_start_matches(':').trim().to_owned())
}

/// Children of a process, dead ones not yet reaped included.
pub fn children(pid: i32) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(child) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else {
            continue;
        };
        if status(child, "PPid").as_deref() == Some(&pid.to_string()) {
            found.push(child);
        }
    }
    found
}

/// The listening sockets that a process holds: descriptor and inode.
pub fn sockets(pid: i32) -> Vec<(i32, String)> {
    let mut found: Vec<(i32, String)> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let link = std::fs::read_link(entry.path()).ok()?;
            let link = link.to_str()?.to_owned();
            let number = entry.file_name().to_str()?.parse().ok()?;
            link.starts_with("socket:").then_some((number, link))
        })
        .collect();
    found.sort();
    found
}

/// From /proc/PID/fdinfo; none if the process or the descriptor is gone.
pub fn is_nonblocking(pid: i32, fd: i32) -> Option<bool> {
    let info = std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{fd}")).ok()?;
    let flags = info.lines().find_map(|l| l.strip_prefix("flags:"))?;
    let flags = i32::from_str_radix(flags.trim(), 8).unwrap();
    Some(flags & libc::O_NONBLOCK != 0)
}
