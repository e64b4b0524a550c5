//! What came of a run.

use std::fmt;
use std::path::Path;

use super::error::Error;
use super::target::Target;
use crate::clause::result::{ClauseResult, RunVerdict, Verdict};
use crate::exit::{self, Failure};
use crate::run::audience::Nobody;
use crate::run::baseline::Baseline;
use crate::run::format::Format;
use crate::run::github;
use crate::run::judged::{Judged, Told};
use crate::run::prepared::Prepared;
use crate::run::run_dir::RunDir;
use crate::run::session::Session;

/// Columns of a report that no terminal shows.
const WIDTH: usize = 100;

/// What came of a run. It is stored in [`run_dir`](Self::run_dir), where `hotspec check` finds it. As text ([`Display`](fmt::Display))
/// it is the report for people, without colours.
pub struct Report {
    judged: Judged,
    baseline: Option<Baseline>,
    /// Nobody removes it while this lives.
    dir: RunDir,
}

impl Target {
    /// Starts it, restarts it under traffic, and judges what happened. Returns when all is over, which takes about as long as
    /// `hotspec run` does.
    ///
    /// # Errors
    /// There was no run. A target that did not start, or does not conform, is no error: the report tells.
    pub fn run(&self) -> Result<Report, Error> {
        let prepared = Prepared::of(self.asked()?)?.startable()?;
        let dir = RunDir::create(self.options.run_dir.as_deref())?;
        Ok(Report::of(&prepared, &Session::endless(), dir)?)
    }
}

impl Report {
    /// Makes the run, and stores what came of it.
    ///
    /// # Errors
    /// Something can't be written.
    pub(super) fn of(prepared: &Prepared, session: &Session, dir: RunDir) -> Result<Self, Failure> {
        let mut nobody = Nobody::default();
        let made = prepared.make(session, &dir, prepared.seed, &mut nobody);
        let judged = nobody.end(made?)?;
        judged.store(&dir.path)?;
        Ok(Self { judged, baseline: prepared.baseline().cloned(), dir })
    }

    /// What is said of the run, whatever its baseline.
    pub fn verdict(&self) -> RunVerdict {
        self.judged.result.verdict
    }

    /// Whether `hotspec run` would exit with 0: the verdict is [`Pass`](RunVerdict::Pass), or, with a baseline, nothing got worse. What
    /// could not be decided does not conform.
    pub fn is_conformant(&self) -> bool {
        self.story().status() == exit::CONFORMS
    }

    /// Panics unless the target [conforms](Self::is_conformant). The message is the report for people, which ends with the
    /// directory of the run; it has colours if standard error is a terminal.
    ///
    /// # Panics
    /// The target does not conform, or that could not be decided.
    #[track_caller]
    pub fn assert_conformant(&self) {
        let colour = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
        assert!(self.is_conformant(), "\n{}", self.told(colour));
    }

    /// Ids of the clauses that the target broke, of the level that counts; known deviations are none.
    pub fn broken(&self) -> Vec<&str> {
        let clauses = self.judged.result.clauses.iter();
        let broken = clauses
            .filter(|clause| clause.level <= self.judged.level && clause.verdict == Verdict::Fail)
            .map(|clause| clause.id.as_str());
        broken.collect()
    }

    /// The report in this format.
    ///
    /// # Errors
    /// hotspec's own fault.
    pub fn render(&self, format: Format) -> Result<String, Error> {
        Ok(self.story().text(format, (WIDTH, false))?)
    }

    /// Where the run is stored: its history, what the target wrote, and the results. Absolute.
    pub fn run_dir(&self) -> &Path {
        &self.dir.path
    }

    /// Whether the target conforms as far as one scenario goes: what this one does not reach others do.
    pub(super) fn is_conformant_in_part(&self) -> bool {
        let result = &self.judged.result;
        let is_open = |clause: &&ClauseResult| {
            clause.level <= self.judged.level && clause.verdict == Verdict::Inconclusive
        };
        let unreached = || result.clauses.iter().filter(is_open).all(ClauseResult::is_unreached);
        let in_part = self.baseline.is_none()
            && result.verdict == RunVerdict::Inconclusive
            && !result.interrupted
            && self.untested().is_none();
        self.is_conformant() || (in_part && unreached())
    }

    /// Why nothing was put to the test, if so: then a pass says nothing.
    pub(super) fn untested(&self) -> Option<String> {
        let clauses = &self.judged.result.clauses;
        if clauses.iter().any(|clause| matches!(clause.verdict, Verdict::Pass | Verdict::Known)) {
            return None;
        }
        let why = clauses.iter().flat_map(|clause| &clause.reasons).next().cloned();
        Some(why.unwrap_or_else(|| "nothing was put to the test".to_owned()))
    }

    /// The report for people, to be printed: in a workflow of GitHub's nothing in it is taken for a command.
    pub(super) fn told(&self, colour: bool) -> String {
        let text = self.story().text(Format::Human, (WIDTH, colour));
        let text = text.unwrap_or_else(|failure| failure.message);
        if github::is_there() { github::inert(&text) } else { text }
    }

    fn story(&self) -> Told<'_> {
        self.judged.told(&self.dir.path, self.baseline.as_ref())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Format::Human).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Report");
        shown.field("verdict", &self.verdict()).field("broken", &self.broken());
        shown.field("run_dir", &self.run_dir()).finish_non_exhaustive()
    }
}
