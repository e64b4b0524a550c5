//! A network namespace for the thread that runs a scenario: fixed ports never collide and its counters are its own.
//!
//! Root, with CAP_SYS_ADMIN, may have one at any time. An ordinary user needs a user namespace around it, which
//! unshare(2) gives only to a process with a single thread: hence [`prepare_process`], early in `main`. A library called
//! from a program with threads can't do that and goes on at a lower level.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};
use std::{fs, io};

use nix::sched::{CloneFlags, unshare};

/// How much of the machine a run has to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Isolation {
    /// Nothing: ephemeral loopback ports, counters shared with everyone.
    None,
    /// A network namespace: ports, sockets and counters.
    Net,
    /// Two, the server's and its clients', joined by a veth pair: what the server's side sends is the server's alone.
    Full,
}

impl std::fmt::Display for Isolation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Net => "net",
            Self::Full => "full",
        })
    }
}

/// A network namespace that the calling thread is in, its loopback up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkNamespace {
    /// The inode of its /proc/…/ns/net: its identity while it lives.
    pub inode: u64,
    /// Whether ::1 is there; not on kernels without IPv6, or with it disabled.
    pub ipv6: bool,
}

/// Why there is no namespace. Displayed, it is one line that ends in what would enable it.
#[derive(Debug, thiserror::Error)]
#[error("{step} failed: {source}; {remedy}")]
pub struct IsolationDenied {
    /// What was tried.
    pub step: &'static str,
    /// Its error.
    #[source]
    pub source: io::Error,
    /// What would enable it.
    pub remedy: Remedy,
}

/// What stands in the way, where the machine tells, and the one command or change that helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// What stands in the way.
    pub because: Option<String>,
    /// What to type or to do.
    pub command: String,
}

impl Remedy {
    fn new(because: impl Into<String>, command: impl Into<String>) -> Self {
        Self { because: Some(because.into()), command: command.into() }
    }
}

impl std::fmt::Display for Remedy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.because {
            Some(because) => write!(f, "{because}: {}", self.command),
            None => f.write_str(&self.command),
        }
    }
}

impl IsolationDenied {
    pub(super) fn new(step: &'static str, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        let remedy = remedy(source.raw_os_error().unwrap_or(0));
        Self { step, source, remedy }
    }

    /// What is left without it.
    #[must_use]
    pub fn level(&self) -> Isolation {
        Isolation::None
    }
}

/// Makes the process able to give network namespaces to its threads. Call it in `main`, before any thread exists.
///
/// With CAP_SYS_ADMIN nothing is changed. Else the process enters a user namespace in which its own user and group are mapped to
/// themselves, and all others to none. Tried in a child first: if it is denied, this process stays as it was.
///
/// Only for runs that start their target: one that is up already lives in the old namespaces.
///
/// # Errors
/// It is not permitted; the error says why and what would permit it.
pub fn prepare_process() -> Result<Isolation, IsolationDenied> {
    if has_sys_admin() {
        return Ok(Isolation::Net);
    }
    try_in_child()?;
    enter_user_namespace()?;
    Ok(Isolation::Net)
}

/// What a process that is somebody else's can give to its threads as it is: nothing is changed.
///
/// # Errors
/// It has no CAP_SYS_ADMIN.
pub fn of_process() -> Result<Isolation, IsolationDenied> {
    if has_sys_admin() {
        return Ok(Isolation::Net);
    }
    Err(IsolationDenied {
        step: "giving a thread a network of its own",
        source: nix::Error::EPERM.into(),
        remedy: Remedy::new(
            "a library leaves the user namespace of its process alone",
            "run as root, or let hotspec::test_main have the test program (harness = false)",
        ),
    })
}

/// Puts the calling thread, and threads it starts later, into a new network namespace, and brings its loopback up.
///
/// Takes about a millisecond. Sockets opened before stay where they are, a tokio runtime's included as long as
/// it has made no sockets. The namespace goes when its last process and socket are gone.
///
/// # Errors
/// It is not permitted, or the loopback does not come up.
pub fn enter_network_namespace() -> Result<NetworkNamespace, IsolationDenied> {
    unshare(CloneFlags::CLONE_NEWNET)
        .map_err(|errno| IsolationDenied::new("unshare(CLONE_NEWNET)", errno))?;
    raise_loopback().map_err(|error| IsolationDenied::new("raising the loopback interface", error))?;
    let ipv6 = fs::read_to_string("/proc/thread-self/net/if_inet6").is_ok_and(|table| table.contains(" lo"));
    await_address(Ipv4Addr::LOCALHOST.into())?;
    if ipv6 {
        await_address(Ipv6Addr::LOCALHOST.into())?;
    }
    let metadata = fs::metadata("/proc/thread-self/ns/net")
        .map_err(|error| IsolationDenied::new("reading /proc/thread-self/ns/net", error))?;
    Ok(NetworkNamespace { inode: metadata.ino(), ipv6 })
}

/// Whether a process that is started from here may be process 1 of a PID namespace of its own (pid_namespaces(7)).
///
/// # Errors
/// It may not, and why.
pub fn try_pid_namespace() -> io::Result<()> {
    let failed = |errno| {
        let error = io::Error::from_raw_os_error(errno);
        Err(io::Error::new(error.kind(), format!("unshare(CLONE_NEWPID) failed: {error}")))
    };
    // SAFETY: the child calls nothing but unshare and _exit, which neither allocate nor lock.
    match unsafe { nix::unistd::fork() }? {
        nix::unistd::ForkResult::Child => {
            // SAFETY: as above; the exit status holds the error number.
            unsafe {
                let failed = libc::unshare(libc::CLONE_NEWPID) != 0;
                libc::_exit(if failed { crate::witness::process::raw::errno() } else { 0 })
            }
        }
        nix::unistd::ForkResult::Parent { child } => match nix::sys::wait::waitpid(child, None) {
            Ok(nix::sys::wait::WaitStatus::Exited(_, 0)) => Ok(()),
            Ok(nix::sys::wait::WaitStatus::Exited(_, errno)) => failed(errno),
            // A filter may kill instead of refusing.
            _ => failed(libc::EPERM),
        },
    }
}

/// Whether the calling thread has CAP_SYS_ADMIN (bit 21) in its user namespace.
fn has_sys_admin() -> bool {
    status_field("CapEff:")
        .and_then(|mask| u64::from_str_radix(&mask, 16).ok())
        .is_some_and(|mask| mask & (1 << 21) != 0)
}

fn status_field(name: &str) -> Option<String> {
    let status = fs::read_to_string("/proc/thread-self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
}

/// The order is the kernel's: a group may only be mapped once setgroups(2) is given up (user_namespaces(7)).
fn enter_user_namespace() -> Result<(), IsolationDenied> {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    unshare(CloneFlags::CLONE_NEWUSER)
        .map_err(|errno| IsolationDenied::new("unshare(CLONE_NEWUSER)", errno))?;
    let write =
        |step, path, text: String| fs::write(path, text).map_err(|error| IsolationDenied::new(step, error));
    write("giving up setgroups", "/proc/self/setgroups", "deny".to_owned())?;
    write("mapping the user", "/proc/self/uid_map", format!("{uid} {uid} 1"))?;
    write("mapping the group", "/proc/self/gid_map", format!("{gid} {gid} 1"))
}

/// Goes through all of it in a child that then ends, and gives its first failure.
fn try_in_child() -> Result<(), IsolationDenied> {
    let failed = |step| move |errno| IsolationDenied::new(step, errno);
    if thread_count() > 1 {
        return Err(failed("unshare(CLONE_NEWUSER)")(nix::Error::EINVAL));
    }
    let (reading, writing) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(failed("pipe"))?;
    // SAFETY: there is one thread only, as just counted, so no lock is held by another in the child.
    match unsafe { nix::unistd::fork() }.map_err(failed("fork"))? {
        nix::unistd::ForkResult::Child => {
            let tried = enter_user_namespace().and_then(|()| enter_network_namespace().map(drop));
            let text = tried.err().map_or_else(String::new, |denied| {
                format!("{}\n{}", denied.source.raw_os_error().unwrap_or(libc::EPERM), denied.step)
            });
            let _ = nix::unistd::write(&writing, text.as_bytes());
            // SAFETY: ends the child without running what the program has registered for its own exit.
            unsafe { libc::_exit(0) }
        }
        nix::unistd::ForkResult::Parent { child } => {
            drop(writing);
            let text = io::read_to_string(fs::File::from(reading));
            let status = nix::sys::wait::waitpid(child, None);
            let text = text.map_err(|error| IsolationDenied::new("trying in a child", error))?;
            if let Some((errno, step)) = text.split_once('\n') {
                let errno = errno.parse().unwrap_or(libc::EPERM);
                return Err(IsolationDenied::new(known_step(step), io::Error::from_raw_os_error(errno)));
            }
            match status {
                // A filter may kill instead of refusing.
                Ok(nix::sys::wait::WaitStatus::Signaled(..)) => {
                    Err(IsolationDenied::new("trying in a child", io::Error::from_raw_os_error(libc::EPERM)))
                }
                _ => Ok(()),
            }
        }
    }
}

/// The child's word for the step, as one of ours.
fn known_step(text: &str) -> &'static str {
    const STEPS: [&str; 7] = [
        "unshare(CLONE_NEWUSER)",
        "giving up setgroups",
        "mapping the user",
        "mapping the group",
        "unshare(CLONE_NEWNET)",
        "raising the loopback interface",
        "waiting for the loopback address",
    ];
    STEPS.into_iter().find(|step| *step == text).unwrap_or("trying in a child")
}

fn thread_count() -> usize {
    fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}

/// By errno and by what the machine shows.
fn remedy(errno: i32) -> Remedy {
    let setting = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let is = |path: &str, value: &str| setting(path).as_deref() == Some(value);
    match errno {
        libc::EINVAL if thread_count() > 1 => Remedy::new(
            format!("the process has {} threads already", thread_count()),
            "call prepare_process() first in main, or run as root",
        ),
        libc::EINVAL | libc::ENOSYS => Remedy::new(
            "this kernel was built without user or network namespaces",
            "run as root or on another kernel",
        ),
        libc::ENOSPC | libc::EUSERS => Remedy::new(
            "no more namespaces are allowed",
            "sudo sysctl -w user.max_user_namespaces=10000 user.max_net_namespaces=10000",
        ),
        libc::EOPNOTSUPP => Remedy::new("this kernel has no veth", "sudo modprobe veth"),
        libc::EMFILE | libc::ENFILE => Remedy::new("no descriptors are left", "ulimit -n 65536"),
        _ if is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") => Remedy::new(
            "AppArmor denies user namespaces to ordinary users",
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        _ if is("/proc/sys/kernel/unprivileged_userns_clone", "0") => Remedy::new(
            "the kernel denies user namespaces to ordinary users",
            "sudo sysctl -w kernel.unprivileged_userns_clone=1",
        ),
        _ if status_field("Seccomp:").as_deref() == Some("2") => Remedy::new(
            "a seccomp filter denies it, as in a container by default",
            "docker run --cap-add SYS_ADMIN, or --security-opt seccomp=unconfined",
        ),
        _ if thread_count() > 1 => Remedy::new(
            "this thread has no CAP_SYS_ADMIN, and a user namespace needs a process without threads",
            "call prepare_process() first in main, or run as root",
        ),
        _ => Remedy { because: None, command: "run as root (sudo)".to_owned() },
    }
}

/// Sets IFF_UP on "lo" of the thread's namespace (netdevice(7)).
fn raise_loopback() -> io::Result<()> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    use std::os::fd::AsRawFd;
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    // SAFETY: ifreq is plain data, for which zero is a value; the name stays NUL-terminated.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    // SAFETY: request is a valid ifreq that names an interface; the kernel fills in its flags.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: SIOCGIFFLAGS has just written this field of the union.
    unsafe { request.ifr_ifru.ifru_flags |= libc::IFF_UP as libc::c_short };
    // SAFETY: request is a valid ifreq with name and flags.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The addresses come with the interface, but not in the same instant.
fn await_address(address: std::net::IpAddr) -> Result<(), IsolationDenied> {
    let deadline = Instant::now() + Duration::from_secs(2);
    loop {
        match TcpListener::bind(SocketAddr::new(address, 0)) {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() > deadline => {
                return Err(IsolationDenied::new("waiting for the loopback address", error));
            }
            Err(_) => std::thread::yield_now(),
        }
    }
}
