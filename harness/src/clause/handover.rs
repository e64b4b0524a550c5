//! What a successor is handed, and when it says that it is ready.

use super::Clause;

/// The clauses of this file.
pub const CLAUSES: &[Clause] = &[
    Clause {
        id: "process.ready-before-drain",
        must: "FR",
        should: "",
        requirement: "With the successor's start slowed by S = 5 × stall_max, connections opened throughout [T0 + 0.1 S, T0 + 0.9 S] are answered by the old generation at control's latency.",
        why: "Planned: hotspec does not judge this yet.",
        source: "hotspec",
        judge: None,
    },
    Clause {
        id: "process.descriptor-flag",
        must: "F",
        should: "",
        requirement: "The successor's command line names a descriptor that, between its exec and its first accept, is the listener.",
        why: "Planned: hotspec does not judge this yet.",
        source: "hotspec",
        judge: None,
    },
    Clause {
        id: "process.readiness-signal",
        must: "F",
        should: "",
        requirement: "A process executed with the listener's descriptor sends its parent exactly one SIGUSR1, and then serves; if the parent dies before, nobody else gets that signal.",
        why: "Planned: hotspec does not judge this yet.",
        source: "hotspec",
        judge: None,
    },
];
