//! What can be judged of a server that was up already: hotspec gave it nothing, reads nothing that it writes, and where nobody
//! said which processes it is, has its clients' word only.

use super::keep_alive;
use super::last_request::idle_at;
use super::{Case, Clause, Tally, identity, output};
use crate::history::event::{ConnectTrouble, Ending, Stage};
use crate::history::{Exchange, Lane};

/// Clauses that ask for nothing but what a client sees, and for no instant but T0: nothing of them depends on when a successor
/// serves, or on which process has a connection.
const SEEN_BY_CLIENTS: [&str; 21] = [
    "availability.not-refused",
    "availability.answered",
    "availability.no-stall",
    "availability.no-wire-reset",
    "in-flight.completes",
    "in-flight.slow-response",
    "in-flight.upload",
    "in-flight.partial-head",
    "in-flight.slow-reader",
    "in-flight.not-truncated",
    "in-flight.no-drain-errors",
    "keep-alive.close-honoured",
    "keep-alive.fin-not-reset",
    "protocol.http10",
    "protocol.chunked-upload",
    "protocol.expect-continue",
    "protocol.no-body",
    "protocol.half-close",
    "protocol.server-sent-events",
    "load.closed-loop",
    "load.new-connections",
];

/// Those that a field of answers shows besides, whose value is another one after a restart.
const SEEN_BY_MARKER: [&str; 2] = ["process.new-generation", "process.effective"];

/// Why nothing is passed where nothing shows that there was a restart.
const UNSEEN: &str = "nothing that clients saw shows that a restart took place: no connection was closed, and no answer showed a new value of a field that names a generation (--marker-header); --pid, --pid-file or --unit show processes";

impl Clause {
    /// Whether it can be judged by what clients see alone, of a server that hotspec has not started.
    pub fn seen_by_clients(&self) -> bool {
        SEEN_BY_CLIENTS.contains(&self.id)
    }
}

/// Why the clause can't be judged of this case, as the server was up already.
pub(super) fn out_of_sight(case: &Case<'_>, clause: &Clause) -> Option<String> {
    let processes = case.beside?;
    let is_one_of = |clauses: &[Clause]| clauses.iter().any(|one| one.id == clause.id);
    if is_one_of(identity::CLAUSES) {
        return Some("hotspec has not started the server, so it is not known what that was given".to_owned());
    }
    if is_one_of(output::CLAUSES) {
        return Some("hotspec has not started the server, and does not read what it writes".to_owned());
    }
    if processes || clause.seen_by_clients() {
        return None;
    }
    if !SEEN_BY_MARKER.contains(&clause.id) {
        let why = "it takes a look at the server's processes, and nobody said which they are (--pid, --pid-file, --unit)";
        return Some(why.to_owned());
    }
    (!case.timeline.has_header()).then(|| {
        "nobody said what shows a new generation: --marker-header names a field of answers, --pid, --pid-file or --unit the processes"
            .to_owned()
    })
}

/// Takes back what was put to the test, unless there are signs of a restart. What was broken stays so.
pub(super) fn insist_on_restart(case: &Case<'_>, tally: &mut Tally) {
    if case.clients_only() && tally.exercised > 0 && tally.violations.is_empty() && !shows_restart(case) {
        tally.exercised = 0;
        tally.doubt(case, UNSEEN);
    }
}

/// Whether clients saw something that only a restart explains: the new marker, or connections that control would have kept, and
/// others, lost or turned away.
fn shows_restart(case: &Case<'_>) -> bool {
    let Some(t0) = case.t0() else { return false };
    let refused = |lane: &Lane| {
        let refused = |(at, why, _): &(_, ConnectTrouble, _)| *at >= t0.lo && *why == ConnectTrouble::Refused;
        lane.connect_failed.as_ref().is_some_and(refused)
    };
    let announced = |lane: &Lane| {
        let early = lane.exchanges.iter().take(case.control.ordinals).filter(|_| !asks_for_close(lane));
        early.filter_map(|exchange| exchange.head.as_ref()).any(|head| head.last && head.at >= t0.lo)
    };
    let closed = |lane: &Lane| {
        let Some(end) = lane.end.filter(|end| end.at >= t0.lo && end.stage == Stage::Idle) else {
            return false;
        };
        let by_server = matches!(end.how, Ending::Fin | Ending::Reset | Ending::ResetAfterFin);
        let kept = idle_at(lane, end.at).is_some_and(|idle| idle < case.timeline.control_idle / 2);
        let told = lane.exchanges.iter().any(Exchange::closes);
        by_server && kept && !told && lane.exchanges.len() < case.control.ordinals
    };
    case.timeline.tr().is_some()
        || case.restart_lanes().any(|lane| refused(lane) || announced(lane) || closed(lane))
}

/// A client that asks for the close gets it announced at any time.
fn asks_for_close(lane: &Lane) -> bool {
    keep_alive::asks_for_close(lane) || lane.role.starts_with("http10")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clause::registry;

    #[test]
    fn every_clause_that_clients_see_is_one_of_the_catalogue() {
        for id in SEEN_BY_CLIENTS.iter().chain(&SEEN_BY_MARKER) {
            assert!(registry::find(id).is_some_and(|clause| clause.judge.is_some()), "{id}");
        }
    }
}
