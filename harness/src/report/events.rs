//! For programs that watch a run: one line of JSON for each thing that happens, while it happens. `schema/events.json` says what
//! each holds.

use std::collections::BTreeMap;

use serde::Serialize;

use super::json::harmless;
use crate::clause::Level;
use crate::clause::result::{ClauseResult, Problem, RunResult, RunVerdict, Verdict};
use crate::clause::tally::Violation;
use crate::declaration::Profile;
use crate::history::Micros;
use crate::history::event::Stop;
use crate::manifest::Manifest;

/// The schema of these lines.
pub const SCHEMA: u32 = 1;

/// One line. Each scenario and attempt begins, tells what it does, and is over; several do so at a time.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Line<'a> {
    /// The first of all: what will be run.
    RunBegun(Begun<'a>),
    /// An attempt at a scenario begins: its target is started.
    ScenarioBegun {
        /// Which.
        #[serde(flatten)]
        of: Of<'a>,
    },
    /// It does something else from now on.
    Phase {
        /// Which.
        #[serde(flatten)]
        of: Of<'a>,
        /// What it does.
        phase: &'a str,
    },
    /// An instant of a restart is known to have come.
    Instant {
        /// Which.
        #[serde(flatten)]
        of: Of<'a>,
        /// T0, Tr, Td or Tx.
        instant: &'a str,
        /// Of which restart of this attempt, counted from 1.
        restart: u32,
    },
    /// It is over.
    ScenarioOver {
        /// Which.
        #[serde(flatten)]
        of: Of<'a>,
        /// Whether and how it came to its end.
        ended: Ended,
        /// What was expected, what was seen, what to do, where it failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<&'a str>,
        /// Connections that were begun.
        connections: u32,
        /// Restarts that were triggered.
        restarts: u32,
    },
    /// What is said of a clause, after all attempts.
    Clause(Said<'a>),
    /// The last of all.
    RunOver(Over<'a>),
    /// The last of all, where hotspec could not judge.
    RunFailed {
        /// The exit status.
        status: u8,
        /// What was expected, what was seen, what to do.
        message: &'a str,
    },
}

/// Which attempt at which scenario, and when.
#[derive(Debug, Serialize)]
pub struct Of<'a> {
    /// The scenario.
    pub scenario: &'a str,
    /// Counted from 1.
    pub attempt: u32,
    /// On the run's clock.
    pub at_us: Micros,
}

/// How a scenario ended.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// It came to its end.
    Complete,
    /// The user broke it off.
    Interrupted,
    /// The target did not start.
    FailedToStart,
    /// The same fails with no restart.
    FailedInControl,
    /// hotspec's own fault.
    FailedInHarness,
}

impl From<Stop> for Ended {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Start => Ended::FailedToStart,
            Stop::Control => Ended::FailedInControl,
            Stop::Harness => Ended::FailedInHarness,
        }
    }
}

/// What will be run.
#[derive(Debug, Serialize)]
pub struct Begun<'a> {
    schema: u32,
    hotspec: &'a str,
    target: &'a str,
    command: &'a [String],
    profile: Profile,
    level: Level,
    seed: u64,
    isolation: &'a str,
    run_dir: &'a str,
    clauses: usize,
    scenarios: Vec<&'a str>,
    unsupported: BTreeMap<&'a str, &'a str>,
}

impl<'a> Begun<'a> {
    /// Of a run that is stored in this directory.
    pub fn of(manifest: &'a Manifest, run_dir: &'a str) -> Self {
        let unsupported =
            |why: bool| manifest.scenarios.iter().filter(move |one| one.unsupported.is_some() == why);
        let whys =
            unsupported(true).map(|one| (one.name.as_str(), one.unsupported.as_deref().unwrap_or_default()));
        Self {
            schema: SCHEMA,
            hotspec: &manifest.hotspec,
            target: &manifest.target,
            command: &manifest.command,
            profile: manifest.profile,
            level: manifest.level,
            seed: manifest.seed,
            isolation: &manifest.isolation,
            run_dir,
            clauses: manifest.clauses.len(),
            scenarios: unsupported(false).map(|one| one.name.as_str()).collect(),
            unsupported: whys.collect(),
        }
    }
}

/// What is said of a clause. All of it is in the report; this is for those who watch.
#[derive(Debug, Serialize)]
pub struct Said<'a> {
    id: &'a str,
    level: Level,
    verdict: Verdict,
    exercised: u64,
    violations: usize,
    known: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<&'a Violation>,
    reasons: &'a [String],
    undecided_in: &'a [String],
}

impl<'a> From<&'a ClauseResult> for Said<'a> {
    fn from(clause: &'a ClauseResult) -> Self {
        Self {
            id: &clause.id,
            level: clause.level,
            verdict: clause.verdict,
            exercised: clause.exercised,
            violations: clause.violations.len(),
            known: clause.known.len(),
            first: clause.violations.first(),
            reasons: &clause.reasons,
            undecided_in: &clause.undecided_in,
        }
    }
}

/// What a run comes to.
#[derive(Debug, Serialize)]
pub struct Over<'a> {
    verdict: RunVerdict,
    status: u8,
    interrupted: bool,
    clauses: BTreeMap<&'a str, usize>,
    restarts: usize,
    took_us: Micros,
    problems: &'a [Problem],
}

/// What is said of each clause.
pub fn clauses(run: &RunResult) -> impl Iterator<Item = Line<'_>> {
    run.clauses.iter().map(|clause| Line::Clause(clause.into()))
}

/// What the run comes to; the program ends with this status.
pub fn over(run: &RunResult, status: u8) -> Line<'_> {
    let mut clauses = BTreeMap::new();
    for clause in &run.clauses {
        *clauses.entry(clause.verdict.as_str()).or_default() += 1;
    }
    Line::RunOver(Over {
        verdict: run.verdict,
        status,
        interrupted: run.interrupted,
        clauses,
        restarts: run.restarts.len(),
        took_us: run.took_us,
        problems: &run.problems,
    })
}

/// The line as it is written, with its end. What would steer or deceive its reader is escaped, as in the report.
///
/// # Errors
/// As serde_json; a line gives none.
pub fn render(line: &Line<'_>) -> Result<String, serde_json::Error> {
    let mut text = harmless(&serde_json::to_string(line)?);
    text.push('\n');
    Ok(text)
}
