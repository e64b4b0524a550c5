//! `hotspec man`: manual pages, from the same definition that parses the command line.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;

use super::args::Cli;
use super::present;
use crate::exit::{self, Failure};

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Where the pages are written: hotspec.1, and one for each verb. Without it hotspec.1 goes to standard output, as in
    /// `hotspec man | man -l -`
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Writes the pages.
///
/// # Errors
/// A file that can't be written.
pub(super) fn man(args: &ManArgs) -> Result<u8, Failure> {
    let mut command = Cli::command();
    // Its own options are those of another program, and `help` needs no page.
    command = command.disable_help_subcommand(true);
    command.build();
    let Some(dir) = &args.dir else {
        present::print(&String::from_utf8_lossy(&page(&command, "hotspec")?))?;
        return Ok(exit::CONFORMS);
    };
    fs::create_dir_all(dir).map_err(|error| cant_write(dir, &error))?;
    let write = |command: &Command, name: &'static str| {
        let path = dir.join(format!("{name}.1"));
        fs::write(&path, page(command, name)?).map_err(|error| cant_write(&path, &error))
    };
    write(&command, "hotspec")?;
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        // clap takes words that last as long as the program.
        write(verb, format!("hotspec-{}", verb.get_name()).leak())?;
    }
    Ok(exit::CONFORMS)
}

fn page(command: &Command, name: &'static str) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    Man::new(command.clone().name(name)).render(&mut page).map_err(Failure::own)?;
    Ok(page)
}

fn cant_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!(
        "failed to write {}: {error}; expected a directory to write manual pages in",
        path.display()
    ))
}
