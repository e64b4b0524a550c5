//! A server with a hot restart, to copy from.
//!
//!     cargo run --example hot_restart -- --listen 127.0.0.1:8080
//!     kill -HUP PID

use std::convert::Infallible;

use bytes::Bytes;
use clap::Parser;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, service::service_fn};
use reference_server::{Address, HotRestart, Limits, Listener, Server, Startup};

#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value = "127.0.0.1:8080")]
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
        let server = Server::new(vec![listener], service_fn(hello), Limits::default())?;
        // Returns when all connections are closed, after a successor took over or a SIGTERM.
        restart.run(server).await
    })?;
    Ok(())
}

async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(Bytes::from_static(b"hello\n"))))
}
