//! Signals by raw system calls, allocation-free: the C library would leave its own two out of every mask.

use libc::c_int;

use crate::witness::process::raw;

/// Masks, dispositions and the descriptor that signals are read from.
pub(super) struct Signals;

impl Signals {
    /// Blocks every signal in the calling thread and returns the mask there was.
    pub(super) fn block_all() -> u64 {
        Self::set_mask(u64::MAX)
    }

    /// Puts back what [`Self::block_all`] returned.
    pub(super) fn restore(mask: u64) {
        Self::set_mask(mask);
    }

    pub(super) fn unblock_all() {
        Self::set_mask(0);
    }

    fn set_mask(mask: u64) -> u64 {
        let mut before = 0_u64;
        // SAFETY: both masks are 8 bytes, the size of the kernel's signal set that is passed along.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigprocmask,
                libc::SIG_SETMASK,
                &raw const mask,
                &raw mut before,
                size_of::<u64>(),
            )
        };
        before
    }

    /// Sets every disposition to its default and opens a descriptor that reads all signals (blocked they stay).
    ///
    /// Commands inherit the defaults: SIGPIPE, which Rust ignores, ends them again, and SIGHUP does even below nohup.
    /// An inherited "ignore" of SIGCHLD would also take the children's exit codes from the warden.
    pub(super) fn open() -> Result<c_int, c_int> {
        // The kernel's own structure, of at most 32 bytes: in any order of its fields, zero is SIG_DFL without flags.
        let default = [0_u64; 4];
        let none = std::ptr::null_mut::<u64>();
        for signo in 1..=64_i64 {
            // SAFETY: default is readable for the structure; SIGKILL and SIGSTOP are refused, and rightly.
            unsafe { libc::syscall(libc::SYS_rt_sigaction, signo, default.as_ptr(), none, size_of::<u64>()) };
        }
        let all = u64::MAX;
        let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
        // SAFETY: the mask is 8 bytes, as said.
        let fd = unsafe { libc::syscall(libc::SYS_signalfd4, -1, &raw const all, size_of::<u64>(), flags) };
        if fd < 0 { Err(raw::errno()) } else { Ok(fd as c_int) }
    }

    /// The next pending signal, if there is one.
    pub(super) fn read(fd: c_int) -> Option<libc::signalfd_siginfo> {
        // SAFETY: signalfd_siginfo is plain data, for which zero is a value.
        let mut info: libc::signalfd_siginfo = unsafe { std::mem::zeroed() };
        // SAFETY: info is writable for its size.
        let read = unsafe { libc::read(fd, (&raw mut info).cast(), size_of_val(&info)) };
        (usize::try_from(read) == Ok(size_of_val(&info))).then_some(info)
    }
}
