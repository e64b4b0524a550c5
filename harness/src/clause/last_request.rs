//! The last request of a connection that was idle, or had never been used, when the drain began.

use super::availability::{judge_exchange, note_unknown_owner, timed_out_unused};
use super::in_flight::{Within, within};
use super::undisturbed::{SLEPT, slept_through};
use super::{Case, Tally};
use crate::declaration::Span;
use crate::history::event::Ending;
use crate::history::{Exchange, Interval, Lane, Micros};

/// How long the lane had been idle at `at`, counted from its last answer.
pub(super) fn idle_at(lane: &Lane, at: Micros) -> Option<Micros> {
    let last = lane.exchanges.iter().filter_map(|exchange| exchange.body.as_ref()).map(|body| body.at);
    last.filter(|last| *last <= at).max().map(|last| at - last)
}

/// The lane's first request that was begun at Td or later, if it was used before.
fn late_request(lane: &Lane, td_lo: Micros) -> Option<(usize, &Exchange)> {
    lane.exchanges.iter().enumerate().find(|(_, exchange)| exchange.begun >= td_lo)
}

/// Lanes that the trigger found in their state, each with the drain of its owner. Whose owner is unknown is left out, and noted.
fn found_by_the_trigger<'a>(case: &'a Case<'_>, tally: &mut Tally) -> Vec<(&'a Lane, Interval)> {
    let Some(t0) = case.t0() else { return Vec::new() };
    let mut found = Vec::new();
    for lane in case.restart_lanes().filter(|lane| lane.armed.is_some_and(|at| at <= t0.hi)) {
        match case.td_of(lane) {
            Some(td) => found.push((lane, td)),
            None => note_unknown_owner(case, lane, tally),
        }
    }
    found
}

/// See `keep-alive.one-last-request`.
pub(super) fn one_last_request(case: &Case<'_>, tally: &mut Tally) {
    let half = case.limits.idle_max / 2;
    for (lane, td) in found_by_the_trigger(case, tally) {
        let Some(idle) = idle_at(lane, td.hi) else { continue };
        if idle > case.timeline.control_idle / 4 {
            tally.doubt(
                case,
                format!(
                    "idle for {} at Td, and control shows that {} are kept: a quicker start or a longer control would help",
                    Span(idle), Span(case.timeline.control_idle)
                ),
            );
            continue;
        }
        match late_request(lane, td.lo) {
            Some((_, exchange)) => {
                let sent = exchange.sent.map_or(exchange.begun, |sent| sent.hi);
                match within(sent, td, half) {
                    Within::Surely => {
                        tally.exercise();
                        judge_exchange(case, lane, exchange, tally);
                    }
                    Within::Perhaps if !exchange.answered() => {
                        tally.doubt(case, format!("Td is uncertain by {}", Span(td.hi - td.lo)));
                    }
                    Within::Perhaps | Within::No => {}
                }
            }
            None => closed_first(case, lane, idle, half, tally),
        }
    }
}

/// An idle connection that was closed before its last request could be sent.
fn closed_first(case: &Case<'_>, lane: &Lane, idle: Micros, half: Micros, tally: &mut Tally) {
    let Some(end) = lane.end.filter(|end| matches!(end.how, Ending::Fin | Ending::Reset)) else { return };
    let announced = lane.exchanges.iter().any(Exchange::closes);
    let Some(td) = case.td_of(lane) else { return };
    if announced || !matches!(within(end.at, td, half), Within::Surely) {
        return;
    }
    if slept_through(case, lane, lane.exchanges.len(), end.at) {
        tally.disturbed(case, SLEPT);
        return;
    }
    tally.exercise();
    let how = if end.how == Ending::Fin { "FIN" } else { "RST" };
    let seen =
        format!("{how} unannounced, on a connection idle for {}, before it could ask again", Span(idle));
    tally.break_on(case, lane, end.at, "closed-first", "one more request is answered before the close", seen);
}

/// See `keep-alive.fresh-request`.
pub(super) fn fresh_request(case: &Case<'_>, tally: &mut Tally) {
    let half = case.limits.idle_max / 2;
    for (lane, td) in found_by_the_trigger(case, tally) {
        let first = lane.exchanges.first();
        if first.is_some_and(|first| first.begun < td.lo) {
            continue;
        }
        if timed_out_unused(case, lane) {
            tally.disturbed(case, "it was never used for as long as an idle connection is kept");
            continue;
        }
        let at =
            first.map(|first| first.sent.map_or(first.begun, |sent| sent.hi)).or(lane.end.map(|end| end.at));
        match at.map(|at| within(at, td, half)) {
            Some(Within::Surely) => match first {
                Some(exchange) => {
                    tally.exercise();
                    judge_exchange(case, lane, exchange, tally);
                }
                None => fresh_closed(case, lane, tally),
            },
            Some(Within::Perhaps) if first.is_none_or(|first| !first.answered()) => {
                tally.doubt(case, format!("Td is uncertain by {}", Span(td.hi - td.lo)));
            }
            _ => {}
        }
    }
}

fn fresh_closed(case: &Case<'_>, lane: &Lane, tally: &mut Tally) {
    let Some(end) = lane.end.filter(|end| matches!(end.how, Ending::Fin | Ending::Reset)) else { return };
    tally.exercise();
    let how = if end.how == Ending::Fin { "FIN" } else { "RST" };
    let seen = format!("{how} on a connection that never sent a byte");
    tally.break_on(case, lane, end.at, "closed-first", "its first request is answered", seen);
}
