//! One process at one moment, and what makes it the same process later.

use std::ffi::{CString, OsString};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::OnceLock;

use libc::c_int;

use super::raw::{self, RawStat, STAT_BYTES};

/// What names a process through pid reuse and through exec in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch {
    /// Process id, in the reader's pid namespace.
    pub pid: i32,
    /// Start time in clock ticks since boot (field 22 of proc_pid_stat(5)): set by fork, kept through exec.
    pub start: u64,
    /// Address of the stack's bottom (field 28): a new one with each exec, where the address space is randomized.
    ///
    /// 0 for a process that the reader may not ptrace (then [`Image`] has to do), for one that has ended, and for the
    /// moment in the midst of an exec: look again.
    pub stack: u64,
}

impl Epoch {
    /// The same process, whatever it has executed since.
    #[must_use]
    pub fn same_process(&self, other: &Self) -> bool {
        (self.pid, self.start) == (other.pid, other.start)
    }

    /// Whether both are one process that has not executed anything between; `None` where the stack can't be read.
    #[must_use]
    pub fn same_image(&self, other: &Self) -> Option<bool> {
        if !self.same_process(other) {
            return Some(false);
        }
        (self.stack != 0 && other.stack != 0).then_some(self.stack == other.stack)
    }
}

/// One line of /proc/PID/stat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Pid, start and stack.
    pub epoch: Epoch,
    /// The parent's pid; 0 where the parent is outside the reader's pid namespace.
    pub ppid: i32,
    /// R, S, D, Z (ended, not yet reaped), T (stopped), t (traced), X.
    pub state: char,
    /// The name, at most 15 bytes; bytes that are not UTF-8 are replaced.
    pub comm: String,
    /// Process group.
    pub pgrp: i32,
    /// Session.
    pub session: i32,
    /// User and system time of all threads, in clock ticks.
    pub cpu_ticks: u64,
    /// Threads in the process.
    pub threads: u32,
    /// PF_* flags; 0x4 (PF_EXITING) says that the process is ending.
    pub flags: u32,
}

impl Stat {
    /// Reads the line of `pid`; `None` if there is no such process (any more).
    #[must_use]
    pub fn read(pid: i32) -> Option<Self> {
        let mut buffer = [0; STAT_BYTES];
        RawStat::read(proc_dir()?, pid, &mut buffer).ok().map(Self::from)
    }

    /// Whether the process has ended and only waits to be reaped. One whose first thread has ended while others go on
    /// (pthread_exit(3) in `main`) shows the same state, and has not.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.state == 'X' || (self.state == 'Z' && self.threads <= 1)
    }
}

impl From<RawStat<'_>> for Stat {
    fn from(raw: RawStat<'_>) -> Self {
        Self {
            epoch: Epoch { pid: raw.pid, start: raw.start, stack: raw.stack },
            ppid: raw.ppid,
            state: char::from(raw.state),
            comm: String::from_utf8_lossy(raw.comm).into_owned(),
            pgrp: raw.pgrp,
            session: raw.session,
            cpu_ticks: raw.cpu_ticks,
            threads: raw.threads,
            flags: raw.flags,
        }
    }
}

/// /proc, opened once for the life of the program; `None` where it is not mounted.
///
/// Shared by all threads for look-ups by name only: its offset is never used.
pub(super) fn proc_dir() -> Option<c_int> {
    static PROC: OnceLock<Option<OwnedFd>> = OnceLock::new();
    PROC.get_or_init(|| fs::File::open("/proc").ok().map(OwnedFd::from)).as_ref().map(AsRawFd::as_raw_fd)
}

/// What a process executes, as far as it can be told without ptrace rights.
///
/// The name and the command line's hash are readable for every process, the program's path for one's own. Two images
/// that agree in all of it may still be two executions of one program: only [`Epoch::stack`] tells these apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The process.
    pub epoch: Epoch,
    /// Its name.
    pub comm: String,
    /// Where /proc/PID/exe points; `None` without the right to read it.
    pub exe: Option<OsString>,
    /// A hash of /proc/PID/cmdline, comparable within one run of hotspec only; `None` once the process has ended.
    pub command_line: Option<u64>,
}

impl Image {
    /// Reads the image of `pid`; `None` if the process is gone.
    #[must_use]
    pub fn read(pid: i32) -> Option<Self> {
        let stat = Stat::read(pid)?;
        let command_line =
            fs::read(format!("/proc/{pid}/cmdline")).ok().filter(|line| !line.is_empty()).map(|line| {
                let mut hasher = DefaultHasher::new();
                line.hash(&mut hasher);
                hasher.finish()
            });
        let exe = fs::read_link(format!("/proc/{pid}/exe")).ok().map(OsString::from);
        // The process may have gone, and its pid to another, while its files were read.
        let same = Stat::read(pid).is_some_and(|after| after.epoch.same_process(&stat.epoch));
        same.then_some(Self { epoch: stat.epoch, comm: stat.comm, exe, command_line })
    }

    /// Whether the process executed something between `earlier` and this; `None` if that can't be told.
    #[must_use]
    pub fn replaced(&self, earlier: &Self) -> Option<bool> {
        if let Some(same) = self.epoch.same_image(&earlier.epoch) {
            return Some(!same);
        }
        let differs = |a: &Option<u64>, b: &Option<u64>| matches!((a, b), (Some(a), Some(b)) if a != b);
        let moved = matches!((&self.exe, &earlier.exe), (Some(a), Some(b)) if a != b);
        (moved || self.comm != earlier.comm || differs(&self.command_line, &earlier.command_line))
            .then_some(true)
    }
}

/// Why the descriptors of a process could not be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescriptorsUnreadable {
    /// The process has ended.
    #[error("process {0} is gone")]
    Gone(i32),
    /// Another user's process, or one that made itself undumpable.
    #[error(
        "the descriptors of process {0} may not be read by this user; run hotspec as that user or as root"
    )]
    Denied(i32),
    /// Anything else.
    #[error(
        "failed to list the descriptors of process {pid}: errno {errno}; expected a readable /proc/{pid}/fd"
    )]
    Other {
        /// The process.
        pid: i32,
        /// The errno of open(2) or getdents64(2).
        errno: i32,
    },
}

/// The descriptors of `pid` that are sockets, as (descriptor, inode). The inode is the one of the socket table.
///
/// # Errors
/// The process is gone, or may not be looked into (this needs the right to ptrace it).
pub fn sockets(pid: i32) -> Result<Vec<(i32, u64)>, DescriptorsUnreadable> {
    let refuse = |errno| match errno {
        libc::ENOENT | libc::ESRCH => DescriptorsUnreadable::Gone(pid),
        libc::EACCES | libc::EPERM => DescriptorsUnreadable::Denied(pid),
        errno => DescriptorsUnreadable::Other { pid, errno },
    };
    let proc = proc_dir().ok_or(DescriptorsUnreadable::Other { pid, errno: libc::ENOENT })?;
    let dir = raw::open_at(proc, raw::NumberedPath::new(pid, "fd").as_c_str(), libc::O_DIRECTORY)
        .map_err(refuse)?;
    let mut found = Vec::new();
    let listed = raw::each_number(dir, |fd, _| {
        found.extend(socket_behind(dir, raw::NumberedPath::new(fd, "")).map(|inode| (fd, inode)));
        true
    });
    raw::close(dir);
    listed.map_err(refuse)?;
    // A process that ends while it is listed shows fewer descriptors or none: that is "gone", not "holds nothing".
    match Stat::read(pid) {
        Some(stat) if !stat.ended() => Ok(found),
        _ => Err(DescriptorsUnreadable::Gone(pid)),
    }
}

/// The inodes of all sockets that `pid` holds, in the order of its descriptors.
///
/// # Errors
/// As [`sockets`].
pub fn socket_inodes(pid: i32) -> Result<Vec<u64>, DescriptorsUnreadable> {
    Ok(sockets(pid)?.into_iter().map(|(_, inode)| inode).collect())
}

/// Whether descriptor `fd` of `pid` is the socket `inode` right now; one readlink.
pub(crate) fn holds_socket(pid: i32, fd: i32, inode: u64) -> bool {
    let path = CString::new(format!("/proc/{pid}/fd/{fd}")).unwrap_or_default();
    link_to_socket(libc::AT_FDCWD, &path) == Some(inode)
}

fn socket_behind(dir: c_int, name: raw::NumberedPath) -> Option<u64> {
    link_to_socket(dir, name.as_c_str())
}

fn link_to_socket(dir: c_int, path: &std::ffi::CStr) -> Option<u64> {
    let mut link = [0_u8; 64];
    // SAFETY: path is NUL-terminated and link is writable for the length passed.
    let length = unsafe { libc::readlinkat(dir, path.as_ptr(), link.as_mut_ptr().cast(), link.len()) };
    let target = link.get(..usize::try_from(length).ok()?)?;
    raw::parse_number(target.strip_prefix(b"socket:[")?.strip_suffix(b"]")?)
}
