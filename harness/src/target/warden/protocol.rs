//! What the harness and a warden tell each other: records of one size over a SOCK_SEQPACKET pair.
//!
//! Sending and receiving are allocation-free, since the warden does both (see `child.rs`).

use libc::c_int;

use crate::witness::process::raw::errno;

/// Kinds of records. Requests go down, all others up.
pub(super) mod kind {
    pub(in super::super) const START: u32 = 1;
    pub(in super::super) const END: u32 = 2;
    pub(in super::super) const READY: u32 = 10;
    pub(in super::super) const SETUP_FAILED: u32 = 11;
    pub(in super::super) const STARTED: u32 = 12;
    pub(in super::super) const START_FAILED: u32 = 13;
    pub(in super::super) const EXITED: u32 = 14;
    pub(in super::super) const SIGNALLED: u32 = 15;
    pub(in super::super) const SURVIVOR: u32 = 16;
    pub(in super::super) const ENDED: u32 = 17;
}

/// One message. What the numbers mean depends on the kind:
///
/// | kind | pid | value | detail | start |
/// | --- | --- | --- | --- | --- |
/// | START | | command | | |
/// | SETUP_FAILED | | step | errno | |
/// | STARTED | process | command | | its start ticks |
/// | START_FAILED | | step | errno | command |
/// | EXITED | process | wait status | | its start ticks |
/// | SIGNALLED | sender | signal | sender's uid | |
/// | SURVIVOR | process | errno | | its start ticks |
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) kind: u32,
    /// Copied from a START to its answer.
    pub(super) request: u32,
    pub(super) pid: i32,
    pub(super) value: i32,
    pub(super) detail: i32,
    pub(super) unused: i32,
    pub(super) start: u64,
    /// CLOCK_MONOTONIC, in nanoseconds.
    pub(super) at_ns: u64,
}

/// What one receive gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    Record(Record),
    /// The other side has closed its end, or is gone.
    Closed,
    /// Nothing there now (a non-blocking socket).
    Nothing,
}

impl Record {
    /// Sends the record.
    ///
    /// # Errors
    /// The errno of `send(2)`: EPIPE if the other side is gone, EAGAIN on a full non-blocking socket.
    pub(super) fn send(&self, socket: c_int) -> Result<(), c_int> {
        loop {
            // SAFETY: self is readable for its size, and repr(C) without padding (six 4-byte fields, two of 8).
            let sent = unsafe {
                libc::send(socket, std::ptr::from_ref(self).cast(), size_of::<Self>(), libc::MSG_NOSIGNAL)
            };
            match (sent, errno()) {
                (0.., _) => return Ok(()),
                (_, libc::EINTR) => {}
                (_, failure) => return Err(failure),
            }
        }
    }

    /// Receives one record; one of a wrong size counts as the end, since the other side can't be understood.
    ///
    /// # Errors
    /// The errno of `recv(2)`.
    pub(super) fn receive(socket: c_int) -> Result<Received, c_int> {
        let mut record = Self::default();
        loop {
            // SAFETY: record is writable for its size, and every bit pattern is a valid Record.
            let received = unsafe {
                libc::recv(socket, std::ptr::from_mut(&mut record).cast(), size_of::<Self>(), libc::MSG_TRUNC)
            };
            if received >= 0 {
                let whole = usize::try_from(received) == Ok(size_of::<Self>());
                return Ok(if whole { Received::Record(record) } else { Received::Closed });
            }
            match errno() {
                libc::EINTR => {}
                libc::EAGAIN => return Ok(Received::Nothing),
                libc::ECONNRESET => return Ok(Received::Closed),
                failure => return Err(failure),
            }
        }
    }
}

/// A step that can fail before a command runs, or before the warden is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Making the pipe that tells of a failed execution.
    Pipe,
    /// Forking.
    Fork,
    /// A session of its own: setsid(2).
    Session,
    /// Becoming the one to whom orphans go: prctl(2), PR_SET_CHILD_SUBREAPER.
    Subreaper,
    /// Arranging and closing inherited descriptors.
    Descriptors,
    /// Opening /dev/null as standard input.
    Input,
    /// Reading signals by descriptor: signalfd(2).
    Signals,
    /// Opening /proc.
    Proc,
    /// Restoring the limit of open files: setrlimit(2).
    DescriptorLimit,
    /// Opening the output file.
    Output,
    /// Joining a control group, by writing to its `cgroup.procs`.
    Group,
    /// Changing to the working directory.
    Directory,
    /// Executing the program: execve(2).
    Execute,
    /// Any step that this version does not know.
    Unknown,
}

impl Step {
    const ALL: [Self; 13] = [
        Self::Pipe,
        Self::Fork,
        Self::Session,
        Self::Subreaper,
        Self::Descriptors,
        Self::Input,
        Self::Signals,
        Self::Proc,
        Self::DescriptorLimit,
        Self::Output,
        Self::Group,
        Self::Directory,
        Self::Execute,
    ];

    pub(super) fn code(self) -> i32 {
        self as i32
    }

    pub(super) fn from_code(code: i32) -> Self {
        usize::try_from(code).ok().and_then(|code| Self::ALL.get(code).copied()).unwrap_or(Self::Unknown)
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pipe => "making a pipe",
            Self::Fork => "forking",
            Self::Session => "starting a session",
            Self::Subreaper => "becoming the subreaper",
            Self::Descriptors => "arranging descriptors",
            Self::Input => "opening /dev/null",
            Self::Signals => "opening a signalfd",
            Self::Proc => "opening /proc",
            Self::DescriptorLimit => "restoring the limit of open files",
            Self::Output => "opening the output file",
            Self::Group => "joining a control group",
            Self::Directory => "changing to the working directory",
            Self::Execute => "executing the program",
            Self::Unknown => "an unknown step",
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn every_step_survives_the_socket() {
        for (code, step) in Step::ALL.into_iter().enumerate() {
            assert_eq!(step.code(), i32::try_from(code).unwrap());
            assert_eq!(Step::from_code(step.code()), step);
        }
        assert_eq!(Step::from_code(-1), Step::Unknown);
        assert_eq!(Step::from_code(99), Step::Unknown);
    }

    #[test]
    fn a_record_has_no_padding() {
        assert_eq!(size_of::<Record>(), 6 * 4 + 2 * 8);
    }
}
