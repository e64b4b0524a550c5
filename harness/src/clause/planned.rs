//! What is in the catalogue and not built yet: listed, judged by nothing, outside coverage.

use super::Clause;

const fn planned(
    id: &'static str,
    must: &'static str,
    should: &'static str,
    requirement: &'static str,
) -> Clause {
    Clause {
        id,
        must,
        should,
        requirement,
        why: "Planned: hotspec does not judge this yet.",
        source: "hotspec",
        judge: None,
    }
}

/// The clauses that are planned.
pub const CLAUSES: &[Clause] = &[
    planned(
        "protocol.upgraded",
        "",
        "FRI",
        "A WebSocket lives until drain_max or ends by a Close frame (1001 or 1012), not by RST, unless bytes of the client were unread.",
    ),
    planned(
        "protocol.h2-goaway",
        "FRI",
        "",
        "Every HTTP/2 connection whose SETTINGS exchange finished gets GOAWAY by Td + δ; it should come in two steps.",
    ),
    planned(
        "protocol.h2-streams",
        "FRI",
        "",
        "HTTP/2 streams up to the last id of the GOAWAY complete, and later ones are refused as unprocessed.",
    ),
    planned(
        "protocol.tls-handshake",
        "FRI",
        "",
        "A TLS handshake begun before Td completes; close_notify should come before FIN.",
    ),
    planned(
        "protocol.tls-exits",
        "FRI",
        "",
        "Behind a TLS listener too the old generation is gone by exit_max after its last lane closed, with no further traffic at all.",
    ),
    planned(
        "protocol.tls-resumption",
        "",
        "FRI",
        "TLS session tickets from before T0 resume sessions after Tx.",
    ),
];
