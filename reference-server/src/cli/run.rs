//! From arguments to a drained server.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Parser;
use clap::error::ErrorKind;
use tracing::{info, warn};
use tracing_subscriber::EnvFilter;

use super::arguments::Arguments;
use super::{EXIT_FAILURE, EXIT_USAGE};
use crate::hot_restart::HotRestart;
use crate::listener::{Listener, ListenerError};
use crate::pages::{Identity, Pages};
use crate::pid_file::PidFile;
use crate::server::{Limits, Server};
use crate::startup::Startup;

/// The longest marker, in bytes.
const MARKER_BYTES_MAX: usize = 1024;

pub(super) fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    // Before anything else: from here on no SIGHUP is fatal.
    let startup = match Startup::begin() {
        Ok(startup) => startup,
        Err(error) => {
            return fail(EXIT_FAILURE, &format!("failed to start: {error}"));
        }
    };
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nothing can be done about a closed standard error.
            let _ = error.print();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => ExitCode::from(EXIT_USAGE),
            };
        }
    };
    let filter = match log_filter(arguments.log.as_deref()) {
        Ok(filter) => filter,
        Err(error) => {
            return fail(EXIT_USAGE, &format!("{error:#}"));
        }
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        // It would be told by `eprintln!`, which panics: whoever read our log may be gone.
        .log_internal_errors(false)
        .init();
    match serve(startup, arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(EXIT_FAILURE, &format!("{error:#}")),
    }
}

/// Not `eprintln!`, which panics where standard error is a closed pipe.
fn fail(status: u8, message: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "reference-server: {message}");
    ExitCode::from(status)
}

fn serve(startup: Startup, arguments: Arguments) -> anyhow::Result<()> {
    // Before the runtime opens descriptors of its own.
    let listeners = listeners(&arguments)?;
    let marker = arguments.marker.as_deref().map(marker).transpose()?;
    for listener in &listeners {
        info!(address = %listener.address(), "listening");
    }
    let pages =
        Pages(Arc::new(Identity { parent: startup.parent(), generation: startup.generation(), marker }));
    let limits = Limits {
        idle: arguments.idle_timeout,
        keep_alive: arguments.keep_alive_timeout,
        head: arguments.header_timeout,
        drain: arguments.drain_timeout,
    };
    let mut restart = HotRestart::new(startup).ready_timeout(arguments.ready_timeout);
    if !arguments.socket.is_empty() {
        restart = restart.announce_to_parent();
    }
    if let Some(path) = arguments.pid_file {
        restart = restart.pid_file(PidFile::new(path));
    }

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("failed to start the runtime")?;
    runtime.block_on(async {
        let server = Server::new(listeners, pages, limits)
            .context("failed to register the listeners with the runtime")?;
        restart.run(server).await.context("failed to serve")
    })?;
    Ok(())
}

fn listeners(arguments: &Arguments) -> Result<Vec<Listener>, ListenerError> {
    if arguments.socket.is_empty() {
        return arguments.listen.iter().map(Listener::bind).collect();
    }
    arguments.socket.iter().map(|fd| Listener::inherit(*fd)).collect()
}

fn log_filter(flag: Option<&str>) -> anyhow::Result<EnvFilter> {
    let variable = std::env::var("RUST_LOG").ok();
    match (flag, variable) {
        (Some(filter), _) => {
            EnvFilter::try_new(filter).with_context(|| format!("--log {filter:?} is no filter"))
        }
        // Another program's setting is no reason not to serve.
        (None, Some(filter)) if !filter.is_empty() => Ok(EnvFilter::new(filter)),
        (None, _) => Ok(EnvFilter::new("info")),
    }
}

fn marker(text: &str) -> anyhow::Result<String> {
    let Some(path) = text.strip_prefix('@') else {
        return Ok(text.to_owned());
    };
    let content =
        std::fs::read_to_string(path).with_context(|| format!("failed to read the marker from {path}"))?;
    let line = content.trim_end_matches('\n');
    if line.is_empty() || line.contains('\n') || line.len() > MARKER_BYTES_MAX {
        warn!(path, "the marker file is not one line");
        bail!("expected one line of at most {MARKER_BYTES_MAX} bytes in {path}");
    }
    Ok(line.to_owned())
}
