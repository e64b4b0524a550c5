//! Who runs commands for a scenario: the warden above the target, or, beside a server that is up already, nobody but hotspec
//! itself, which takes nothing down in the end.

use std::fs::OpenOptions;
use std::future::{Future, poll_fn};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::task::Poll;

use crate::target::warden::{CommandSpec, DescriptorLimit, Event, Started, Step, Warden, WardenError};
use crate::witness::process::{Exit, Pidfd, Stat, monotonic_ns};

/// Runs commands, and tells their ends.
#[derive(Debug)]
pub(super) enum Keeper {
    /// The target and its commands live below this.
    Warden(Warden),
    /// The server is not ours.
    Beside(Beside),
}

/// Commands beside a server that is up already. What they start is the server, or may be: it lives on.
#[derive(Debug)]
pub(super) struct Beside {
    commands: Vec<CommandSpec>,
    limit: Option<DescriptorLimit>,
    running: Vec<Running>,
}

/// A command that was not seen to end.
#[derive(Debug)]
struct Running {
    command: usize,
    child: Child,
    pidfd: Pidfd,
}

impl Keeper {
    /// One for a server that is up already.
    pub(super) fn beside(commands: Vec<CommandSpec>, limit: Option<DescriptorLimit>) -> Self {
        Self::Beside(Beside { commands, limit, running: Vec::new() })
    }

    /// The parent of what is started.
    pub(super) fn pid(&self) -> i32 {
        match self {
            Keeper::Warden(warden) => warden.pid(),
            Keeper::Beside(_) => i32::try_from(std::process::id()).unwrap_or_default(),
        }
    }

    /// Starts one of the commands.
    ///
    /// # Errors
    /// It does not run.
    pub(super) async fn start_command(&mut self, index: usize) -> Result<Started, WardenError> {
        match self {
            Keeper::Warden(warden) => warden.start_command(index).await,
            Keeper::Beside(beside) => beside.start(index),
        }
    }

    /// What happens next. Beside a server that is nothing but the end of a command.
    ///
    /// # Errors
    /// The warden is lost.
    pub(super) async fn next_event(&mut self) -> Result<Option<Event>, WardenError> {
        match self {
            Keeper::Warden(warden) => warden.next_event().await,
            Keeper::Beside(beside) => Ok(Some(beside.next_end().await)),
        }
    }

    /// Takes down what is below the warden; a server that is not ours stays.
    ///
    /// # Errors
    /// The warden is lost.
    pub(super) async fn end(&mut self) -> Result<(), WardenError> {
        match self {
            Keeper::Warden(warden) => warden.end().await,
            Keeper::Beside(_) => Ok(()),
        }
    }
}

impl Beside {
    fn start(&mut self, index: usize) -> Result<Started, WardenError> {
        let known = self.commands.len();
        let spec = self.commands.get(index).ok_or(WardenError::NoCommand { index, known })?;
        let failed = |step| {
            let program = spec.program.clone().into();
            move |source| WardenError::NotStarted { index, program, step, source }
        };
        let output = OpenOptions::new().append(true).create(true).open(&spec.output);
        let output = output.map_err(failed(Step::Output))?;
        let mut command = Command::new(&spec.program);
        command.args(&spec.args).env_clear().envs(spec.env.iter().map(|(name, value)| (name, value)));
        command.current_dir(&spec.dir).stdin(Stdio::null());
        command.stdout(output.try_clone().map_err(failed(Step::Output))?).stderr(output);
        // What breaks hotspec off at its terminal is not meant for the server that the command may start.
        command.process_group(0);
        if let Some(DescriptorLimit { soft, hard }) = self.limit {
            let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
            let lower = move || {
                // SAFETY: a system call on a value of this closure's own.
                unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
                Ok(())
            };
            // SAFETY: it makes one system call, which may be made between fork and exec (signal-safety(7)).
            unsafe { command.pre_exec(lower) };
        }
        let child = command.spawn().map_err(failed(Step::Execute))?;
        let pid = i32::try_from(child.id()).unwrap_or_default();
        // Nobody else reaps it, so that it is there even if it has ended.
        let opened = Stat::read(pid).map(|stat| Pidfd::open(stat.epoch)).transpose().map(Option::flatten);
        let pidfd = opened.and_then(|pidfd| pidfd.ok_or_else(|| io::Error::other("it can't be watched")));
        let pidfd = pidfd.map_err(failed(Step::Execute))?;
        let start = pidfd.epoch().start;
        self.running.push(Running { command: index, child, pidfd });
        Ok(Started { command: index, pid, start, at_ns: monotonic_ns() })
    }

    /// The first command that ends; never, where none runs. Cancel-safe.
    async fn next_end(&mut self) -> Event {
        let mut ends: Vec<_> = self.running.iter().map(|running| Box::pin(running.pidfd.exited())).collect();
        let place = poll_fn(|context| {
            let ended = ends.iter_mut().position(|end| end.as_mut().poll(context).is_ready());
            ended.map_or(Poll::Pending, Poll::Ready)
        })
        .await;
        drop(ends);
        let Running { command, mut child, pidfd } = self.running.remove(place);
        let exit = child.wait().map_or(Exit::Code(-1), |status| Exit::from_wait_status(status.into_raw()));
        let epoch = pidfd.epoch();
        let (pid, start) = (epoch.pid, epoch.start);
        Event::Exited { pid, start, command: Some(command), exit, at_ns: monotonic_ns() }
    }
}
