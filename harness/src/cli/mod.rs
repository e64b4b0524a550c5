//! The command line: one file per verb.

mod args;
mod baseline;
mod check;
mod completions;
mod doctor;
mod explain;
mod github;
mod init;
mod interrupt;
mod list;
mod man;
mod matrix;
mod merge;
mod pool;
mod present;
mod run;
mod running;
mod schema;
mod selftest;
mod sinks;
mod soak;
mod target_args;
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
        return serve(words.into_iter().skip(2));
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
    present::choose_colour(cli.color);
    let done = match cli.verb {
        Verb::Run(args) => run::run(&args),
        Verb::Init(args) => init::init(&args),
        Verb::Soak(args) => soak::soak(&args),
        Verb::Matrix(args) => matrix::matrix(&args),
        Verb::List(args) => list::list(&args),
        Verb::Explain(args) => explain::explain(&args),
        Verb::Check(args) => check::check(&args),
        Verb::Merge(args) => merge::merge(&args),
        Verb::Diff(args) => baseline::diff(&args),
        Verb::Schema(args) => schema::schema(&args),
        Verb::Doctor(args) => doctor::doctor(&args),
        Verb::Selftest(args) => selftest::selftest(&args),
        Verb::Completions(args) => completions::completions(&args),
        Verb::Man(args) => man::man(&args),
        // Reached only with options before the verb: they are none of the server's.
        Verb::Serve { arguments } => return serve(arguments.into_iter()),
    };
    match done {
        Ok(status) => ExitCode::from(status),
        Err(failure) => failure.tell(),
    }
}

fn serve(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let program = OsString::from("hotspec serve");
    reference_server::cli::main(std::iter::once(program).chain(arguments))
}
