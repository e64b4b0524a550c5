//! A run beside an earlier one of the same target: what got worse, and what got better.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Level;
use super::result::{ClauseResult, RunResult, RunVerdict, Verdict};
use crate::exit;

/// What the comparison comes to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Comparison {
    /// Ways in which a clause is broken now and was not before.
    pub worse: Vec<Change>,
    /// Ways in which a clause was broken before and is not now, though it was put to the test in the same scenario.
    pub better: Vec<Change>,
    /// Ways in which a clause is broken as it was before.
    pub same: Vec<Change>,
    /// What was decided before and is not now.
    pub open: Vec<Open>,
    /// Ways in which a clause was broken before, in scenarios that were not run, or left it open, this time.
    pub unseen: Vec<Change>,
}

/// One way in which a clause is broken, in one scenario. Recommendations count where the run was asked to count them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The clause.
    pub clause: String,
    /// The scenario.
    pub scenario: String,
    /// The kind, as in `[[known]]`.
    pub kind: String,
    /// How often before.
    pub before: usize,
    /// How often now.
    pub now: usize,
}

/// What can't be said this time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Open {
    /// The clause.
    pub clause: String,
    /// The scenario, if it is one scenario that left it open.
    pub scenario: Option<String>,
    /// Why.
    pub why: String,
}

/// Clause, scenario and kind of a breach.
type Way<'a> = (&'a str, &'a str, &'a str);

impl Comparison {
    /// Of `now` with `before`.
    pub fn of(before: &RunResult, now: &RunResult, level: Level) -> Self {
        let (old, new) = (ways(before, level, true), ways(now, level, false));
        let admitted = ways(now, level, true);
        let mut comparison = Self::default();
        for (way, times) in &new {
            let change = change(*way, old.get(way).copied().unwrap_or_default(), *times);
            if change.before > 0 { &mut comparison.same } else { &mut comparison.worse }.push(change);
        }
        for (way, times) in ways(before, level, false).iter().filter(|(way, _)| !new.contains_key(*way)) {
            let (clause, scenario, _) = *way;
            let of_clause = now.clauses.iter().find(|one| one.id == clause);
            let judged = of_clause.is_some_and(|one| {
                one.tested_in.iter().any(|name| name == scenario)
                    && !one.undecided_in.iter().any(|name| name == scenario)
            });
            let gone = change(*way, *times, 0);
            // What the target file calls known by now is neither.
            if !admitted.contains_key(way) {
                if judged { &mut comparison.better } else { &mut comparison.unseen }.push(gone);
            }
        }
        comparison.open = now
            .clauses
            .iter()
            .filter(|clause| clause.level <= level)
            .flat_map(|clause| open(before.clauses.iter().find(|one| one.id == clause.id), clause))
            .collect();
        comparison
    }

    /// The exit status for a run that is judged by what got worse. What is no verdict on the target stays what it is.
    pub fn status(&self, now: &RunResult) -> u8 {
        if now.interrupted || matches!(now.verdict, RunVerdict::Error | RunVerdict::Invalid) {
            exit::of_run(now)
        } else if !self.worse.is_empty() {
            exit::BREAKS
        } else if !self.open.is_empty() {
            exit::INCONCLUSIVE
        } else {
            exit::CONFORMS
        }
    }

    /// Whether all of these ways were there before.
    pub fn had(&self, clause: &str, scenario: &str) -> bool {
        let of = |change: &&Change| change.clause == clause && change.scenario == scenario;
        self.same.iter().any(|change| of(&change)) && !self.worse.iter().any(|change| of(&change))
    }
}

fn change((clause, scenario, kind): Way<'_>, before: usize, now: usize) -> Change {
    let [clause, scenario, kind] = [clause, scenario, kind].map(str::to_owned);
    Change { clause, scenario, kind, before, now }
}

/// How often each clause that counts was broken in each way; with those that the target file calls known, or without. An entry of
/// the target file that was not seen any more is one, of the kind `stale`.
fn ways(run: &RunResult, level: Level, with_known: bool) -> BTreeMap<Way<'_>, usize> {
    let mut ways = BTreeMap::new();
    for clause in run.clauses.iter().filter(|clause| clause.level <= level) {
        let known = clause.known.iter().filter(|_| with_known);
        for violation in clause.violations.iter().chain(known) {
            let way = (clause.id.as_str(), violation.scenario.as_str(), violation.kind.as_str());
            *ways.entry(way).or_default() += 1;
        }
    }
    for stale in &run.stale {
        ways.insert((&stale.clause, &stale.scenario, "stale"), 1);
    }
    ways
}

/// What is not decided of a clause that was.
fn open(before: Option<&ClauseResult>, now: &ClauseResult) -> Vec<Open> {
    let why = now.reasons.join("; ");
    let one = |scenario: Option<&String>| Open {
        clause: now.id.clone(),
        scenario: scenario.cloned(),
        why: why.clone(),
    };
    match now.verdict {
        Verdict::Inconclusive if now.undecided_in.is_empty() => {
            let still = before.is_some_and(|clause| clause.verdict == Verdict::Inconclusive);
            if still { Vec::new() } else { vec![one(None)] }
        }
        Verdict::Inconclusive | Verdict::Fail => {
            let was_open = |name: &String| before.is_some_and(|clause| clause.undecided_in.contains(name));
            // A doubt beside a breach says nothing more.
            let is_told = |name: &String| now.violations.iter().any(|violation| violation.scenario == *name);
            let open = now.undecided_in.iter().filter(|name| !was_open(name) && !is_told(name));
            open.map(|name| one(Some(name))).collect()
        }
        Verdict::NoEvidence | Verdict::Unsupported => {
            let judged = |clause: &ClauseResult| {
                matches!(clause.verdict, Verdict::Pass | Verdict::Fail | Verdict::Known)
            };
            if before.is_some_and(judged) { vec![one(None)] } else { Vec::new() }
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::human::sample;

    fn compared(before: &RunResult, now: &RunResult) -> Comparison {
        Comparison::of(before, now, Level::Must)
    }

    #[test]
    fn what_was_broken_before_is_the_same_and_fails_nothing() {
        let run = sample::failing();
        let same = compared(&run, &run);
        assert!(same.worse.is_empty() && same.better.is_empty() && same.open.is_empty(), "{same:?}");
        assert!(!same.same.is_empty());
        assert_eq!(same.status(&run), exit::CONFORMS);
    }

    #[test]
    fn a_new_way_of_breaking_is_worse_and_its_mending_is_better() {
        let (passing, mut failing) = (sample::passing(), sample::failing());
        for clause in &mut failing.clauses {
            clause.undecided_in.clear();
        }
        let worse = compared(&passing, &failing);
        assert!(!worse.worse.is_empty());
        assert_eq!(worse.status(&failing), exit::BREAKS);
        let mut mended = sample::passing();
        for clause in &mut mended.clauses {
            clause.tested_in = ["idle-last-request", "pooled-client"].map(str::to_owned).to_vec();
        }
        let better = compared(&failing, &mended);
        assert!(better.worse.is_empty() && better.unseen.is_empty(), "{better:?}");
        assert_eq!(better.better.len(), worse.worse.len());
        assert_eq!(better.status(&mended), exit::CONFORMS);
    }

    #[test]
    fn another_kind_in_the_same_place_is_worse() {
        let before = sample::failing();
        let mut now = sample::failing();
        for clause in &mut now.clauses {
            clause.violations.iter_mut().for_each(|violation| violation.kind = "another".to_owned());
        }
        let worse = compared(&before, &now);
        assert!(!worse.worse.is_empty() && worse.same.is_empty(), "{worse:?}");
    }

    #[test]
    fn what_was_not_run_is_not_mended() {
        let unseen = compared(&sample::failing(), &sample::passing());
        assert!(unseen.better.is_empty() && !unseen.unseen.is_empty(), "{unseen:?}");
    }

    #[test]
    fn what_can_not_be_decided_any_more_is_open_and_keeps_the_gate_shut() {
        let mut now = sample::passing();
        let clause = &mut now.clauses[0];
        clause.verdict = Verdict::NoEvidence;
        clause.reasons = vec!["nobody looked".to_owned()];
        let open = compared(&sample::passing(), &now);
        assert_eq!(open.open.len(), 1);
        assert_eq!(open.status(&now), exit::INCONCLUSIVE);
        let mut now = sample::passing();
        now.clauses[0].verdict = Verdict::Inconclusive;
        now.clauses[0].undecided_in = vec!["new-connections".to_owned()];
        assert_eq!(compared(&sample::passing(), &now).status(&now), exit::INCONCLUSIVE);
        assert_eq!(compared(&now, &now).status(&now), exit::CONFORMS);
    }

    #[test]
    fn what_is_broken_as_before_hides_no_doubt_elsewhere() {
        let before = sample::failing();
        let doubtful = |scenario: &str| {
            let mut now = sample::failing();
            now.clauses[1].undecided_in = vec![scenario.to_owned()];
            now
        };
        let elsewhere = doubtful("keep-alive-traffic");
        assert_eq!(compared(&before, &elsewhere).status(&elsewhere), exit::INCONCLUSIVE);
        let beside = doubtful("idle-last-request");
        assert_eq!(compared(&before, &beside).status(&beside), exit::CONFORMS);
    }

    #[test]
    fn what_says_nothing_of_the_target_is_no_pass() {
        let invalid = sample::invalid();
        assert_eq!(compared(&invalid, &invalid).status(&invalid), exit::INVALID);
        let interrupted = sample::interrupted();
        assert_eq!(compared(&interrupted, &interrupted).status(&interrupted), exit::INTERRUPTED);
    }
}
