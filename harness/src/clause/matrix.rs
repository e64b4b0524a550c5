//! What many runs of many targets come to: a row for each target, a cell for each group of clauses. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::result::{ClauseResult, RunResult, RunVerdict, Verdict};
use super::tally::Violation;
use super::{Level, registry};
use crate::declaration::{Known, Profile};

/// A table of targets and groups.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Matrix {
    /// Its columns, in the catalogue's order.
    pub groups: Vec<String>,
    /// Its rows, in the order in which they were asked for.
    pub rows: Vec<Row>,
}

/// A target in all of its runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Its name.
    pub target: String,
    /// What it is, in a line.
    pub title: String,
    /// What it is judged by.
    pub profile: Profile,
    /// What its program says of its version.
    pub version: Option<String>,
    /// Runs that were judged.
    pub runs: u64,
    /// Restarts that were judged in them.
    pub restarts: u64,
    /// Why there is no run, or why runs are left out.
    pub troubles: Vec<String>,
    /// By group.
    pub cells: BTreeMap<String, Cell>,
    /// What was broken, in the catalogue's order.
    pub findings: Vec<Finding>,
}

/// What the clauses of one group come to: in how many runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// A MUST was broken.
    pub failed: u64,
    /// A SHOULD was broken.
    pub should_failed: u64,
    /// One was broken as the target file says.
    pub known: u64,
    /// A MUST was left undecided.
    pub open: u64,
    /// One was put to the test and held.
    pub held: u64,
}

/// One way in which a clause was broken.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// The clause.
    pub clause: String,
    /// Its level in the target's profile.
    pub level: Level,
    /// The kind of violation.
    pub kind: String,
    /// In how many runs.
    pub runs: u64,
    /// How often in all.
    pub times: u64,
    /// In which scenarios.
    pub scenarios: BTreeSet<String>,
    /// In which of its phases: how often, and when the first time (`T0+31.2 ms`).
    pub phases: BTreeMap<String, (u64, String)>,
    /// An example: what was expected …
    pub expected: String,
    /// … and seen …
    pub seen: String,
    /// … and the cause that hotspec names, with what it is told from.
    pub cause: Option<(String, Vec<String>)>,
    /// The directory of the run that the example is from.
    pub run: String,
    /// The target file's own word on it.
    pub known: Option<Known>,
}

impl Matrix {
    /// Of no target yet.
    pub fn new() -> Self {
        let mut groups: Vec<String> = Vec::new();
        for clause in registry::all().into_iter().filter(|clause| clause.judge.is_some()) {
            if !groups.iter().any(|group| group == clause.group()) {
                groups.push(clause.group().to_owned());
            }
        }
        Self { groups, rows: Vec::new() }
    }
}

impl Row {
    /// Of a target that was not run yet.
    pub fn new(target: &str, title: &str, profile: Profile) -> Self {
        Self {
            target: target.to_owned(),
            title: title.to_owned(),
            profile,
            version: None,
            runs: 0,
            restarts: 0,
            troubles: Vec::new(),
            cells: BTreeMap::new(),
            findings: Vec::new(),
        }
    }

    /// Adds a run, which is stored in `dir`. One that could not be judged is told, and adds nothing.
    pub fn add(&mut self, run: &RunResult, dir: &str) {
        self.version = self.version.take().or_else(|| run.version.clone());
        if matches!(run.verdict, RunVerdict::Invalid | RunVerdict::Error) || run.interrupted {
            let why = run.problems.first().map_or("it was broken off", |problem| &problem.message);
            let why = format!("{dir}: {why}");
            if !self.troubles.contains(&why) {
                self.troubles.push(why);
            }
            return;
        }
        self.runs += 1;
        self.restarts += run.restarts.iter().filter(|restart| restart.tr_us.is_some()).count() as u64;
        let mut cells: BTreeMap<String, Cell> = BTreeMap::new();
        for clause in &run.clauses {
            let group = clause.id.split('.').next().unwrap_or_default().to_owned();
            cells.entry(group).or_default().note(clause);
        }
        for (group, cell) in cells {
            self.cells.entry(group).or_default().add(&cell);
        }
        for clause in &run.clauses {
            self.find(clause, &clause.violations, run, dir, false);
            self.find(clause, &clause.known, run, dir, true);
        }
        let order: Vec<&str> = registry::all().into_iter().map(|clause| clause.id).collect();
        let place = |id: &str| order.iter().position(|other| *other == id);
        self.findings.sort_by_key(|finding| {
            (finding.known.is_some(), finding.level, place(&finding.clause), finding.kind.clone())
        });
    }

    fn find(&mut self, clause: &ClauseResult, broken: &[Violation], run: &RunResult, dir: &str, known: bool) {
        let mut counted: BTreeSet<&str> = BTreeSet::new();
        for violation in broken {
            let admitted = |one: &&Known| {
                (&one.clause, &one.scenario, &one.kind) == (&clause.id, &violation.scenario, &violation.kind)
            };
            let entry = run.admitted.iter().find(admitted).filter(|_| known);
            let same = |one: &Finding| {
                one.clause == clause.id && one.kind == violation.kind && one.known.is_some() == known
            };
            let at = self.findings.iter().position(same).unwrap_or_else(|| {
                self.findings.push(Finding::of(clause, violation, dir, entry.cloned()));
                self.findings.len() - 1
            });
            let Some(finding) = self.findings.get_mut(at) else { continue };
            finding.times += 1;
            finding.runs += u64::from(counted.insert(&violation.kind));
            finding.scenarios.insert(violation.scenario.clone());
            let (phase, at) = violation.phase.split_once(", ").unwrap_or((&violation.phase, ""));
            finding.phases.entry(phase.to_owned()).or_insert_with(|| (0, at.to_owned())).0 += 1;
            if finding.cause.is_none()
                && let Some(cause) = &violation.cause
            {
                finding.cause = Some((cause.text.clone(), cause.evidence.clone()));
                (finding.expected, finding.seen) = (violation.expected.clone(), violation.seen.clone());
                dir.clone_into(&mut finding.run);
            }
        }
    }
}

impl Finding {
    fn of(clause: &ClauseResult, violation: &Violation, dir: &str, known: Option<Known>) -> Self {
        Self {
            clause: clause.id.clone(),
            level: clause.level,
            kind: violation.kind.clone(),
            runs: 0,
            times: 0,
            scenarios: BTreeSet::new(),
            phases: BTreeMap::new(),
            expected: violation.expected.clone(),
            seen: violation.seen.clone(),
            cause: None,
            run: dir.to_owned(),
            known,
        }
    }
}

impl Cell {
    /// A clause of this group in one run.
    fn note(&mut self, clause: &ClauseResult) {
        let must = clause.level == Level::Must;
        match clause.verdict {
            Verdict::Fail if must => self.failed = 1,
            Verdict::Fail => self.should_failed = 1,
            Verdict::Known => self.known = 1,
            Verdict::Inconclusive | Verdict::Error if must => self.open = 1,
            Verdict::Pass => self.held = 1,
            _ => {}
        }
    }

    fn add(&mut self, run: &Cell) {
        self.failed += run.failed;
        self.should_failed += run.should_failed;
        self.known += run.known;
        self.open += run.open;
        self.held += run.held;
    }

    /// What it comes to in so many runs: the worst word, and in how many of them, if not in all.
    pub fn word(&self, runs: u64) -> (Verdict, String) {
        let words = [
            (self.failed, Verdict::Fail, "fail"),
            (self.known, Verdict::Known, "known"),
            (self.open, Verdict::Inconclusive, "open"),
            (self.should_failed, Verdict::Pass, "should"),
            (self.held, Verdict::Pass, "pass"),
        ];
        let Some((number, verdict, word)) = words.into_iter().find(|(number, ..)| *number > 0) else {
            return (Verdict::Unsupported, "–".to_owned());
        };
        let often = word == "pass" || number == runs;
        (verdict, if often { word.to_owned() } else { format!("{word} {number}/{runs}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_word_stands_in_a_cell_and_in_how_many_runs() {
        let word = |cell: Cell| cell.word(3).1;
        assert_eq!(word(Cell::default()), "–");
        assert_eq!(word(Cell { held: 3, ..Cell::default() }), "pass");
        assert_eq!(word(Cell { held: 2, ..Cell::default() }), "pass");
        assert_eq!(word(Cell { held: 3, should_failed: 1, ..Cell::default() }), "should 1/3");
        assert_eq!(word(Cell { held: 3, open: 3, ..Cell::default() }), "open");
        assert_eq!(word(Cell { held: 3, open: 1, known: 2, ..Cell::default() }), "known 2/3");
        assert_eq!(word(Cell { failed: 1, open: 1, known: 3, held: 3, ..Cell::default() }), "fail 1/3");
    }

    #[test]
    fn groups_stand_in_the_catalogues_order_and_once() {
        let groups = Matrix::new().groups;
        assert_eq!(groups.first().map(String::as_str), Some("availability"));
        assert_eq!(groups.iter().collect::<BTreeSet<_>>().len(), groups.len());
    }
}
