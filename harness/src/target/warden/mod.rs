//! A minimal process above every target.
//!
//! A warden starts the target and every other command that belongs to it, adopts what its tree orphans (it is their
//! subreaper), reports each end with status and time, records and survives the signals its tree sends it, and takes the
//! whole tree down when told, or when the harness is gone, even by SIGKILL: that closes the socket between them.
//!
//! It is a fork without exec, since the program around the harness may be anyone's test and can't be executed again. Its
//! memory is a copy-on-write copy of the harness's, so start wardens before gathering much.
//!
//! What it can't do: survive SIGKILL sent to itself ([`WardenError::Lost`]); answer while it is stopped by SIGSTOP, though
//! the harness's end, in order or not, lets it go on; and kill processes that have taken on another user's id
//! ([`WardenError::Survivors`]).

mod child;
mod command;
mod event;
mod launch;
mod protocol;
mod signals;
mod spawn;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::socket::{AddressFamily, Shutdown, SockFlag, SockType, shutdown, socketpair};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub use command::{CommandError, CommandSpec};
pub use event::{Event, Started, WardenError};
pub use protocol::Step;

use child::Inheritance;
use command::Prepared;
use protocol::{Received, Record, kind};
use spawn::{await_ready, fork_warden, reap};

use crate::witness::process::{Exit, Stat, watch};

/// How long dropping a [`Warden`] may block: a little more than the warden itself may need to give up.
const DROP_WITHIN: Duration = Duration::from_secs(35);

/// A step that failed, with its errno.
#[derive(Clone, Copy, Debug)]
struct Failed {
    step: Step,
    errno: i32,
}

/// The limit of open files (RLIMIT_NOFILE) that commands start with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescriptorLimit {
    /// The soft limit.
    pub soft: u64,
    /// The hard limit.
    pub hard: u64,
}

/// What a warden is made for. Everything it will ever start is known here.
#[derive(Clone, Debug, Default)]
pub struct WardenSpec {
    /// The commands, by the index they are started with. By convention 0 is the target itself.
    pub commands: Vec<CommandSpec>,
    /// The limit to restore for commands, where the harness has raised its own; else its current one is inherited.
    pub descriptor_limit: Option<DescriptorLimit>,
    /// A descriptor that the warden is to keep for its commands; only needed open until the warden is started.
    pub inherited: Option<i32>,
}

/// The harness's side of a warden. It belongs to the tokio runtime it was started in.
///
/// Dropped without [`Warden::end`], it takes the tree down as well, but blocks the thread meanwhile.
#[derive(Debug)]
pub struct Warden {
    pid: i32,
    start: u64,
    process: AsyncFd<OwnedFd>,
    socket: AsyncFd<OwnedFd>,
    programs: Vec<PathBuf>,
    /// Received while waiting for something else.
    queue: VecDeque<Event>,
    /// The processes started directly, by pid, with the index of their command.
    running: HashMap<i32, usize>,
    requests: u32,
    survivors: Vec<i32>,
    ended: bool,
    reaped: Option<Option<Exit>>,
}

impl Warden {
    /// Forks a warden from the calling thread and returns when it is ready; blocks for some hundred microseconds.
    ///
    /// It lives in the thread's namespaces, and starts nothing yet. No signal handler of the program runs in it.
    ///
    /// # Errors
    /// A command that can't be started (not found, not executable, …), or no descriptors or processes left.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O enabled.
    pub fn start(spec: &WardenSpec) -> Result<Self, WardenError> {
        let commands: Vec<Prepared> = spec.commands.iter().map(Prepared::new).collect::<Result<_, _>>()?;
        let setup = |source: io::Error| WardenError::Setup { step: Step::Descriptors, source };
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
                .map_err(|e| setup(e.into()))?;
        let inheritance = Inheritance {
            socket: theirs.as_raw_fd(),
            inherited: spec.inherited,
            commands: &commands,
            limit: spec.descriptor_limit,
        };
        let (pid, process) =
            fork_warden(&inheritance).map_err(|source| WardenError::Setup { step: Step::Fork, source })?;
        drop(theirs);
        // From here on the end of file on `ours` ends the warden, whatever fails below.
        let ready = await_ready(&ours);
        let start = match ready {
            Ok(start) => start,
            Err(error) => {
                drop(ours);
                reap(&process, DROP_WITHIN);
                return Err(error);
            }
        };
        nix::fcntl::fcntl(&ours, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK))
            .map_err(|e| setup(e.into()))?;
        Ok(Self {
            pid,
            start,
            process: watch(process, Interest::READABLE).map_err(setup)?,
            socket: watch(ours, Interest::READABLE | Interest::WRITABLE).map_err(setup)?,
            programs: commands.into_iter().map(|command| command.path).collect(),
            queue: VecDeque::new(),
            running: HashMap::new(),
            requests: 0,
            survivors: Vec::new(),
            ended: false,
            reaped: None,
        })
    }

    /// The warden's own process id: the root of the target's process tree.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The warden's start ticks, field 22 of proc_pid_stat(5).
    #[must_use]
    pub fn start_ticks(&self) -> u64 {
        self.start
    }

    /// Starts a command and waits until its program runs. Events that arrive meanwhile are kept for [`Self::next_event`].
    ///
    /// If this is dropped before it is done, the command may start all the same; [`Event::Started`] tells of it then.
    ///
    /// # Errors
    /// The program could not be executed (with the step that failed and its errno), or the warden is gone.
    pub async fn start_command(&mut self, index: usize) -> Result<Started, WardenError> {
        let program = self
            .programs
            .get(index)
            .cloned()
            .ok_or(WardenError::NoCommand { index, known: self.programs.len() })?;
        self.requests = self.requests.wrapping_add(1);
        let request = self.requests;
        let value = i32::try_from(index).unwrap_or(i32::MAX);
        self.send(Record { kind: kind::START, request, value, ..Record::default() }).await?;
        loop {
            let Some(record) = self.receive().await? else {
                return Err(self.lost().await);
            };
            match self.understand(record) {
                Some(Event::Started(started)) if record.request == request => return Ok(started),
                Some(Event::StartFailed { step, errno, .. }) if record.request == request => {
                    let source = io::Error::from_raw_os_error(errno);
                    return Err(WardenError::NotStarted { index, program, step, source });
                }
                event => self.queue.extend(event),
            }
        }
    }

    /// The next thing the warden tells, in the order it saw it; `None` once it has ended in order. Cancel-safe.
    ///
    /// # Errors
    /// The warden is gone without having taken its tree down.
    pub async fn next_event(&mut self) -> Result<Option<Event>, WardenError> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Ok(Some(event));
            }
            if self.ended {
                return Ok(None);
            }
            match self.receive().await? {
                Some(record) => {
                    let event = self.understand(record);
                    self.queue.extend(event);
                }
                None => return Err(self.lost().await),
            }
        }
    }

    /// Takes the whole tree down by SIGKILL and returns when it, and the warden, are gone and reaped.
    ///
    /// What the warden told of it stays to be read with [`Self::next_event`]. Dropped before it is done, it can be called again.
    ///
    /// # Errors
    /// Some processes could not be killed, or the warden was gone already.
    pub async fn end(&mut self) -> Result<(), WardenError> {
        if !self.ended {
            self.resume();
            self.send(Record { kind: kind::END, ..Record::default() }).await?;
        }
        while !self.ended {
            let Some(record) = self.receive().await? else {
                return Err(self.lost().await);
            };
            let event = self.understand(record);
            self.queue.extend(event);
        }
        self.wait_reaped().await?;
        if self.survivors.is_empty() {
            Ok(())
        } else {
            Err(WardenError::Survivors { pids: self.survivors.clone() })
        }
    }

    async fn send(&self, record: Record) -> Result<(), WardenError> {
        let send = |fd: &OwnedFd| record.send(fd.as_raw_fd()).map_err(io::Error::from_raw_os_error);
        // There is room but for a harness that does not listen, so this seldom waits.
        let sent = match send(self.socket.get_ref()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.socket.async_io(Interest::WRITABLE, send).await
            }
            sent => sent,
        };
        match sent {
            // Whoever is gone is told of by the next receive, after what it said last.
            Err(error) if error.raw_os_error() == Some(libc::EPIPE) => Ok(()),
            other => other.map_err(WardenError::Socket),
        }
    }

    /// One record, or `None` at the end of file.
    async fn receive(&self) -> Result<Option<Record>, WardenError> {
        let received = self.socket.async_io(Interest::READABLE, |fd| match Record::receive(fd.as_raw_fd()) {
            Ok(Received::Record(record)) => Ok(Some(record)),
            Ok(Received::Closed) => Ok(None),
            Ok(Received::Nothing) => Err(io::ErrorKind::WouldBlock.into()),
            Err(errno) => Err(io::Error::from_raw_os_error(errno)),
        });
        received.await.map_err(WardenError::Socket)
    }

    /// The event in a record, with what only this side knows; `None` for kinds that are none.
    fn understand(&mut self, record: Record) -> Option<Event> {
        let event = Event::from_record(record, &mut self.running)?;
        match &event {
            Event::Ended { .. } => self.ended = true,
            Event::Survivor { pid, .. } => self.survivors.push(*pid),
            _ => {}
        }
        Some(event)
    }

    /// Lets a warden go on that its tree has stopped: SIGSTOP is the one stop that it can't refuse.
    fn resume(&self) {
        if Stat::read(self.pid).is_some_and(|stat| stat.state == 'T') {
            spawn::signal(self.process.get_ref(), libc::SIGCONT);
        }
    }

    async fn lost(&mut self) -> WardenError {
        match self.wait_reaped().await {
            Ok(exit) => WardenError::Lost { pid: self.pid, exit },
            Err(error) => error,
        }
    }

    /// Waits for the warden's own end; `None` if someone else in this program has reaped it.
    async fn wait_reaped(&mut self) -> Result<Option<Exit>, WardenError> {
        if let Some(exit) = self.reaped {
            return Ok(exit);
        }
        self.process.readable().await.map_err(WardenError::Socket)?.retain_ready();
        let exit = reap(self.process.get_ref(), DROP_WITHIN);
        self.reaped = Some(exit);
        Ok(exit)
    }
}

impl Drop for Warden {
    fn drop(&mut self) {
        if self.reaped.is_none() {
            self.resume();
            // The end of file makes the warden take its tree down, and wakes it if it waits to be heard.
            let _ = shutdown(self.socket.as_raw_fd(), Shutdown::Both);
            reap(self.process.get_ref(), DROP_WITHIN);
        }
    }
}
