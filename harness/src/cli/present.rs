//! Judges a stored run and hands the result to whoever is to be told.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::args::{ColorArg, Format, ReportArg};
use super::baseline::Baseline;
use super::github;
use super::run_dir::Files;
use crate::clause::Level;
use crate::clause::judge::{self, Recorded};
use crate::clause::result::{ClauseResult, RunResult, RunVerdict};
use crate::exit::{self, Failure};
use crate::history::event::Stop;
use crate::history::{Event, file};
use crate::manifest::Manifest;
use crate::report::gate::{self, Cases};
use crate::report::{self, Evidence, Human};
use crate::witness::packets::pcapng;

/// The end of a target's output that is shown.
const TAIL_BYTES: u64 = 8 << 10;
/// Results are stored under this name.
pub(super) const RESULTS: &str = "results.json";

/// A stored run, judged.
pub(super) struct Judged {
    pub(super) result: RunResult,
    // By scenario, one for each attempt. The output is that of the last.
    histories: BTreeMap<String, Vec<Vec<Event>>>,
    outputs: BTreeMap<String, Vec<u8>>,
    /// SHOULD counts as well.
    pub(super) level: Level,
}

/// Reads a run directory and judges what is in it.
///
/// # Errors
/// A file that can't be read or is of another schema.
pub(super) fn judge(dir: &Path) -> Result<Judged, Failure> {
    let manifest = Manifest::read(&dir.join("manifest.json")).map_err(bad_file)?;
    let mut histories: BTreeMap<String, Vec<Vec<Event>>> = BTreeMap::new();
    let mut outputs = BTreeMap::new();
    let mut recorded = Vec::new();
    for entry in manifest.scenarios.iter().filter(|entry| entry.unsupported.is_none()) {
        // No history if the run was broken off before this scenario began.
        for files in Files::made(dir, &entry.name) {
            let stored = file::read(&files.history).map_err(bad_file)?;
            if let Some(cut) = stored.cut {
                anstream::eprintln!("hotspec: {}", report::style::clean(&cut));
            }
            recorded.push(Recorded { entry, events: stored.events });
            outputs.insert(entry.name.clone(), tail(&files.output));
        }
    }
    let result = judge::judge(&manifest, &recorded);
    for one in recorded {
        histories.entry(one.entry.name.clone()).or_default().push(one.events);
    }
    Ok(Judged { result, histories, outputs, level: manifest.level })
}

fn bad_file(error: impl std::fmt::Display) -> Failure {
    Failure::new(exit::BAD_FILE, error)
}

fn tail(path: &Path) -> Vec<u8> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().unwrap_or_default()
}

/// Opened before the run, so that a report that can't be written is told before an hour is spent.
pub(super) struct Sink {
    format: Format,
    file: Option<(File, PathBuf)>,
}

/// Opens what the reports go to.
///
/// # Errors
/// A file that can't be written.
pub(super) fn open(reports: &[ReportArg]) -> Result<Vec<Sink>, Failure> {
    let open = |report: &ReportArg| {
        let file = match &report.path {
            None => None,
            Some(path) => {
                let file = File::create(path).map_err(|error| {
                    Failure::usage(format!("failed to write the report {}: {error}", path.display()))
                })?;
                Some((file, path.clone()))
            }
        };
        Ok(Sink { format: report.format, file })
    };
    reports.iter().map(open).collect()
}

/// Writes each report, in the words for its format; returns whether standard output is taken.
///
/// # Errors
/// A file can't be written.
pub(super) fn write(
    sinks: Vec<Sink>,
    text: impl Fn(Format) -> Result<String, Failure>,
) -> Result<bool, Failure> {
    let taken = sinks.iter().any(|sink| sink.file.is_none());
    for sink in sinks {
        let text = text(sink.format)?;
        match sink.file {
            Some((mut file, path)) => file
                .write_all(text.as_bytes())
                .map_err(|error| Failure::own(format!("failed to write {}: {error}", path.display())))?,
            None => print(&text),
        }
    }
    Ok(taken)
}

impl Judged {
    /// The histories of each scenario, one for each attempt.
    pub(super) fn histories(&self) -> &BTreeMap<String, Vec<Vec<Event>>> {
        &self.histories
    }

    /// Scenarios on which the verdict still hangs: none if it is no longer open. A target that did start in others may have
    /// been too slow in one, or found its port taken.
    pub(super) fn undecided(&self, baseline: Option<&Baseline>) -> BTreeSet<String> {
        let problems = &self.result.problems;
        if problems.len() < self.result.scenarios.len()
            && problems.iter().all(|problem| problem.stage == Stop::Start)
            && !problems.is_empty()
        {
            return problems.iter().map(|problem| problem.scenario.clone()).collect();
        }
        if let Some(baseline) = baseline {
            let comparison = baseline.compared(self);
            let open = comparison.open.into_iter().filter(|_| comparison.worse.is_empty());
            return open.filter_map(|open| open.scenario).collect();
        }
        let open = self.result.verdict == RunVerdict::Inconclusive;
        let counts = |clause: &&ClauseResult| clause.level <= self.level;
        let clauses = self.result.clauses.iter().filter(|_| open).filter(counts);
        clauses.flat_map(|clause| &clause.undecided_in).cloned().collect()
    }

    /// Stores the results, writes every report that was asked for, and tells a person unless standard output is taken. With a
    /// baseline the status is by what got worse.
    ///
    /// # Errors
    /// Something can't be written.
    pub(super) fn tell(
        &self,
        dir: &Path,
        sinks: Vec<Sink>,
        baseline: Option<&Baseline>,
    ) -> Result<u8, Failure> {
        let json = self.store(dir)?;
        let packets = packets(dir, &self.histories);
        let evidence = self.evidence(dir, &packets);
        let against = baseline.map(|baseline| (baseline, baseline.compared(self)));
        let comparison = against.as_ref().map(|(_, comparison)| comparison);
        // Few runs are asked for in a format that needs them.
        let cases = LazyCell::new(|| Cases::of(&self.result, self.level, &evidence, comparison));
        let human = |width, colour| {
            let mut text = Human { width, colour }.render(&self.result, &evidence);
            if let Some((baseline, comparison)) = &against {
                text.push('\n');
                text.push_str(&report::compare::render(comparison, &baseline.name, width, colour));
            }
            text
        };
        let text = |format| {
            Ok(match format {
                Format::Json => json.clone(),
                Format::Human => human(100, false),
                Format::Html => report::html::html(&self.result, &evidence, &read(&packets)),
                Format::Junit => gate::junit::junit(&cases),
                Format::Tap => gate::tap::tap(&cases),
                Format::Markdown => gate::summary::summary(&cases),
                Format::Github => gate::annotations::annotations(&cases),
                Format::Gitlab => gate::quality::quality(&cases).map_err(Failure::own)?,
            })
        };
        let taken = write(sinks, text)?;
        let shown = (!taken).then(|| human(width(), colour()));
        if github::is_there() {
            github::tell(&cases, shown)?;
        } else if let Some(shown) = shown {
            print(&shown);
        }
        Ok(comparison
            .map_or_else(|| exit::of_run(&self.result), |comparison| comparison.status(&self.result)))
    }

    /// Stores the results; returns them as JSON.
    ///
    /// # Errors
    /// They can't be written.
    pub(super) fn store(&self, dir: &Path) -> Result<String, Failure> {
        let json = report::json::json(&self.result).map_err(Failure::own)?;
        let results = dir.join(RESULTS);
        fs::write(&results, &json)
            .map_err(|error| Failure::own(format!("failed to write {}: {error}", results.display())))?;
        Ok(json)
    }

    /// Tells a person.
    pub(super) fn print(&self, dir: &Path) {
        let packets = packets(dir, &self.histories);
        print(
            &Human { width: width(), colour: colour() }.render(&self.result, &self.evidence(dir, &packets)),
        );
    }

    fn evidence<'a>(&'a self, dir: &'a Path, packets: &'a Packets) -> Evidence<'a> {
        Evidence { histories: &self.histories, outputs: &self.outputs, packets, run_dir: dir }
    }
}

/// The packets themselves; a file that can't be read has none.
fn read(files: &Packets) -> report::html::Packets {
    let packets = |file: &Option<PathBuf>| {
        let bytes = file.as_ref().and_then(|file| fs::read(file).ok()).unwrap_or_default();
        pcapng::read(&bytes)
    };
    files.iter().map(|(name, files)| (name.clone(), files.iter().map(packets).collect())).collect()
}

/// Files of packets by scenario and attempt.
type Packets = BTreeMap<String, Vec<Option<PathBuf>>>;

/// The packets that there are.
fn packets(dir: &Path, histories: &BTreeMap<String, Vec<Vec<Event>>>) -> Packets {
    let there = |files: Files| Some(files.packets).filter(|path| path.exists());
    let of = |name: &String| (name.clone(), Files::made(dir, name).map(there).collect());
    histories.keys().map(of).collect()
}

/// Prints to standard output; a reader that has gone away is no error.
pub(super) fn print(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
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

/// What is neither a terminal nor told how wide it is.
const WIDTH: usize = 100;

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
