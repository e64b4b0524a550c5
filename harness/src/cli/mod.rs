//! The command line: one file per verb.

mod args;
mod baseline;
mod check;
mod doctor;
mod explain;
mod github;
mod interrupt;
mod list;
mod matrix;
mod pool;
mod present;
mod run;
mod running;
mod schema;
mod selftest;
mod sinks;
mod soak;
mod typed;
mod watching;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use crate::exit;
use args::{Cli, Verb};

/// Runs the program. Called first thing in `main`, before any thread exists: a user namespace can
/// be entered only then, and a server that is told to serve must own its signals from the start.
pub fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    if words.get(1).is_some_and(|word| word == "serve") {
        let program = OsString::from("hotspec serve");
        return reference_server::cli::main(std::iter::once(program).chain(words.into_iter().skip(2)));
    }
    if words.get(1).is_some_and(|word| word == crate::selftest::VERB) {
        return crate::selftest::server::main(words.into_iter().skip(2));
    }
    let cli = match Cli::try_parse_from(&words) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; everything else is a wrong command line.
            let status = if error.use_stderr() { exit::USAGE } else { exit::CONFORMS };
            let _ = error.print();
            return ExitCode::from(status);
        }
    };
    let done = match cli.verb {
        Verb::Run(args) => run::run(&args),
        Verb::Soak(args) => soak::soak(&args),
        Verb::Matrix(args) => matrix::matrix(&args),
        Verb::List(args) => list::list(&args),
        Verb::Explain(args) => explain::explain(&args),
        Verb::Check(args) => check::check(&args),
        Verb::Diff(args) => baseline::diff(&args),
        Verb::Schema(args) => schema::schema(&args),
        Verb::Doctor(args) => doctor::doctor(&args),
        Verb::Selftest(args) => selftest::selftest(&args),
        // Reached only with options before the verb, of which there are none.
        Verb::Serve { .. } => Ok(exit::USAGE),
    };
    match done {
        Ok(status) => ExitCode::from(status),
        Err(failure) => failure.tell(),
    }
}
