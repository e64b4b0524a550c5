//! What the service manager and the operator are told: pid file and notify socket.

use super::Clause;

/// The clauses of this file.
pub const CLAUSES: &[Clause] = &[
    Clause {
        id: "process.pid-file",
        must: "FRI",
        should: "",
        requirement: "The pid file that the target declares is never empty, never names a dead process, and names the new one before Tx.",
        why: "Planned: hotspec does not judge this yet.",
        source: "hotspec",
        judge: None,
    },
    Clause {
        id: "process.notify",
        must: "FRI",
        should: "",
        requirement: "Where the target declares a notify socket, READY is told, the new MAINPID is told before the old main process exits, and no dead process is ever named.",
        why: "Planned: hotspec does not judge this yet.",
        source: "hotspec",
        judge: None,
    },
];
