//! The words that events are made of: instants, owners, endings.

use serde::{Deserialize, Serialize};

use super::event::{Micros, ProcId};

/// Two bounds of one instant: it was not yet so at `lo`, and it was so at `hi`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[Micros; 2]", into = "[Micros; 2]")]
pub struct Interval {
    /// Not earlier than this.
    pub lo: Micros,
    /// Not later than this.
    pub hi: Micros,
}

impl Interval {
    /// The interval with these bounds; a lower bound above the upper one is drawn down to it.
    pub fn new(lo: Micros, hi: Micros) -> Self {
        Self { lo: lo.min(hi), hi }
    }

    /// How much of it lies between two instants.
    pub fn within(&self, from: Micros, to: Micros) -> Micros {
        self.hi.min(to).saturating_sub(self.lo.max(from))
    }
}

impl From<[Micros; 2]> for Interval {
    fn from([lo, hi]: [Micros; 2]) -> Self {
        Self::new(lo, hi)
    }
}

impl From<Interval> for [Micros; 2] {
    fn from(interval: Interval) -> Self {
        [interval.lo, interval.hi]
    }
}

/// The parts that a scenario has, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The same lanes with no restart.
    Control,
    /// Lanes are brought into their states, and the restart follows.
    Restart,
    /// The old generation is gone; load goes on, as an exit may disturb late.
    Settle,
    /// Over.
    End,
}

/// Who holds the server's side of a lane, by socket inode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Owner {
    /// This process alone.
    Process(ProcId),
    /// Nobody yet: it waits in an accept queue.
    Queued,
    /// More than one process.
    Several,
    /// Not looked up, or the machine withholds it.
    #[default]
    Unknown,
}

/// Why a connection did not come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectTrouble {
    /// ECONNREFUSED: nobody listens.
    Refused,
    /// No answer in time.
    TimedOut,
    /// EAGAIN on a unix socket: its queue is full.
    QueueFull,
    /// ENOENT: the path of a unix socket is not there.
    Missing,
    /// The harness ran out of something (ports, descriptors): never the target's fault.
    Local,
    /// Another error, with its number.
    Other,
}

/// How a connection ended, as the client's kernel saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// FIN: an orderly end of file.
    Fin,
    /// RST.
    Reset,
    /// FIN, then RST for bytes that the client sent after it: the lane's own doing.
    ResetAfterFin,
    /// The lane closed it, having read all there was.
    Lane,
    /// The lane gave up waiting.
    GaveUp,
}

/// How far the response that was awaited had come when the connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Nothing was awaited.
    Idle,
    /// A part of a request was sent, and not its last byte.
    HalfSent,
    /// The request was sent whole, and no byte of the response had come.
    NoByte,
    /// A part of the response's head.
    InHead,
    /// The head and a part of the body.
    InBody,
}

/// Where a scenario could not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stop {
    /// The target did not start, or did not answer as a server of HTTP.
    Start,
    /// The same lanes fail with no restart at all.
    Control,
    /// The harness's own fault.
    Harness,
}

/// Whose traffic the counters of the target's network namespace tell of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// The target's side alone.
    Target,
    /// The target's and the lanes'.
    Both,
    /// Other programs' as well.
    Shared,
}

/// A listening socket, as the kernel's socket table shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerRow {
    /// Its inode, the one that `/proc/PID/fd` shows.
    pub inode: u64,
    /// Its identity, never reused (SO_COOKIE).
    pub cookie: u64,
    /// The backlog it was given.
    pub backlog: u32,
}

/// A process as a census lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Its process id.
    pub pid: i32,
    /// Its parent's process id.
    pub ppid: i32,
    /// Its short name.
    pub name: String,
    /// It has ended, and its parent has not reaped it.
    pub zombie: bool,
}

/// The properties of a process that are its descriptors 0 to 2.
pub const STREAMS: [&str; 3] = ["standard input", "standard output", "standard error"];
/// The property that stands for an environment whose block was overwritten: its variables are not told.
pub const REWRITTEN: &str = "environment rewritten";

/// What a pid file was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PidFileState {
    /// Not there.
    Missing,
    /// There, with nothing in it: read so, or told by the order in which it was made and written.
    Empty,
    /// It holds a process id.
    Pid,
    /// It holds something else.
    Other,
}

/// A file, told by where it lies: as long as it is there, no other has both numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileId {
    /// The device's number.
    pub device: u64,
    /// The inode's.
    pub inode: u64,
}

/// What keeps a restart from succeeding: how the successor's start fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// There is no program.
    Missing,
    /// The program is a file that may not be executed.
    NotExecutable,
    /// The program breaks off in its midst, as one that was not copied whole.
    Truncated,
    /// It exits with status 1 before it does anything.
    Exits,
    /// It is killed by SIGSEGV before it does anything.
    Crashes,
    /// It is killed by SIGKILL before it does anything.
    Killed,
    /// It never gets ready, until the harness ends it.
    Hangs,
    /// It gets ready and answers, and is killed by the harness while the old generation is still there.
    DiesWhenReady,
    /// The target can't fork a process (EAGAIN); it can make threads.
    NoFork,
    /// The target can't execute a program (ENOMEM).
    NoExec,
    /// Its configuration is invalid.
    BadConfig,
}

impl Fault {
    /// Its name in scenario files and histories.
    pub fn as_str(self) -> &'static str {
        match self {
            Fault::Missing => "missing",
            Fault::NotExecutable => "not-executable",
            Fault::Truncated => "truncated",
            Fault::Exits => "exits",
            Fault::Crashes => "crashes",
            Fault::Killed => "killed",
            Fault::Hangs => "hangs",
            Fault::DiesWhenReady => "dies-when-ready",
            Fault::NoFork => "no-fork",
            Fault::NoExec => "no-exec",
            Fault::BadConfig => "bad-config",
        }
    }

    /// Whether it lies on the path by which the program is started: a target that goes another way never meets it.
    pub fn by_path(self) -> bool {
        !self.by_kernel() && !matches!(self, Fault::BadConfig | Fault::DiesWhenReady)
    }

    /// Whether it is the kernel that refuses something to the target.
    pub fn by_kernel(self) -> bool {
        matches!(self, Fault::NoFork | Fault::NoExec)
    }

    /// Whether whoever is started runs, and is met by the harness at the gate before the program.
    pub fn at_gate(self) -> bool {
        matches!(self, Fault::Exits | Fault::Crashes | Fault::Killed | Fault::Hangs)
    }
}

/// An open file that two processes hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CommonDescriptor {
    /// The number of the younger process's descriptor.
    pub fd: i32,
    /// `connection` (of a lane), `socket`, `pipe`, `file`, `eventpoll`, ….
    pub kind: String,
    /// What /proc/PID/fd/FD names, cut.
    pub target: String,
}
