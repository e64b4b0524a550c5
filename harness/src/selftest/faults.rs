//! What can be wrong with the server. Natural bugs: nothing is added to make them seen.

/// Something that the server gets wrong, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Closes its listener, and then starts a successor that binds anew.
    Gap,
    /// Has a queue of its own, by SO_REUSEPORT, as its successor has.
    QueueLost,
    /// Drains first, and starts its successor then.
    Stalls,
    /// Says nothing of the close while it drains.
    NoClose,
    /// Says close, and waits for another request.
    CloseNotKept,
    /// Ends connections that were idle for too long by RST.
    Reset,
    /// Closes idle connections when it begins to drain.
    IdleClosed,
    /// Has no idle limit while it drains.
    IdleKept,
    /// Ends when it should drain.
    Killed,
    /// Never drains.
    NeverDrains,
    /// Drains, and accepts on.
    AcceptsOn,
    /// Never ends.
    NeverExits,
    /// Drains at the trigger.
    TooEarly,
    /// Restarts nothing.
    Ignores,
    /// Starts its successor with no environment.
    NoEnvironment,
    /// Ends with status 1.
    ExitStatus,
}

/// A fault with all that is to be known of it.
pub struct Entry {
    /// The fault.
    pub fault: Fault,
    /// Its name on the command line.
    pub name: &'static str,
    /// What the server does, in a few words.
    pub what: &'static str,
    /// The clause that it has to fail by.
    pub clause: &'static str,
    /// The scenario that it is put through.
    pub scenario: &'static str,
}

const fn entry(
    fault: Fault,
    name: &'static str,
    what: &'static str,
    clause: &'static str,
    scenario: &'static str,
) -> Entry {
    Entry { fault, name, what, clause, scenario }
}

/// The name of the server that has none.
pub const FAULTLESS: &str = "none";

/// All faults.
pub const FAULTS: &[Entry] = &[
    entry(
        Fault::Gap,
        "gap",
        "closes its listener before another listens",
        "availability.not-refused",
        "new-connections",
    ),
    entry(
        Fault::QueueLost,
        "queue-lost",
        "closes a queue of its own (SO_REUSEPORT)",
        "availability.queue-kept",
        "queued-at-handover",
    ),
    entry(
        Fault::Stalls,
        "stalls",
        "drains, and starts its successor then",
        "availability.no-stall",
        "new-connections",
    ),
    entry(Fault::Killed, "killed", "ends with answers under way", "in-flight.completes", "in-flight-slow"),
    entry(
        Fault::NoClose,
        "no-close",
        "announces no close",
        "keep-alive.close-announced",
        "keep-alive-traffic",
    ),
    entry(
        Fault::CloseNotKept,
        "close-not-kept",
        "announces a close, and goes on",
        "keep-alive.close-honoured",
        "keep-alive-traffic",
    ),
    entry(Fault::Reset, "reset", "ends idle connections by RST", "keep-alive.fin-not-reset", "idle-silent"),
    entry(
        Fault::IdleClosed,
        "idle-closed",
        "closes idle connections at once",
        "keep-alive.one-last-request",
        "idle-last-request",
    ),
    entry(Fault::IdleKept, "idle-kept", "keeps idle connections for ever", "idle.timed-out", "idle-silent"),
    entry(
        Fault::NeverDrains,
        "never-drains",
        "does not hear that its successor is ready",
        "drain.starts",
        "new-connections",
    ),
    entry(
        Fault::AcceptsOn,
        "accepts-on",
        "accepts while it drains",
        "drain.stops-accepting",
        "new-connections",
    ),
    entry(
        Fault::NeverExits,
        "never-exits",
        "stays when all connections are closed",
        "drain.exits",
        "zero-traffic",
    ),
    entry(
        Fault::TooEarly,
        "too-early",
        "drains before its successor is ready",
        "process.ready-before-drain",
        "slow-start",
    ),
    entry(
        Fault::Ignores,
        "ignores",
        "does nothing at the trigger",
        "process.new-generation",
        "new-connections",
    ),
    entry(
        Fault::NoEnvironment,
        "no-environment",
        "gives its successor no environment",
        "process.environment-kept",
        "new-connections",
    ),
    entry(Fault::ExitStatus, "exit-status", "ends with status 1", "process.exit-zero", "zero-traffic"),
];

impl Fault {
    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        if name == FAULTLESS {
            return Some(Self::None);
        }
        FAULTS.iter().find(|entry| entry.name == name).map(|entry| entry.fault)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::clause::{Level, registry};
    use crate::declaration::Profile;
    use crate::scenario::builtin;

    #[test]
    fn every_fault_has_a_clause_of_its_own_that_counts_and_a_quick_scenario_that_is_about_it() {
        let scenarios = builtin::scenarios().expect("scenarios parse");
        let mut clauses = BTreeSet::new();
        for Entry { name, clause, scenario, fault, .. } in FAULTS {
            assert_eq!(Fault::named(name), Some(*fault), "{name}");
            assert!(clauses.insert(clause), "{name}: {clause} is another's");
            let built = registry::find(clause).filter(|clause| clause.judge.is_some()).expect(clause);
            assert_eq!(built.level(Profile::Falcore), Some(Level::Must), "{name}");
            let scenario = scenarios.iter().find(|one| one.name == *scenario).expect(scenario);
            assert!(scenario.clauses.iter().any(|id| id == clause) && !scenario.is_slow(), "{name}");
        }
        assert_eq!((Fault::named(FAULTLESS), Fault::named("nothing")), (Some(Fault::None), None));
    }
}
