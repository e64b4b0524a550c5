//! Versions and habits of HTTP/1 across a restart.

use super::Clause;

/// The clauses of this file.
pub const CLAUSES: &[Clause] = &[
    Clause {
        id: "protocol.http10",
        must: "FRI",
        should: "",
        requirement: "An HTTP/1.0 request without keep-alive gets its response and then end of file, across a restart too.",
        why: "Planned: hotspec does not judge this yet.",
        source: "hotspec",
        judge: None,
    },
    Clause {
        id: "protocol.http10-keep-alive",
        must: "FRI",
        should: "",
        requirement: "A response to an HTTP/1.0 request with keep-alive, sent after Td + δ, does not promise `Connection: keep-alive`, and the connection is closed.",
        why: "Planned: hotspec does not judge this yet.",
        source: "hotspec",
        judge: None,
    },
    Clause {
        id: "protocol.pipelined",
        must: "FRI",
        should: "",
        requirement: "Pipelined requests are answered in order and whole, the last answer announces the close, and requests left unanswered cause no RST that destroys an answer.",
        why: "Planned: hotspec does not judge this yet.",
        source: "hotspec",
        judge: None,
    },
];
