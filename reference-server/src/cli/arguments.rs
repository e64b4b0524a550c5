//! The command line, read once.

use std::os::fd::RawFd;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Parser};

use crate::address::Address;

/// A small HTTP server that restarts without losing a connection.
///
/// SIGHUP starts a successor: the same program with the same arguments and environment, and
/// --socket naming the open listeners. When it can accept it sends SIGUSR1 to the process that
/// started it, which then stops accepting, drains and exits. A successor that fails or hangs is
/// given up, and the old process serves on. SIGTERM and SIGINT drain and stop; a second one doesn't
/// wait.
///
/// Pages: / · /slow?ms=N · /stream?chunks=N&ms=N · /bytes?n=N · /status?code=N · POST /echo · /generation
#[derive(Debug, Parser)]
#[command(name = "reference-server", version, after_help = ENVIRONMENT, max_term_width = 100)]
pub(super) struct Arguments {
    /// Where to listen, any number of times: IP:PORT, [IPv6]:PORT, unix:/PATH or unix:@NAME
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", action = ArgAction::Append)]
    pub(super) listen: Vec<Address>,

    /// Inherited listeners to accept on instead of --listen; the process that started this one is
    /// told by SIGUSR1 when it can accept
    #[arg(long, value_name = "FD[,FD...]", value_delimiter = ',', value_parser = descriptor)]
    pub(super) socket: Vec<RawFd>,

    /// While draining: close a connection that has been silent for so long
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = duration)]
    pub(super) idle_timeout: Duration,

    /// While draining: cut off what remains after so long
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(super) drain_timeout: Duration,

    /// Kill a successor that isn't ready after so long, and serve on
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(super) ready_timeout: Duration,

    /// While serving: close a connection that has been idle for so long
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub(super) keep_alive_timeout: Duration,

    /// Close a connection whose request head takes longer, from its first byte to its last
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = duration)]
    pub(super) header_timeout: Duration,

    /// Keep the main process' pid in this file, replaced in one step at each restart
    #[arg(long, value_name = "PATH")]
    pub(super) pid_file: Option<PathBuf>,

    /// Shown by /generation; @PATH reads one line from a file at every start
    #[arg(long, value_name = "TEXT|@PATH")]
    pub(super) marker: Option<String>,

    /// What to log to standard error: error, warn, info, debug, trace, or a filter as in RUST_LOG
    #[arg(long, value_name = "FILTER")]
    pub(super) log: Option<String>,
}

const ENVIRONMENT: &str = "\
Environment:
  RUST_LOG                     what to log, unless --log is given; info if neither is
  NOTIFY_SOCKET                a service manager's socket (sd_notify); with systemd set NotifyAccess=exec
  REFERENCE_SERVER_GENERATION  set for a successor: how many restarts led to it
  REFERENCE_SERVER_PARENT      set for a successor: the pid it tells that it is ready, if still its parent

Exit status: 0 drained, 1 failed to serve, 64 wrong arguments.";

fn descriptor(text: &str) -> Result<RawFd, String> {
    match text.parse() {
        Ok(fd) if fd > 2 => Ok(fd),
        _ => Err("expected descriptor numbers above 2, such as 3 or 3,4".into()),
    }
}

/// A time such as 3, 3s, 0.5s, 500ms, 2m.
fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit_seconds) = if let Some(number) = text.strip_suffix("ms") {
        (number, 0.001)
    } else if let Some(number) = text.strip_suffix('s') {
        (number, 1.0)
    } else if let Some(number) = text.strip_suffix('m') {
        (number, 60.0)
    } else {
        (text, 1.0)
    };
    let expected = || "expected a time from 1ms to 1440m, such as 500ms, 3s or 2m".to_owned();
    let seconds = number.parse::<f64>().map_err(|_| expected())? * unit_seconds;
    if !(0.001..=86_400.0).contains(&seconds) {
        return Err(expected());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| expected())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn times_have_units_and_bounds() {
        assert_eq!(duration("3"), Ok(Duration::from_secs(3)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["", "0", "-1", "soon", "NaN", "1h", "9999999m"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
