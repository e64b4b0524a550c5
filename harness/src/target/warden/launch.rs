//! Starting a prepared command from inside the warden: fork, arrange, execute. Allocation-free throughout.

use std::ffi::CStr;

use libc::c_int;

use super::child::INHERITED;
use super::command::Prepared;
use super::protocol::Step;
use super::signals::Signals;
use super::{DescriptorLimit, Failed};
use crate::target::refusal;
use crate::witness::process::raw::{close, errno, open_at};

/// What became of a start.
pub(super) enum Launched {
    /// The program runs, or the process ended before it could: its exit will be reported.
    Running(i32),
    /// The program does not run, and the process that tried is reaped.
    Failed(Failed),
    /// The harness went away meanwhile.
    Abandoned,
}

/// Starts `command` and waits until its program runs or can't, or until the harness at `socket` is gone.
pub(super) fn launch(command: &Prepared, limit: Option<DescriptorLimit>, socket: c_int) -> Launched {
    let mut ends = [-1; 2];
    // SAFETY: ends is writable for two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Launched::Failed(Failed::now(Step::Pipe));
    }
    let [reading, writing] = ends;
    let pid = match fork(command.first_process) {
        Ok(0) => {
            let failed = become_command(command, limit);
            failed.write(writing);
            // SAFETY: ends this process without running anything of the harness's.
            unsafe { libc::_exit(127) }
        }
        Ok(pid) => pid,
        Err(errno) => {
            close(reading);
            close(writing);
            return Launched::Failed(Failed { step: Step::Fork, errno });
        }
    };
    close(writing);
    let launched = await_execution(reading, socket, pid);
    close(reading);
    launched
}

/// The pipe's other end is closed by a successful execve, or carries why there was none.
fn await_execution(reading: c_int, socket: c_int, pid: i32) -> Launched {
    loop {
        let mut polled = [
            libc::pollfd { fd: reading, events: libc::POLLIN, revents: 0 },
            // No event asked for: only that the harness hung up.
            libc::pollfd { fd: socket, events: 0, revents: 0 },
        ];
        // SAFETY: polled is writable for two entries.
        let ready = unsafe { libc::poll(polled.as_mut_ptr(), 2, -1) };
        let [pipe, harness] = polled;
        if ready > 0 && pipe.revents != 0 {
            return match Failed::read(reading) {
                None => Launched::Running(pid),
                Some(failed) => {
                    // SAFETY: pid is our child, which ends at once after writing; only its end is waited for.
                    unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::__WALL) };
                    Launched::Failed(failed)
                }
            };
        }
        if ready > 0 && harness.revents != 0 {
            return Launched::Abandoned;
        }
    }
}

/// In the new process: takes on everything the command is to have, then becomes it. Returns only on failure.
///
/// The warden's own descriptors are all close-on-exec, and it holds no others: the command gets 0, 1 and 2.
fn become_command(command: &Prepared, limit: Option<DescriptorLimit>) -> Failed {
    // SAFETY: setsid has no arguments; a fresh child is no group leader, so it succeeds.
    if unsafe { libc::setsid() } < 0 {
        return Failed::now(Step::Session);
    }
    if let Some(limit) = limit {
        let limit = libc::rlimit { rlim_cur: limit.soft, rlim_max: limit.hard };
        // SAFETY: limit is a valid rlimit.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
            return Failed::now(Step::DescriptorLimit);
        }
    }
    let flags = libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT | libc::O_CLOEXEC | libc::O_NOCTTY;
    // SAFETY: output is NUL-terminated; the mode goes with O_CREAT.
    let output = unsafe { libc::open(command.output.as_ptr(), flags, 0o644) };
    if output < 0 {
        return Failed::now(Step::Output);
    }
    // Standard input is the warden's /dev/null already.
    for standard in [1, 2] {
        // SAFETY: both are descriptor numbers; 1 and 2 are this process's own to replace.
        if unsafe { libc::dup2(output, standard) } < 0 {
            return Failed::now(Step::Output);
        }
    }
    if let Some(number) = command.inherits_as {
        // SAFETY: descriptor numbers only; `number` is far above those that are still needed here. The copy is not
        // close-on-exec.
        if unsafe { libc::dup2(INHERITED, number) } < 0 {
            return Failed::now(Step::Descriptors);
        }
    }
    if command.group.as_ref().is_some_and(|group| !join(group)) {
        return Failed::now(Step::Group);
    }
    // SAFETY: dir is NUL-terminated.
    if unsafe { libc::chdir(command.dir.as_ptr()) } != 0 {
        return Failed::now(Step::Directory);
    }
    // Dispositions were set back to their defaults in the warden. Opened last, since a signal may come at once.
    Signals::unblock_all();
    // The very last: from here on somebody else is asked about each execution.
    if command.asked_about && !refusal::install(INHERITED) {
        return Failed::now(Step::Descriptors);
    }
    command.execute();
    Failed::now(Step::Execute)
}

/// Makes the calling process, which has one thread, a member of the control group whose `cgroup.procs` this is.
fn join(group: &CStr) -> bool {
    // SAFETY: group is NUL-terminated; the descriptor is closed by the execution at the latest.
    let procs = unsafe { libc::open(group.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) };
    // SAFETY: one readable byte, which stands for the writer itself (cgroups(7)).
    procs >= 0 && unsafe { libc::write(procs, c"0".as_ptr().cast(), 1) } == 1
}

/// fork(2) as the bare system call: handlers registered with pthread_atfork allocate and lock. The child is process 1 of a PID
/// namespace of its own, if so; the number that is returned is the one that it has in this one.
fn fork(first_process: bool) -> Result<i32, c_int> {
    let namespace = if first_process { libc::CLONE_NEWPID } else { 0 };
    let flags = i64::from(libc::SIGCHLD | namespace);
    // SAFETY: without CLONE_VM and a stack, clone is fork; the child goes on with a copy of this stack.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0_i64, 0_i64, 0_i64, 0_i64) };
    if pid < 0 { Err(errno()) } else { Ok(pid as i32) }
}

impl Failed {
    /// That `step` failed just now, with the errno it left.
    pub(super) fn now(step: Step) -> Self {
        Self { step, errno: errno() }
    }

    fn write(self, fd: c_int) {
        let message = [self.step.code(), self.errno];
        // SAFETY: message is readable for its size; a pipe takes so little in one piece.
        unsafe { libc::write(fd, message.as_ptr().cast(), size_of_val(&message)) };
    }

    fn read(fd: c_int) -> Option<Self> {
        let mut message = [0_i32; 2];
        // SAFETY: message is writable for its size.
        let read = unsafe { libc::read(fd, message.as_mut_ptr().cast(), size_of_val(&message)) };
        let [step, errno] = message;
        (usize::try_from(read) == Ok(size_of_val(&message)))
            .then(|| Self { step: Step::from_code(step), errno })
    }
}

/// Opens /dev/null as descriptors 0, 1 and 2.
pub(super) fn silence() -> Result<(), Failed> {
    // Read-only would do for 0, but the three share it, and a command's 1 and 2 are replaced.
    let null = open_at(libc::AT_FDCWD, c"/dev/null", libc::O_RDWR)
        .map_err(|errno| Failed { step: Step::Input, errno })?;
    for standard in [0, 1, 2] {
        // dup2 to itself would leave close-on-exec set.
        let arranged = if null == standard {
            // SAFETY: clears the flags of a descriptor that is ours.
            unsafe { libc::fcntl(null, libc::F_SETFD, 0) }
        } else {
            // SAFETY: both are descriptor numbers of this process.
            unsafe { libc::dup2(null, standard) }
        };
        if arranged < 0 {
            return Err(Failed::now(Step::Input));
        }
    }
    if null > 2 {
        close(null);
    }
    Ok(())
}
