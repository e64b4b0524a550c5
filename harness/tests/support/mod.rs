//! What the tests of the target's and the witness's mechanisms share.

#![allow(dead_code, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hotspec::target::warden::{CommandSpec, Event, Warden, WardenSpec};
use hotspec::witness::process::{Epoch, Exit, Pidfd, Stat};

/// Far longer than anything here takes; a test that reaches it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const NOBODY: u32 = 65_534;

pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

pub(crate) async fn in_time<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} did not come"))
}

/// Looks again and again at what gives no event.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::yield_now();
    }
}

/// A command of the shell, its output into `output`.
pub(crate) fn shell(script: &str, output: &Path) -> CommandSpec {
    CommandSpec::new("sh").args(["-c", script]).output(output)
}

pub(crate) fn warden_of(commands: impl IntoIterator<Item = CommandSpec>) -> Warden {
    Warden::start(&WardenSpec { commands: commands.into_iter().collect(), ..WardenSpec::default() }).unwrap()
}

/// The next exit that the warden tells of.
pub(crate) async fn next_exit(warden: &mut Warden) -> (i32, Option<usize>, Exit) {
    loop {
        let event = in_time("an exit", warden.next_event()).await.unwrap().expect("the warden has not ended");
        if let Event::Exited { pid, command, exit, .. } = event {
            return (pid, command, exit);
        }
    }
}

/// The lines of a file that is being written, once there are `count` complete ones.
pub(crate) fn lines(path: &Path, count: usize) -> Vec<String> {
    eventually("a line of output", || {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
        let lines: Vec<String> = complete.lines().map(str::to_owned).collect();
        (lines.len() >= count).then_some(lines)
    })
}

pub(crate) fn epoch(pid: i32) -> Epoch {
    Stat::read(pid).unwrap_or_else(|| panic!("{pid} runs")).epoch
}

pub(crate) fn lives(epoch: &Epoch) -> bool {
    Stat::read(epoch.pid).is_some_and(|stat| stat.epoch.same_process(epoch) && !stat.ended())
}

/// Kills what a test left running on purpose.
pub(crate) fn kill(epoch: Epoch) {
    if let Some(process) = Pidfd::open(epoch).unwrap() {
        process.signal(libc::SIGKILL).unwrap();
    }
}

/// A directory that an ordinary user can enter and write to.
pub(crate) fn open_dir() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o777)).unwrap();
    dir
}

/// Copied by another process: one that another test forks here would hold the copy open for writing, and then it can't be executed.
pub(crate) fn copy_program(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp").arg(from).arg(to).status().unwrap();
    assert!(status.success(), "cp: {status}");
}

/// This test program, to be run again as the helper `role`, as an ordinary user if asked for.
pub(crate) fn helper(role: &str, dir: &Path, ordinary_user: bool) -> std::process::Command {
    use std::os::unix::process::CommandExt;
    // The place where it was built may be closed to an ordinary user.
    let program: PathBuf = dir.join("helper");
    copy_program(&std::env::current_exe().unwrap(), &program);
    let mut command = std::process::Command::new(program);
    command
        .args(["--exact", role, "--nocapture"])
        .env("HOTSPEC_TEST_DIR", dir)
        .stdout(std::process::Stdio::null());
    if ordinary_user && is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Where a helper finds its files; `None` in an ordinary run of the tests.
pub(crate) fn helper_dir() -> Option<PathBuf> {
    std::env::var_os("HOTSPEC_TEST_DIR").map(PathBuf::from)
}

/// Threads that allocate and free without pause until dropped: some hold the allocator's lock at any moment.
pub(crate) struct BusyThreads(Arc<AtomicBool>, Vec<std::thread::JoinHandle<()>>);

impl BusyThreads {
    pub(crate) fn start(count: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let busy = |stop: Arc<AtomicBool>| {
            let mut kept: Vec<Vec<u8>> = Vec::new();
            let mut size = 1;
            while !stop.load(Ordering::Relaxed) {
                size = size * 7 % 100_003;
                kept.push(vec![1; size]);
                if kept.len() > 64 {
                    kept.clear();
                }
            }
        };
        let threads = (0..count)
            .map(|_| {
                std::thread::spawn({
                    let stop = stop.clone();
                    move || busy(stop)
                })
            })
            .collect();
        Self(stop, threads)
    }
}

impl Drop for BusyThreads {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        for thread in self.1.drain(..) {
            thread.join().unwrap();
        }
    }
}

/// Runs `look` with another user's eyes, in one thread only: the bare system call does not reach the others.
pub(crate) fn as_another_user_in_a_thread(look: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(|| {
        let id = i64::from(NOBODY);
        // SAFETY: changes this thread's ids; it does nothing but look and end.
        assert_eq!(unsafe { libc::syscall(libc::SYS_setresuid, id, id, id) }, 0);
        look();
    });
    thread.join().unwrap();
}
