//! A server on cloudflare/ecdysis, after the example in its documentation: SIGHUP starts the program anew with the same listening
//! socket, and once that is ready this process stops accepting, ends its connections and itself.

#[path = "../../app.rs"]
mod app;

use std::env::args;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ecdysis::tokio_ecdysis::{SignalKind, StopOnShutdown, TokioEcdysisBuilder};
use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What is left then is cut.
const EXIT_AFTER: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() {
    let [listen, pid_file, marker_file] =
        args().skip(1).collect::<Vec<_>>().try_into().expect("ADDRESS PID-FILE MARKER-FILE");
    let marker = Arc::new(app::marker(&marker_file).expect("the marker can be read"));
    let address: SocketAddr = listen.parse().expect("an address to listen on");
    let mut builder = TokioEcdysisBuilder::new(SignalKind::hangup()).expect("SIGHUP can be caught");
    builder.set_pid_file(pid_file);
    let listening = builder.build_listen_tcp(StopOnShutdown::Yes, address, |socket, address| {
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(512)?;
        Ok(socket.into())
    });
    let mut accepted = listening.expect("the address can be listened on");
    let (drains, drain) = watch::channel(false);
    let serving = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Some(connection) = accepted.next().await {
            // One that was aborted while it waited is no end of the stream.
            if let Ok(connection) = connection {
                connections.spawn(app::serve(connection, Arc::clone(&marker), drain.clone()));
            }
            while connections.try_join_next().is_some() {}
        }
        while connections.join_next().await.is_some() {}
    });
    let (_ecdysis, stopped) = builder.ready().expect("the parent can be told");
    let _ = stopped.await;
    drains.send_replace(true);
    let _ = tokio::time::timeout(EXIT_AFTER, serving).await;
}
