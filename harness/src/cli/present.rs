//! Tells what a run came to: to a person, to files, to GitHub.

use std::io::{ErrorKind, IsTerminal, Write};
use std::path::Path;

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
    let done = match shown {
        shown if run::github::is_there() => github::tell(
            shown,
            &told.text(Format::Github, (WIDTH, false))?,
            &told.text(Format::Markdown, (WIDTH, false))?,
        ),
        Some(shown) => print(&shown),
        None => Ok(()),
    };
    sinks.troubles.note(done);
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

/// Whether standard output shows colours.
pub(super) fn colour() -> bool {
    anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never
}

/// The columns of the terminal; 100 where there is none.
pub(super) fn width() -> usize {
    if !std::io::stdout().is_terminal() {
        return 100;
    }
    terminal_size::terminal_size().map_or(100, |(columns, _)| usize::from(columns.0)).clamp(40, 200)
}
