//! What a clause says of one case: how often it was exercised, what broke it, what stays in doubt.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Case;
use super::cause::Cause;
use crate::history::{Lane, Micros};

/// Why nothing can be said of what was under way when a scenario ended before its time.
pub(super) const BROKEN_OFF: &str = "the scenario was broken off";

/// Why nothing can be said of a wait that hotspec's own may explain.
pub(super) const STOOD_STILL: &str = "the harness itself did not run, or no processor was free, for a while";

/// One breach of a requirement, with what was expected and what was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Violation {
    /// The scenario.
    pub scenario: String,
    /// The lane's role and number, if it was seen on one.
    pub lane: Option<String>,
    /// When, on the run's clock.
    pub at_us: Micros,
    /// Where in the restart that was.
    pub phase: String,
    /// The process that held the server's side.
    pub process: String,
    /// Its kind, in a word: what `[[known]]` entries name.
    pub kind: String,
    /// What was expected.
    pub expected: String,
    /// What was seen.
    pub seen: String,
    /// Why, where the evidence tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}

/// What a clause says of the cases it was shown.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How often the requirement was put to the test.
    pub exercised: u64,
    /// How often a client met what this profile allows and others do not.
    pub forgiven: u64,
    /// Breaches that hold for every placement of every uncertain instant.
    pub violations: Vec<Violation>,
    /// Why something could not be decided.
    pub doubts: Vec<String>,
    /// Witnesses that the machine withholds.
    pub withheld: Vec<String>,
    /// Why the target's declaration rules the clause out.
    pub unsupported: Vec<String>,
    /// Scenarios in which the requirement was put to the test and nothing stayed in doubt.
    pub certain: BTreeSet<String>,
    /// Scenarios in which something stayed in doubt.
    pub open: BTreeSet<String>,
    /// Those of them in which the machine or hotspec itself is why.
    pub disturbed: BTreeSet<String>,
    /// Scenarios that were judged and of which there was nothing to say.
    pub silent: BTreeSet<String>,
}

impl Tally {
    /// Scenarios that have something to say of the requirement.
    pub fn tested_in(&self) -> BTreeSet<String> {
        let broken = self.violations.iter().map(|violation| &violation.scenario);
        self.certain.iter().chain(&self.open).chain(broken).cloned().collect()
    }

    /// The requirement was put to the test once.
    pub fn exercise(&mut self) {
        self.exercised += 1;
    }

    /// The requirement was put to the test, and a client met what this profile allows and others do not.
    pub fn forgive(&mut self) {
        self.exercised += 1;
        self.forgiven += 1;
    }

    /// A breach on a lane. Where the history breaks off, a lane that was still open is no evidence: its answer may have been
    /// on its way.
    pub fn break_on(
        &mut self,
        case: &Case<'_>,
        lane: &Lane,
        at: Micros,
        kind: &str,
        expected: &str,
        seen: String,
    ) {
        if case.interrupted && lane.end.is_none() && lane.connect_failed.is_none() {
            return self.doubt(case, BROKEN_OFF);
        }
        if let Some(why) = excuse(case, lane) {
            return self.disturbed(case, why);
        }
        if let Some(why) = case.all_seats_taken(lane, at) {
            return self.doubt(case, why);
        }
        self.violations.push(Violation {
            scenario: case.scenario.to_owned(),
            lane: Some(format!("{}#{}", lane.role, lane.id)),
            at_us: at,
            phase: case.phase_at(at),
            process: case.timeline.describe(lane.owner),
            kind: kind.to_owned(),
            expected: expected.to_owned(),
            seen,
            cause: None,
        });
    }

    /// A breach that belongs to a process, or to none. Where the history breaks off, what did not happen might have.
    pub fn break_by(
        &mut self,
        case: &Case<'_>,
        process: String,
        at: Micros,
        kind: &str,
        expected: &str,
        seen: String,
    ) {
        if case.interrupted {
            return self.doubt(case, BROKEN_OFF);
        }
        self.violations.push(Violation {
            scenario: case.scenario.to_owned(),
            lane: None,
            at_us: at,
            phase: case.phase_at(at),
            process,
            kind: kind.to_owned(),
            expected: expected.to_owned(),
            seen,
            cause: None,
        });
    }

    /// Something could not be decided.
    pub fn doubt(&mut self, case: &Case<'_>, why: impl Into<String>) {
        self.open.insert(case.scenario.to_owned());
        push_once(&mut self.doubts, format!("{}: {}", case.scenario, why.into()));
    }

    /// Something could not be decided, as the machine did not let hotspec or the target run: another attempt may decide it.
    pub fn disturbed(&mut self, case: &Case<'_>, why: impl std::fmt::Display) {
        self.disturbed.insert(case.scenario.to_owned());
        self.doubt(case, format!("{why}; a quieter machine would help"));
    }

    /// A scenario that was to put the requirement to the test never began.
    pub(super) fn not_run(&mut self, scenario: &str) {
        push_once(&mut self.doubts, format!("{scenario}: the run was broken off before this scenario began"));
    }

    /// Nothing was put to the test, and nothing said of it.
    pub(super) fn is_silent(&self) -> bool {
        self.exercised == 0
            && self.violations.is_empty()
            && self.doubts.is_empty()
            && self.withheld.is_empty()
            && self.unsupported.is_empty()
    }

    /// What stayed in doubt was decided by another attempt.
    pub(super) fn settle(&mut self) {
        self.open.clear();
        self.disturbed.clear();
        self.doubts.clear();
    }

    /// A witness is missing on this machine.
    pub fn withhold(&mut self, why: impl Into<String>) {
        push_once(&mut self.withheld, why.into());
    }

    /// The target rules the clause out.
    pub fn rule_out(&mut self, why: impl Into<String>) {
        push_once(&mut self.unsupported, why.into());
    }

    /// Adds what was said of another case.
    pub fn add(&mut self, other: Tally) {
        self.exercised += other.exercised;
        self.forgiven += other.forgiven;
        self.violations.extend(other.violations);
        self.certain.extend(other.certain);
        self.open.extend(other.open);
        self.disturbed.extend(other.disturbed);
        for (mine, theirs) in [
            (&mut self.doubts, other.doubts),
            (&mut self.withheld, other.withheld),
            (&mut self.unsupported, other.unsupported),
        ] {
            for text in theirs {
                push_once(mine, text);
            }
        }
    }
}

/// Why what went wrong on a lane may be the machine's doing, if so.
fn excuse(case: &Case<'_>, lane: &Lane) -> Option<String> {
    if case.control.unmeasured.contains(&lane.role) && lane.unanswered().is_some() {
        Some(format!("control shows no answer on a connection `{}` either, as {STOOD_STILL}", lane.role))
    } else if case.sent_late(lane) {
        Some(STOOD_STILL.to_owned())
    } else {
        None
    }
}

fn push_once(list: &mut Vec<String>, text: String) {
    if !list.contains(&text) {
        list.push(text);
    }
}
