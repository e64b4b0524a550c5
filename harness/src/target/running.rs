//! A server that is up already: where it answers, where its processes are if that was said, and how to ask which of them is
//! the main one now.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use crate::witness::process::Stat;

/// A server that hotspec has not started, and never stops.
#[derive(Clone, Debug)]
pub struct Running {
    /// The URL as typed.
    pub url: String,
    /// Where it answers, looked up once.
    pub address: SocketAddr,
    /// Its address is one of this machine's.
    pub local: bool,
    /// What requests carry in their `Host` field.
    pub host: String,
    /// Which of its processes is the main one; nobody looks at processes where it was not said.
    pub whereabouts: Option<Whereabouts>,
    /// A field of its answers whose value is another one after a restart.
    pub marker_header: Option<String>,
    /// What one scenario leaves to the next.
    pub kept: Arc<Kept>,
}

/// How the main process is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// By its number.
    Pid(i32),
    /// By a file that names it, read anew each time.
    File(PathBuf),
    /// By a unit of systemd's.
    Unit(String),
}

/// What one scenario leaves to the next.
#[derive(Debug, Default)]
pub struct Kept {
    /// Processes that belong to the server, by pid and start.
    family: Mutex<BTreeSet<(i32, u64)>>,
    /// Why no restart can be brought about any more.
    broken: Mutex<Option<String>>,
}

impl Kept {
    /// Processes that belong to the server.
    pub fn family(&self) -> BTreeSet<(i32, u64)> {
        self.family.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps them for the next scenario.
    pub fn keep_family(&self, family: BTreeSet<(i32, u64)>) {
        *self.family.lock().unwrap_or_else(PoisonError::into_inner) = family;
    }

    /// Why no restart can be brought about any more, if so.
    pub fn broken(&self) -> Option<String> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// No restart can be brought about any more: the scenarios that are left need not try.
    pub fn break_off(&self, why: &str) {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| why.to_owned());
    }
}

impl Whereabouts {
    /// The main process now.
    ///
    /// # Errors
    /// What was expected, and what was found.
    pub fn main_pid(&self) -> Result<i32, String> {
        let pid = match self {
            Whereabouts::Pid(pid) => *pid,
            Whereabouts::File(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| format!("failed to read the pid file {}: {error}", path.display()))?;
                number(&text).ok_or_else(|| {
                    format!("expected a process id in {}, found `{}`", path.display(), shown(&text))
                })?
            }
            Whereabouts::Unit(unit) => main_pid_of(unit)?,
        };
        let lives = Stat::read(pid).is_some_and(|stat| !stat.ended());
        if lives { Ok(pid) } else { Err(format!("{} is process {pid}, and there is none", self.describe())) }
    }

    /// It, as the beginning of a sentence.
    pub fn describe(&self) -> String {
        match self {
            Whereabouts::Pid(_) => "the server's main process (--pid)".to_owned(),
            Whereabouts::File(path) => format!("what {} names", path.display()),
            Whereabouts::Unit(unit) => format!("the MainPID of unit {unit}"),
        }
    }

    /// The option that said it.
    pub fn option(&self) -> &'static str {
        match self {
            Whereabouts::Pid(_) => "--pid",
            Whereabouts::File(_) => "--pid-file",
            Whereabouts::Unit(_) => "--unit",
        }
    }

    /// Whether asking takes long: a program has to be run for it.
    pub fn is_slow(&self) -> bool {
        matches!(self, Whereabouts::Unit(_))
    }
}

/// The first word as the number of a process: some files say more behind it.
fn number(text: &str) -> Option<i32> {
    text.split_ascii_whitespace().next()?.parse().ok().filter(|pid| *pid > 1)
}

fn shown(text: &str) -> String {
    text.trim().chars().filter(|c| !c.is_control()).take(40).collect()
}

fn main_pid_of(unit: &str) -> Result<i32, String> {
    let output = Command::new("systemctl")
        .args(["show", "-p", "MainPID", "--value", "--", unit])
        .output()
        .map_err(|error| format!("failed to ask systemctl for the MainPID of unit {unit}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    number(&text).filter(|_| output.status.success()).ok_or_else(|| {
        let said = [shown(&text), shown(&String::from_utf8_lossy(&output.stderr))].join(" ");
        format!("expected the MainPID of a running unit {unit} from systemctl, found `{}`", said.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_file_is_read_anew_and_has_to_name_a_living_process() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let whereabouts = Whereabouts::File(file.path().to_owned());
        let write = |text: &str| std::fs::write(file.path(), text).expect("written");
        for (text, expected) in [
            ("", "expected a process id"),
            ("nginx\n", "found `nginx`"),
            ("1\n", "expected a process id"),
            ("-5", "expected a process id"),
            ("2147483647\n", "and there is none"),
        ] {
            write(text);
            let error = whereabouts.main_pid().expect_err(text);
            assert!(error.contains(expected), "{text:?}: {error}");
        }
        let own = i32::try_from(std::process::id()).expect("a pid");
        write(&format!("{own}\n/var/lib/x\n"));
        assert_eq!(whereabouts.main_pid(), Ok(own));
    }
}
