//! The warden itself: what runs in the forked process, until its tree is gone.
//!
//! It is a fork, without exec, of a process with many threads: whatever lock another thread held at that moment, the
//! allocator's above all, stays locked here for ever. So nothing below may allocate, lock or panic: plain system calls,
//! arrays on the stack, `get` instead of indexing, wrapping arithmetic.

use libc::c_int;

use super::command::Prepared;
use super::launch::{Launched, launch, silence};
use super::protocol::{Received, Record, Step, kind};
use super::signals::Signals;
use super::{DescriptorLimit, Failed};
use crate::witness::process::monotonic_ns;
use crate::witness::process::raw::{self, RawStat, STAT_BYTES};

/// The descriptor that carries the records, once inherited ones are closed.
const SOCKET: c_int = 3;
/// The descriptor that is kept for commands, if one is.
pub(super) const INHERITED: c_int = 4;
/// Above every number that is given out while descriptors are moved to their places.
const OUT_OF_THE_WAY: c_int = 64;
/// How long no process of the tree may end, after all were sent SIGKILL, until they count as survivors.
const STUCK_NS: u64 = 5_000_000_000;
/// The same where every one of them refuses the signal, so that there is nothing to wait for.
const REFUSED_NS: u64 = 200_000_000;
/// How long taking down may last at all: bounds a tree that forks faster than it is killed.
const TAKE_DOWN_NS: u64 = 30_000_000_000;

/// What the warden is given; all of it made before the fork, and copied by it.
pub(super) struct Inheritance<'a> {
    pub(super) socket: c_int,
    pub(super) inherited: Option<c_int>,
    pub(super) commands: &'a [Prepared],
    pub(super) limit: Option<DescriptorLimit>,
}

/// Runs the warden and ends the process. Call it in a fresh fork with all signals blocked, and there only.
pub(super) extern "C" fn run(inheritance: &Inheritance<'_>) -> ! {
    let code = match Warden::set_up(inheritance) {
        Ok(mut warden) => warden.serve(),
        Err(failed) => {
            let (value, detail) = (failed.step.code(), failed.errno);
            // Descriptor arrangement may have failed before or after the move: one of the two is the socket.
            let record = Record { kind: kind::SETUP_FAILED, value, detail, ..Record::default() };
            if record.send(SOCKET).is_err() {
                let _ = record.send(inheritance.socket);
            }
            1
        }
    };
    // SAFETY: ends the process without running anything of the harness's.
    unsafe { libc::_exit(code) }
}

struct Warden<'a> {
    commands: &'a [Prepared],
    limit: Option<DescriptorLimit>,
    signals: c_int,
    proc: c_int,
    pid: i32,
    /// Children reaped so far.
    reaped: u64,
}

impl<'a> Warden<'a> {
    fn set_up(inheritance: &Inheritance<'a>) -> Result<Self, Failed> {
        keep_only(inheritance.socket, inheritance.inherited)?;
        // SAFETY: plain system calls without pointers, but for a NUL-terminated name.
        unsafe {
            if libc::setsid() < 0 {
                return Err(Failed::now(Step::Session));
            }
            if libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0 {
                return Err(Failed::now(Step::Subreaper));
            }
            libc::prctl(libc::PR_SET_NAME, c"hotspec-warden".as_ptr(), 0, 0, 0);
            // The harness's death is told by the end of file, but one whom its tree has stopped (SIGSTOP) can't read it.
            // That this comes when the forking thread ends, before the harness does, makes no difference to others.
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGCONT, 0, 0, 0);
        }
        silence()?;
        let signals = Signals::open().map_err(|errno| Failed { step: Step::Signals, errno })?;
        let proc = raw::open_at(libc::AT_FDCWD, c"/proc", libc::O_DIRECTORY)
            .map_err(|errno| Failed { step: Step::Proc, errno })?;
        // SAFETY: getpid has no arguments.
        let pid = unsafe { libc::getpid() };
        let warden =
            Self { commands: inheritance.commands, limit: inheritance.limit, signals, proc, pid, reaped: 0 };
        warden.tell(Record { kind: kind::READY, pid, start: warden.start_of(pid), ..Record::default() });
        Ok(warden)
    }

    /// Until the harness says END or is gone; the socket's end of file covers its death at any time since the fork.
    fn serve(&mut self) -> c_int {
        loop {
            let (requested, signalled) = self.wait(-1);
            if signalled {
                self.tell_signals();
            }
            self.reap();
            if requested {
                match Record::receive(SOCKET) {
                    Ok(Received::Record(Record { kind: kind::START, request, value, .. })) => {
                        self.start(request, value);
                    }
                    Ok(Received::Nothing) => {}
                    // END, the end of file, or a harness that can't be understood.
                    Ok(_) | Err(_) => return self.take_down(),
                }
            }
        }
    }

    /// Waits for (a request, a signal), at most `patience_ms`; negative is for ever.
    fn wait(&self, patience_ms: c_int) -> (bool, bool) {
        // While taking down, requests are no longer read: they would end every wait at once.
        let requests = if patience_ms < 0 { libc::POLLIN } else { 0 };
        let mut polled = [
            libc::pollfd { fd: if requests == 0 { -1 } else { SOCKET }, events: requests, revents: 0 },
            libc::pollfd { fd: self.signals, events: libc::POLLIN, revents: 0 },
        ];
        // SAFETY: polled is writable for two entries.
        unsafe { libc::poll(polled.as_mut_ptr(), 2, patience_ms) };
        let [socket, signals] = polled;
        (socket.revents != 0, signals.revents != 0)
    }

    fn start(&mut self, request: u32, index: i32) {
        let command = usize::try_from(index).ok().and_then(|index| self.commands.get(index));
        let launched = match command {
            Some(command) => launch(command, self.limit, SOCKET),
            None => Launched::Failed(Failed { step: Step::Unknown, errno: libc::EINVAL }),
        };
        match launched {
            Launched::Running(pid) => {
                let start = self.start_of(pid);
                self.tell(Record {
                    kind: kind::STARTED,
                    request,
                    pid,
                    value: index,
                    start,
                    ..Record::default()
                });
            }
            Launched::Failed(Failed { step, errno }) => {
                let start = index.unsigned_abs().into();
                let (value, detail) = (step.code(), errno);
                self.tell(Record {
                    kind: kind::START_FAILED,
                    request,
                    value,
                    detail,
                    start,
                    ..Record::default()
                });
            }
            Launched::Abandoned => {}
        }
    }

    /// Reads all pending signals and tells of them. Several of one kind that arrive together are one, by signal(7).
    fn tell_signals(&self) {
        while let Some(signal) = Signals::read(self.signals) {
            // The kernel's own word that a child changed state is no signal of the tree's.
            if signal.ssi_signo == libc::SIGCHLD as u32 && signal.ssi_code > 0 {
                continue;
            }
            self.tell(Record {
                kind: kind::SIGNALLED,
                pid: signal.ssi_pid as i32,
                value: signal.ssi_signo as i32,
                detail: signal.ssi_uid as i32,
                ..Record::default()
            });
        }
    }

    /// Reaps every child that has ended and tells of each; false if there are no children left.
    fn reap(&mut self) -> bool {
        loop {
            // SAFETY: siginfo_t is plain data, for which zero is a value.
            let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
            // WNOWAIT: the zombie's start time is read before its pid is free to be used again.
            let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
            // SAFETY: info is writable.
            if unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, options) } != 0 {
                if raw::errno() == libc::EINTR {
                    continue;
                }
                return false;
            }
            // SAFETY: waitid has filled info, or left it zero where no child has ended.
            let pid = unsafe { info.si_pid() };
            if pid == 0 {
                return true;
            }
            let start = self.start_of(pid);
            let mut status = 0;
            // SAFETY: status is writable, and pid is a child of ours that has ended.
            if unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) } == pid {
                self.reaped = self.reaped.wrapping_add(1);
                self.tell(Record { kind: kind::EXITED, pid, value: status, start, ..Record::default() });
            }
        }
    }

    /// Kills children until none are left: orphans come to the subreaper, so every round reaches one generation further.
    fn take_down(&mut self) -> c_int {
        let begun = monotonic_ns();
        let mut progress = begun;
        let mut reaped = self.reaped;
        loop {
            let refused = self.kill_children();
            if !self.reap() {
                self.tell(Record { kind: kind::ENDED, ..Record::default() });
                return 0;
            }
            let now = monotonic_ns();
            if self.reaped != reaped {
                (progress, reaped) = (now, self.reaped);
                continue;
            }
            let patience = if refused { REFUSED_NS } else { STUCK_NS };
            if now.wrapping_sub(progress) > patience || now.wrapping_sub(begun) > TAKE_DOWN_NS {
                self.tell_survivors();
                self.tell(Record { kind: kind::ENDED, ..Record::default() });
                return 1;
            }
            // A child's end is a SIGCHLD; the limit is for one whose end came between the reaping and this.
            let (_, signalled) = self.wait(20);
            if signalled {
                self.tell_signals();
            }
        }
    }

    /// Sends SIGKILL to every child; true if there are some and each refuses it.
    fn kill_children(&self) -> bool {
        let (mut killed, mut refused) = (false, false);
        self.each_child(|child| {
            // SAFETY: the pid is a child of ours, not reaped, so it can't have passed to another process.
            if unsafe { libc::kill(child.pid, libc::SIGKILL) } == 0 {
                killed = true;
            } else {
                refused = true;
            }
        });
        refused && !killed
    }

    fn tell_survivors(&self) {
        let mut seen = false;
        self.each_child(|child| {
            seen = true;
            // SAFETY: signal 0 only asks whether one could be sent.
            let refused = unsafe { libc::kill(child.pid, 0) } != 0;
            let value = if refused { raw::errno() } else { 0 };
            self.tell(Record {
                kind: kind::SURVIVOR,
                pid: child.pid,
                value,
                start: child.start,
                ..Record::default()
            });
        });
        if !seen {
            // /proc hides it (hidepid), but waitid knows that there is one.
            self.tell(Record { kind: kind::SURVIVOR, value: libc::ESRCH, ..Record::default() });
        }
    }

    /// Visits each child that has not ended.
    fn each_child(&self, mut visit: impl FnMut(&RawStat<'_>)) {
        // A /proc that can't be listed shows no children: the survivors will be told of.
        let _ = raw::each_number(self.proc, |pid, _| {
            let mut buffer = [0; STAT_BYTES];
            if let Ok(stat) = RawStat::read(self.proc, pid, &mut buffer)
                && stat.ppid == self.pid
                && !matches!(stat.state, b'Z' | b'X')
            {
                visit(&stat);
            }
            true
        });
    }

    /// The start ticks of `pid`; 0 if they can't be read.
    fn start_of(&self, pid: i32) -> u64 {
        RawStat::read(self.proc, pid, &mut [0; STAT_BYTES]).map_or(0, |stat| stat.start)
    }

    /// Stamps and sends. That no one listens any more is seen by the next receive.
    fn tell(&self, record: Record) {
        let _ = Record { at_ns: monotonic_ns(), ..record }.send(SOCKET);
    }
}

/// Moves the socket to its place and closes all else that the fork brought along.
///
/// Among that are the harness's ends of other wardens' sockets: while this process held one, the end of file that
/// tells its warden of the harness's death would not come. This runs first of all, so that window is some microseconds.
fn keep_only(socket: c_int, inherited: Option<c_int>) -> Result<(), Failed> {
    // Out of the way first: it may have the very number that the socket is to get.
    // SAFETY: descriptor numbers only.
    let kept = inherited.map(|fd| unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, OUT_OF_THE_WAY) });
    if kept.is_some_and(|kept| kept < 0) {
        return Err(Failed::now(Step::Descriptors));
    }
    if socket == SOCKET {
        // SAFETY: sets a flag of a descriptor that is ours.
        unsafe { libc::fcntl(socket, libc::F_SETFD, libc::FD_CLOEXEC) };
    // SAFETY: descriptor numbers only; what was at SOCKET is a copy of the harness's and not needed here.
    } else if unsafe { libc::dup3(socket, SOCKET, libc::O_CLOEXEC) } < 0 {
        return Err(Failed::now(Step::Descriptors));
    }
    let mut last = SOCKET;
    if let Some(kept) = kept {
        // SAFETY: descriptor numbers only; what was at INHERITED is a copy of the harness's, the socket has moved.
        if unsafe { libc::dup3(kept, INHERITED, libc::O_CLOEXEC) } < 0 {
            return Err(Failed::now(Step::Descriptors));
        }
        last = INHERITED;
    }
    for standard in 0..SOCKET {
        raw::close(standard);
    }
    let first = last.wrapping_add(1);
    // SAFETY: close_range takes numbers only; all above `last` are copies that this process does not use.
    if unsafe { libc::syscall(libc::SYS_close_range, first, c_int::MAX, 0_u32) } == 0 {
        return Ok(());
    }
    // A kernel before 5.9, or a filter that does not know the call: one by one, as /proc lists them.
    let own = raw::open_at(libc::AT_FDCWD, c"/proc/self/fd", libc::O_DIRECTORY)
        .map_err(|errno| Failed { step: Step::Descriptors, errno })?;
    let listed = raw::each_number(own, |fd, _| {
        if fd > last && fd != own {
            raw::close(fd);
        }
        true
    });
    raw::close(own);
    listed.map_err(|errno| Failed { step: Step::Descriptors, errno })
}
