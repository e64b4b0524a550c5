//! Clients that close their sending side, or leave by RST.

use super::availability::judge_exchange;
use super::in_flight::{Within, doubt_past_limit, within};
use super::{Case, Clause, Tally, exits};
use crate::declaration::Span;
use crate::history::event::Phase;
use crate::history::{Exchange, Lane, Micros};

/// The clauses of this file.
pub const CLAUSES: &[Clause] = &[
    Clause {
        id: "protocol.half-close",
        must: "",
        should: "FRI",
        requirement: "A client that half-closed after its request gets its answer, where control shows that it does.",
        why: "End of file says that no more requests will come, and not that nobody reads.",
        source: "RFC 9112 §9.6; shutdown(2)",
        judge: Some(half_close),
    },
    Clause {
        id: "protocol.client-abort",
        must: "",
        should: "FRI",
        requirement: "A client that resets its connection while the server drains does not disturb the drain: what others have under way is answered, and the old generation goes in time.",
        why: "Clients leave at all times. An error on one connection that ends the loop in which the server waits for all of them cuts the others.",
        source: "hotspec",
        judge: Some(client_abort),
    },
];

fn half_close(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    let closed_behind = |lane: &Lane, exchange: &Exchange| {
        let whole = exchange.sent.zip(lane.half_closed);
        lane.role == "half-closing" && whole.is_some_and(|(sent, closed)| sent.hi <= closed)
    };
    let control = case.lanes.values().filter(|lane| lane.phase == Phase::Control);
    let answered = |lane: &Lane| lane.exchanges.iter().any(|one| closed_behind(lane, one) && one.answered());
    if !control.clone().any(answered) {
        tally.rule_out("control shows that the target gives no answer to clients that half-closed");
        return;
    }
    for (lane, _, exchange) in case.exchanges().filter(|(lane, _, one)| closed_behind(lane, one)) {
        let (Some(sent), Some(closed)) = (exchange.sent, lane.half_closed) else { continue };
        if exchange.begun >= t0.lo || exchange.body.as_ref().is_some_and(|body| body.at < t0.lo) {
            continue;
        }
        if closed < t0.lo {
            // Under way at T0.
            tally.exercise();
            judge_exchange(case, lane, exchange, tally);
            continue;
        }
        let Some(td) = case.td_or_later(lane) else {
            tally.doubt(case, "no drain was seen");
            continue;
        };
        let kept = exchange.begun.saturating_add(case.limits.idle_max.saturating_sub(case.delta));
        if sent.hi >= kept && !exchange.answered() {
            tally.disturbed(case, "the head was half sent for as long as an idle connection is kept");
            continue;
        }
        match within(sent.hi, td, case.limits.idle_max / 2) {
            Within::Surely => {
                tally.exercise();
                judge_exchange(case, lane, exchange, tally);
            }
            Within::Perhaps if !exchange.answered() => {
                tally.doubt(case, format!("Td is uncertain by {}", Span(td.hi - td.lo)));
            }
            Within::Perhaps => tally.exercise(),
            Within::No => {}
        }
    }
}

fn client_abort(case: &Case<'_>, tally: &mut Tally) {
    let Some(first) = aborted_while_draining(case).min() else { return };
    // In flight beside them: begun before the first of them left, and over after that.
    for (lane, _, exchange) in case.exchanges().filter(|(lane, ..)| lane.role == "steady") {
        let over = exchange.body.as_ref().map(|body| body.at).or(lane.end.map(|end| end.at));
        let beside = exchange.begun < first && over.is_none_or(|over| over >= first);
        if !beside || case.old_owner(lane).is_none() || !was_in_time(case, lane, exchange) {
            continue;
        }
        if doubt_past_limit(case, lane, exchange, tally) {
            continue;
        }
        tally.exercise();
        judge_exchange(case, lane, exchange, tally);
    }
    exits::exits(case, tally);
}

/// When lanes left by RST while their owner drained.
fn aborted_while_draining<'a>(case: &'a Case<'_>) -> impl Iterator<Item = Micros> + 'a {
    let by_rst = case.restart_lanes().filter_map(|lane| Some((lane, lane.aborted?)));
    by_rst.filter(|(lane, at)| case.td_of(lane).is_some_and(|td| *at >= td.lo)).map(|(_, at)| at)
}

/// A head that stays half sent for too long is timed out rightly.
fn was_in_time(case: &Case<'_>, lane: &Lane, exchange: &Exchange) -> bool {
    if exchange.head.is_some() || exchange.answered() {
        return true;
    }
    let Some(td) = case.td_of(lane) else { return false };
    let finished = exchange.sent.map(|sent| sent.hi).or(lane.end.map(|end| end.at));
    let kept = exchange.begun.saturating_add(case.limits.idle_max.saturating_sub(case.delta));
    finished.is_some_and(|at| at < kept && matches!(within(at, td, case.limits.idle_max / 2), Within::Surely))
}
