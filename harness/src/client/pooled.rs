//! The ordinary client: reqwest with its pool, for the question whether a program in production would have noticed.
//!
//! Every retry and redirect that can be switched off is. One can't be, and belongs to an ordinary client: hyper-util takes
//! another connection for a request of which nothing was written yet, when the pooled connection it was meant for is found closed.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use reqwest::header::{HOST, HeaderMap, HeaderValue};
use xxhash_rust::xxh3::Xxh3;

use super::address::Address;

/// How long a request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To make a connection.
    pub connect: Duration,
    /// From the call to the end of the body, connecting included.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts { connect: Duration::from_secs(5), total: Duration::from_secs(30) }
    }
}

/// A response as such a client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The status code.
    pub status: u16,
    /// Of the body, in bytes.
    pub length: u64,
    /// Of the body, as [`hash_of`](super::http1::hash_of) gives it.
    pub hash: u64,
    /// When the body was complete.
    pub at: Instant,
}

/// What an ordinary client can tell of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TroubleKind {
    /// Nobody listens.
    Refused,
    /// `ECONNRESET`, while connecting or later.
    Reset,
    /// The connection was closed before the response was complete; or was closed already, and the write failed (`EPIPE`).
    Closed,
    /// One of the [`Timeouts`] passed.
    Timeout,
    /// The harness's own fault: no descriptor, no port, no memory, a path that is none.
    Local,
    /// Anything else, such as a response that can't be parsed.
    Other,
}

/// A request without a complete response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What it means.
    pub kind: TroubleKind,
    /// The error and all its sources, outermost first.
    pub message: String,
    /// The status, if the head had come.
    pub status: Option<u16>,
    /// Bytes of the body that had come.
    pub received: u64,
    /// When the failure was seen.
    pub at: Instant,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Trouble {}

/// There is no such client for this address.
#[derive(Debug, thiserror::Error)]
#[error("failed to set up the pooled client for {address}: {reason}")]
pub struct NoPooledClient {
    address: Address,
    reason: String,
}

/// A client with a connection pool. Clones share the pool.
#[derive(Debug, Clone)]
pub struct PooledClient {
    client: reqwest::Client,
    origin: String,
}

impl PooledClient {
    /// For a TCP address or a unix socket with a path; the pool is empty.
    ///
    /// # Errors
    ///
    /// [`NoPooledClient`] for an abstract unix socket.
    pub fn new(address: &Address, host: &str, timeouts: Timeouts) -> Result<Self, NoPooledClient> {
        let fail = |reason: String| NoPooledClient { address: address.clone(), reason };
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("hotspec/", env!("CARGO_PKG_VERSION"), " (pooled)"))
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .http1_only()
            .connect_timeout(timeouts.connect)
            .timeout(timeouts.total);
        if let Ok(host) = HeaderValue::from_str(host) {
            builder = builder.default_headers(HeaderMap::from_iter([(HOST, host)]));
        }
        match address {
            Address::Tcp(_) => {}
            Address::Unix(path) => builder = builder.unix_socket(path.clone()),
            Address::Abstract(_) => {
                return Err(fail("reqwest can't connect to abstract names".to_owned()));
            }
        }
        Ok(PooledClient {
            client: builder.build().map_err(|error| fail(chain(&error)))?,
            origin: format!("http://{}", address.http_host()),
        })
    }

    /// Gets a path, which begins with a slash, on a pooled connection or a new one, and reads the body to its end.
    ///
    /// # Errors
    ///
    /// [`Trouble`], if there was no complete response. A status is never an error.
    pub async fn get(&self, path: &str) -> Result<Seen, Trouble> {
        let url = format!("{}{path}", self.origin);
        let mut response = match self.client.get(url).send().await {
            Ok(response) => response,
            Err(error) => return Err(trouble(&error, None, 0)),
        };
        let status = response.status().as_u16();
        let mut length = 0;
        let mut hash = Xxh3::new();
        loop {
            match response.chunk().await {
                Ok(Some(bytes)) => {
                    length += bytes.len() as u64;
                    hash.update(&bytes);
                }
                Ok(None) => {
                    return Ok(Seen { status, length, hash: hash.digest(), at: Instant::now() });
                }
                Err(error) => return Err(trouble(&error, Some(status), length)),
            }
        }
    }
}

fn trouble(error: &reqwest::Error, status: Option<u16>, received: u64) -> Trouble {
    let kind = if error.is_timeout() {
        TroubleKind::Timeout
    } else if error.is_builder() {
        TroubleKind::Local
    } else {
        sources(error).find_map(kind_of).unwrap_or(TroubleKind::Other)
    };
    Trouble { kind, message: chain(error), status, received, at: Instant::now() }
}

/// What one error of the chain says by itself, if anything.
fn kind_of(error: &(dyn StdError + 'static)) -> Option<TroubleKind> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return kind_of_io(error);
    }
    // hyper's own two ways to say that the connection ended before the head. Its error type can't be named without depending on
    // hyper in the very version that reqwest has; the tests notice when these texts change.
    match error.to_string().as_str() {
        "connection closed before message completed" | "channel closed" => Some(TroubleKind::Closed),
        _ => None,
    }
}

fn kind_of_io(error: &io::Error) -> Option<TroubleKind> {
    if let Some(libc::EADDRNOTAVAIL | libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) =
        error.raw_os_error()
    {
        return Some(TroubleKind::Local);
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Some(TroubleKind::Refused),
        io::ErrorKind::ConnectionReset => Some(TroubleKind::Reset),
        io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => Some(TroubleKind::Closed),
        io::ErrorKind::TimedOut => Some(TroubleKind::Timeout),
        _ => None,
    }
}

fn sources<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

fn chain(error: &(dyn StdError + 'static)) -> String {
    let texts: Vec<_> = sources(error).map(ToString::to_string).collect();
    // What hyper quotes may be the target's.
    texts.join(": ").escape_debug().collect()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::thread::JoinHandle;

    use super::*;
    use crate::client::http1::hash_of;

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

    /// A server for one run of a test, on a thread of its own.
    fn serve(run: impl FnOnce(TcpListener) + Send + 'static) -> (PooledClient, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::Tcp(listener.local_addr().unwrap());
        let timeouts = Timeouts { connect: Duration::from_secs(5), total: Duration::from_secs(1) };
        let client = PooledClient::new(&address, "localhost", timeouts).unwrap();
        (client, std::thread::spawn(move || run(listener)))
    }

    /// Waits for the server while the client's own tasks go on.
    async fn join(thread: JoinHandle<()>) {
        let joined = tokio::task::spawn_blocking(|| thread.join().unwrap());
        joined.await.unwrap();
    }

    fn read_request(stream: &mut TcpStream) {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
    }

    /// Accepts one connection, reads its request, answers with these bytes, and then ends it.
    fn answer_once(bytes: &'static [u8], end: fn(TcpStream)) -> impl FnOnce(TcpListener) + Send + 'static {
        move |listener| {
            let (mut stream, _) = listener.accept().unwrap();
            read_request(&mut stream);
            stream.write_all(bytes).unwrap();
            end(stream);
        }
    }

    fn abort(stream: TcpStream) {
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    async fn trouble_of(server: impl FnOnce(TcpListener) + Send + 'static) -> Trouble {
        let (client, thread) = serve(server);
        let trouble = client.get("/").await.unwrap_err();
        join(thread).await;
        trouble
    }

    #[tokio::test]
    async fn two_requests_use_one_connection() {
        let (client, thread) = serve(|listener| {
            let (mut stream, _) = listener.accept().unwrap();
            for _ in 0..2 {
                read_request(&mut stream);
                stream.write_all(OK).unwrap();
            }
        });
        for _ in 0..2 {
            let seen = client.get("/").await.unwrap();
            assert_eq!((seen.status, seen.length, seen.hash), (200, 5, hash_of(b"hello")));
        }
        join(thread).await;
    }

    #[tokio::test]
    async fn a_redirect_is_a_response_like_any_other() {
        let moved = b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n";
        let (client, thread) = serve(answer_once(moved, drop));
        assert_eq!(client.get("/a").await.unwrap().status, 302);
        join(thread).await;
    }

    #[tokio::test]
    async fn each_trouble_is_told_apart() {
        let (client, thread) = serve(drop);
        join(thread).await;
        let refused = client.get("/").await.unwrap_err();
        assert_eq!(refused.kind, TroubleKind::Refused, "{refused}");

        let half = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel";
        for (bytes, end, kind, status, received) in [
            (&b""[..], drop as fn(_), TroubleKind::Closed, None, 0),
            (b"HTTP/1.1 2", drop, TroubleKind::Closed, None, 0),
            (b"", abort, TroubleKind::Reset, None, 0),
            (half, drop, TroubleKind::Closed, Some(200), 3),
            (b"garbage\r\n\r\n", drop, TroubleKind::Other, None, 0),
        ] {
            let trouble = trouble_of(answer_once(bytes, end)).await;
            let seen = (trouble.kind, trouble.status, trouble.received);
            assert_eq!(seen, (kind, status, received), "{trouble}");
        }

        let silent = trouble_of(|listener| {
            let (mut stream, _) = listener.accept().unwrap();
            assert!(stream.read_to_end(&mut Vec::new()).is_ok());
        });
        assert_eq!(silent.await.kind, TroubleKind::Timeout);
    }

    #[tokio::test]
    async fn a_reset_amid_a_body_is_a_reset() {
        let (client, thread) = serve(|listener| {
            let (mut stream, _) = listener.accept().unwrap();
            read_request(&mut stream);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel").unwrap();
            abort(stream);
        });
        let trouble = client.get("/").await.unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Reset, "{trouble}");
        join(thread).await;
    }

    #[tokio::test]
    async fn a_path_of_a_unix_socket_is_reached_and_an_abstract_name_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
            stream.write_all(OK).unwrap();
        });
        let client = PooledClient::new(&Address::Unix(path), "localhost", Timeouts::default()).unwrap();
        assert_eq!(client.get("/").await.unwrap().length, 5);
        join(thread).await;
        let error = PooledClient::new(&Address::Abstract(b"x".to_vec()), "localhost", Timeouts::default());
        assert!(error.unwrap_err().to_string().contains("unix:@x"));
    }
}
