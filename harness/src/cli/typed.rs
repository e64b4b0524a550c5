//! The command line taken apart, so that a report can say what to type next.

use std::ffi::OsString;

use clap::{Arg, CommandFactory};

use super::args::Cli;
use crate::manifest::Typed;

/// Takes the words of a `run` apart, or of a verb that runs too: what only that one knows is left out. They were accepted by
/// the parser before.
pub(super) fn take_apart(words: impl IntoIterator<Item = OsString>) -> Typed {
    let mut words = words.into_iter().map(|word| word.to_string_lossy().into_owned());
    let mut typed =
        Typed { program: words.next().unwrap_or_else(|| "hotspec".to_owned()), ..Typed::default() };
    let mut command = Cli::command();
    // Options of every verb are each verb's only then.
    command.build();
    let Some(run) = command.find_subcommand("run") else { return typed };
    let mut verb = words.next().unwrap_or_default();
    // What stands before the verb is no part of what is run.
    while verb.starts_with('-') {
        let apart = command.get_arguments().any(|arg| names(arg, &verb) && arg.get_action().takes_values());
        verb = words.nth(usize::from(apart)).unwrap_or_default();
    }
    let own = command.find_subcommand(&verb).unwrap_or(run);
    while let Some(word) = words.next() {
        if word == "--" {
            typed.command = words.collect();
            break;
        }
        if !word.starts_with('-') || word == "-" {
            typed.selectors.push(word);
            continue;
        }
        let apart = own.get_arguments().any(|arg| names(arg, &word) && arg.get_action().takes_values());
        let value = if apart { words.next() } else { None };
        let of_run = |arg: &Arg| names(arg, &word) || begins(arg, &word);
        if verb == "run" || run.get_arguments().any(of_run) {
            typed.options.push(std::iter::once(word).chain(value).collect());
        }
    }
    typed
}

/// Whether a word is this option alone, its value not glued to it.
fn names(arg: &Arg, word: &str) -> bool {
    let long = |name: &str| word.strip_prefix("--") == Some(name);
    let short = |letter: char| word.strip_prefix('-').is_some_and(|rest| rest == letter.to_string());
    arg.get_long().is_some_and(long) || arg.get_short().is_some_and(short)
}

/// Whether a word is this option with its value glued to it.
fn begins(arg: &Arg, word: &str) -> bool {
    let long = |name: &str| word.strip_prefix("--").and_then(|rest| rest.strip_prefix(name));
    let glued = arg.get_long().and_then(long).is_some_and(|rest| rest.starts_with('='));
    let short = |letter: char| !word.starts_with("--") && word.chars().nth(1) == Some(letter);
    glued || arg.get_short().is_some_and(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(line: &str) -> Typed {
        take_apart(line.split(' ').map(OsString::from))
    }

    #[test]
    fn selectors_options_and_the_command_are_told_apart() {
        let typed = taken(
            "./hotspec run --idle-max 3s idle -j 2 --notify drain --exclude=x -- ./server --listen {address}",
        );
        assert_eq!(typed.program, "./hotspec");
        assert_eq!(typed.selectors, ["idle", "drain"]);
        let options: [&[&str]; 4] = [&["--idle-max", "3s"], &["-j", "2"], &["--notify"], &["--exclude=x"]];
        assert_eq!(typed.options, options);
        assert_eq!(typed.command, ["./server", "--listen", "{address}"]);
    }

    #[test]
    fn a_value_that_looks_like_an_option_stays_with_its_own() {
        let typed = taken("hotspec run --socket-flag --fd --jobs=3 -j4 --path /-x");
        let options: [&[&str]; 4] = [&["--socket-flag", "--fd"], &["--jobs=3"], &["-j4"], &["--path", "/-x"]];
        assert_eq!(typed.options, options);
        assert!(typed.selectors.is_empty() && typed.command.is_empty());
    }

    #[test]
    fn an_option_of_every_verb_may_stand_before_it_and_after_it() {
        let typed = taken("hotspec --color never run --color always idle");
        assert_eq!(typed.selectors, ["idle"]);
        assert_eq!(taken("hotspec --color=never soak --restarts 3 idle").selectors, ["idle"]);
    }

    #[test]
    fn what_only_another_verb_knows_is_left_out() {
        let typed = taken("hotspec soak --restarts 40 idle --for=2h -j4 --keep-going --idle-max=3s --seed 7");
        assert_eq!(typed.selectors, ["idle"]);
        let options: [&[&str]; 3] = [&["-j4"], &["--idle-max=3s"], &["--seed", "7"]];
        assert_eq!(typed.options, options);
    }
}
