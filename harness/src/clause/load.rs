//! Load goes through many restarts.

use super::control::{asked_at_once, unfinished};
use super::tally::STOOD_STILL;
use super::{Case, Clause, Tally};
use crate::declaration::{Profile, Span};
use crate::history::event::{ConnectTrouble, Ending, Stage};
use crate::history::{Exchange, Lane, Micros};

/// The clauses of this group.
pub const CLAUSES: &[Clause] = &[
    Clause {
        id: "load.closed-loop",
        must: "FRI",
        should: "",
        requirement: "Full keep-alive load goes through 20 restarts without a failure; outside of profile falcore, a request on a reused connection that was closed unannounced, and that got no byte of a response, is counted and forgiven.",
        why: "What one restart under light load does not lose, twenty under full load may: a race needs many connections to show.",
        source: "hotspec; RFC 9112 §9.3.1",
        judge: Some(closed_loop),
    },
    Clause {
        id: "load.new-connections",
        must: "FRI",
        should: "",
        requirement: "New connections opened at a steady rate go through 20 restarts, and none fails.",
        why: "Clients that come in do not wait until a slow server has caught up: what it can't hold meanwhile it must not drop.",
        source: "hotspec",
        judge: Some(new_connections),
    },
    Clause {
        id: "load.latency",
        must: "",
        should: "FRI",
        requirement: "The 99.9th percentile of the time from a request to the first byte of its response, of all that were sent from T0 to Tx, is at most control's plus stall_max.",
        why: "A successor whose caches are cold loses nobody, and lets everybody wait.",
        source: "hotspec",
        judge: Some(latency),
    },
    Clause {
        id: "load.idle-mass",
        must: "FRI",
        should: "",
        requirement: "Of 2,000 idle connections each is served once more or closed by FIN within idle_max + max(1 s, 10 %) of Td, and the old generation is gone by exit_max after the last of them; outside of profile falcore, an RST that a request on one crosses is counted and forgiven.",
        why: "What a dozen idle clients do not show, thousands do: tables that are full, lists that are searched for each, a backlog that overflows when all come back at once.",
        source: "hotspec; RFC 9112 §9.3.1",
        judge: Some(super::idle_mass::idle_mass),
    },
];

/// Fewer requests than these say nothing of a percentile.
const REQUESTS_MIN: usize = 20;

/// Whether a restart went through the load; says so where it is to be doubted.
pub(super) fn restarted(case: &Case<'_>, tally: &mut Tally) -> bool {
    if case.t0().is_none() {
        return false;
    }
    // Where clients alone are asked, signs of a restart are insisted on in any case.
    let came = case.timeline.tr().is_some() || case.clients_only();
    if !came {
        tally.doubt(case, "no successor was seen, so no restart went through the load");
    }
    came
}

/// Lanes of the scenario's own.
fn load<'a>(case: &'a Case<'_>) -> impl Iterator<Item = &'a Lane> {
    case.restart_lanes().filter(|lane| !lane.role.starts_with("canary"))
}

/// A connection that did not come about. Returns whether there is one.
fn connects(case: &Case<'_>, lane: &Lane, tally: &mut Tally) -> bool {
    let Some((at, why, errno)) = lane.connect_failed else { return lane.connected.is_some() };
    let errno = errno.map_or_else(String::new, |errno| format!(" (errno {errno})"));
    let how = match why {
        ConnectTrouble::Local => {
            tally.doubt(case, format!("the harness could not open a connection of its own{errno}"));
            return false;
        }
        ConnectTrouble::TimedOut if stood_still(case, lane.opened, at) => {
            tally.disturbed(case, STOOD_STILL);
            return false;
        }
        ConnectTrouble::Refused => "connection refused",
        ConnectTrouble::TimedOut => "no connection in time",
        ConnectTrouble::QueueFull => "the accept queue was full",
        ConnectTrouble::Missing => "no socket at the path",
        ConnectTrouble::Other => "no connection",
    };
    tally.exercise();
    tally.break_on(case, lane, at, "not-connected", "the connection is accepted", format!("{how}{errno}"));
    false
}

/// Whether the harness was away for so much of a wait that its end shows nothing.
pub(super) fn stood_still(case: &Case<'_>, from: Micros, to: Micros) -> bool {
    case.own_gaps(from, to) > to.saturating_sub(from) / 4
}

fn closed_loop(case: &Case<'_>, tally: &mut Tally) {
    if !restarted(case, tally) {
        return;
    }
    for lane in load(case) {
        if !connects(case, lane, tally) {
            continue;
        }
        for (ordinal, exchange) in lane.exchanges.iter().enumerate() {
            judge(case, lane, ordinal, exchange, tally);
        }
    }
}

fn new_connections(case: &Case<'_>, tally: &mut Tally) {
    if !restarted(case, tally) {
        return;
    }
    for lane in load(case) {
        if !connects(case, lane, tally) {
            continue;
        }
        if let Some(first) = lane.exchanges.first() {
            judge(case, lane, 0, first, tally);
        }
    }
}

/// One request. What the harness was too late for, or did not wait for, is no breach.
fn judge(case: &Case<'_>, lane: &Lane, ordinal: usize, exchange: &Exchange, tally: &mut Tally) {
    let Some((kind, expected, seen)) = case.control.fault(lane, exchange) else {
        return tally.exercise();
    };
    let until = lane.end.map_or(case.end, |end| end.at);
    match kind {
        "unfinished" => return,
        "no-answer" if stood_still(case, exchange.begun, until) => return tally.disturbed(case, STOOD_STILL),
        "eof" | "reset" => {
            // It was idle since then, by the server's leave.
            let since = match ordinal.checked_sub(1).and_then(|before| lane.exchanges.get(before)) {
                Some(before) => before.body.as_ref().map_or(exchange.begun, |body| body.at),
                None => lane.connected.unwrap_or(lane.opened),
            };
            if exchange.begun.saturating_sub(since) > case.limits.idle_max / 2 {
                return tally
                    .doubt(case, "the harness was late with a request: its connection was idle meanwhile");
            }
            let no_byte = lane.end.is_none_or(|end| end.stage != Stage::InHead);
            if ordinal > 0 && no_byte && case.profile != Profile::Falcore {
                return tally.forgive();
            }
        }
        _ => {}
    }
    tally.exercise();
    let at = exchange.body.as_ref().map_or(until, |body| body.at);
    tally.break_on(case, lane, at, kind, &expected, seen);
}

/// A wait for the first byte of an answer.
struct Wait<'a> {
    lane: &'a Lane,
    from: Micros,
    to: Micros,
}

impl Wait<'_> {
    fn time(&self) -> Micros {
        self.to.saturating_sub(self.from)
    }
}

fn latency(case: &Case<'_>, tally: &mut Tally) {
    if !restarted(case, tally) {
        return;
    }
    let Some((t0, tx)) = case.t0().zip(case.timeline.tx()) else {
        return tally.doubt(case, "the old generation was not seen to go");
    };
    let mut waits: Vec<Wait<'_>> = Vec::new();
    for lane in load(case) {
        let sent = lane.exchanges.iter().enumerate();
        let inside = |from: Micros| from >= t0.lo && from <= tx.hi;
        waits.extend(
            sent.filter_map(|(ordinal, one)| wait(lane, ordinal, one)).filter(|one| inside(one.from)),
        );
    }
    if waits.len() < REQUESTS_MIN {
        // An old generation that was gone at once: there was next to no such time.
        return;
    }
    waits.sort_by_key(Wait::time);
    let rank = (waits.len() as f64 * 0.999).ceil() as usize;
    let limit = case.control.answer_p999.saturating_add(case.limits.stall_max);
    let Some(worst) = waits.get(rank.saturating_sub(1)) else { return };
    if worst.time() <= limit {
        return tally.exercise();
    }
    // What remains of them if the time is left out in which the harness itself did not run.
    let own = |one: &Wait<'_>| one.time().saturating_sub(case.own_gaps(one.from, one.to));
    let mut without: Vec<Micros> = waits.iter().map(own).collect();
    without.sort_unstable();
    if without.get(rank.saturating_sub(1)).is_none_or(|time| *time <= limit) {
        return tally.disturbed(case, STOOD_STILL);
    }
    tally.exercise();
    let expected = format!(
        "the 99.9th percentile at most {} (control's {} and stall_max)",
        Span(limit),
        Span(case.control.answer_p999)
    );
    let seen = format!("{}, of {} requests from T0 to Tx", Span(worst.time()), waits.len());
    tally.break_on(case, worst.lane, worst.to, "slow", &expected, seen);
}

/// How long a request on the fast path waited; the first one on a connection from the connect on. Whoever gave up had waited
/// in vain until then.
fn wait<'a>(lane: &'a Lane, ordinal: usize, exchange: &Exchange) -> Option<Wait<'a>> {
    let sent = exchange.sent.filter(|_| exchange.endpoint == "fast")?;
    let from = if ordinal == 0 && asked_at_once(lane, exchange) { lane.opened } else { sent.lo };
    let to = match (&exchange.head, lane.end) {
        (Some(head), _) => head.first_byte,
        (None, Some(end)) if end.how == Ending::GaveUp && unfinished(lane, exchange).0 == "no-answer" => {
            end.at
        }
        _ => return None,
    };
    Some(Wait { lane, from, to })
}
