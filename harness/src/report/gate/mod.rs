//! For what reads a run in a pipeline. All formats show the same [`Case`]s: one for each clause and scenario that put it to the
//! test, and one for whatever else decides the exit status.
//!
//! - [`junit`]: JUnit XML, for CI systems
//! - [`tap`]: TAP 14
//! - [`summary`]: Markdown, for the page of a job
//! - [`annotations`]: workflow commands of GitHub Actions
//! - [`quality`]: GitLab's code quality report

use std::collections::BTreeSet;

use super::style::clean;
use super::{Evidence, compare, human};
use crate::clause::Level;
use crate::clause::compare::Comparison;
use crate::clause::result::{ClauseResult, RunResult, RunVerdict, Verdict};
use crate::clause::tally::Violation;
use crate::history::Micros;
use crate::history::event::Stop;

pub mod annotations;
pub mod junit;
pub mod quality;
pub mod summary;
pub mod tap;

/// The scenario of what is no scenario's.
const RUN: &str = "run";
/// What does not count with a baseline.
const SINCE_BEFORE: &str = "as it is in the baseline";

/// A run, taken apart into cases.
#[derive(Debug)]
pub struct Cases<'a> {
    /// The run.
    pub run: &'a RunResult,
    /// SHOULD counts as well.
    pub level: Level,
    /// The verdict in a sentence.
    pub sentence: String,
    /// By scenario in the order of the run, and there by clause in the order of the catalogue; last what is no scenario's.
    pub all: Vec<Case<'a>>,
}

/// One line of such a report.
#[derive(Debug)]
pub struct Case<'a> {
    /// The scenario, or `run`.
    pub scenario: &'a str,
    /// The clause, or what else it is about.
    pub name: String,
    /// The clause's level.
    pub level: Option<Level>,
    /// What came of it.
    pub outcome: Outcome<'a>,
}

/// What came of a case.
#[derive(Debug)]
pub enum Outcome<'a> {
    /// It was put to the test and held.
    Held,
    /// It was broken, which fails the run.
    Broken(Vec<&'a Violation>),
    /// The run fails for a reason that is no violation: a word, and why.
    Failed(&'static str, String),
    /// It could not be decided, or hotspec itself failed, which keeps the run from passing: a word, and why.
    Open(&'static str, String),
    /// It was broken in a way that is known, or that does not count: why, and by what.
    Forgiven(String, Vec<&'a Violation>),
    /// It says nothing: why.
    Left(String),
}

impl<'a> Cases<'a> {
    /// Of a run, judged at a level, and by what got worse if it is held against a baseline.
    pub fn of(
        run: &'a RunResult,
        level: Level,
        evidence: &Evidence<'_>,
        against: Option<&Comparison>,
    ) -> Self {
        let mut sentence = clean(human::sentence(run, evidence));
        if let Some(comparison) = against {
            sentence = format!("{} {sentence}", compare::sentence(comparison));
        }
        let mut all = Vec::new();
        for scenario in scenarios(run) {
            all.extend(run.clauses.iter().filter_map(|clause| tested(run, level, clause, scenario)));
        }
        all.extend(run.clauses.iter().filter_map(|clause| untested(level, clause)));
        all.extend(problems(run, &sentence));
        if let Some(comparison) = against {
            all.iter_mut().for_each(|case| case.spare(comparison));
        }
        Self { run, level, sentence, all }
    }

    /// The scenarios, each with its cases.
    pub fn by_scenario(&self) -> impl Iterator<Item = (&'a str, &[Case<'a>])> {
        self.all.chunk_by(|one, other| one.scenario == other.scenario).map(|cases| (cases[0].scenario, cases))
    }

    /// How long a scenario took, or, for `run`, all of them.
    pub fn took(&self, scenario: &str) -> Micros {
        let of = self.run.scenarios.iter().find(|time| time.name == scenario);
        of.map_or(if scenario == RUN { self.run.took_us } else { 0 }, |time| time.took_us)
    }
}

impl Case<'_> {
    /// What was so before fails nothing.
    fn spare(&mut self, comparison: &Comparison) {
        let is_here =
            |scenario: &Option<String>| scenario.as_deref().is_none_or(|name| name == self.scenario);
        let opened =
            || comparison.open.iter().any(|open| open.clause == self.name && is_here(&open.scenario));
        match &mut self.outcome {
            Outcome::Broken(violations) if comparison.had(&self.name, self.scenario) => {
                self.outcome = Outcome::Forgiven(SINCE_BEFORE.to_owned(), std::mem::take(violations));
            }
            Outcome::Failed("stale", why) if comparison.worse.iter().all(|change| change.kind != "stale") => {
                self.outcome = Outcome::Left(format!("{SINCE_BEFORE}: {why}"));
            }
            Outcome::Open("inconclusive", why) if !opened() => {
                self.outcome = Outcome::Left(format!("inconclusive, {SINCE_BEFORE}: {why}"));
            }
            _ => {}
        }
    }
}

/// Each once: those that were timed in their order, then those that are only spoken of.
fn scenarios(run: &RunResult) -> Vec<&str> {
    let mut seen = BTreeSet::new();
    let timed = run.scenarios.iter().map(|time| time.name.as_str());
    let told = run.clauses.iter().flat_map(|clause| clause.tested_in.iter().chain(&clause.undecided_in));
    let broken = run.clauses.iter().flat_map(|clause| clause.violations.iter().chain(&clause.known));
    timed
        .chain(told.map(String::as_str))
        .chain(broken.map(|violation| violation.scenario.as_str()))
        .filter(|name| seen.insert(*name))
        .collect()
}

/// What a scenario says of a clause, if anything.
fn tested<'a>(
    run: &'a RunResult,
    level: Level,
    clause: &'a ClauseResult,
    scenario: &'a str,
) -> Option<Case<'a>> {
    let here = |violations: &'a [Violation]| -> Vec<&'a Violation> {
        violations.iter().filter(|violation| violation.scenario == scenario).collect()
    };
    let (violations, known) = (here(&clause.violations), here(&clause.known));
    let is_in = |names: &[String]| names.iter().any(|name| name == scenario);
    let counts = clause.level <= level;
    let outcome = if !violations.is_empty() && counts {
        Outcome::Broken(violations)
    } else if !violations.is_empty() {
        Outcome::Forgiven("recommended only; it counts with --level should".to_owned(), violations)
    } else if is_in(&clause.undecided_in) && counts {
        Outcome::Open("inconclusive", clean(clause.reasons.join("; ")))
    } else if is_in(&clause.undecided_in) {
        Outcome::Left(clean(format!("recommended only, and inconclusive: {}", clause.reasons.join("; "))))
    } else if !known.is_empty() {
        Outcome::Forgiven(known_why(run, clause, scenario), known)
    } else if is_in(&clause.tested_in) {
        Outcome::Held
    } else {
        return None;
    };
    Some(Case { scenario, name: clean(&clause.id), level: Some(clause.level), outcome })
}

fn known_why(run: &RunResult, clause: &ClauseResult, scenario: &str) -> String {
    let entries = run.admitted.iter().filter(|known| known.clause == clause.id && known.scenario == scenario);
    let reasons: BTreeSet<&str> = entries.map(|known| known.reason.as_str()).collect();
    clean(format!("known: {}", reasons.into_iter().collect::<Vec<_>>().join("; ")))
}

/// What no scenario says anything of.
fn untested(level: Level, clause: &ClauseResult) -> Option<Case<'_>> {
    let spoken = [&clause.tested_in, &clause.undecided_in].iter().any(|names| !names.is_empty());
    if spoken || !clause.violations.is_empty() || !clause.known.is_empty() {
        return None;
    }
    let why = clean(clause.reasons.join("; "));
    let counts = clause.level <= level;
    let outcome = match clause.verdict {
        Verdict::Pass => Outcome::Held,
        Verdict::Inconclusive if counts => Outcome::Open("inconclusive", why),
        Verdict::Error => Outcome::Open("error", why),
        Verdict::Planned => Outcome::Left("planned: not built yet".to_owned()),
        verdict => Outcome::Left(format!("{}: {why}", verdict.as_str())),
    };
    Some(Case { scenario: RUN, name: clean(&clause.id), level: Some(clause.level), outcome })
}

/// What else decides the exit status.
fn problems<'a>(run: &'a RunResult, sentence: &str) -> Vec<Case<'a>> {
    let case = |name: String, outcome| Case { scenario: RUN, name, level: None, outcome };
    let mut cases: Vec<Case<'_>> = run
        .problems
        .iter()
        .map(|problem| {
            let word = match problem.stage {
                Stop::Start => "did-not-start",
                Stop::Control => "fails-without-restart",
                Stop::Harness => "error",
            };
            case(
                format!("{word}: {}", clean(&problem.scenario)),
                Outcome::Open(word, clean(&problem.message)),
            )
        })
        .collect();
    cases.extend(run.stale.iter().map(|known| {
        let name = format!("known: {} in {} ({})", known.clause, known.scenario, known.kind);
        let why = "this deviation is called known, and was not seen any more: take it out of the target file";
        case(clean(name), Outcome::Failed("stale", why.to_owned()))
    }));
    if run.interrupted {
        let why = "the run was broken off before its end; what there is was judged";
        cases.push(case("interrupted".to_owned(), Outcome::Open("interrupted", why.to_owned())));
    }
    let told = |wanted: fn(&Outcome<'_>) -> bool| cases.iter().any(|case| wanted(&case.outcome));
    if run.verdict == RunVerdict::Inconclusive && !told(|outcome| matches!(outcome, Outcome::Open(..))) {
        cases.push(case("verdict".to_owned(), Outcome::Open("inconclusive", sentence.to_owned())));
    }
    cases
}

/// What was seen on whom, in one line.
fn line(violation: &Violation) -> String {
    let lane = violation.lane.as_deref().unwrap_or("the target");
    clean(format!("{lane}: {} ({}, {})", violation.seen, violation.phase, violation.process))
}

/// All that is to be said of one, in lines.
fn lines(violation: &Violation) -> Vec<String> {
    let mut lines = vec![line(violation), format!("  expected: {}", clean(&violation.expected))];
    if let Some(cause) = &violation.cause {
        lines.push(format!("  cause: {}", clean(&cause.text)));
    }
    lines
}

/// How many violations are shown of each case.
const SHOWN: usize = 20;

/// The violations of a case in lines, and how many more there are.
fn told(violations: &[&Violation]) -> Vec<String> {
    let mut told: Vec<String> = violations.iter().take(SHOWN).flat_map(|one| lines(one)).collect();
    if violations.len() > SHOWN {
        told.push(format!("and {} more", violations.len() - SHOWN));
    }
    told
}

#[cfg(test)]
mod tests;
