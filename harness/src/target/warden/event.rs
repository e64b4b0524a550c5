//! What a warden tells, and what can go wrong with one.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

use super::command::CommandError;
use super::protocol::{Record, Step, kind};
use crate::witness::process::Exit;

/// A command's process, just started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// The command's index.
    pub command: usize,
    /// Its process.
    pub pid: i32,
    /// The process's start ticks, field 22 of proc_pid_stat(5); 0 where they could not be read.
    pub start: u64,
    /// When its program was known to run: CLOCK_MONOTONIC in nanoseconds.
    pub at_ns: u64,
}

/// Something the warden saw. All times are CLOCK_MONOTONIC in nanoseconds, taken when the warden saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A command runs whose start was no longer waited for.
    Started(Started),
    /// A command does not run, and its start was no longer waited for.
    StartFailed {
        /// The command's index.
        command: usize,
        /// The step that failed.
        step: Step,
        /// Its errno.
        errno: i32,
        /// When.
        at_ns: u64,
    },
    /// A process of the tree has ended and was reaped: a command itself, or one it orphaned.
    ///
    /// Those whose parent lives are reaped by that parent and not seen here.
    Exited {
        /// The process.
        pid: i32,
        /// Its start ticks, which tell it from another one with that pid; 0 where they could not be read.
        start: u64,
        /// The command whose own process this was; `None` for an orphan.
        command: Option<usize>,
        /// How it ended.
        exit: Exit,
        /// When it was reaped.
        at_ns: u64,
    },
    /// Someone sent the warden a signal, which it survived. Several alike that come together are told once.
    Signalled {
        /// The signal.
        signo: i32,
        /// Who sent it; 0 for the kernel, or for a process outside this pid namespace.
        from_pid: i32,
        /// The sender's user id.
        from_uid: u32,
        /// When.
        at_ns: u64,
    },
    /// A process that could not be taken down.
    Survivor {
        /// The process; 0 if /proc does not show it.
        pid: i32,
        /// Its start ticks.
        start: u64,
        /// EPERM if it may not be signalled, 0 if it lives on after SIGKILL (state D), ESRCH if it can't be found.
        errno: i32,
        /// When the warden gave up.
        at_ns: u64,
    },
    /// The last event: nothing of the tree is left but survivors.
    Ended {
        /// When.
        at_ns: u64,
    },
}

impl Event {
    /// Decodes a record, keeping account of the commands that run.
    pub(super) fn from_record(record: Record, running: &mut HashMap<i32, usize>) -> Option<Self> {
        let Record { kind, pid, value, detail, start, at_ns, .. } = record;
        Some(match kind {
            kind::STARTED => {
                let command = usize::try_from(value).ok()?;
                running.insert(pid, command);
                Self::Started(Started { command, pid, start, at_ns })
            }
            kind::START_FAILED => {
                let command = usize::try_from(start).ok()?;
                Self::StartFailed { command, step: Step::from_code(value), errno: detail, at_ns }
            }
            kind::EXITED => {
                let (command, exit) = (running.remove(&pid), Exit::from_wait_status(value));
                Self::Exited { pid, start, command, exit, at_ns }
            }
            kind::SIGNALLED => {
                Self::Signalled { signo: value, from_pid: pid, from_uid: detail.cast_unsigned(), at_ns }
            }
            kind::SURVIVOR => Self::Survivor { pid, start, errno: value, at_ns },
            kind::ENDED => Self::Ended { at_ns },
            _ => return None,
        })
    }
}

/// What can go wrong with a warden.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WardenError {
    /// A command can't be started as asked.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// There is no warden: a step of making one failed.
    #[error(
        "failed to make a warden, at {step}: {source}; check the limits of open files and processes (ulimit -n, ulimit -u)"
    )]
    Setup {
        /// The step.
        step: Step,
        /// Its error.
        source: io::Error,
    },
    /// An index without a command.
    #[error("there is no command {index}: this warden was made with {known}")]
    NoCommand {
        /// As asked for.
        index: usize,
        /// How many there are.
        known: usize,
    },
    /// A command does not run.
    #[error("failed to start {program:?} (command {index}), at {step}: {source}{}", hint(*step, source))]
    NotStarted {
        /// The command's index.
        index: usize,
        /// The program.
        program: PathBuf,
        /// The step that failed.
        step: Step,
        /// Its error.
        source: io::Error,
    },
    /// The warden is gone, and not in order: what it was above may live on.
    #[error(
        "warden {pid} is gone ({exit:?}) without having taken its tree down: did the target kill its parent? Look for processes left behind"
    )]
    Lost {
        /// The warden.
        pid: i32,
        /// How it ended; `None` if someone else in this program reaped it.
        exit: Option<Exit>,
    },
    /// Some processes outlived SIGKILL or may not be sent it.
    #[error(
        "failed to take down the processes {pids:?}: they run as another user, or are stuck in the kernel; end them by hand"
    )]
    Survivors {
        /// The processes; 0 stands for one that /proc does not show.
        pids: Vec<i32>,
    },
    /// The socket to the warden, or its process descriptor, failed.
    #[error("failed to talk to the warden: {0}")]
    Socket(#[source] io::Error),
}

fn hint(step: Step, source: &io::Error) -> &'static str {
    match (step, source.raw_os_error()) {
        (Step::Execute, Some(libc::ENOEXEC)) => {
            "; a script needs a first line with its interpreter (#!/bin/sh)"
        }
        (Step::Execute, Some(libc::ENOENT)) => "; the interpreter or loader it names does not exist",
        (Step::Execute, Some(libc::ETXTBSY)) => "; the program is being written",
        (Step::Execute, Some(libc::E2BIG)) => "; its arguments and environment are too large",
        (Step::Directory, _) => "; expected an existing directory that this user may enter",
        (Step::Output, _) => "; expected a file that can be made or appended to",
        (Step::DescriptorLimit, _) => "; the hard limit can't be raised by an ordinary user",
        _ => "",
    }
}
