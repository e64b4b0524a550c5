//! What a process holds: its descriptors by kind, which of them two processes have in common, and how much memory it uses.

use std::collections::BTreeMap;
use std::fs;

use super::stat::proc_dir;

/// More descriptors of one process are not looked at.
const LOOKED_AT_MAX: usize = 16_384;
/// kcmp(2): whether two descriptors refer to one open file description.
const KCMP_FILE: i32 = 0;

/// One descriptor of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Its number.
    pub fd: i32,
    /// What /proc/PID/fd/FD names: a path, or `socket:[INODE]`, `pipe:[INODE]`, `anon_inode:[KIND]`.
    pub target: String,
}

impl Descriptor {
    /// The kind of file: `socket`, `pipe`, `eventpoll` and other kinds without a path, `memfd`, `device`, `file`.
    #[must_use]
    pub fn kind(&self) -> &str {
        let target = self.target.as_str();
        if let Some(anonymous) = target.strip_prefix("anon_inode:") {
            return anonymous.trim_matches(['[', ']']);
        }
        match target.split_once(":[") {
            Some(("socket", _)) => "socket",
            Some(("pipe", _)) => "pipe",
            _ if target.starts_with("/memfd:") => "memfd",
            _ if target.starts_with("/dev/") => "device",
            _ => "file",
        }
    }

    /// The inode of a socket, as in the socket table.
    #[must_use]
    pub fn socket(&self) -> Option<u64> {
        self.target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    }
}

/// The descriptors of a process, lowest first; `None` if it is gone, or may not be looked into.
#[must_use]
pub fn descriptors(pid: i32) -> Option<Vec<Descriptor>> {
    let directory = format!("/proc/{pid}/fd");
    let mut found: Vec<Descriptor> = fs::read_dir(&directory)
        .ok()?
        .flatten()
        .take(LOOKED_AT_MAX)
        .filter_map(|entry| {
            let fd = entry.file_name().to_str()?.parse().ok()?;
            // One that was closed meanwhile is none.
            let target = fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned();
            Some(Descriptor { fd, target })
        })
        .collect();
    // A process that ends while it is listed shows fewer.
    let there = super::Stat::read(pid).is_some_and(|stat| !stat.ended());
    found.sort_unstable_by_key(|one| one.fd);
    (there && !found.is_empty()).then_some(found)
}

/// The flags of a descriptor's open file, as open(2) and fcntl(2) number them; `None` if there is none, or it may not be read.
#[must_use]
pub fn flags(pid: i32, fd: i32) -> Option<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/fdinfo/{fd}")).ok()?;
    let octal = text.lines().find_map(|line| line.strip_prefix("flags:"))?;
    i32::from_str_radix(octal.trim(), 8).ok()
}

/// Whether a descriptor of one process and one of another refer to the same open file description; `None` where the machine
/// does not permit the comparison (it needs the right to ptrace both), or one of them is gone.
#[must_use]
pub fn same_file(one: (i32, i32), other: (i32, i32)) -> Option<bool> {
    // SAFETY: kcmp takes numbers only, and changes nothing.
    let order = unsafe { libc::syscall(libc::SYS_kcmp, one.0, other.0, KCMP_FILE, one.1, other.1) };
    (order >= 0).then_some(order == 0)
}

/// Whether kcmp(2) is permitted at all, by a comparison of standard descriptors that are there or not.
#[must_use]
pub fn may_compare(one: i32, other: i32) -> bool {
    // SAFETY: as in same_file.
    let order = unsafe { libc::syscall(libc::SYS_kcmp, one, other, KCMP_FILE, 0, 0) };
    order >= 0 || super::raw::errno() == libc::EBADF
}

/// Memory of a process, in KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// What belongs to no file: anonymous, shared memory, and what was swapped out.
    pub own_kib: u64,
    /// What was resident at most since its last execution, files included.
    pub peak_kib: u64,
}

impl Memory {
    /// Reads /proc/PID/status; `None` if the process is gone.
    #[must_use]
    pub fn read(pid: i32) -> Option<Self> {
        proc_dir()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let fields: BTreeMap<&str, u64> = status
            .lines()
            .filter_map(|line| {
                let (name, value) = line.split_once(':')?;
                Some((name, value.trim().strip_suffix(" kB")?.parse().ok()?))
            })
            .collect();
        let own = ["RssAnon", "RssShmem", "VmSwap"].iter().map(|name| fields.get(name).copied());
        Some(Self { own_kib: own.sum::<Option<u64>>()?, peak_kib: *fields.get("VmHWM")? })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    fn own() -> i32 {
        std::process::id().cast_signed()
    }

    #[test]
    fn a_kind_is_told_from_the_name() {
        let kind = |target: &str| Descriptor { fd: 3, target: target.to_owned() }.kind().to_owned();
        assert_eq!(kind("socket:[17]"), "socket");
        assert_eq!(kind("pipe:[17]"), "pipe");
        assert_eq!(kind("anon_inode:[eventpoll]"), "eventpoll");
        assert_eq!(kind("anon_inode:inotify"), "inotify");
        assert_eq!(kind("/memfd:state (deleted)"), "memfd");
        assert_eq!(kind("/dev/null"), "device");
        assert_eq!(kind("/var/log/pipe:[17]"), "file");
        assert_eq!(kind(""), "file");
        let socket = Descriptor { fd: 3, target: "socket:[17]".to_owned() };
        assert_eq!(socket.socket(), Some(17));
    }

    #[test]
    fn own_descriptors_are_found_with_their_flags_and_compared() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let copy = listener.try_clone().unwrap();
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let fd = listener.as_raw_fd();
        let found = descriptors(own()).unwrap();
        assert_eq!(found.iter().find(|one| one.fd == fd).unwrap().kind(), "socket");
        assert_eq!(flags(own(), fd).unwrap() & libc::O_NONBLOCK, 0);
        copy.set_nonblocking(true).unwrap();
        assert_ne!(flags(own(), fd).unwrap() & libc::O_NONBLOCK, 0, "the flag is shared");
        assert_eq!(flags(own(), 999_999), None);
        if may_compare(own(), own()) {
            assert_eq!(same_file((own(), fd), (own(), copy.as_raw_fd())), Some(true));
            assert_eq!(same_file((own(), fd), (own(), other.as_raw_fd())), Some(false));
        }
        assert_eq!(descriptors(i32::MAX), None);
    }

    #[test]
    fn own_memory_is_not_nothing() {
        let memory = Memory::read(own()).unwrap();
        assert!(memory.own_kib > 0 && memory.peak_kib >= memory.own_kib / 2, "{memory:?}");
        assert_eq!(Memory::read(i32::MAX), None);
    }
}
