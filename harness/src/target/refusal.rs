//! Forks or executions that fail, for the target alone: the kernel asks a thread of ours about each of them (seccomp user
//! notification), and it says yes, but for as long as they are to fail.
//!
//! The filter is installed in the process that becomes the target, before it executes the program, and all that descend from
//! it have it. It can't be taken off again, so it is used in scenarios that need it only. Asked about are execve, execveat,
//! fork, vfork, clone and clone3, but for threads: those the old generation may need to serve. Of clone(2) the filter sees
//! whether it makes a thread; of clone3(2) the flags lie in the caller's memory, and are read there.
//!
//! Without CAP_SYS_ADMIN the kernel demands PR_SET_NO_NEW_PRIVS, and set-user-id programs below the target then run without
//! their privilege. Should hotspec die, the calls that are asked about fail with ENOSYS until the warden has taken the target
//! down.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use libc::{c_int, c_long, sock_filter};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use crate::witness::process::raw::errno;

/// The architecture as the kernel tells it to filters (AUDIT_ARCH_…); none where the filter was not written for it.
const ARCHITECTURE: Option<u32> = if cfg!(target_arch = "x86_64") {
    Some(0xC000_003E)
} else if cfg!(target_arch = "aarch64") {
    Some(0xC000_00B7)
} else {
    None
};

/// What is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Refused {
    /// Nothing.
    Nothing = 0,
    /// Processes can't be forked (EAGAIN); threads can be made.
    Forks = 1,
    /// Programs can't be executed (ENOMEM).
    Executions = 2,
}

#[derive(Debug, Default)]
struct Shared {
    refused: AtomicU8,
    /// Calls that were refused.
    times: AtomicU64,
    /// Processes that were forked.
    forks: AtomicU64,
    /// Why the kernel does not ask us, if it does not.
    unable: Mutex<Option<String>>,
}

/// The thread that answers. Drop it when the target is gone: whoever is still there could neither fork nor execute.
#[derive(Debug)]
pub struct Refusal {
    shared: Arc<Shared>,
    /// The target's end, until the warden has a copy.
    theirs: Option<OwnedFd>,
    /// Closed to end the thread.
    stop: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Refusal {
    /// Starts the thread; nothing is refused yet.
    ///
    /// # Errors
    /// No descriptors, or no thread.
    pub fn start() -> io::Result<Self> {
        let pair = || {
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
                .map_err(io::Error::from)
        };
        let ((ours, theirs), (stopped, stop)) = (pair()?, pair()?);
        let shared = Arc::new(Shared::default());
        let seen = Arc::clone(&shared);
        let answer = move || {
            if let Err(error) = serve(&ours, &stopped, &seen) {
                *seen.unable.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
            }
        };
        let thread = std::thread::Builder::new().name("refusal".to_owned()).spawn(answer)?;
        Ok(Self { shared, theirs: Some(theirs), stop: Some(stop), thread: Some(thread) })
    }

    /// The descriptor that the target's process sends the kernel's to; see [`super::warden::WardenSpec::inherited`].
    pub fn inherited(&self) -> Option<c_int> {
        self.theirs.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// The warden has its copy.
    pub fn hand_over(&mut self) {
        self.theirs = None;
    }

    /// From now on these are refused.
    pub fn refuse(&self, what: Refused) {
        self.shared.times.store(0, Ordering::SeqCst);
        self.shared.refused.store(what as u8, Ordering::SeqCst);
    }

    /// How often something was refused since it last changed what is.
    pub fn times(&self) -> u64 {
        self.shared.times.load(Ordering::SeqCst)
    }

    /// How many processes the target has forked.
    pub fn forks(&self) -> u64 {
        self.shared.forks.load(Ordering::SeqCst)
    }

    /// Why nothing can be refused here, if so.
    pub fn unable(&self) -> Option<String> {
        self.shared.unable.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Refusal {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It panics nowhere; and if it did, nobody is left to be answered.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// The errno of a call that is not to succeed.
    fn refuses(&self, call: &libc::seccomp_data, caller: u32) -> Option<c_int> {
        let number = c_long::from(call.nr);
        let executes = number == libc::SYS_execve || number == libc::SYS_execveat;
        let thread = number == libc::SYS_clone3 && makes_thread(caller, call.args[0]);
        if !executes && !thread {
            self.forks.fetch_add(1, Ordering::SeqCst);
        }
        let refused = self.refused.load(Ordering::SeqCst);
        let errno = if executes && refused == Refused::Executions as u8 {
            libc::ENOMEM
        } else if !executes && !thread && refused == Refused::Forks as u8 {
            libc::EAGAIN
        } else {
            return None;
        };
        self.times.fetch_add(1, Ordering::SeqCst);
        Some(errno)
    }
}

/// Receives the kernel's descriptor from the target's process, and answers until nobody is left who could ask, or until told
/// to stop.
fn serve(ours: &OwnedFd, stopped: &OwnedFd, shared: &Shared) -> io::Result<()> {
    if !await_one(ours.as_raw_fd(), stopped)? {
        return Ok(());
    }
    let listener = receive(ours.as_raw_fd())?;
    while await_one(listener.as_raw_fd(), stopped)? {
        // SAFETY: all zero is a value of it, and what the kernel demands.
        let mut asked: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: the descriptor is a listener of seccomp(2), and asked is writable for what it sends.
        let got =
            unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV as _, &raw mut asked) };
        if got != 0 {
            // Whoever asked was killed meanwhile.
            if matches!(errno(), libc::ENOENT | libc::EINTR) {
                continue;
            }
            return Err(io::Error::last_os_error());
        }
        let refused = shared.refuses(&asked.data, asked.pid);
        let answer = libc::seccomp_notif_resp {
            id: asked.id,
            val: 0,
            error: refused.map_or(0, |errno| -errno),
            flags: if refused.is_some() { 0 } else { libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32 },
        };
        // SAFETY: as above; answer is readable. That whoever asked is gone by now is no error.
        unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND as _, &raw const answer) };
    }
    Ok(())
}

/// Waits until there is something to read; false at the end of it, or when told to stop.
fn await_one(fd: c_int, stopped: &OwnedFd) -> io::Result<bool> {
    loop {
        let entry = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let mut polled = [entry(fd), entry(stopped.as_raw_fd())];
        // SAFETY: polled is writable for two entries.
        if unsafe { libc::poll(polled.as_mut_ptr(), 2, -1) } < 0 {
            match errno() {
                libc::EINTR => continue,
                _ => return Err(io::Error::last_os_error()),
            }
        }
        let [asked, stop] = polled;
        return Ok(stop.revents == 0 && asked.revents & libc::POLLIN != 0);
    }
}

/// Whether the flags of a clone3(2) say that it makes a thread. If they can't be read it is taken for one, and let pass.
fn makes_thread(caller: u32, arguments: u64) -> bool {
    let mut flags = 0_u64;
    let local = libc::iovec { iov_base: (&raw mut flags).cast(), iov_len: size_of::<u64>() };
    let remote = libc::iovec { iov_base: arguments as *mut libc::c_void, iov_len: size_of::<u64>() };
    // SAFETY: local is writable for its length; the kernel checks the other process's addresses.
    let read = unsafe { libc::process_vm_readv(caller as i32, &raw const local, 1, &raw const remote, 1, 0) };
    usize::try_from(read) != Ok(size_of::<u64>()) || flags & libc::CLONE_THREAD as u64 != 0
}

/// Room for the control message of one descriptor, aligned as cmsg(3) asks.
#[repr(C, align(8))]
struct Control([u8; 64]);

/// A message of one number and, if there is one, a descriptor.
struct Message {
    number: c_int,
    control: Control,
}

impl Message {
    /// Calls sendmsg or recvmsg with it.
    fn with<T>(&mut self, controlled: bool, call: impl FnOnce(*mut libc::msghdr) -> T) -> T {
        let mut part = libc::iovec { iov_base: (&raw mut self.number).cast(), iov_len: size_of::<c_int>() };
        // SAFETY: all zero is a value of it.
        let mut head: libc::msghdr = unsafe { std::mem::zeroed() };
        (head.msg_iov, head.msg_iovlen) = (&raw mut part, 1);
        if controlled {
            head.msg_control = (&raw mut self.control).cast();
            // SAFETY: computes a length from a length.
            head.msg_controllen = unsafe { libc::CMSG_SPACE(size_of::<c_int>() as u32) } as _;
        }
        call(&raw mut head)
    }
}

/// The kernel's descriptor, or why there is none.
fn receive(socket: c_int) -> io::Result<OwnedFd> {
    let mut message = Message { number: 0, control: Control([0; 64]) };
    let found = message.with(true, |head| {
        // SAFETY: head describes memory that is writable for its lengths.
        if unsafe { libc::recvmsg(socket, head, libc::MSG_CMSG_CLOEXEC) } < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has filled head; the first control message, if there is one, holds one descriptor, which is
        // ours from now on.
        Ok(unsafe {
            let first = libc::CMSG_FIRSTHDR(head);
            let holds = !first.is_null() && (*first).cmsg_type == libc::SCM_RIGHTS;
            holds.then(|| OwnedFd::from_raw_fd(libc::CMSG_DATA(first).cast::<c_int>().read_unaligned()))
        })
    })?;
    found.ok_or_else(|| match message.number {
        0 => io::Error::other("this processor's system calls are not known to the filter"),
        libc::EBUSY => io::Error::other("another seccomp supervisor stands above hotspec"),
        number => io::Error::from_raw_os_error(number),
    })
}

/// In the process that becomes the target: installs the filter and sends the kernel's descriptor, or the errno if it can't be
/// had, by `socket`. Allocates nothing and locks nothing, as it runs in the fork of a process with many threads. Returns false
/// if the filter is installed and nobody will answer: then the process can't go on.
pub(super) fn install(socket: c_int) -> bool {
    let mut filter = filter();
    let listener = match ARCHITECTURE {
        Some(_) => seccomp(&mut filter),
        None => Err(0),
    };
    let mut message = Message { number: listener.err().unwrap_or_default(), control: Control([0; 64]) };
    if let Ok(descriptor) = listener {
        message.number = 1;
        message.with(true, |head| {
            // SAFETY: head's control memory has room for one message of one descriptor, which begins where it does.
            unsafe {
                let first = libc::CMSG_FIRSTHDR(head);
                (*first).cmsg_level = libc::SOL_SOCKET;
                (*first).cmsg_type = libc::SCM_RIGHTS;
                (*first).cmsg_len = libc::CMSG_LEN(size_of::<c_int>() as u32) as _;
                libc::CMSG_DATA(first).cast::<c_int>().write_unaligned(descriptor);
            }
        });
    }
    let sent = message.with(listener.is_ok(), |head| {
        // SAFETY: head describes memory that is readable for its lengths.
        unsafe { libc::sendmsg(socket, head, libc::MSG_NOSIGNAL) }
    });
    if let Ok(descriptor) = listener {
        // SAFETY: a descriptor of this process's own, which is not used again.
        unsafe { libc::close(descriptor) };
    }
    sent > 0 || listener.is_err()
}

fn seccomp(filter: &mut [sock_filter]) -> Result<c_int, c_int> {
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    let (listen, wait) =
        (libc::SECCOMP_FILTER_FLAG_NEW_LISTENER, libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
    let try_with = |flags: libc::c_ulong| {
        // SAFETY: program describes the filter, which the kernel copies.
        let fd = unsafe {
            libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
        };
        if fd < 0 { Err(errno()) } else { Ok(fd as c_int) }
    };
    // Linux before 5.19 does not know how to keep a signal from having the call asked about once more.
    let install = || {
        try_with(listen | wait).or_else(|errno| match errno {
            libc::EINVAL => try_with(listen),
            errno => Err(errno),
        })
    };
    install().or_else(|errno| {
        if errno != libc::EACCES {
            return Err(errno);
        }
        // SAFETY: sets a flag of this process.
        unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
        install()
    })
}

/// Asks about calls that fork or execute, and lets all else pass. Offsets are those of seccomp_data: the call's number, the
/// architecture, and the lower half of the first argument (both processors are little-endian).
fn filter() -> [sock_filter; 13] {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const ANY_OF: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let op = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    #[cfg(target_arch = "x86_64")]
    let (fork, vfork) = (libc::SYS_fork as u32, libc::SYS_vfork as u32);
    // There are none: any number that is not given.
    #[cfg(not(target_arch = "x86_64"))]
    let (fork, vfork) = (u32::MAX, u32::MAX);
    [
        op(LOAD, 0, 0, 4),
        op(EQUAL, 0, 9, ARCHITECTURE.unwrap_or_default()),
        op(LOAD, 0, 0, 0),
        op(EQUAL, 8, 0, libc::SYS_execve as u32),
        op(EQUAL, 7, 0, libc::SYS_execveat as u32),
        op(EQUAL, 6, 0, libc::SYS_clone3 as u32),
        op(EQUAL, 5, 0, fork),
        op(EQUAL, 4, 0, vfork),
        op(EQUAL, 0, 2, libc::SYS_clone as u32),
        op(LOAD, 0, 0, 16),
        op(ANY_OF, 0, 1, libc::CLONE_THREAD as u32),
        op(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
        op(RETURN, 0, 0, libc::SECCOMP_RET_USER_NOTIF),
    ]
}
