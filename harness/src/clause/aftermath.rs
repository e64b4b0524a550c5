//! What is left when the old generation has gone, and how it went.

use super::Clause;

/// The clauses of this file.
pub const CLAUSES: &[Clause] = &[
    Clause {
        id: "process.exit-zero",
        must: "F",
        should: "R",
        requirement: "The old main process exits with status 0, and no process of the old generation ends by SEGV, ABRT or KILL.",
        why: "Planned: hotspec does not judge this yet.",
        source: "hotspec",
        judge: None,
    },
    Clause {
        id: "process.one-left",
        must: "FRI",
        should: "",
        requirement: "After Tx one generation is left, with as many processes in each role as control shows.",
        why: "Planned: hotspec does not judge this yet.",
        source: "hotspec",
        judge: None,
    },
    Clause {
        id: "process.no-zombies",
        must: "FRI",
        should: "",
        requirement: "One second after Tx there is no zombie and no stray helper.",
        why: "Planned: hotspec does not judge this yet.",
        source: "hotspec",
        judge: None,
    },
];
