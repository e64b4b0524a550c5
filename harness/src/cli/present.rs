//! Tells what a run came to: to a person, to files, to GitHub.

use std::io::{ErrorKind, Write};
use std::path::Path;

use super::args::ColorArg;
use super::github;
use super::sinks::Sinks;
use crate::exit::{self, Failure};
use crate::run;
use crate::run::baseline::Baseline;
use crate::run::format::Format;
use crate::run::judged::Judged;

/// Columns of a report that no terminal shows.
const WIDTH: usize = 100;

/// Says which histories were cut off, stores the results, writes every report that was asked for, and tells a person unless standard output is taken. Returns the exit
/// status: with a baseline it is by what got worse.
///
/// # Errors
/// Something can't be written.
pub(super) fn tell(
    judged: &Judged,
    dir: &Path,
    mut sinks: Sinks,
    baseline: Option<&Baseline>,
) -> Result<u8, Failure> {
    for notice in &judged.notices {
        exit::say(&format!("hotspec: {notice}"));
    }
    sinks.troubles.note(judged.store(dir));
    let told = judged.told(dir, baseline);
    let shown = (!sinks.take_stdout()).then(|| told.text(Format::Human, (width(), colour()))).transpose()?;
    sinks.write(|format| told.text(format, (WIDTH, false)));
    if run::github::is_there() {
        let plain = |format| told.text(format, (WIDTH, false));
        let (annotations, summary) = (plain(Format::Github)?, plain(Format::Markdown)?);
        github::tell(shown, &annotations, &summary, &mut sinks.troubles);
    } else if let Some(shown) = shown {
        sinks.troubles.note(print(&shown));
    }
    let status = told.status();
    sinks.end(&judged.result, status)
}

/// Tells a person.
///
/// # Errors
/// Standard output can't be written.
pub(super) fn print_human(judged: &Judged, dir: &Path) -> Result<(), Failure> {
    print(&judged.told(dir, None).text(Format::Human, (width(), colour()))?)
}

/// Prints to standard output; a reader that has gone away is no error.
///
/// # Errors
/// It can't be written.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::own(format!("failed to write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Takes `--color` into account from now on.
pub(super) fn choose_colour(asked: ColorArg) {
    match asked {
        ColorArg::Auto => anstream::ColorChoice::Auto,
        ColorArg::Always => anstream::ColorChoice::Always,
        ColorArg::Never => anstream::ColorChoice::Never,
    }
    .write_global();
}

/// Whether standard output shows colours.
pub(super) fn colour() -> bool {
    anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never
}

/// The columns that there are: as COLUMNS says, as the terminal says, or 100.
pub(super) fn width() -> usize {
    let told = std::env::var("COLUMNS").ok().and_then(|text| text.trim().parse().ok());
    let told = told.filter(|columns: &usize| *columns > 0);
    let terminal = || {
        // Of standard error or input, it would be somebody else's.
        let (columns, _) = terminal_size::terminal_size_of(std::io::stdout())?;
        Some(usize::from(columns.0)).filter(|columns| *columns > 0)
    };
    told.or_else(terminal).unwrap_or(WIDTH).clamp(40, 200)
}
