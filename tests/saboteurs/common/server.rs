//! All of it together.

use std::io;

use tokio::net::TcpListener;

use super::{Args, Connections, Restart, Rules};

pub struct Server {
    pub args: Args,
    pub listener: TcpListener,
    pub restart: Restart,
    pub connections: Connections,
}

impl Server {
    /// Up to where it is ready.
    pub fn begin(rules: Rules) -> io::Result<Self> {
        Self::with(Args::parse()?, rules)
    }

    /// The same with arguments that were read already.
    pub fn with(args: Args, rules: Rules) -> io::Result<Self> {
        args.read_settings()?;
        let listener = super::bind_or_inherit(&args)?;
        let restart = Restart::on_hangup(&args, Some(&listener))?;
        Ok(Self { args, listener, restart, connections: Connections::new(rules) })
    }

    /// Says that it is ready, serves, restarts when asked to, drains, and returns.
    pub async fn run(mut self) -> io::Result<()> {
        self.ready()?;
        self.serve().await;
        self.drain().await;
        Ok(())
    }

    pub fn ready(&self) -> io::Result<()> {
        self.args.write_pid_file()?;
        self.args.tell_predecessor();
        Ok(())
    }

    /// Serves until a successor is ready to.
    pub async fn serve(&mut self) {
        let Self { listener, restart, connections, .. } = self;
        loop {
            tokio::select! {
                () = restart.successor_ready() => return,
                accepted = listener.accept() => connections.serve(accepted.map(|(stream, _)| stream)).await,
            }
        }
    }

    /// Accepts no more, and returns when all connections are closed.
    pub async fn drain(self) {
        let Self { listener, mut restart, mut connections, .. } = self;
        drop(listener);
        tokio::select! {
            () = connections.drain() => {}
            () = restart.reap_while_draining() => {}
        }
    }
}
