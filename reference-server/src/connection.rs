//! One connection: HTTP/1 by hyper, the clocks, and the announcement on its last response.
//!
//! hyper's own `graceful_shutdown` is of no use here: it closes an idle connection at once, so that
//! a request already on its way is lost. Instead the service announces the close on whatever is
//! answered during the drain, and a clock ends the connections that ask for nothing.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use hyper::body::{Body, Incoming};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response, Version};
use hyper_util::rt::TokioIo;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::activity::{Activity, Watched, WatchedBody};
use crate::linger;
use crate::server::{BoxError, Limits, Phase};
use crate::stream::Stream;

/// How a connection came to its end.
enum End {
    /// HTTP is done: the close was announced, or the client left, or it sent nonsense.
    Finished,
    /// Nothing came for too long.
    TimedOut,
    /// The phase changed: the clocks have to be read anew.
    PhaseChanged,
}

/// Serves one connection to its end. True if the drain's limit cut it off.
pub(crate) async fn run<S, B>(
    stream: Stream,
    service: S,
    mut phase: watch::Receiver<Phase>,
    limits: Limits,
) -> bool
where
    S: Service<Request<Incoming>, Response = Response<B>> + Unpin + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + Send,
    B: Body + Unpin + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let activity = Arc::new(Activity::new());
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&activity)));
    let service = LastResponses { service, activity: Arc::clone(&activity), phase: phase.clone() };
    let mut http = http1::Builder::new()
        // A client may close its sending side after the request and still wants the answer.
        .half_close(true)
        // hyper's clock also runs while a connection idles; ours tells the two apart.
        .header_read_timeout(None)
        .serve_connection(io, service);
    let mut clock = Box::pin(sleep_until(Instant::now()));
    let mut waited_once_more = false;

    loop {
        let now_in = *phase.borrow_and_update();
        if matches!(now_in, Phase::Cut { .. }) {
            return true;
        }
        let serve = poll_fn(|cx| {
            if Pin::new(&mut http).poll(cx).is_ready() {
                return Poll::Ready(End::Finished);
            }
            // Read after hyper had its turn, which may just have begun or ended a request.
            let Some(deadline) = activity.deadline(now_in, &limits) else {
                waited_once_more = false;
                return Poll::Pending;
            };
            if clock.deadline() != deadline {
                clock.as_mut().reset(deadline);
                waited_once_more = false;
            }
            clock.as_mut().poll(cx).map(|()| End::TimedOut)
        });
        let end = tokio::select! {
            biased;
            end = serve => end,
            // The sender lives as long as the server, and the server outlives its connections.
            _ = phase.changed() => End::PhaseChanged,
        };
        match end {
            End::PhaseChanged => {}
            // A request may be in the socket that the runtime has not told us of: let it, once.
            End::TimedOut if !waited_once_more => {
                waited_once_more = true;
                tokio::task::yield_now().await;
            }
            End::Finished | End::TimedOut => break,
        }
    }

    let stream = http.into_parts().io.into_inner().into_inner();
    tokio::select! {
        () = linger::close(stream) => false,
        _ = phase.wait_for(|phase| matches!(phase, Phase::Cut { .. })) => true,
    }
}

/// Announces the close on every response from the beginning of the drain on.
struct LastResponses<S> {
    service: S,
    activity: Arc<Activity>,
    phase: watch::Receiver<Phase>,
}

impl<S, B> Service<Request<Incoming>> for LastResponses<S>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = Response<WatchedBody<B>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.activity.request_began();
        let activity = Arc::clone(&self.activity);
        let phase = self.phase.clone();
        let version = request.version();
        let response = self.service.call(request);
        Box::pin(async move {
            let mut response = response.await?;
            // Asked as late as can be: hyper writes the head as soon as this returns.
            if !matches!(*phase.borrow(), Phase::Serving) {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                if version == Version::HTTP_10 {
                    // Else hyper adds the `keep-alive` that the client asked for.
                    *response.version_mut() = Version::HTTP_10;
                }
            }
            Ok(response.map(|body| WatchedBody::new(body, activity)))
        })
    }
}
