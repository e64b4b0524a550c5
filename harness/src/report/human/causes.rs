//! Failures by cause. Clauses imply one another, and one fault shows on many connections: what was seen on one connection at
//! one moment is one loss, whatever the number of clauses that it breaks, and losses that look alike have one cause.

use std::collections::BTreeMap;

use super::recordings::{Recordings, lane_id};
use super::sign::{Harm, Sign};
use super::with;
use crate::clause::Level;
use crate::clause::result::{ClauseResult, RunResult, Verdict};
use crate::clause::tally::Violation;
use crate::history::{LaneId, Micros};

/// A clause that is broken, and by what.
pub(in crate::report) type Breach<'a> = (&'a ClauseResult, &'a Violation);

/// One thing that was seen.
pub(in crate::report) struct Loss<'a> {
    /// The clauses that it breaks; at least one.
    pub(in crate::report) breaches: Vec<Breach<'a>>,
    /// Which history of its scenario it is from.
    pub(in crate::report) history: usize,
    /// Since T0, if that is known.
    pub(in crate::report) since_t0: Option<Micros>,
}

impl<'a> Loss<'a> {
    /// Where and what, as the first of its clauses tells it.
    pub(in crate::report) fn violation(&self) -> &'a Violation {
        self.breaches[0].1
    }
}

/// Losses that look alike.
pub(in crate::report) struct Cause<'a> {
    /// What was seen.
    pub(in crate::report) sign: Sign,
    /// When, in the life of the process or of the restart.
    pub(in crate::report) when: When,
    /// old, successor or permanent; empty if that is not known.
    pub(in crate::report) role: &'static str,
    /// In the order in which they were judged.
    pub(in crate::report) losses: Vec<Loss<'a>>,
}

/// When something was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::report) enum When {
    /// The connection ended, and by then its process may have.
    OwnerEnded,
    /// Before the trigger.
    BeforeTrigger,
    /// The successor had not been seen to serve.
    BeforeReady,
    /// The old generation was there.
    Draining,
    /// It was gone.
    After,
    /// It can't be said.
    Unknown,
}

impl When {
    fn of(phase: &str) -> Self {
        match phase.split(',').next().unwrap_or_default() {
            "before T0" => When::BeforeTrigger,
            "T0 to Tr" => When::BeforeReady,
            "Tr to Td" | "Td to Tx" => When::Draining,
            "after Tx" => When::After,
            _ => When::Unknown,
        }
    }
}

impl<'a> Cause<'a> {
    /// The strictest level of what it breaks.
    pub(in crate::report) fn level(&self) -> Level {
        let levels = self.losses.iter().flat_map(|loss| &loss.breaches).map(|(clause, _)| clause.level);
        levels.min().unwrap_or(Level::Should)
    }

    /// `RST before any byte of the answer, about when the old process that held it ended`.
    pub(in crate::report) fn title(&self) -> String {
        let mut title = self.sign.text.clone();
        let role = if self.role.is_empty() { String::new() } else { format!("{} ", self.role) };
        title.push_str(&match self.when {
            When::OwnerEnded => format!(", about when the {role}process that held it ended"),
            When::BeforeTrigger => ", before the trigger".to_owned(),
            When::BeforeReady => ", before the successor was seen to serve".to_owned(),
            When::Draining => ", before the old generation was gone".to_owned(),
            When::After => ", after the old generation was gone".to_owned(),
            When::Unknown => String::new(),
        });
        if self.when != When::OwnerEnded && !self.role.is_empty() {
            title.push_str(&format!(", by the {} process", self.role));
        }
        title
    }

    /// The clauses that it breaks and how often each: MUST first, then those broken most often.
    pub(in crate::report) fn clauses(&self) -> Vec<(&'a ClauseResult, usize)> {
        let mut clauses: Vec<(&ClauseResult, usize)> = Vec::new();
        for (clause, _) in self.losses.iter().flat_map(|loss| &loss.breaches) {
            match clauses.iter_mut().find(|(other, _)| other.id == clause.id) {
                Some((_, number)) => *number += 1,
                None => clauses.push((clause, 1)),
            }
        }
        clauses.sort_by_key(|(clause, number)| (clause.level, std::cmp::Reverse(*number)));
        clauses
    }

    /// The loss that shows most of it: the first of those that break the most clauses.
    pub(in crate::report) fn example(&self) -> &Loss<'a> {
        let most = self.losses.iter().map(|loss| loss.breaches.len()).max().unwrap_or_default();
        let mut losses = self.losses.iter();
        losses.find(|loss| loss.breaches.len() == most).unwrap_or(&self.losses[0])
    }

    /// Scenarios and how often in each, in the order in which they were judged.
    pub(in crate::report) fn scenarios(&self) -> Vec<(&'a str, usize)> {
        tell_apart(self.losses.iter().map(|loss| loss.violation().scenario.as_str()))
    }

    /// Processes and how often each.
    pub(in crate::report) fn processes(&self) -> Vec<(&'a str, usize)> {
        tell_apart(self.losses.iter().map(|loss| loss.violation().process.as_str()))
    }
}

fn tell_apart<'a>(all: impl Iterator<Item = &'a str>) -> Vec<(&'a str, usize)> {
    let mut apart: Vec<(&str, usize)> = Vec::new();
    for one in all {
        match apart.iter_mut().find(|(other, _)| *other == one) {
            Some((_, number)) => *number += 1,
            None => apart.push((one, 1)),
        }
    }
    apart
}

/// What makes two breaches one loss: a connection and a moment, or a process and a moment; and what was seen.
type Place<'a> = (&'a str, usize, Option<LaneId>, &'a str, Micros, String);

/// Every failure of a run, by cause: what MUST not be first, then the worst for clients, then the most frequent.
pub(in crate::report) fn of<'a>(run: &'a RunResult, recordings: &Recordings<'a>) -> Vec<Cause<'a>> {
    let mut causes: Vec<Cause<'a>> = Vec::new();
    let mut known: BTreeMap<(String, When, &'static str), usize> = BTreeMap::new();
    let mut places: BTreeMap<Place<'a>, (usize, usize)> = BTreeMap::new();
    for clause in with(run, Verdict::Fail) {
        for violation in &clause.violations {
            let found = recordings.find(violation);
            let log = found.map(|(_, log)| log);
            let sign = Sign::of(violation, log);
            let lane = lane_id(violation);
            let history = found.map_or(0, |(number, _)| number);
            // A lane has a number of its own; its process may be told in several ways.
            let by = if lane.is_some() { "" } else { violation.process.as_str() };
            let place = (violation.scenario.as_str(), history, lane, by, violation.at_us, sign.key.clone());
            if let Some((cause, loss)) = places.get(&place) {
                causes[*cause].losses[*loss].breaches.push((clause, violation));
                continue;
            }
            let gone = lane.zip(log).and_then(|(lane, log)| log.owner_gone(lane));
            let owner_ended = sign.ended && gone.is_some_and(|gone| violation.at_us >= gone.lo);
            let when = if owner_ended { When::OwnerEnded } else { When::of(&violation.phase) };
            let role = role(&violation.process);
            let t0 = log.and_then(super::super::lane_log::LaneLog::t0);
            let since_t0 = t0.and_then(|t0| violation.at_us.checked_sub(t0.lo));
            let loss = Loss { breaches: vec![(clause, violation)], history, since_t0 };
            let cause = *known.entry((sign.key.clone(), when, role)).or_insert_with(|| {
                causes.push(Cause { sign, when, role, losses: Vec::new() });
                causes.len() - 1
            });
            places.insert(place, (cause, causes[cause].losses.len()));
            causes[cause].losses.push(loss);
        }
    }
    causes.sort_by_key(|cause| {
        let harm: Harm = cause.sign.harm;
        (cause.level(), harm, std::cmp::Reverse(cause.losses.len()))
    });
    causes
}

/// The word that describes a process's life, which stands last.
fn role(process: &str) -> &'static str {
    let roles = ["old", "successor", "permanent"];
    let ends = |role: &&str| {
        process
            .strip_suffix(')')
            .and_then(|rest| rest.strip_suffix(role))
            .is_some_and(|rest| rest.ends_with(" ("))
    };
    roles.into_iter().find(|role| ends(role)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn causes<T>(run: &RunResult, then: impl FnOnce(&[Cause<'_>]) -> T) -> T {
        sample::with_evidence(b"", |evidence| then(&of(run, &Recordings::of(run, evidence))))
    }

    #[test]
    fn one_loss_that_several_clauses_tell_is_one_and_lists_them() {
        causes(&sample::failing(), |causes| {
            let first = &causes[0];
            assert_eq!(
                first.title(),
                "RST before any byte of the answer, before the old generation was gone, by the old process"
            );
            // Lane 2 is told by two clauses.
            assert_eq!(first.losses.len(), 1);
            let clauses: Vec<(&str, usize)> =
                first.clauses().iter().map(|(clause, number)| (clause.id.as_str(), *number)).collect();
            assert_eq!(clauses, [("keep-alive.one-last-request", 1), ("keep-alive.fin-not-reset", 1)]);
            assert_eq!(first.losses[0].since_t0, Some(212_400));
        });
    }

    #[test]
    fn no_breach_is_lost_and_none_is_told_twice() {
        let run = sample::failing();
        let told = with(&run, Verdict::Fail).iter().map(|clause| clause.violations.len()).sum::<usize>();
        causes(&run, |causes| {
            let breaches = causes.iter().flat_map(|cause| &cause.losses).map(|loss| loss.breaches.len());
            assert_eq!(breaches.sum::<usize>(), told);
        });
    }

    #[test]
    fn what_must_not_be_comes_before_what_should_not_and_the_worse_before_the_more_frequent() {
        let mut run = sample::failing();
        let mut stall = sample::violation("new-connections", "new#3", "stall");
        let clause =
            run.clauses.iter_mut().find(|clause| clause.id == "availability.no-stall").expect("a clause");
        clause.verdict = Verdict::Fail;
        for n in 0..40 {
            stall.at_us += n;
            clause.violations.push(stall.clone());
        }
        causes(&run, |causes| {
            let harms: Vec<Harm> = causes.iter().map(|cause| cause.sign.harm).collect();
            assert_eq!(harms, [Harm::Lost, Harm::Kept, Harm::Other]);
            assert_eq!(causes[1].losses.len(), 40);
        });
        for clause in run.clauses.iter_mut().filter(|clause| clause.id != "availability.no-stall") {
            clause.level = Level::Should;
        }
        causes(&run, |causes| assert_eq!(causes[0].sign.harm, Harm::Kept));
    }

    #[test]
    fn a_connection_that_ends_when_its_process_may_have_ended_says_so() {
        let mut run = sample::failing();
        for clause in &mut run.clauses {
            clause.violations.retain(|violation| violation.scenario == "idle-last-request");
        }
        let history = || {
            let mut events = sample::history();
            for event in &mut events {
                if let crate::history::event::What::Gone { from, .. } = &mut event.what {
                    (event.t, *from) = (1_213_000, 1_212_000);
                }
            }
            events.sort_by_key(|event| event.t);
            events
        };
        sample::with_histories(vec![history()], b"", |evidence| {
            let causes = of(&run, &Recordings::of(&run, evidence));
            let title = "RST before any byte of the answer, about when the old process that held it ended";
            assert!(causes.iter().any(|cause| cause.title() == title));
        });
    }

    #[test]
    fn a_role_is_what_stands_last_and_no_name_can_pose_as_one() {
        assert_eq!(role("nginx 4211 (old)"), "old");
        assert_eq!(role("evil (old) 7 (successor)"), "successor");
        assert_eq!(role("nobody (not yet accepted)"), "");
        assert_eq!(role("unknown"), "");
    }
}
