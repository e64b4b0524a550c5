//! All clauses: ids that never change, levels, sources, and the function that judges each.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    Case, Tally, aftermath, availability, bodies, common, drain, dropped, failure, first_process, growth,
    handover, identity, idle, in_flight, keep_alive, kinds, leaving, load, output, planned, process,
    program_replaced, protocol, repeat, shared_listener, starved, told, unix_path, wire,
};
use crate::declaration::Profile;

/// How much a requirement weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "UPPERCASE")]
#[value(rename_all = "lower")]
pub enum Level {
    /// Broken means that the target does not conform.
    Must,
    /// Broken is told; it counts with `--level should` only.
    Should,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Must => "MUST",
            Level::Should => "SHOULD",
        })
    }
}

/// One requirement.
#[derive(Clone, Copy)]
pub struct Clause {
    /// Its id, `group.name`; never changes.
    pub id: &'static str,
    /// Profiles by letter that demand it.
    pub must: &'static str,
    /// Profiles by letter that recommend it.
    pub should: &'static str,
    /// What is required, in a sentence or two.
    pub requirement: &'static str,
    /// Why it matters to those who run the server.
    pub why: &'static str,
    /// Where the rule comes from.
    pub source: &'static str,
    /// The function that judges it; none while it is planned.
    pub judge: Option<fn(&Case<'_>, &mut Tally)>,
}

impl Clause {
    /// The level in this profile, if the profile has the clause.
    pub fn level(&self, profile: Profile) -> Option<Level> {
        if self.must.contains(profile.letter()) {
            Some(Level::Must)
        } else if self.should.contains(profile.letter()) {
            Some(Level::Should)
        } else {
            None
        }
    }

    /// Whether it is about restarts that were made to fail, and what follows on them.
    pub fn judges_failures(&self) -> bool {
        self.group() == "failure" || self.id == "keep-alive.kept-on-failed-restart"
    }

    /// The group: what stands before the point.
    pub fn group(&self) -> &'static str {
        self.id.split('.').next().unwrap_or(self.id)
    }
}

/// Every clause of the catalogue, in its order.
pub fn all() -> Vec<&'static Clause> {
    [
        availability::CLAUSES,
        wire::CLAUSES,
        in_flight::CLAUSES,
        keep_alive::CLAUSES,
        failure::KEEP_ALIVE,
        idle::CLAUSES,
        drain::CLAUSES,
        process::CLAUSES,
        handover::CLAUSES,
        aftermath::CLAUSES,
        identity::CLAUSES,
        told::CLAUSES,
        repeat::CLAUSES,
        growth::CLAUSES,
        output::CLAUSES,
        common::CLAUSES,
        shared_listener::CLAUSES,
        unix_path::CLAUSES,
        dropped::CLAUSES,
        protocol::CLAUSES,
        bodies::CLAUSES,
        leaving::CLAUSES,
        kinds::CLAUSES,
        failure::CLAUSES,
        program_replaced::CLAUSES,
        starved::CLAUSES,
        first_process::CLAUSES,
        load::CLAUSES,
        planned::CLAUSES,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The clause with this id.
pub fn find(id: &str) -> Option<&'static Clause> {
    all().into_iter().find(|clause| clause.id == id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_every_clause_belongs_to_a_profile() {
        let ids: BTreeSet<_> = all().iter().map(|clause| clause.id).collect();
        assert_eq!(ids.len(), all().len());
        for clause in all() {
            assert!(!clause.must.is_empty() || !clause.should.is_empty(), "{}", clause.id);
            assert!(clause.id.contains('.'), "{}", clause.id);
        }
    }
}
