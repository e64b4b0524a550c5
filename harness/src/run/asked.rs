//! What is asked for of a run.

use std::path::PathBuf;

use super::isolation::IsolationWanted;
use super::shard::Part;
use crate::clause::Level;
use crate::manifest::Typed;
use crate::target::file::Target;

/// How often a scenario that left something undecided is attempted again, if it is not said.
pub(crate) const AGAIN: u32 = 2;

/// What is asked for of a run: the options of `hotspec run`, checked one by one.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// What is run, as it is declared in the end.
    pub(crate) target: Target,
    /// Clauses, groups or scenarios; none for all of the profile.
    pub(crate) selectors: Vec<String>,
    /// Those to leave out.
    pub(crate) exclude: Vec<String>,
    /// Also the scenarios that take long by nature.
    pub(crate) all: bool,
    /// Whether SHOULD counts as well.
    pub(crate) level: Level,
    /// Fixes the plan; drawn if it is not given.
    pub(crate) seed: Option<u64>,
    /// Only this part of it.
    pub(crate) part: Option<Part>,
    /// The target file, where it was found by itself.
    pub(crate) found: Option<String>,
    /// Scenarios at the same time.
    pub(crate) jobs: Option<u16>,
    /// How often a scenario that left something undecided is attempted again.
    pub(crate) again: u32,
    /// Results of an earlier run.
    pub(crate) baseline: Option<PathBuf>,
    /// The network that each scenario is to get.
    pub(crate) isolation: IsolationWanted,
    /// The process is hotspec's own and has no thread yet, so that it may be put into a user namespace.
    pub(crate) is_own: bool,
    /// The value of net.ipv4.tcp_migrate_req in the target's network.
    pub(crate) migrate_req: Option<bool>,
    /// The command line that asks for it.
    pub(crate) typed: Option<Typed>,
}
