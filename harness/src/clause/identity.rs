//! What a generation is given, and passes on.

use super::Clause;

/// The clauses of this file.
pub const CLAUSES: &[Clause] = &[
    Clause {
        id: "process.arguments-kept",
        must: "F",
        should: "R",
        requirement: "Each generation has the arguments of the first and of the one before it, documented ones aside, and the listener's flag once.",
        why: "Planned: hotspec does not judge this yet.",
        source: "hotspec",
        judge: None,
    },
    Clause {
        id: "process.environment-kept",
        must: "F",
        should: "R",
        requirement: "Each generation has the environment, working directory, ids, umask, limits, nice value, affinity, session and capabilities of the first and of the one before it, documented variables aside.",
        why: "Planned: hotspec does not judge this yet.",
        source: "hotspec",
        judge: None,
    },
    Clause {
        id: "process.stdio-kept",
        must: "F",
        should: "R",
        requirement: "Each generation has the standard input, output and error of the first and of the one before it.",
        why: "Planned: hotspec does not judge this yet.",
        source: "hotspec",
        judge: None,
    },
    Clause {
        id: "process.signals-kept",
        must: "",
        should: "FR",
        requirement: "Each generation has the signal mask and the ignored signals of the first and of the one before it.",
        why: "Planned: hotspec does not judge this yet.",
        source: "hotspec",
        judge: None,
    },
];
