//! The histories behind the failures, folded once, and the one that a breach is from.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Evidence;
use super::super::lane_log::LaneLog;
use super::phases::which;
use crate::clause::result::{RunResult, Verdict};
use crate::clause::tally::Violation;
use crate::history::{self, LaneId, Micros};

/// Folded histories by scenario: one for every restart of every attempt, in their order.
pub(in crate::report) struct Recordings<'a> {
    logs: BTreeMap<&'a str, Vec<Recording<'a>>>,
}

struct Recording<'a> {
    end: Micros,
    /// Counted from 1.
    attempt: u32,
    log: LaneLog<'a>,
    /// ` again 2/5`.
    which: String,
}

impl<'a> Recordings<'a> {
    /// Of the scenarios in which something is broken.
    pub(in crate::report) fn of(run: &'a RunResult, evidence: &Evidence<'a>) -> Self {
        let broken = run.clauses.iter().filter(|clause| clause.verdict == Verdict::Fail);
        let names: BTreeSet<&str> = broken
            .flat_map(|clause| &clause.violations)
            .map(|violation| violation.scenario.as_str())
            .collect();
        let drain_start_max = run.limits.drain_start_max_ms.saturating_mul(1000);
        let folded = |name: &'a str| {
            let histories = evidence.histories.get(name)?;
            let logs = (1..).zip(histories).flat_map(|(attempt, events)| {
                let rounds = history::restarts(events);
                let total = rounds.len();
                (1..).zip(rounds).map(move |(number, seen)| Recording {
                    attempt,
                    end: seen.iter().map(|event| event.t).max().unwrap_or_default(),
                    log: LaneLog::new(seen, run.model, drain_start_max),
                    which: which(attempt, number, total),
                })
            });
            Some((name, logs.collect()))
        };
        Self { logs: names.into_iter().filter_map(folded).collect() }
    }

    /// The history that a breach is from, and its number. All share one clock: it is the first that reaches so far.
    pub(in crate::report) fn find(&self, violation: &Violation) -> Option<(usize, &LaneLog<'a>)> {
        let logs = self.logs.get(violation.scenario.as_str())?;
        let number = logs.iter().position(|one| one.end >= violation.at_us)?;
        logs.get(number).map(|one| (number, &one.log))
    }

    /// The attempt that a history is of, counted from 0.
    pub(in crate::report) fn attempt(&self, scenario: &str, number: usize) -> Option<usize> {
        let recording = self.logs.get(scenario)?.get(number)?;
        usize::try_from(recording.attempt).ok()?.checked_sub(1)
    }

    /// Which restart of its scenario that is, where there are several.
    pub(in crate::report) fn which(&self, scenario: &str, number: usize) -> &str {
        let logs = self.logs.get(scenario);
        logs.and_then(|logs| logs.get(number)).map_or("", |one| one.which.as_str())
    }
}

/// The number in `role#number`.
pub(in crate::report) fn lane_id(violation: &Violation) -> Option<LaneId> {
    violation.lane.as_deref()?.rsplit_once('#')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::history::event::{Event, Phase, What};
    use std::path::Path;

    #[test]
    fn a_breach_is_looked_up_in_the_attempt_and_the_restart_that_it_is_from() {
        let first = sample::history();
        let last = first.last().map_or(0, |event| event.t);
        // The same numbers of lanes in a second attempt, and a second restart in it.
        let later = |by: Micros| {
            first.iter().cloned().map(move |mut event| {
                if let What::Trigger { from, .. } = &mut event.what {
                    *from += by;
                }
                event.t += by;
                event
            })
        };
        let mut second: Vec<Event> = later(last).collect();
        second
            .extend(later(2 * last).skip_while(|event| event.what != What::Phase { phase: Phase::Restart }));
        let histories = BTreeMap::from([("idle-last-request".to_owned(), vec![first.clone(), second])]);
        let outputs = BTreeMap::new();
        let (packets, run_dir) = (BTreeMap::new(), Path::new("x"));
        let evidence = Evidence { histories: &histories, outputs: &outputs, packets: &packets, run_dir };
        let run = sample::failing();
        let recordings = Recordings::of(&run, &evidence);
        for (number, by) in [(0, 0), (1, last), (2, 2 * last)] {
            let mut violation = sample::violation("idle-last-request", "idle#2", "reset");
            violation.at_us += by;
            let (found, log) = recordings.find(&violation).expect("a history");
            assert_eq!(found, number);
            assert!(matches!(log.at(2, violation.at_us), Some(What::End { .. })), "{number}");
            assert_eq!(log.t0().map(|t0| t0.lo), Some(1_000_000 + by));
        }
        assert!(recordings.find(&sample::violation("pooled-client", "pooled#1", "reset")).is_none());
    }
}
