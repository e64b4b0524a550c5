//! What has to happen first in `main`, before threads, descriptors and arguments.
//!
//! From the first instant on, a `SIGHUP` must not be fatal, and the process that started this one
//! must be remembered: once it is gone, `getppid` names a reaper that never asked for a signal.

use std::ffi::{CStr, OsStr, OsString};
use std::io;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::{Pid, getppid};

use crate::pidfd::Pidfd;
use crate::signals;

/// How often the service has been restarted: set for a successor, one more each time.
pub const GENERATION_VARIABLE: &str = "REFERENCE_SERVER_GENERATION";

/// The process that started the successor, as a pid: set for a successor, which sends its
/// readiness signal only if that is still its parent.
pub const PARENT_VARIABLE: &str = "REFERENCE_SERVER_PARENT";

/// What the process noted at its very start.
#[derive(Debug)]
pub struct Startup {
    pub(crate) signal_mask: SigSet,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    parent: Pid,
    parent_told: Option<OsString>,
    generation: u64,
}

impl Startup {
    /// To be called first in `main`: it blocks signals in the calling thread and, by inheritance,
    /// in every thread started later. Signals are read once [`crate::HotRestart::run`] runs.
    ///
    /// # Errors
    ///
    /// When signals can't be blocked, or the program's own path can't be found.
    pub fn begin() -> io::Result<Self> {
        let signal_mask = signals::block()?;
        let parent = getppid();
        let generation =
            std::env::var(GENERATION_VARIABLE).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(Self {
            signal_mask,
            program: program_path()?,
            arguments: std::env::args_os().collect(),
            parent,
            parent_told: std::env::var_os(PARENT_VARIABLE),
            generation,
        })
    }

    /// How many restarts led to this process.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The process that started this one.
    pub fn parent(&self) -> u32 {
        self.parent.as_raw().unsigned_abs()
    }

    /// The parent, to be told that this process can accept; for a process that got its listeners
    /// by `--socket`.
    pub(crate) fn waiting_parent(&self) -> WaitingParent {
        let pid = self.parent;
        if let Some(told) = &self.parent_told
            && told != OsStr::new(&pid.to_string())
        {
            return WaitingParent::Gone;
        }
        if pid.as_raw() <= 1 {
            return WaitingParent::Gone;
        }
        let pidfd = match Pidfd::open(pid) {
            Ok(pidfd) => Some(pidfd),
            Err(error) if error.raw_os_error() == Some(Errno::ESRCH as i32) => {
                return WaitingParent::Gone;
            }
            Err(_) => None, // Not offered by this kernel or sandbox: the number has to do.
        };
        WaitingParent::Waiting { pid, pidfd }
    }
}

/// Who is told of readiness.
#[derive(Debug)]
pub(crate) enum WaitingParent {
    /// Nobody: it ended, and whoever is the parent now is a stranger.
    Gone,
    Waiting {
        pid: Pid,
        pidfd: Option<Pidfd>,
    },
}

impl WaitingParent {
    /// Sends `SIGUSR1` to the parent if it is still there. Returns whom it told.
    pub(crate) fn signal_readiness(self) -> io::Result<Option<Pid>> {
        let Self::Waiting { pid, pidfd } = self else {
            return Ok(None);
        };
        // While it is our parent its number is not used again: opened before this look, the pidfd
        // is its own.
        if getppid() != pid {
            return Ok(None);
        }
        let sent = match pidfd {
            Some(pidfd) => pidfd.send_signal(Signal::SIGUSR1),
            None => kill(pid, Signal::SIGUSR1).map_err(io::Error::from),
        };
        match sent {
            Ok(()) => Ok(Some(pid)),
            Err(error) if error.raw_os_error() == Some(Errno::ESRCH as i32) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The path by which this program was executed, made absolute and not resolved: a restart must run
/// what stands there by then, also behind a symbolic link that was switched.
fn program_path() -> io::Result<PathBuf> {
    let image = Path::new("/proc/self/exe");
    if let Some(executed) = executed_path() {
        let executed = std::path::absolute(executed)?;
        if is_same_file(&executed, image) {
            return Ok(executed);
        }
    }
    // Started through a descriptor or an interpreter: the image's own path.
    std::fs::read_link(image)
}

fn executed_path() -> Option<PathBuf> {
    // SAFETY: getauxval reads a table that the kernel made at exec.
    let address = unsafe { libc::getauxval(libc::AT_EXECFN) };
    if address == 0 {
        return None;
    }
    // SAFETY: AT_EXECFN is the address of a NUL-terminated string on the initial stack, which
    // stays mapped and unchanged for the life of the process.
    let name = unsafe { CStr::from_ptr(address as *const libc::c_char) };
    Some(PathBuf::from(OsStr::from_bytes(name.to_bytes())))
}

fn is_same_file(a: &Path, b: &Path) -> bool {
    match (std::fs::metadata(a), std::fs::metadata(b)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

/// The arguments of a successor: the same, with the listeners named once.
pub(crate) fn successor_arguments(own: &[OsString], listeners: &[RawFd]) -> Vec<OsString> {
    let mut kept = Vec::with_capacity(own.len() + 2);
    let mut arguments = own.iter().skip(1);
    let mut rest = Vec::new();
    while let Some(argument) = arguments.next() {
        if argument == "--socket" {
            arguments.next();
        } else if argument == "--" {
            rest.push(argument.clone());
            rest.extend(arguments.by_ref().cloned());
        } else if !argument.as_bytes().starts_with(b"--socket=") {
            kept.push(argument.clone());
        }
    }
    let numbers: Vec<_> = listeners.iter().map(RawFd::to_string).collect();
    kept.push("--socket".into());
    kept.push(numbers.join(",").into());
    kept.extend(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn the_successors_arguments_name_the_listeners_once() {
        for own in [
            "server --marker a",
            "server --socket 7 --marker a",
            "server --marker a --socket=7,8",
            "server --socket 3 --marker a --socket 4",
        ] {
            assert_eq!(
                successor_arguments(&arguments(own), &[5, 6]),
                arguments("--marker a --socket 5,6"),
                "{own}"
            );
        }
    }

    #[test]
    fn what_follows_two_dashes_is_kept_behind_the_listeners() {
        assert_eq!(
            successor_arguments(&arguments("a b -- --socket 1"), &[3]),
            arguments("b --socket 3 -- --socket 1")
        );
    }
}
