//! A server of one's own, with the hot restart of the reference server's library.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use clap::Parser;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, service::service_fn};
use reference_server::{Address, HotRestart, Limits, Listener, Server, Startup};

#[derive(Parser)]
struct Arguments {
    #[arg(long)]
    listen: Address,
    /// Given by the parent to its successor: the listener that it keeps open.
    #[arg(long)]
    socket: Option<i32>,
}

fn main() -> anyhow::Result<()> {
    // First of all: no SIGHUP is fatal from here on, and the parent is remembered.
    let startup = Startup::begin()?;
    let arguments = Arguments::parse();
    let mut restart = HotRestart::new(startup);
    let listener = match arguments.socket {
        None => Listener::bind(&arguments.listen)?,
        Some(fd) => {
            restart = restart.announce_to_parent();
            Listener::inherit(fd)?
        }
    };
    tokio::runtime::Runtime::new()?.block_on(async {
        let server = Server::new(vec![listener], service_fn(greet), Limits::default())?;
        restart.run(server).await
    })?;
    Ok(())
}

/// `/slow?ms=300` takes that long, all else no time.
async fn greet(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let wait = request.uri().query().and_then(|query| query.strip_prefix("ms=")?.parse().ok());
    if let Some(wait) = wait {
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
    Ok(Response::new(Full::new(Bytes::from_static(b"good day\n"))))
}
