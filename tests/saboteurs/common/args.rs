//! The command line after the saboteur's name, and what a process knows of the one that started it.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use nix::unistd::Pid;

use super::predecessor;

/// The command line: `[--listen ADDRESS] [--pid-file FILE] [--config FILE]`, and what a predecessor adds to it.
pub struct Args {
    pub listen: SocketAddr,
    /// `--socket FD`: the listener, inherited.
    pub socket: Option<RawFd>,
    /// `--successor`: a predecessor waits to be told that this one is ready.
    pub successor: bool,
    pub pid_file: Option<PathBuf>,
    /// `--config FILE`: what it says is shown in each answer, by those that read it.
    pub config: Option<PathBuf>,
    /// `--close-first`: does not wait for clients to close.
    pub close_first: bool,
    /// `--settings FILE`: lines of the form `name = value`.
    pub settings: Option<PathBuf>,
    /// The arguments as they were before a predecessor added its own, and the saboteur's name before them.
    pub plain: Vec<OsString>,
    /// Who started this process, and is still there.
    pub parent: Option<Pid>,
}

impl Args {
    pub fn parse() -> io::Result<Self> {
        let mut args = Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            socket: None,
            successor: false,
            pid_file: None,
            config: None,
            close_first: false,
            settings: None,
            plain: std::env::args_os().skip(1).take(1).collect(),
            parent: predecessor::parent(),
        };
        let mut given = std::env::args_os().skip(2);
        while let Some(flag) = given.next() {
            match flag.to_str() {
                Some("--listen") => {
                    let value = given.next().unwrap_or_default();
                    args.listen = parse(&value)?;
                    args.plain.extend([flag, value]);
                }
                Some("--pid-file") => {
                    let value = given.next().unwrap_or_default();
                    args.pid_file = Some(value.clone().into());
                    args.plain.extend([flag, value]);
                }
                Some("--config") => {
                    let value = given.next().unwrap_or_default();
                    args.config = Some(value.clone().into());
                    args.plain.extend([flag, value]);
                }
                Some("--close-first") => {
                    args.close_first = true;
                    args.plain.push(flag);
                }
                Some("--settings") => {
                    let value = given.next().unwrap_or_default();
                    args.settings = Some(value.clone().into());
                    args.plain.extend([flag, value]);
                }
                Some("--socket") => args.socket = Some(parse(&given.next().unwrap_or_default())?),
                Some("--successor") => args.successor = true,
                _ => return Err(usage(&flag)),
            }
        }
        Ok(args)
    }

    /// Puts this process's own in the place of any other, in one step.
    pub fn write_pid_file(&self) -> io::Result<()> {
        let Some(path) = &self.pid_file else { return Ok(()) };
        let new = path.with_extension("new");
        std::fs::write(&new, format!("{}\n", std::process::id()))?;
        std::fs::rename(new, path)
    }

    /// Tells the service manager, if there is one; see sd_notify(3).
    pub fn notify(&self, message: &str) -> io::Result<()> {
        let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return Ok(()) };
        UnixDatagram::unbound()?.send_to(message.as_bytes(), path)?;
        Ok(())
    }

    /// Reads the settings, if there are any: nothing of them is needed but that they are sound.
    pub fn read_settings(&self) -> io::Result<()> {
        let Some(path) = &self.settings else { return Ok(()) };
        let text = std::fs::read_to_string(path)?;
        let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        for line in lines {
            if !line.contains(" = ") {
                let message = format!("{}: `{line}` is no setting", path.display());
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
        }
        Ok(())
    }

    /// Whether a predecessor started this process.
    pub fn has_predecessor(&self) -> bool {
        self.successor || self.socket.is_some()
    }

    /// Tells the predecessor, if there is one and it still lives, that this process is ready.
    pub fn tell_predecessor(&self) {
        let still_there = |parent: &Pid| *parent == nix::unistd::getppid();
        if let Some(parent) = self.parent.filter(still_there)
            && self.has_predecessor()
        {
            let _ = nix::sys::signal::kill(parent, nix::sys::signal::SIGUSR1);
        }
    }
}

fn parse<T: std::str::FromStr>(value: &OsString) -> io::Result<T> {
    value.to_str().and_then(|text| text.parse().ok()).ok_or_else(|| usage(value))
}

fn usage(what: &OsString) -> io::Error {
    let message = format!("cannot use {what:?}; usage: [--listen ADDRESS] [--pid-file FILE] [--config FILE]");
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
