//! What the program's exit status says. Documented, and never changed.

use std::io::Write;
use std::process::ExitCode;

use crate::clause::result::{RunResult, RunVerdict};

/// The target conforms.
pub const CONFORMS: u8 = 0;
/// It does not.
pub const BREAKS: u8 = 1;
/// That could not be decided.
pub const INCONCLUSIVE: u8 = 2;
/// The target did not start, or fails without any restart.
pub const INVALID: u8 = 3;
/// Nothing was selected.
pub const NOTHING_SELECTED: u8 = 4;
/// The command line is wrong (EX_USAGE of sysexits).
pub const USAGE: u8 = 64;
/// A file is wrong (EX_DATAERR).
pub const BAD_FILE: u8 = 65;
/// hotspec's own fault (EX_SOFTWARE).
pub const OWN_FAULT: u8 = 70;
/// The user broke the run off.
pub const INTERRUPTED: u8 = 130;

/// All of them, with the names by which STABILITY.md promises them.
pub const ALL: [(u8, &str); 9] = [
    (CONFORMS, "conforms"),
    (BREAKS, "breaks"),
    (INCONCLUSIVE, "inconclusive"),
    (INVALID, "invalid"),
    (NOTHING_SELECTED, "nothing selected"),
    (USAGE, "usage"),
    (BAD_FILE, "bad file"),
    (OWN_FAULT, "own fault"),
    (INTERRUPTED, "interrupted"),
];

/// The exit status for a run.
pub fn of_run(result: &RunResult) -> u8 {
    if result.interrupted {
        return INTERRUPTED;
    }
    of_verdict(result.verdict)
}

/// The exit status for a verdict.
pub fn of_verdict(verdict: RunVerdict) -> u8 {
    match verdict {
        RunVerdict::Pass => CONFORMS,
        RunVerdict::Fail => BREAKS,
        RunVerdict::Inconclusive => INCONCLUSIVE,
        RunVerdict::Invalid => INVALID,
        RunVerdict::Error => OWN_FAULT,
    }
}

/// An error for people, with the exit status that goes with it.
#[derive(Debug)]
pub struct Failure {
    /// The exit status.
    pub status: u8,
    /// What was expected, what was seen, what to do.
    pub message: String,
}

impl Failure {
    /// An error with this status.
    pub fn new(status: u8, message: impl std::fmt::Display) -> Self {
        Self { status, message: message.to_string() }
    }

    /// The command line is wrong.
    pub fn usage(message: impl std::fmt::Display) -> Self {
        Self::new(USAGE, message)
    }

    /// hotspec's own fault.
    pub fn own(message: impl std::fmt::Display) -> Self {
        Self::new(OWN_FAULT, message)
    }

    /// Tells it on standard error.
    pub fn tell(&self) -> ExitCode {
        say(&format!("hotspec: {}", crate::report::style::clean(&self.message)));
        ExitCode::from(self.status)
    }
}

/// Says a line on standard error. If nobody can be told there, nobody can.
pub fn say(line: &str) {
    let _ = writeln!(anstream::stderr(), "{line}");
}
