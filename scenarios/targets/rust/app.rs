// The application that the servers in this directory serve, by hyper. Each includes this file, and is built by ci/install-targets.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep;

/// How long a connection may be idle, or a head be under way.
const LIMIT: Duration = Duration::from_secs(5);

/// A header of every answer, from a file.
pub fn marker(path: &str) -> io::Result<HeaderValue> {
    let text = fs::read_to_string(path)?;
    match HeaderValue::from_str(text.trim()) {
        Ok(marker) if !marker.is_empty() => Ok(marker),
        _ => Err(io::Error::other(format!("expected a marker in {path}, found {text:?}"))),
    }
}

/// Answers what is asked on a connection. As soon as `drain` is true it gets its last answer, or its end if it is idle.
pub async fn serve(stream: TcpStream, marker: Arc<HeaderValue>, mut drain: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let marker = Arc::clone(&marker);
        async move {
            let mut response = answer(request).await;
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            headers.insert("x-marker", HeaderValue::clone(&marker));
            Ok::<_, Infallible>(response)
        }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(LIMIT);
    let mut connection = pin!(server.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = drain.wait_for(|drains| *drains) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

async fn answer(request: Request<Incoming>) -> Response<BoxBody<Bytes, Infallible>> {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let number = |name: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(key, _)| *key == name).find_map(|(_, value)| value.parse::<u64>().ok()).unwrap_or(0)
    };
    let pause = Duration::from_millis(number("ms"));
    let whole = |body: Bytes| Response::new(Full::new(body).boxed());
    match request.uri().path() {
        "/slow" => {
            sleep(pause).await;
            whole("slow\n".into())
        }
        "/bytes" => whole(vec![b'x'; number("n") as usize].into()),
        "/echo" => match request.into_body().collect().await {
            Ok(body) => whole(body.to_bytes()),
            Err(_) => with_status(StatusCode::BAD_REQUEST),
        },
        "/status" => {
            let status = u16::try_from(number("code")).ok().and_then(|code| StatusCode::from_u16(code).ok());
            with_status(status.unwrap_or(StatusCode::BAD_REQUEST))
        }
        "/stream" => {
            let chunks = stream::unfold(number("chunks"), move |left| async move {
                let after = left.checked_sub(1)?;
                sleep(pause).await;
                Some((Ok(Frame::data(Bytes::from_static(b"chunk\n"))), after))
            });
            Response::new(BoxBody::new(StreamBody::new(chunks)))
        }
        _ => whole("app\n".into()),
    }
}

fn with_status(status: StatusCode) -> Response<BoxBody<Bytes, Infallible>> {
    let mut response = Response::new(Full::default().boxed());
    *response.status_mut() = status;
    response
}
