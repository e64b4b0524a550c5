//! A stored run, judged, and what can be told of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::baseline::Baseline;
use super::format::Format;
use super::run_dir::{self, Files, MANIFEST};
use crate::clause::Level;
use crate::clause::compare::Comparison;
use crate::clause::judge::{self, Recorded};
use crate::clause::result::{ClauseResult, Problem, RunResult, RunVerdict, Verdict};
use crate::exit::{self, Failure};
use crate::history::event::Stop;
use crate::history::{Event, file};
use crate::manifest::Manifest;
use crate::report::gate::{self, Cases};
use crate::report::style::clean;
use crate::report::{self, Evidence, Human};
use crate::witness::packets::pcapng;

/// The end of a target's output that is shown.
const TAIL_BYTES: u64 = 8 << 10;
/// Results are stored under this name.
pub(crate) const RESULTS: &str = "results.json";

/// A stored run, judged.
pub(crate) struct Judged {
    pub(crate) result: RunResult,
    /// Histories that were cut off, for people; clean.
    pub(crate) notices: Vec<String>,
    // By scenario, one for each attempt. The output is that of the last.
    histories: BTreeMap<String, Vec<Vec<Event>>>,
    outputs: BTreeMap<String, Vec<u8>>,
    /// SHOULD counts as well.
    pub(crate) level: Level,
}

/// Reads a run directory and judges what is in it.
///
/// # Errors
/// A file that can't be read or is of another schema.
pub(crate) fn judge(dir: &Path) -> Result<Judged, Failure> {
    let manifest = Manifest::read(&dir.join(MANIFEST)).map_err(bad_file)?;
    let mut histories: BTreeMap<String, Vec<Vec<Event>>> = BTreeMap::new();
    let mut outputs = BTreeMap::new();
    let (mut recorded, mut notices) = (Vec::new(), Vec::new());
    for entry in manifest.scenarios.iter().filter(|entry| entry.unsupported.is_none()) {
        // No history if the run was broken off before this scenario began.
        for files in Files::made(dir, &entry.name) {
            if fs::metadata(&files.history).is_ok_and(|history| history.len() == 0) {
                let history = clean(files.history.display().to_string());
                notices.push(format!("{history}: nothing is in it; it was left out"));
                continue;
            }
            let stored = file::read(&files.history).map_err(bad_file)?;
            notices.extend(stored.cut.map(clean));
            recorded.push(Recorded { entry, events: stored.events });
            outputs.insert(entry.name.clone(), tail(&files.output));
        }
    }
    let result = judge::judge(&manifest, &recorded);
    for one in recorded {
        histories.entry(one.entry.name.clone()).or_default().push(one.events);
    }
    Ok(Judged { result, notices, histories, outputs, level: manifest.level })
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

impl Judged {
    /// The histories of each scenario, one for each attempt.
    pub(crate) fn histories(&self) -> &BTreeMap<String, Vec<Vec<Event>>> {
        &self.histories
    }

    /// Scenarios that another attempt may decide: those on which the verdict still hangs and, if it is a fail by now, those in
    /// which the machine kept other clauses from being judged. A target that did start in others may have
    /// been too slow in one, or found its port taken.
    pub(crate) fn undecided(&self, baseline: Option<&Baseline>) -> BTreeSet<String> {
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
        let open_in = |clause: &'_ ClauseResult| -> Vec<String> {
            match (self.result.verdict, clause.verdict) {
                (RunVerdict::Inconclusive, _) => clause.undecided_in.clone(),
                // The verdict stands. What the target left open may be its way of failing; what the machine did is not.
                (RunVerdict::Fail, Verdict::Inconclusive) => clause.disturbed_in.clone(),
                _ => Vec::new(),
            }
        };
        let counting = self.result.clauses.iter().filter(|clause| clause.level <= self.level);
        counting.flat_map(open_in).collect()
    }

    /// What can be told of it, beside its baseline.
    pub(crate) fn told<'a>(&'a self, dir: &'a Path, baseline: Option<&'a Baseline>) -> Told<'a> {
        let against = baseline.map(|baseline| (baseline, baseline.compared(self)));
        Told { judged: self, dir, packets: packets(dir, &self.histories), against }
    }

    /// Stores the results.
    ///
    /// # Errors
    /// They can't be written.
    pub(crate) fn store(&self, dir: &Path) -> Result<(), Failure> {
        let results = dir.join(RESULTS);
        let json = report::json::json(&self.result).map_err(Failure::own)?;
        run_dir::replace(&results, &json).map_err(|error| {
            let todo = "make room there, or name another place by --run-dir";
            Failure::own(format!("failed to write {}: {error}; {todo}", results.display()))
        })
    }

    /// Adds what kept scenarios from being stored, so that they could not be judged by all that they showed.
    pub(crate) fn add_problems(&mut self, problems: Vec<Problem>, broken_off: bool) {
        if problems.is_empty() {
            return;
        }
        self.result.verdict = RunVerdict::Error;
        // Those that were not begun any more were left out for that, and nobody broke the run off.
        self.result.interrupted = broken_off;
        self.result.problems.extend(problems);
    }
}

/// A run as it is told.
pub(crate) struct Told<'a> {
    judged: &'a Judged,
    dir: &'a Path,
    packets: Packets,
    /// A baseline, and what got worse and better since.
    against: Option<(&'a Baseline, Comparison)>,
}

impl Told<'_> {
    /// A report in this format: for people with so many columns, coloured or not. With a baseline it says what got worse.
    ///
    /// # Errors
    /// hotspec's own fault.
    pub(crate) fn text(&self, format: Format, (width, colour): (usize, bool)) -> Result<String, Failure> {
        let Judged { result, histories, outputs, level, .. } = self.judged;
        let evidence = Evidence { histories, outputs, packets: &self.packets, run_dir: self.dir };
        let comparison = self.against.as_ref().map(|(_, comparison)| comparison);
        let cases = || Cases::of(result, *level, &evidence, comparison);
        Ok(match format {
            Format::Json => report::json::json(result).map_err(Failure::own)?,
            Format::Human => {
                let mut text = Human { width, colour }.render(result, &evidence);
                if let Some((baseline, comparison)) = &self.against {
                    text.push('\n');
                    text.push_str(&report::compare::render(comparison, &baseline.name, width, colour));
                }
                text
            }
            Format::Html => report::html::html(result, &evidence, &read(&self.packets)),
            Format::Junit => gate::junit::junit(&cases()),
            Format::Tap => gate::tap::tap(&cases()),
            Format::Markdown => gate::summary::summary(&cases()),
            Format::Github => gate::annotations::annotations(&cases()),
            Format::Gitlab => gate::quality::quality(&cases()).map_err(Failure::own)?,
        })
    }

    /// The exit status: with a baseline by what got worse.
    pub(crate) fn status(&self) -> u8 {
        let result = &self.judged.result;
        self.against
            .as_ref()
            .map_or_else(|| exit::of_run(result), |(_, comparison)| comparison.status(result))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::human::sample;

    /// The scenarios to attempt again of a run that came to this, with a clause that two scenarios left open, one of them by the
    /// machine's doing.
    fn again(mut result: RunResult) -> Vec<String> {
        let open = result.clauses.iter_mut().find(|clause| clause.verdict == Verdict::Inconclusive);
        let open = open.expect("a clause is open");
        open.undecided_in = vec!["idle-silent".to_owned(), "new-connections".to_owned()];
        open.disturbed_in = vec!["new-connections".to_owned()];
        let (histories, outputs) = (BTreeMap::new(), BTreeMap::new());
        let judged = Judged { result, notices: Vec::new(), histories, outputs, level: Level::Must };
        judged.undecided(None).into_iter().collect()
    }

    #[test]
    fn all_that_is_open_is_attempted_again() {
        assert_eq!(again(sample::inconclusive()), ["idle-silent", "new-connections"]);
    }

    #[test]
    fn of_a_run_that_fails_only_what_the_machine_left_open_is() {
        let failing = sample::failing();
        assert_eq!(again(failing.clone()), ["new-connections"]);
        let mut should = failing;
        for open in should.clauses.iter_mut().filter(|clause| clause.verdict == Verdict::Inconclusive) {
            open.level = Level::Should;
        }
        assert_eq!(again(should), [""; 0], "what does not count is not worth an attempt");
    }

    #[test]
    fn a_run_with_no_verdict_on_the_target_is_not() {
        let mut broken = sample::failing();
        broken.verdict = RunVerdict::Error;
        assert_eq!(again(broken), [""; 0]);
    }
}
