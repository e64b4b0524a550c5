//! What a run comes to: the one structure that every report is made from.

use serde::{Deserialize, Serialize};

use super::Level;
use super::accounts::Resets;
use super::tally::Violation;
use crate::declaration::{Known, Profile};
use crate::history::{Interval, Micros, Model};
use crate::manifest::Typed;

/// What is said of one clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Exercised, and held for every placement of every uncertain instant.
    Pass,
    /// Exercised, and broken for every placement.
    Fail,
    /// Broken as the target file says.
    Known,
    /// The state was not reached, or the instants are too uncertain.
    Inconclusive,
    /// This machine withholds the witness that the clause needs.
    NoEvidence,
    /// The target's model, protocol or declaration rules it out.
    Unsupported,
    /// In the catalogue, not built yet.
    Planned,
    /// hotspec's own fault.
    Error,
}

impl Verdict {
    /// The word that reports use.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Known => "known",
            Verdict::Inconclusive => "inconclusive",
            Verdict::NoEvidence => "no-evidence",
            Verdict::Unsupported => "unsupported",
            Verdict::Planned => "planned",
            Verdict::Error => "error",
        }
    }
}

/// What is said of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunVerdict {
    /// It conforms.
    Pass,
    /// It does not.
    Fail,
    /// That could not be decided.
    Inconclusive,
    /// hotspec's own fault.
    Error,
    /// The target did not start, or fails without a restart.
    Invalid,
}

/// One clause of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClauseResult {
    /// Its id.
    pub id: String,
    /// Its level in this profile.
    pub level: Level,
    /// What is said of it.
    pub verdict: Verdict,
    /// How often it was put to the test.
    pub exercised: u64,
    /// How often of these a client met what the profile allows and others do not.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub forgiven: u64,
    /// What broke it.
    pub violations: Vec<Violation>,
    /// What broke it as the target file says.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub known: Vec<Violation>,
    /// Why it is not a pass, where that is no violation.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub reasons: Vec<String>,
    /// Scenarios that put it to the test.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub tested_in: Vec<String>,
    /// Scenarios that left it open, where it is inconclusive or broken in others.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub undecided_in: Vec<String>,
    /// Those of them in which the machine or hotspec itself is why. Not part of a report.
    #[serde(skip)]
    pub disturbed_in: Vec<String>,
}

/// The reason of a clause that nothing put to the test.
pub(super) const UNREACHED: &str = "no lane reached the state that it is about";

impl ClauseResult {
    /// Whether it is open only because nothing put it to the test.
    pub fn is_unreached(&self) -> bool {
        self.verdict == Verdict::Inconclusive && self.reasons == [UNREACHED]
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// One restart of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Restart {
    /// The scenario in which it was.
    pub scenario: String,
    /// Which attempt at that scenario it was, counted from 1.
    #[serde(default = "first")]
    pub attempt: u32,
    /// Which restart of that attempt it was, where one follows another, counted from 1.
    #[serde(default = "first")]
    pub round: u32,
    /// The trigger.
    pub t0_us: Option<Interval>,
    /// The successor was first seen serving.
    pub tr_us: Option<Interval>,
    /// The last of the old generation began to drain.
    pub td_us: Option<Interval>,
    /// The old generation was gone.
    pub tx_us: Option<Interval>,
    /// The model, told or declared.
    pub model: Model,
    /// Connections from T0 on.
    pub lanes: u64,
    /// Requests from T0 on.
    pub requests: u64,
    /// The longest stretch from T0 to Tx with no connect under way.
    pub unprobed_us: Option<Micros>,
    /// The longest gap between two samples of the listening sockets.
    pub sample_gap_us: Option<Micros>,
    /// The resets that the target's side sent, as they were heard on the wire; none if nobody listened there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets: Option<Resets>,
    /// OutRsts of the target's side: how many resets its kernel counted, to whomever; none unless that side has a network of
    /// its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_counted: Option<u64>,
}

fn first() -> u32 {
    1
}

/// How long a scenario took.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScenarioTime {
    /// The scenario.
    pub name: String,
    /// From the first to the last of what was recorded, all attempts added up.
    pub took_us: Micros,
    /// The least that it can take: what its waits come to if every connection lives through them, and the restarts of
    /// this server.
    pub least_us: Option<Micros>,
}

/// The limits that held.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LimitsShown {
    /// Milliseconds.
    pub ready_max_ms: u64,
    /// Milliseconds.
    pub idle_max_ms: u64,
    /// Milliseconds.
    pub drain_start_max_ms: u64,
    /// Milliseconds.
    pub drain_max_ms: u64,
    /// Milliseconds.
    pub exit_max_ms: u64,
    /// Milliseconds.
    pub stall_max_ms: u64,
    /// Milliseconds.
    pub hard_limit_ms: Option<u64>,
    /// Which were assumed.
    pub assumed: Vec<String>,
}

/// What a run comes to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunResult {
    /// The schema of this structure.
    pub schema: u32,
    /// The version of hotspec that made the run.
    pub hotspec: String,
    /// The target's name.
    pub target: String,
    /// The command that started it.
    pub command: Vec<String>,
    /// The profile that it is judged by.
    pub profile: Profile,
    /// How it restarts, as declared.
    pub model: Model,
    /// The seed of the plan.
    pub seed: u64,
    /// How the target was isolated.
    pub isolation: String,
    /// Witnesses, and what is missing.
    pub evidence: Vec<String>,
    /// The limits that held.
    pub limits: LimitsShown,
    /// What is said of the run.
    pub verdict: RunVerdict,
    /// Why, where that is no violation: the target did not start, control failed, our own fault.
    pub problems: Vec<Problem>,
    /// The run was broken off.
    pub interrupted: bool,
    /// The clauses of the profile that were selected, and the planned ones.
    pub clauses: Vec<ClauseResult>,
    /// Entries of `[[known]]` that were exercised and not seen.
    pub stale: Vec<Known>,
    /// Entries of `[[known]]` that showed.
    #[serde(default)]
    pub admitted: Vec<Known>,
    /// Names of the scenarios that were left out because they take long by nature.
    #[serde(default)]
    pub slow: Vec<String>,
    /// What the target's program says of its version, if the target declares how it is asked.
    #[serde(default)]
    pub version: Option<String>,
    /// The restarts.
    pub restarts: Vec<Restart>,
    /// Things worth knowing.
    pub notes: Vec<String>,
    /// How long each scenario took.
    #[serde(default)]
    pub scenarios: Vec<ScenarioTime>,
    /// How long all of them took, several at a time.
    #[serde(default)]
    pub took_us: Micros,
    /// The command line, if it was made by one.
    #[serde(default)]
    pub typed: Option<Typed>,
    /// Which part it is of a run that is divided among machines, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<PartShown>,
}

/// A part of a run that is divided among machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartShown {
    /// Which part, counted from 1.
    pub number: u32,
    /// How many there are.
    pub of: u32,
    /// Ids of the clauses that only other parts put to the test: they are not judged here.
    pub elsewhere: Vec<String>,
}

impl RunResult {
    /// The server was up already: nothing was started.
    pub fn was_up(&self) -> bool {
        self.command.is_empty()
    }

    /// Whether a restart says how rare losses are. One that brought nobody up is none that could have lost anything, and one
    /// that left something undecided, or was attempted again, none that is known not to have.
    pub fn is_decided(&self, restart: &Restart) -> bool {
        let mut same = self.restarts.iter().filter(|other| other.scenario == restart.scenario);
        let last = same.all(|other| other.attempt <= restart.attempt);
        let open = self.clauses.iter().any(|clause| clause.undecided_in.contains(&restart.scenario));
        restart.tr_us.is_some() && last && !open
    }
}

/// A reason for which a scenario could not be judged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Problem {
    /// The scenario.
    pub scenario: String,
    /// start, control or harness.
    pub stage: crate::history::event::Stop,
    /// What was expected, what was seen, what to do.
    pub message: String,
}
