//! The program: its arguments, and what it does with them.
//!
//! [`main`] is also for other programs that offer the server as a subcommand. It is to be called
//! early, before threads are started and descriptors opened.

use std::ffi::OsString;
use std::process::ExitCode;

/// Exit status for arguments that can't be understood (`EX_USAGE` of sysexits.h).
pub const EXIT_USAGE: u8 = 64;

/// Exit status for everything else that keeps the server from serving.
pub const EXIT_FAILURE: u8 = 1;

/// Runs the server to its end. `arguments` are parsed, the first one being the program's name; a
/// successor is executed with the process' real arguments, whatever is passed here.
#[cfg(target_os = "linux")]
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    run::main(arguments)
}

/// Says that there is no hot restart on this system.
#[cfg(not(target_os = "linux"))]
pub fn main(_: impl Iterator<Item = OsString>) -> ExitCode {
    eprintln!(
        "reference-server: hot restart is not supported on this system. It needs fork and exec with \
         an inherited listener (Windows has neither), and signals and processes by descriptor \
         (signalfd and pidfd, which only Linux has). Other systems are untried."
    );
    ExitCode::from(EXIT_FAILURE)
}

#[cfg(target_os = "linux")]
mod arguments;
#[cfg(target_os = "linux")]
mod run;
