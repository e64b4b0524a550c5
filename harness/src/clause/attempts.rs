//! The attempts at each scenario: which of them are judged, and what they decide together.

use std::collections::{BTreeMap, BTreeSet};

use super::case::Case;
use super::judge::Recorded;
use super::result::Problem;
use super::tally::Tally;
use crate::history::event::{Stop, What};
use crate::manifest::{Manifest, ScenarioEntry};

/// One restart of one attempt at a scenario.
pub(super) struct Judged<'a> {
    /// The scenario.
    pub(super) entry: &'a ScenarioEntry,
    /// What there is of it.
    pub(super) case: Case<'a>,
}

/// Every restart of every attempt, in the order of what was recorded.
pub(super) fn cases<'a>(manifest: &Manifest, recorded: &'a [Recorded<'a>]) -> Vec<Judged<'a>> {
    let limits = manifest.limits.resolve();
    let mut attempts: BTreeMap<&str, u32> = BTreeMap::new();
    let mut cases = Vec::new();
    for one in recorded {
        let attempt = attempts.entry(&one.entry.name).or_default();
        *attempt += 1;
        for mut case in Case::rounds(&one.entry.name, manifest.profile, limits, manifest.model, &one.events) {
            case.documented = manifest.successor.clone();
            case.attempt = *attempt;
            cases.push(Judged { entry: one.entry, case });
        }
    }
    cases
}

/// What keeps attempts from being judged.
pub(super) struct Unjudged {
    /// No attempt at the scenario can be judged.
    pub(super) problems: Vec<Problem>,
    /// Scenarios that the target can't be put through, and why.
    pub(super) ruled_out: BTreeMap<String, String>,
    /// Attempts that failed without any restart, where another one at the same scenario shows that it can be done.
    pub(super) dropped: Vec<(String, u32, String)>,
}

impl Unjudged {
    /// Of a run.
    pub(super) fn of(manifest: &Manifest, recorded: &[Recorded<'_>], cases: &[Judged<'_>]) -> Self {
        let mut unjudged = Self { problems: Vec::new(), ruled_out: BTreeMap::new(), dropped: Vec::new() };
        for entry in &manifest.scenarios {
            if let Some(why) = &entry.unsupported {
                unjudged.ruled_out.insert(entry.name.clone(), why.clone());
            }
        }
        // Control is the same for every restart of a history.
        let firsts = || recorded.iter().zip(cases.iter().filter(|one| one.case.round == 1));
        let troubles: Vec<_> = firsts().map(|(one, first)| (first, Trouble::of(one, &first.case))).collect();
        for (first, trouble) in &troubles {
            let Some(trouble) = trouble else { continue };
            let name = &first.entry.name;
            let sound = |(other, trouble): &(&Judged<'_>, Option<Trouble>)| {
                other.entry.name == *name && trouble.is_none() && !other.case.interrupted
            };
            let message = trouble.message.clone();
            if trouble.stage != Stop::Harness && troubles.iter().any(sound) {
                unjudged.dropped.push((name.clone(), first.case.attempt, message));
            } else if let Some(assumed) = first.entry.assumed.as_ref().filter(|_| {
                // That it starts at all, other scenarios show.
                let starts = || troubles.iter().any(|(_, trouble)| trouble.is_none());
                trouble.stage == Stop::Control
                    || (trouble.stage == Stop::Start && first.entry.by_link && starts())
            }) {
                let why = format!(
                    "scenario {name}: it takes {assumed}, which the target was not told to have, and {message}"
                );
                unjudged.ruled_out.insert(name.clone(), why);
            } else {
                unjudged.problems.push(Problem { scenario: name.clone(), stage: trouble.stage, message });
            }
        }
        unjudged
    }

    /// Whether a case is judged.
    pub(super) fn spares(&self, one: &Judged<'_>) -> bool {
        let name = &one.entry.name;
        let dropped =
            |(scenario, attempt, _): &(String, u32, String)| scenario == name && *attempt == one.case.attempt;
        !self.problems.iter().any(|problem| problem.scenario == *name)
            && !self.ruled_out.contains_key(name)
            && !self.dropped.iter().any(dropped)
    }
}

/// Why an attempt can't be judged.
struct Trouble {
    stage: Stop,
    message: String,
}

impl Trouble {
    fn of(one: &Recorded<'_>, case: &Case<'_>) -> Option<Self> {
        let failed = one.events.iter().find_map(|event| match &event.what {
            What::Failed { stage, message } => Some((*stage, message.clone())),
            _ => None,
        });
        if let Some((stage, message)) = failed {
            return Some(Self { stage, message });
        }
        // Control was broken off: what is missing of it is no trouble.
        if case.interrupted && case.t0().is_none() {
            return None;
        }
        let first = case.control.troubles.first()?;
        let more = match case.control.troubles.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        let message = format!("without any restart: {first}{more}");
        Some(Self { stage: Stop::Control, message })
    }
}

/// Adds up what a clause says of each attempt. A breach counts whichever attempt it is from. What one attempt left in doubt
/// is decided if another one at the same scenario put the clause to the test and left nothing in doubt.
pub(super) fn add_up(said: Vec<(&Case<'_>, Tally)>) -> Tally {
    let mut attempts: Vec<(&str, u32, Tally)> = Vec::new();
    for (case, one) in said {
        match attempts.last_mut() {
            Some((scenario, attempt, all)) if (*scenario, *attempt) == (case.scenario, case.attempt) => {
                all.add(one);
            }
            _ => attempts.push((case.scenario, case.attempt, one)),
        }
    }
    let mut total = Tally::default();
    for (scenario, _, one) in &attempts {
        if one.exercised > 0 && one.doubts.is_empty() {
            total.certain.insert((*scenario).to_owned());
        }
    }
    let spoke: BTreeSet<&str> =
        attempts.iter().filter(|(.., one)| !one.is_silent()).map(|(scenario, ..)| *scenario).collect();
    for (scenario, _, mut one) in attempts {
        if total.certain.contains(scenario) {
            one.settle();
        }
        if !spoke.contains(scenario) {
            total.silent.insert(scenario.to_owned());
        }
        total.add(one);
    }
    total
}
