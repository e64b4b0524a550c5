//! What many runs come to together. Pure: results in, a sum out.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Level;
use super::accounts::Resets;
use super::result::{Restart, RunResult, RunVerdict, Verdict};
use super::tally::Violation;
use crate::declaration::Profile;
use crate::exit;
use crate::history::Micros;
use crate::manifest::SCHEMA;

/// So many runs in a row that judged no restart at all show that none will come of it.
const BARREN_MAX: u32 = 3;

/// Several runs of one selection against one target, added up.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sum {
    /// The schema of this structure.
    pub schema: u32,
    /// The version of hotspec that made the runs.
    pub hotspec: String,
    /// The target's name.
    pub target: String,
    /// The profile that it is judged by.
    pub profile: Profile,
    /// Whether SHOULD counts as well.
    pub level: Level,
    /// The seed of the first run's plan; the following numbers are those of the following runs.
    pub seed: u64,
    /// Runs.
    pub passes: u64,
    /// Those of them that left something undecided.
    pub undecided: u64,
    /// Restarts that were judged.
    pub restarts: u64,
    /// Those of them in which a clause was broken that counts.
    pub broken: u64,
    /// Those of them in which a clause was broken as the target file says.
    pub known: u64,
    /// Connections from T0 on, of the restarts that were judged.
    pub connections: u64,
    /// Requests from T0 on, of the same.
    pub requests: u64,
    /// Resets of the target's side.
    #[serde(default)]
    pub resets: SumOfResets,
    /// By scenario, the longest stretch from T0 to Tx with no connect under way.
    pub unprobed_us: BTreeMap<String, Micros>,
    /// By clause that counts, the scenarios in which no run could decide it.
    pub open: BTreeMap<String, BTreeSet<String>>,
    /// Runs that failed, or could not be judged.
    pub failures: Vec<Failed>,
    /// It was broken off.
    pub interrupted: bool,
    /// From the beginning until now.
    pub took_us: Micros,
    /// Runs in a row that judged no restart.
    #[serde(default)]
    pub barren: u32,
}

/// The resets that the target's side sent in many restarts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SumOfResets {
    /// Restarts in which the target's side had its resets counted by the kernel.
    pub counted_in: u64,
    /// Those of them in which it sent none: OutRsts did not grow.
    pub none_in: u64,
    /// OutRsts of the others.
    pub counted: u64,
    /// What was heard of them on the wire, by what it was.
    pub heard: Resets,
}

impl SumOfResets {
    fn add(&mut self, restart: &Restart) {
        let Some(counted) = restart.resets_counted else { return };
        self.counted_in += 1;
        self.none_in += u64::from(counted == 0);
        self.counted = self.counted.saturating_add(counted);
        self.heard.add(restart.resets.unwrap_or_default());
    }
}

/// A run that failed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failed {
    /// Which, counted from 1.
    pub pass: u64,
    /// The seed of its plan.
    pub seed: u64,
    /// What is said of it.
    pub verdict: RunVerdict,
    /// The clauses that it broke, or what kept it from being judged.
    pub why: Vec<String>,
    /// Its directory, if it is kept.
    pub dir: Option<String>,
}

impl Sum {
    /// Of no run yet.
    pub fn new(target: &str, profile: Profile, level: Level, seed: u64) -> Self {
        Self {
            schema: SCHEMA,
            hotspec: env!("CARGO_PKG_VERSION").to_owned(),
            target: target.to_owned(),
            profile,
            level,
            seed,
            passes: 0,
            undecided: 0,
            restarts: 0,
            broken: 0,
            known: 0,
            connections: 0,
            requests: 0,
            resets: SumOfResets::default(),
            unprobed_us: BTreeMap::new(),
            open: BTreeMap::new(),
            failures: Vec::new(),
            interrupted: false,
            took_us: 0,
            barren: 0,
        }
    }

    /// Adds a run. Returns whether it failed, or could not be judged.
    pub fn add(&mut self, run: &RunResult) -> bool {
        self.passes += 1;
        self.interrupted |= run.interrupted;
        let before = self.restarts;
        self.add_restarts(run);
        self.barren = if self.restarts == before { self.barren + 1 } else { 0 };
        self.undecided += u64::from(run.verdict == RunVerdict::Inconclusive && !run.interrupted);
        if !run.interrupted {
            self.close(run);
        }
        let failed = matches!(run.verdict, RunVerdict::Fail | RunVerdict::Invalid | RunVerdict::Error);
        if failed {
            let why = self.why(run);
            let (pass, seed) = (self.passes, run.seed);
            self.failures.push(Failed { pass, seed, verdict: run.verdict, why, dir: None });
        }
        failed
    }

    fn add_restarts(&mut self, run: &RunResult) {
        let counts = run.clauses.iter().filter(|clause| clause.level <= self.level);
        let violations: Vec<&Violation> = counts.flat_map(|clause| &clause.violations).collect();
        let known: Vec<&Violation> = run.clauses.iter().flat_map(|clause| &clause.known).collect();
        for (number, restart) in run.restarts.iter().enumerate() {
            let within = |violation: &&Violation| belongs(violation, run, number);
            let broken = violations.iter().any(within);
            if !broken && !run.is_decided(restart) {
                continue;
            }
            self.restarts += 1;
            self.broken += u64::from(broken);
            self.known += u64::from(known.iter().any(within));
            self.connections += restart.lanes;
            self.requests += restart.requests;
            self.resets.add(restart);
            if let Some(gap) = restart.unprobed_us {
                let longest = self.unprobed_us.entry(restart.scenario.clone()).or_default();
                *longest = (*longest).max(gap);
            }
        }
    }

    /// What one run leaves open is decided if another one decides it.
    fn close(&mut self, run: &RunResult) {
        for clause in run.clauses.iter().filter(|clause| clause.level <= self.level) {
            let undecided = || clause.undecided_in.iter().cloned().collect::<BTreeSet<String>>();
            let open = clause.verdict == Verdict::Inconclusive;
            match self.open.get_mut(&clause.id) {
                Some(scenarios) if open => scenarios.retain(|name| clause.undecided_in.contains(name)),
                Some(scenarios) => scenarios.clear(),
                None => {
                    let scenarios = if open { undecided() } else { BTreeSet::new() };
                    self.open.insert(clause.id.clone(), scenarios);
                }
            }
        }
    }

    fn why(&self, run: &RunResult) -> Vec<String> {
        if let Some(problem) = run.problems.first() {
            return vec![format!("{}: {}", problem.scenario, problem.message)];
        }
        let broken = |verdict| matches!(verdict, Verdict::Fail | Verdict::Error);
        let counts = run.clauses.iter().filter(|clause| clause.level <= self.level);
        let ids = counts.filter(|clause| broken(clause.verdict)).map(|clause| clause.id.clone());
        let stale = run.stale.iter().map(|known| format!("{} (known, and not seen)", known.clause));
        ids.chain(stale).collect()
    }

    /// Clauses that count and that no run could decide.
    pub fn undecided_clauses(&self) -> Vec<&str> {
        self.open.iter().filter(|(_, open)| !open.is_empty()).map(|(id, _)| id.as_str()).collect()
    }

    /// Whether no restart will ever be judged.
    pub fn is_barren(&self) -> bool {
        self.barren >= BARREN_MAX
    }

    /// What is said of all runs together.
    pub fn verdict(&self) -> RunVerdict {
        let any = |verdict| self.failures.iter().any(|failed| failed.verdict == verdict);
        let worst = [RunVerdict::Error, RunVerdict::Fail, RunVerdict::Invalid];
        if let Some(verdict) = worst.into_iter().find(|verdict| any(*verdict)) {
            return verdict;
        }
        let open = self.restarts == 0 || !self.undecided_clauses().is_empty();
        if open { RunVerdict::Inconclusive } else { RunVerdict::Pass }
    }

    /// The exit status.
    pub fn status(&self) -> u8 {
        if self.interrupted { exit::INTERRUPTED } else { exit::of_verdict(self.verdict()) }
    }
}

/// Whether a breach was in the time of this restart: from its T0 to the next one's of the same scenario. What was before the
/// first one's belongs to that.
fn belongs(violation: &Violation, run: &RunResult, number: usize) -> bool {
    let restart = &run.restarts[number];
    let begun = |restart: &Restart| restart.t0_us.map_or(0, |t0| t0.lo);
    let same = run.restarts.iter().enumerate().filter(|(_, other)| other.scenario == restart.scenario);
    let same: Vec<usize> = same.map(|(number, _)| number).collect();
    let last = same.iter().filter(|one| begun(&run.restarts[**one]) <= violation.at_us).max();
    violation.scenario == restart.scenario && last.or(same.first()) == Some(&number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::human::sample;

    fn sum() -> Sum {
        Sum::new("nginx", Profile::Falcore, Level::Must, 1)
    }

    #[test]
    fn runs_that_pass_add_up_and_nothing_stays_open() {
        let (mut sum, run) = (sum(), sample::passing());
        assert!(!sum.add(&run) && !sum.add(&run));
        let decided = run.restarts.iter().filter(|restart| run.is_decided(restart)).count() as u64;
        assert!(decided > 0);
        assert_eq!((sum.passes, sum.restarts, sum.broken), (2, 2 * decided, 0));
        assert_eq!((sum.verdict(), sum.status()), (RunVerdict::Pass, exit::CONFORMS));
    }

    #[test]
    fn a_run_that_fails_is_told_and_its_broken_restarts_are_counted() {
        let mut sum = sum();
        assert!(sum.add(&sample::failing()));
        assert!(sum.broken > 0 && sum.broken <= sum.restarts, "{sum:?}");
        assert_eq!((sum.failures[0].pass, sum.verdict()), (1, RunVerdict::Fail));
        sum.add(&sample::passing());
        assert_eq!((sum.failures.len(), sum.status()), (1, exit::BREAKS));
    }

    #[test]
    fn what_one_run_leaves_open_is_closed_by_another_that_decides_it() {
        let (mut sum, mut open) = (sum(), sample::inconclusive());
        for clause in open.clauses.iter_mut().filter(|clause| clause.verdict == Verdict::Inconclusive) {
            clause.undecided_in = vec!["idle-silent".to_owned()];
        }
        assert!(!sum.add(&open), "what could not be decided is no failure");
        assert_eq!((sum.undecided, sum.verdict()), (1, RunVerdict::Inconclusive));
        let mut decided = open.clone();
        for clause in &mut decided.clauses {
            if clause.verdict == Verdict::Inconclusive {
                clause.verdict = Verdict::Pass;
                clause.undecided_in.clear();
            }
        }
        decided.verdict = RunVerdict::Pass;
        sum.add(&decided);
        assert!(sum.undecided_clauses().is_empty());
        // And does not open again.
        sum.add(&open);
        assert!(sum.undecided_clauses().is_empty());
    }

    #[test]
    fn runs_that_judge_no_restart_come_to_an_end() {
        let mut sum = sum();
        for number in 1..=BARREN_MAX {
            sum.add(&sample::invalid());
            assert_eq!(sum.is_barren(), number == BARREN_MAX);
        }
        assert_eq!(sum.status(), exit::INVALID);
    }

    #[test]
    fn an_interrupted_run_ends_it_and_opens_nothing() {
        let mut sum = sum();
        sum.add(&sample::passing());
        let mut run = sample::inconclusive();
        run.interrupted = true;
        run.clauses.iter_mut().for_each(|clause| clause.undecided_in = vec!["idle-silent".to_owned()]);
        sum.add(&run);
        assert_eq!((sum.status(), sum.undecided), (exit::INTERRUPTED, 0));
        assert!(sum.undecided_clauses().is_empty());
    }
}
