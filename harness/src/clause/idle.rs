//! Connections that say nothing while the old generation drains.

use super::availability::note_unknown_owner;
use super::in_flight::{Within, within};
use super::tally::STOOD_STILL;
use super::undisturbed::{SLEPT, slept_through};
use super::{Case, Clause, Tally};
use crate::declaration::Span;
use crate::history::event::{Ending, Interval, Stage};
use crate::history::generation::Proc;
use crate::history::{Exchange, Lane, Micros, Model};

/// How much later than `idle_max` a silent connection may be closed, at least; else a tenth of `idle_max`.
const LATE_MIN: Micros = 1_000_000;

/// The clauses of this group.
pub const CLAUSES: &[Clause] = &[
    Clause {
        id: "idle.timed-out",
        must: "FRI",
        should: "",
        requirement: "An idle connection of the old generation that sends nothing is closed by FIN within idle_max + max(1 s, 10 %) of Td.",
        why: "One client that keeps a connection open and says nothing would keep the old generation for ever.",
        source: "Falcore's hot restart",
        judge: Some(timed_out),
    },
    Clause {
        id: "idle.fresh-timed-out",
        must: "F",
        should: "RI",
        requirement: "A connection of the old generation that never sent a byte is closed by FIN within idle_max + max(1 s, 10 %) of Td, and never keeps it past drain_max.",
        why: "Browsers open connections that they may never use; a limit that counts from the last request does not count here.",
        source: "Falcore's hot restart",
        judge: Some(fresh_timed_out),
    },
    Clause {
        id: "idle.partial-head-bounded",
        must: "FRI",
        should: "",
        requirement: "A half-sent head that stays silent does not keep the old generation past drain_max: it gets 408 or the end of the connection.",
        why: "A client that vanished amid a request would keep the old generation, or whoever wants to (slowloris).",
        source: "hotspec; RFC 9110 §15.5.9",
        judge: Some(partial_head_bounded),
    },
    Clause {
        id: "idle.half-closed-bounded",
        must: "FRI",
        should: "",
        requirement: "A client that closed its sending side does not keep the old generation past drain_max.",
        why: "A server that waits for more from a client that said it is done waits for ever.",
        source: "hotspec; RFC 9293 §3.6",
        judge: Some(half_closed_bounded),
    },
    Clause {
        id: "idle.not-early",
        must: "F",
        should: "",
        requirement: "No idle connection is closed within idle_max/2 of Td if it was active within a quarter of control's keep-alive timeout before.",
        why: "A connection that is closed at once races with the request that its client is about to send.",
        source: "Falcore's hot restart",
        judge: Some(not_early),
    },
];

/// A connection of an old process that says nothing from Td on: its owner, and the owner's Td.
fn silent<'a>(case: &'a Case<'_>, lane: &Lane, tally: &mut Tally) -> Option<(&'a Proc, Interval)> {
    let t0 = case.t0()?;
    if rules_out_in_place(case, tally) {
        return None;
    }
    let owner = case.old_owner(lane);
    let (Some(owner), Some(td)) = (owner, case.td_of(lane)) else {
        note_unknown_owner(case, lane, tally);
        return None;
    };
    let spoke = lane.exchanges.iter().any(|exchange| exchange.begun >= td.lo);
    let there = lane.connected.is_some_and(|at| at < td.lo) && lane.end.is_none_or(|end| end.at >= t0.lo);
    (there && !spoke).then_some((owner, td))
}

/// Where one process restarts inside itself there is no old generation that could stay behind.
pub(super) fn rules_out_in_place(case: &Case<'_>, tally: &mut Tally) -> bool {
    let in_place = case.generations.model == Model::InPlace;
    if in_place {
        tally.rule_out("the target restarts in place: no old generation stays behind with its connections");
    }
    in_place
}

fn timed_out(case: &Case<'_>, tally: &mut Tally) {
    for lane in case.restart_lanes() {
        let idle = !lane.exchanges.is_empty() && lane.exchanges.iter().all(Exchange::answered);
        // Where the close was announced it is owed at once, and another clause asks for it.
        let announced = lane.exchanges.iter().any(Exchange::closes);
        if idle
            && !announced
            && lane.half_closed.is_none()
            && let Some((_, td)) = silent(case, lane, tally)
        {
            closed_in_time(case, lane, td, tally);
        }
    }
}

fn fresh_timed_out(case: &Case<'_>, tally: &mut Tally) {
    for lane in case.restart_lanes().filter(|lane| lane.exchanges.is_empty() && lane.armed.is_some()) {
        if let Some((_, td)) = silent(case, lane, tally) {
            closed_in_time(case, lane, td, tally);
        }
    }
}

/// Whether the server ended a silent connection within its limit.
pub(super) fn closed_in_time(case: &Case<'_>, lane: &Lane, td: Interval, tally: &mut Tally) {
    let late = LATE_MIN.max(case.limits.idle_max / 10);
    let limit = case.limits.idle_max.saturating_add(late);
    let deadline = td.hi.saturating_add(limit).saturating_add(case.delta);
    let Some(end) = lane.end else { return };
    if end.at <= deadline {
        // Closed by the lane itself before its time it shows nothing.
        if !matches!(end.how, Ending::Lane | Ending::GaveUp) {
            tally.exercise();
        }
        return;
    }
    if end.at.saturating_sub(case.longest_own_gap(td.hi, end.at)) <= deadline {
        tally.disturbed(case, STOOD_STILL);
        return;
    }
    tally.exercise();
    let expected = format!("FIN within {} of Td", Span(limit));
    let after = Span(end.at.saturating_sub(td.hi));
    match end.how {
        Ending::Lane | Ending::GaveUp => {
            tally.break_on(
                case,
                lane,
                end.at,
                "still-open",
                &expected,
                format!("still open {after} after Td"),
            );
        }
        Ending::Reset | Ending::Fin | Ending::ResetAfterFin => {
            let how = if end.how == Ending::Reset { "RST" } else { "FIN" };
            tally.break_on(case, lane, end.at, "late", &expected, format!("{how} {after} after Td"));
        }
    }
}

fn partial_head_bounded(case: &Case<'_>, tally: &mut Tally) {
    for lane in case.restart_lanes().filter(|lane| lane.half_closed.is_none()) {
        let half_sent =
            lane.exchanges.last().is_some_and(|last| last.sent.is_none() && last.endpoint != "upload");
        if half_sent
            && lane.armed.is_some()
            && let Some((owner, td)) = silent(case, lane, tally)
        {
            bounded(case, lane, owner, td, tally);
        }
    }
}

fn half_closed_bounded(case: &Case<'_>, tally: &mut Tally) {
    for lane in case.restart_lanes().filter(|lane| lane.half_closed.is_some()) {
        if let Some((owner, td)) = silent(case, lane, tally) {
            bounded(case, lane, owner, td, tally);
        }
    }
}

/// Whether a connection that will bring nothing more keeps its owner past `drain_max`.
fn bounded(case: &Case<'_>, lane: &Lane, owner: &Proc, td: Interval, tally: &mut Tally) {
    let deadline = td.hi.saturating_add(case.limits.drain_max).saturating_add(case.delta);
    let end = lane.end.filter(|end| !matches!(end.how, Ending::Lane | Ending::GaveUp));
    if end.is_some_and(|end| end.at <= deadline) {
        tally.exercise();
        return;
    }
    let until = lane.end.map_or(case.end, |end| end.at);
    let there = owner.gone.is_none_or(|gone| gone.lo > deadline);
    if until <= deadline || !there {
        return;
    }
    if until.saturating_sub(case.longest_own_gap(td.hi, until)) <= deadline {
        tally.disturbed(case, STOOD_STILL);
        return;
    }
    tally.exercise();
    let expected =
        format!("the end of the connection, or of its owner, within {} of Td", Span(case.limits.drain_max));
    let seen = format!("both still there {} after Td", Span(until.saturating_sub(td.hi)));
    tally.break_on(case, lane, until, "held", &expected, seen);
}

fn not_early(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    for lane in case.restart_lanes().filter(|lane| lane.armed.is_some_and(|at| at <= t0.hi)) {
        let Some(td) = case.td_of(lane) else {
            super::availability::note_unknown_owner(case, lane, tally);
            continue;
        };
        let answered = lane.exchanges.iter().filter(|exchange| exchange.answered());
        let last = answered
            .filter_map(|exchange| exchange.body.as_ref())
            .map(|body| body.at)
            .filter(|at| *at <= td.hi)
            .max();
        let Some(idle) = last.map(|last| td.hi.saturating_sub(last)) else { continue };
        if idle > case.timeline.control_idle / 4 {
            tally.doubt(
                case,
                format!(
                    "idle for {} at Td, longer than a quarter of what control shows to be kept",
                    Span(idle)
                ),
            );
            continue;
        }
        let asked_again = lane.exchanges.iter().any(|exchange| exchange.begun >= td.lo);
        let announced = lane.exchanges.iter().any(Exchange::closes);
        let end = lane
            .end
            .filter(|end| !matches!(end.how, Ending::Lane | Ending::GaveUp) && end.stage == Stage::Idle);
        match end.map(|end| (end, within(end.at, td, case.limits.idle_max / 2))) {
            Some((end, Within::Surely)) if !asked_again && !announced => {
                if slept_through(case, lane, lane.exchanges.len(), end.at) {
                    tally.disturbed(case, SLEPT);
                    continue;
                }
                tally.exercise();
                let after = Span(end.at.saturating_sub(td.lo));
                let expected = format!("open for {} after Td at least", Span(case.limits.idle_max / 2));
                let how = if end.how == Ending::Reset { "RST" } else { "FIN" };
                tally.break_on(
                    case,
                    lane,
                    end.at,
                    "closed-early",
                    &expected,
                    format!("{how} within {after} of Td"),
                );
            }
            _ => tally.exercise(),
        }
    }
}
