//! `hotspec completions`: what makes a shell complete the command line, from the same definition that parses it.

use clap::builder::PossibleValuesParser;
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_complete::aot::generate;

use super::args::Cli;
use super::present;
use crate::clause::registry;
use crate::exit::{self, Failure};
use crate::scenario::builtin;
use crate::scenario::file::Tag;
use crate::target::builtin as targets;

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_parser = ["bash", "zsh", "fish"])]
    shell: String,
}

/// Prints the completions of a shell.
///
/// # Errors
/// Only the program's own faults.
pub(super) fn completions(args: &CompletionsArgs) -> Result<u8, Failure> {
    let shell: Shell = args.shell.parse().map_err(Failure::own)?;
    let mut text = Vec::new();
    generate(shell, &mut command()?, "hotspec", &mut text);
    present::print(&String::from_utf8_lossy(&text))?;
    Ok(exit::CONFORMS)
}

/// The command line, with the names that there are. They are for completion alone: patterns, groups and files are taken too.
fn command() -> Result<Command, Failure> {
    let scenarios = builtin::scenarios().map_err(Failure::own)?;
    let targets = targets::targets().map_err(Failure::own)?;
    let clauses: Vec<&'static str> = registry::all().iter().map(|clause| clause.id).collect();
    // clap takes words that last as long as the program.
    let mut selectors: Vec<&'static str> =
        scenarios.into_iter().map(|scenario| &*scenario.name.leak()).collect();
    selectors.extend(Tag::ALL.iter().map(|tag| tag.as_str()));
    selectors.extend(&clauses);
    let names: Vec<&'static str> = targets.into_iter().map(|target| &*target.name.leak()).collect();
    let runs = |command: Command| {
        let selectors = || PossibleValuesParser::new(selectors.clone());
        command
            .mut_arg("selectors", |arg| arg.value_parser(selectors()))
            .mut_arg("exclude", |arg| arg.value_parser(selectors()))
            .mut_arg("target", |arg| arg.value_parser(PossibleValuesParser::new(names.clone())))
            // What is changed goes to the end, and this one has to stay behind the selectors.
            .mut_arg("command", |arg| arg)
    };
    Ok(Cli::command()
        .mut_subcommand("run", runs)
        .mut_subcommand("soak", runs)
        .mut_subcommand("matrix", |command| {
            command.mut_arg("targets", |arg| arg.value_parser(PossibleValuesParser::new(names.clone())))
        })
        .mut_subcommand("explain", |command| {
            command.mut_arg("id", |arg| arg.value_parser(PossibleValuesParser::new(clauses.clone())))
        }))
}
