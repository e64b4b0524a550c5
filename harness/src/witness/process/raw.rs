//! /proc without allocation: numbered directories and `stat` lines.
//!
//! The warden calls these after a fork from a process with many threads, where another thread may have held the
//! allocator's lock: nothing here allocates, locks or panics.

use std::ffi::CStr;

use libc::c_int;

/// The calling thread's errno.
pub(crate) fn errno() -> c_int {
    // SAFETY: __errno_location returns the valid, thread-local address of errno.
    unsafe { *libc::__errno_location() }
}

/// A path below /proc, `NUMBER/file`, NUL-terminated; a longer one is cut at 31 bytes.
pub(crate) struct NumberedPath([u8; 32]);

impl NumberedPath {
    /// `number/file`, or `number` alone for an empty `file`.
    pub(crate) fn new(number: i32, file: &str) -> Self {
        let mut digits = [0_u8; 10];
        let mut count = 0_usize;
        let mut rest = number.unsigned_abs();
        for digit in &mut digits {
            *digit = b'0'.wrapping_add((rest % 10) as u8);
            rest /= 10;
            count = count.wrapping_add(1);
            if rest == 0 {
                break;
            }
        }
        let slash: &[u8] = if file.is_empty() { b"" } else { b"/" };
        let text = digits.iter().take(count).rev().chain(slash).chain(file.as_bytes());
        let mut path = [0_u8; 32];
        for (to, from) in path.iter_mut().take(31).zip(text) {
            *to = *from;
        }
        Self(path)
    }

    /// As the C string that `openat` takes.
    pub(crate) fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or(c"")
    }
}

/// Opens `path` below the directory `dir` (or `AT_FDCWD`) for reading, close-on-exec.
///
/// # Errors
/// The errno of `openat(2)`.
pub(crate) fn open_at(dir: c_int, path: &CStr, flags: c_int) -> Result<c_int, c_int> {
    // SAFETY: path is NUL-terminated and lives through the call; no mode is needed without O_CREAT.
    match unsafe { libc::openat(dir, path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC | flags) } {
        -1 => Err(errno()),
        fd => Ok(fd),
    }
}

/// Closes a descriptor that the caller owns and will not use again.
pub(crate) fn close(fd: c_int) {
    // SAFETY: the caller owns fd; a wrong number would only give EBADF.
    unsafe { libc::close(fd) };
}

/// Reads one small file whole into `buffer` and returns what was read.
///
/// # Errors
/// The errno of `openat(2)` or `read(2)`: ENOENT or ESRCH for a process that is gone, EACCES where not permitted.
pub(crate) fn read_at<'a>(dir: c_int, path: &CStr, buffer: &'a mut [u8]) -> Result<&'a [u8], c_int> {
    let fd = open_at(dir, path, 0)?;
    // SAFETY: buffer is writable for its whole length.
    let read = unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) };
    let failure = errno();
    close(fd);
    let length = usize::try_from(read).map_err(|_| failure)?;
    Ok(buffer.get(..length).unwrap_or_default())
}

#[repr(C, align(8))]
struct EntryBuffer([u8; 16 * 1024]);

/// Calls `visit(number, inode)` for each entry of the open directory `dir` whose name is a number: the processes of
/// /proc, the threads of /proc/PID/task, the descriptors of /proc/PID/fd. `visit` returns false to stop.
///
/// # Errors
/// The errno of `getdents64(2)`.
pub(crate) fn each_number(dir: c_int, mut visit: impl FnMut(i32, u64) -> bool) -> Result<(), c_int> {
    // SAFETY: lseek only moves the offset of a descriptor that the caller owns.
    unsafe { libc::lseek(dir, 0, libc::SEEK_SET) };
    let mut buffer = EntryBuffer([0; 16 * 1024]);
    loop {
        // SAFETY: the buffer is writable for the length passed, and aligned as linux_dirent64 asks.
        let read = unsafe { libc::syscall(libc::SYS_getdents64, dir, buffer.0.as_mut_ptr(), buffer.0.len()) };
        let length = usize::try_from(read).map_err(|_| errno())?;
        if length == 0 {
            return Ok(());
        }
        let mut rest = buffer.0.get(..length).unwrap_or_default();
        while let Some((entry, after)) = split_entry(rest) {
            rest = after;
            if let (Some(number), Some(inode)) = (parse_number::<i32>(entry.name), entry.inode)
                && !visit(number, inode)
            {
                return Ok(());
            }
        }
    }
}

struct Entry<'a> {
    inode: Option<u64>,
    name: &'a [u8],
}

/// One `linux_dirent64`: inode (8 bytes), offset (8), record length (2), type (1), name up to a NUL.
fn split_entry(bytes: &[u8]) -> Option<(Entry<'_>, &[u8])> {
    let inode = bytes.get(..8)?.try_into().ok().map(u64::from_ne_bytes);
    let length = usize::from(u16::from_ne_bytes(bytes.get(16..18)?.try_into().ok()?));
    let name = bytes.get(19..length)?.split(|byte| *byte == 0).next()?;
    Some((Entry { inode, name }, bytes.get(length..)?))
}

/// A decimal number that fills the whole of `text`.
pub(crate) fn parse_number<N: std::str::FromStr>(text: &[u8]) -> Option<N> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The fields of one `stat` line that are used, numbered as in proc_pid_stat(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawStat<'a> {
    pub(crate) pid: i32,
    pub(crate) comm: &'a [u8],
    pub(crate) state: u8,
    pub(crate) ppid: i32,
    pub(crate) pgrp: i32,
    pub(crate) session: i32,
    pub(crate) flags: u32,
    pub(crate) cpu_ticks: u64,
    pub(crate) threads: u32,
    pub(crate) start: u64,
    pub(crate) stack: u64,
}

impl<'a> RawStat<'a> {
    /// Parses a line. The name stands between the first "(" and the last ")": it may hold both, blanks and newlines.
    pub(crate) fn parse(line: &'a [u8]) -> Option<Self> {
        let open = line.iter().position(|byte| *byte == b'(')?;
        let close = line.iter().rposition(|byte| *byte == b')')?;
        let pid = parse_number(line.get(..open)?.trim_ascii())?;
        let comm = line.get(open.checked_add(1)?..close)?;
        let mut fields = line.get(close.checked_add(1)?..)?.trim_ascii().split(|byte| *byte == b' ');
        let state = *fields.next()?.first()?; // 3
        let ppid = parse_number(fields.next()?)?; // 4
        let pgrp = parse_number(fields.next()?)?; // 5
        let session = parse_number(fields.next()?)?; // 6
        let flags = parse_number(fields.nth(2)?)?; // 9
        let user: u64 = parse_number(fields.nth(4)?)?; // 14
        let system: u64 = parse_number(fields.next()?)?; // 15
        let threads = parse_number(fields.nth(4)?)?; // 20
        let start = parse_number(fields.nth(1)?)?; // 22
        let code: u64 = parse_number(fields.nth(3)?)?; // 26: 0 in the midst of an exec, 1 if hidden
        let stack: u64 = parse_number(fields.nth(1)?)?; // 28
        // During an exec the stack's bottom is set twice, and the code's start together with the second, final value
        // (load_elf_binary in fs/binfmt_elf.c): a stack without code would look like one more exec.
        let stack = if code > 1 { stack } else { 0 };
        let cpu_ticks = user.saturating_add(system);
        Some(Self { pid, comm, state, ppid, pgrp, session, flags, cpu_ticks, threads, start, stack })
    }

    /// Reads and parses `NUMBER/stat` below `dir` (/proc, or a process's task directory).
    pub(crate) fn read(dir: c_int, number: i32, buffer: &'a mut [u8; STAT_BYTES]) -> Result<Self, c_int> {
        let line = read_at(dir, NumberedPath::new(number, "stat").as_c_str(), buffer)?;
        RawStat::parse(line).ok_or(libc::ESRCH)
    }
}

/// Room for one `stat` line: 52 numbers of at most 20 digits, and a name of at most 64 bytes.
pub(crate) const STAT_BYTES: usize = 1536;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_the_number_and_the_file() {
        assert_eq!(NumberedPath::new(4_194_304, "stat").as_c_str(), c"4194304/stat");
        assert_eq!(NumberedPath::new(0, "").as_c_str(), c"0");
        assert_eq!(NumberedPath::new(i32::MAX, "fd").as_c_str(), c"2147483647/fd");
    }

    #[test]
    fn a_name_may_hold_parentheses_blanks_and_newlines() {
        let line =
            b"7 (a) R (\n9 ) S 3 4 5 0 -1 4194560 1 2 3 4 11 22 5 6 20 0 8 0 12345 7 8 9 10 11 777 0 0\n";
        let stat = RawStat::parse(line).unwrap();
        assert_eq!(stat.comm, b"a) R (\n9 ");
        assert_eq!((stat.pid, stat.state, stat.ppid, stat.pgrp, stat.session), (7, b'S', 3, 4, 5));
        assert_eq!((stat.cpu_ticks, stat.threads, stat.start, stat.stack), (33, 8, 12345, 777));
    }

    #[test]
    fn a_stack_seen_in_the_midst_of_an_exec_is_none() {
        let line = b"7 (name) R 3 4 5 0 -1 0 1 2 3 4 11 22 5 6 20 0 8 0 12345 7 8 9 0 0 777 0 0\n";
        assert_eq!(RawStat::parse(line).unwrap().stack, 0);
    }

    #[test]
    fn a_line_cut_anywhere_is_no_stat_and_no_panic() {
        let line = b"7 (name) S 3 4 5 0 -1 4194560 1 2 3 4 11 22 5 6 20 0 8 0 12345 7 8 9 10 11 777";
        for length in 0..line.len() - 3 {
            assert!(RawStat::parse(&line[..length]).is_none(), "cut at {length}");
        }
        assert!(RawStat::parse(line).is_some());
    }

    #[test]
    fn own_line_is_read_and_a_missing_process_is_enoent() {
        let dir = open_at(libc::AT_FDCWD, c"/proc", libc::O_DIRECTORY).unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        let mut buffer = [0; STAT_BYTES];
        assert_eq!(RawStat::read(dir, own, &mut buffer).unwrap().pid, own);
        let mut seen = false;
        each_number(dir, |pid, inode| {
            seen |= pid == own && inode != 0;
            true
        })
        .unwrap();
        assert!(seen);
        assert_eq!(RawStat::read(dir, i32::MAX, &mut buffer), Err(libc::ENOENT));
        close(dir);
    }
}
