//! What the program answers. Bodies depend on the request alone, so that a checker can compare
//! them across generations; only `/generation` tells who answered.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited, combinators::BoxBody};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::service::Service;
use hyper::{Method, Request, Response, StatusCode};
use tokio::time::{Sleep, sleep};

/// The largest body that `/echo` takes, and the largest that others skip, in bytes.
const UPLOAD_BYTES_MAX: usize = 64 << 20;
const BYTES_MAX: u64 = 1 << 30;
const CHUNKS_MAX: u64 = 100_000;
const DELAY_MS_MAX: u64 = 600_000;

/// Who answers, for `/generation`.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) parent: u32,
    pub(crate) generation: u64,
    pub(crate) marker: Option<String>,
}

/// The service behind every listener.
#[derive(Clone, Debug)]
pub(crate) struct Pages(pub(crate) Arc<Identity>);

type Page = Response<BoxBody<Bytes, Infallible>>;

impl Service<Request<Incoming>> for Pages {
    type Response = Page;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Page, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let identity = Arc::clone(&self.0);
        Box::pin(async move { Ok(answer(request, &identity).await) })
    }
}

async fn answer(request: Request<Incoming>, identity: &Identity) -> Page {
    let (head, body) = request.into_parts();
    let echo = head.uri.path() == "/echo";
    let allowed = match head.method {
        Method::POST | Method::PUT => echo,
        Method::GET | Method::HEAD => !echo,
        _ => false,
    };
    if body.size_hint().lower() > UPLOAD_BYTES_MAX as u64 {
        return too_large();
    }
    // Read whole in any case: an answer before the end of the upload would cut the connection.
    let body = match Limited::new(body, UPLOAD_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => return too_large(),
        Err(_) => return last(text(StatusCode::BAD_REQUEST, "the body broke off\n")),
    };
    let query = Query(head.uri.query().unwrap_or_default());
    let page = match head.uri.path() {
        "/" | "/slow" | "/stream" | "/bytes" | "/status" | "/echo" | "/generation" if !allowed => {
            not_allowed(echo)
        }
        "/" => Ok(text(StatusCode::OK, "hello\n")),
        "/slow" => slow(&query).await,
        "/stream" => stream(&query),
        "/bytes" => numbered_bytes(&query),
        "/status" => empty(&query),
        "/echo" => Ok(full(StatusCode::OK, "application/octet-stream", body)),
        "/generation" => Ok(generation(identity)),
        _ => Ok(text(StatusCode::NOT_FOUND, "no such page\n")),
    };
    page.unwrap_or_else(|complaint| text(StatusCode::BAD_REQUEST, complaint))
}

fn not_allowed(echo: bool) -> Result<Page, String> {
    let allow = if echo { "POST, PUT" } else { "GET, HEAD" };
    let mut page = text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed here\n");
    page.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    Ok(page)
}

async fn slow(query: &Query<'_>) -> Result<Page, String> {
    let ms = query.number("ms", 1000, DELAY_MS_MAX)?;
    sleep(Duration::from_millis(ms)).await;
    Ok(text(StatusCode::OK, "slow\n"))
}

fn stream(query: &Query<'_>) -> Result<Page, String> {
    let left = query.number("chunks", 10, CHUNKS_MAX)?;
    let pause = Duration::from_millis(query.number("ms", 100, DELAY_MS_MAX)?);
    let body = Ticks { next: 1, last: left, pause, sleep: Box::pin(sleep(pause)) };
    Ok(with_type("text/plain", Response::new(body.boxed())))
}

fn numbered_bytes(query: &Query<'_>) -> Result<Page, String> {
    let left = query.number("n", 1024, BYTES_MAX)?;
    Ok(with_type("application/octet-stream", Response::new(Pattern { left }.boxed())))
}

/// An answer of this status, and nothing in it.
fn empty(query: &Query<'_>) -> Result<Page, String> {
    let code = query.number("code", 204, 599)?;
    let status = u16::try_from(code).ok().filter(|code| *code >= 200);
    let status = status.and_then(|code| StatusCode::from_u16(code).ok());
    let mut page = Response::new(Full::new(Bytes::new()).boxed());
    *page.status_mut() = status.ok_or_else(|| "code must be a status from 200 to 599\n".to_owned())?;
    Ok(page)
}

fn generation(identity: &Identity) -> Page {
    let json = serde_json::json!({
        "pid": std::process::id(),
        "parent": identity.parent,
        "generation": identity.generation,
        "marker": identity.marker,
    });
    full(StatusCode::OK, "application/json", format!("{json}\n"))
}

fn too_large() -> Page {
    let complaint = format!("a body of more than {UPLOAD_BYTES_MAX} bytes is not taken\n");
    last(text(StatusCode::PAYLOAD_TOO_LARGE, complaint))
}

fn last(mut page: Page) -> Page {
    page.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    page
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Page {
    full(status, "text/plain", text)
}

fn full(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Page {
    let mut page = Response::new(Full::new(body.into()).boxed());
    *page.status_mut() = status;
    with_type(content_type, page)
}

fn with_type(content_type: &'static str, mut page: Page) -> Page {
    page.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    page
}

struct Query<'a>(&'a str);

impl Query<'_> {
    /// The parameter's value, its default if it is missing, a complaint if it is out of bounds.
    fn number(&self, name: &str, default: u64, max: u64) -> Result<u64, String> {
        let pairs = self.0.split('&').filter_map(|pair| pair.split_once('='));
        let Some((_, value)) = pairs.into_iter().find(|(key, _)| *key == name) else {
            return Ok(default);
        };
        match value.parse() {
            Ok(number) if number <= max => Ok(number),
            _ => Err(format!("{name} must be a whole number from 0 to {max}, got {value:?}\n")),
        }
    }
}

/// Chunks "chunk 1", "chunk 2", …, each after a pause.
struct Ticks {
    next: u64,
    last: u64,
    pause: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl Body for Ticks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.next > self.last {
            return Poll::Ready(None);
        }
        ready!(self.sleep.as_mut().poll(cx));
        // From the last deadline on, so that the stream takes as long as was asked for.
        let following = self.sleep.deadline() + self.pause;
        self.sleep.as_mut().reset(following);
        let chunk = format!("chunk {}\n", self.next);
        self.next += 1;
        Poll::Ready(Some(Ok(Frame::data(chunk.into()))))
    }
}

/// Bytes 0, 1, …, 250, 0, 1, … without a copy for each request.
struct Pattern {
    left: u64,
}

impl Body for Pattern {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        // A whole number of periods, so that each piece continues the one before.
        static PIECE: LazyLock<Bytes> = LazyLock::new(|| (0..=250).collect::<Vec<u8>>().repeat(256).into());
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let size = usize::try_from(self.left).unwrap_or(usize::MAX);
        let piece = PIECE.slice(..PIECE.len().min(size));
        self.left -= piece.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
