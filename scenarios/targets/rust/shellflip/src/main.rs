//! A server on cloudflare/shellflip, after the example in its documentation: `restart`, told by a unix socket, starts the program
//! anew, and once that is ready this process stops accepting, ends its connections and itself. The library hands no socket on, so
//! each process listens on one of its own at the same port (SO_REUSEPORT).

#[path = "../../app.rs"]
mod app;

use std::env::args;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io, process};

use async_trait::async_trait;
use shellflip::lifecycle::{LifecycleHandler, PipeWriter, receive_from_old_process};
use shellflip::{RestartConfig, ShutdownCoordinator};
use socket2::{Domain, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What is left then is cut.
const EXIT_AFTER: Duration = Duration::from_secs(30);

/// There is nothing to hand on.
struct Nothing;

#[async_trait]
impl LifecycleHandler for Nothing {
    async fn send_to_new_process(&mut self, _pipe: PipeWriter) -> io::Result<()> {
        Ok(())
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_port(true)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(512)?;
    TcpListener::from_std(socket.into())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let words: Vec<String> = args().skip(1).collect();
    let config = |coordination: &str| RestartConfig {
        enabled: true,
        coordination_socket_path: coordination.into(),
        lifecycle_handler: Box::new(Nothing),
        ..RestartConfig::default()
    };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let [address, coordination, pid_file, marker_file] = words[..] else {
        let ["restart", coordination] = words[..] else {
            anyhow::bail!("expected ADDRESS SOCKET PID-FILE MARKER-FILE, or restart SOCKET");
        };
        config(coordination).request_restart().await?;
        return Ok(());
    };
    receive_from_old_process();
    let marker = Arc::new(app::marker(marker_file)?);
    let listener = listen(address.parse()?)?;
    let mut restarted = pin!(config(coordination).try_into_restart_task()?);
    // Whoever reads it finds one process or the other, and never an empty file.
    let new = format!("{pid_file}.new");
    fs::write(&new, process::id().to_string())?;
    fs::rename(new, pid_file)?;
    let coordinator = ShutdownCoordinator::new();
    let (drains, drain) = watch::channel(false);
    loop {
        tokio::select! {
            // One that was aborted while it waited is no error of the listener.
            accepted = listener.accept() => if let Ok((connection, _)) = accepted {
                let (under_way, serving) = (coordinator.handle(), app::serve(connection, Arc::clone(&marker), drain.clone()));
                tokio::spawn(async move {
                    serving.await;
                    drop(under_way);
                });
            },
            result = &mut restarted => {
                result?;
                break;
            }
        }
    }
    drop(listener);
    drains.send_replace(true);
    let _ = tokio::time::timeout(EXIT_AFTER, coordinator.shutdown()).await;
    Ok(())
}
