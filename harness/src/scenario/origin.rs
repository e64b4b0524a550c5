//! The origin behind a proxy: slow answers, streams and uploads for targets that have none of their own, and an account of
//! which requests were executed.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::Service;
use hyper::{Request, Response, StatusCode};
use reference_server::{Address, Limits, Listener, Server};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::client::http1::body_bytes;
use crate::client::lane::REQUEST_ID;
use crate::history::Recorder;
use crate::history::event::What;

/// The largest body it takes or gives, in bytes.
const BYTES_MAX: usize = 64 << 20;
/// The longest that an answer takes, in milliseconds.
const DELAY_MS_MAX: u64 = 600_000;

type Answer = Response<BoxBody<Bytes, Infallible>>;

/// Serves on `address` until the runtime ends, and writes down every POST that was executed.
///
/// # Errors
/// When it can't listen there.
pub(super) fn start(address: SocketAddr, recorder: Rc<Recorder>) -> Result<(), String> {
    let listener = Listener::bind(&Address::Tcp(address)).map_err(|error| error.to_string())?;
    let (executed, mut account) = mpsc::unbounded_channel();
    let server = Server::new(vec![listener], Origin { executed }, Limits::default())
        .map_err(|error| error.to_string())?;
    tokio::task::spawn_local(server.serve());
    tokio::task::spawn_local(async move {
        while let Some(id) = account.recv().await {
            recorder.record(What::Executed { id });
        }
    });
    Ok(())
}

#[derive(Clone, Debug)]
struct Origin {
    executed: mpsc::UnboundedSender<String>,
}

impl Service<Request<Incoming>> for Origin {
    type Response = Answer;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let executed = self.executed.clone();
        Box::pin(async move { Ok(answer(request, &executed).await) })
    }
}

async fn answer(request: Request<Incoming>, executed: &mpsc::UnboundedSender<String>) -> Answer {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BYTES_MAX).collect().await else {
        return plain(StatusCode::BAD_REQUEST, Bytes::from_static(b"the body broke off\n"));
    };
    let id = head.headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
    if let Some(id) = id.filter(|_| head.method == hyper::Method::POST) {
        let _ = executed.send(id.to_owned());
    }
    let query = query(head.uri.query().unwrap_or_default());
    let number = |name: &str| query.get(name).copied().unwrap_or(0).min(DELAY_MS_MAX);
    match head.uri.path() {
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(number("ms"))).await;
            plain(StatusCode::OK, Bytes::from_static(b"slow\n"))
        }
        "/stream" => Response::new(Stream::new(number("chunks"), number("ms")).boxed()),
        "/bytes" => {
            let wanted = query.get("n").copied().unwrap_or(0).min(BYTES_MAX as u64) as usize;
            plain(StatusCode::OK, beginning(wanted))
        }
        "/status" => {
            let code = query.get("code").copied().and_then(|code| u16::try_from(code).ok());
            let status =
                code.and_then(|code| StatusCode::from_u16(code).ok()).filter(|code| code.as_u16() >= 200);
            plain(status.unwrap_or(StatusCode::BAD_REQUEST), Bytes::new())
        }
        "/echo" => plain(StatusCode::OK, body.to_bytes()),
        _ => plain(StatusCode::OK, Bytes::from_static(b"origin\n")),
    }
}

/// So many bytes of one and the same text. It is kept, since making megabytes of it for each request would hold up all else
/// that goes on in this thread.
fn beginning(length: usize) -> Bytes {
    static MADE: Mutex<Bytes> = Mutex::new(Bytes::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if made.len() < length {
        *made = Bytes::from(body_bytes(length));
    }
    made.slice(..length)
}

fn plain(status: StatusCode, body: Bytes) -> Answer {
    let mut response = Response::new(Full::new(body).boxed());
    *response.status_mut() = status;
    response
}

fn query(text: &str) -> HashMap<&str, u64> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter_map(|(name, value)| Some((name, value.parse().ok()?))).collect()
}

/// A chunk at every tick.
struct Stream {
    left: u64,
    ticks: Interval,
}

impl Stream {
    fn new(chunks: u64, ms: u64) -> Self {
        let mut ticks = interval(Duration::from_millis(ms.max(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { left: chunks, ticks }
    }
}

impl Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        ready!(self.ticks.poll_tick(context));
        self.left -= 1;
        let line = format!("chunk, {} to come\n", self.left);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(line)))))
    }
}
