//! Servers that others built, with a case for each scenario of each: nginx and one on tableflip, from PATH, by the files that hotspec
//! has for them; and whatever `SERVER` names, with its arguments. Cases of a server that is not there are ignored.
//!
//!     SERVER='/usr/local/bin/my-server --listen {address}' cargo test -- '[server]'

use std::process::ExitCode;
use std::time::Duration;

use assert_cmd::Command;
use hotspec::libtest_mimic::{self, Arguments, Trial};
use hotspec::{Error, Target};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Most scenarios wait most of the time.
    arguments.test_threads.get_or_insert(24);
    match trials() {
        Ok(trials) => libtest_mimic::run(&arguments, trials).exit_code(),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn trials() -> Result<Vec<Trial>, Error> {
    let mut trials = Vec::new();
    for name in ["nginx", "tableflip"] {
        trials.extend(of(name, &Target::named(name).scenarios(["core"]))?);
    }
    if let Some(command) = command() {
        let server = Target::command(command.get_program()).args(command.get_args());
        // What a project of one's own knows of it.
        let server = server.name("server").slow_path("/slow?ms={ms}").idle_max(Duration::from_secs(3));
        let server = server.scenarios(["in-flight-slow", "idle-last-request"]);
        trials.extend(of("server", &server)?);
    }
    Ok(trials)
}

/// The cases of one server, told apart by its name.
fn of(name: &str, target: &Target) -> Result<impl Iterator<Item = Trial>, Error> {
    let name = name.to_owned();
    Ok(hotspec::trials(target)?.into_iter().map(move |trial| trial.with_kind(&name)))
}

/// What `SERVER` says.
fn command() -> Option<Command> {
    let words = std::env::var("SERVER").ok()?;
    let mut words = words.split_whitespace();
    let mut command = Command::new(words.next()?);
    command.args(words);
    Some(command)
}
