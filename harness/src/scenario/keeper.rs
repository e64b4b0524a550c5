//! Who runs commands for a scenario: the warden above the target, or, beside a server that is up already, nobody but hotspec
//! itself, which takes nothing down in the end.

use std::fs::OpenOptions;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::target::warden::{CommandSpec, DescriptorLimit, Event, Started, Step, Warden, WardenError};
use crate::witness::process::{Exit, Stat, monotonic_ns};

/// How often a command is asked whether it has ended.
const ASK_EVERY: Duration = Duration::from_millis(2);

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
    running: Vec<(usize, Child, u64)>,
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
        let start = Stat::read(pid).map_or(0, |stat| stat.epoch.start);
        self.running.push((index, child, start));
        Ok(Started { command: index, pid, start, at_ns: monotonic_ns() })
    }

    async fn next_end(&mut self) -> Event {
        loop {
            let ended = self.running.iter_mut().position(|(_, child, _)| {
                // One that can't be asked any more has been reaped.
                child.try_wait().map_or(true, |status| status.is_some())
            });
            if let Some(place) = ended {
                let (command, mut child, start) = self.running.remove(place);
                let status = child.try_wait().ok().flatten();
                let signal = status.and_then(|status| status.signal());
                let code = status.and_then(|status| status.code());
                let exit = match (code, signal) {
                    (_, Some(signo)) => {
                        Exit::Signal { signo, core: status.is_some_and(|status| status.core_dumped()) }
                    }
                    (code, None) => Exit::Code(code.unwrap_or(-1)),
                };
                let pid = i32::try_from(child.id()).unwrap_or_default();
                return Event::Exited { pid, start, command: Some(command), exit, at_ns: monotonic_ns() };
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }
}
