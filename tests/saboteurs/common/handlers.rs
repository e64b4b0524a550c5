//! What the server answers.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::{Request, Response, StatusCode};

use super::activity::Exchange;
use super::connection::Draining;
use super::rules::{self, Answer, Bodies, Rules};

/// How long an upload may bring nothing.
const BODY_SILENCE_MAX: Duration = Duration::from_secs(20);

static BLOCK: [u8; 16 << 10] = {
    let mut block = [0; 16 << 10];
    let mut at = 0;
    while at < block.len() {
        block[at] = b'a' + (at % 251 % 26) as u8;
        at += 1;
    }
    block
};

pub async fn answer(
    request: Request<Incoming>,
    exchange: Exchange,
    draining: Draining,
    rules: Rules,
) -> Result<Response<Payload>, hyper::Error> {
    let is_draining = || draining.borrow().is_some();
    let draining_early = is_draining();
    let unavailable = rules.unavailable.filter(|_| draining_early);
    let (head, body) = request.into_parts();
    exchange.uploading(true);
    let received = upload(body).await?;
    exchange.uploading(false);
    let (status, block, length) = match (received, unavailable) {
        (None, _) => whole(StatusCode::REQUEST_TIMEOUT, Bytes::from_static(b"too slow\n")),
        (Some(_), Some(status)) => whole(status, Bytes::from_static(b"shutting down\n")),
        (Some(received), None) => respond(head.uri.path(), head.uri.query(), received).await,
    };
    exchange.sending();
    // Asked last, so that it is true of the moment at which the head is written.
    let begun_draining = is_draining();
    let until = match rules.bodies {
        Bodies::UntilDrain => true,
        Bodies::BegunBeforeDrain => begun_draining,
        Bodies::Whole => false,
    };
    let until = until.then(|| draining.clone());
    let mut response =
        Response::new(Payload { block, sent: 0, length, until, is_cut: false, _exchange: exchange });
    *response.status_mut() = status;
    let draining = if rules.decided_early { draining_early } else { begun_draining };
    let (mut parts, body) = response.into_parts();
    let (version, written_as) = (head.version, &mut parts.version);
    let mut answer = Answer { version, head: &mut parts.headers, written_as, status, draining };
    (rules.finish)(&mut answer);
    if status == StatusCode::REQUEST_TIMEOUT {
        rules::close(&mut answer);
    }
    Ok(Response::from_parts(parts, body))
}

/// Reads the whole body and returns its length, or nothing if it stopped coming.
async fn upload(mut body: Incoming) -> Result<Option<usize>, hyper::Error> {
    let mut received = 0;
    loop {
        match tokio::time::timeout(BODY_SILENCE_MAX, body.frame()).await {
            Err(_) => return Ok(None),
            Ok(None) => return Ok(Some(received)),
            Ok(Some(frame)) => received += frame?.data_ref().map_or(0, Bytes::len),
        }
    }
}

async fn respond(path: &str, query: Option<&str>, received: usize) -> (StatusCode, Bytes, u64) {
    let number = |name: &str| {
        let pairs = query.unwrap_or_default().split('&');
        pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)?.1.parse::<u64>().ok()
    };
    match path {
        "/" => whole(StatusCode::OK, Bytes::from_static(b"it works\n")),
        "/echo" => whole(StatusCode::OK, format!("{received}\n").into()),
        "/bytes" => (StatusCode::OK, Bytes::from_static(&BLOCK), number("n").unwrap_or(0)),
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(number("ms").unwrap_or(1000))).await;
            whole(StatusCode::OK, Bytes::from_static(b"it works, slowly\n"))
        }
        _ => whole(StatusCode::NOT_FOUND, Bytes::from_static(b"not found\n")),
    }
}

fn whole(status: StatusCode, text: Bytes) -> (StatusCode, Bytes, u64) {
    let length = text.len() as u64;
    (status, text, length)
}

/// A body of a known length: one block, again and again.
pub struct Payload {
    block: Bytes,
    sent: u64,
    length: u64,
    /// It ends with the beginning of this.
    until: Option<Draining>,
    /// Nothing more of it will come.
    is_cut: bool,
    _exchange: Exchange,
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.until.as_ref().is_some_and(|draining| draining.borrow().is_some()) {
            self.until = None;
            self.is_cut = true;
            // The head, and what is there of the body, has its turn.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.is_cut {
            return Poll::Ready(None);
        }
        let left = self.length - self.sent;
        if left == 0 {
            return Poll::Ready(None);
        }
        let count = usize::try_from(left).map_or(self.block.len(), |left| left.min(self.block.len()));
        self.sent += count as u64;
        Poll::Ready(Some(Ok(Frame::data(self.block.slice(..count)))))
    }

    fn is_end_stream(&self) -> bool {
        self.sent == self.length
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length - self.sent)
    }
}
