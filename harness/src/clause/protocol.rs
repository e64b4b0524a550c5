//! Versions and habits of HTTP/1 across a restart.

use super::availability::{judge_exchange, note_unknown_owner};
use super::idle::rules_out_in_place;
use super::in_flight::doubt_past_limit;
use super::tally::STOOD_STILL;
use super::{Case, Clause, Tally};
use crate::declaration::{Profile, Span};
use crate::history::event::{Ending, Phase};
use crate::history::{Exchange, Interval, Lane, Micros};

/// The clauses of this file.
pub const CLAUSES: &[Clause] = &[
    Clause {
        id: "protocol.http10",
        must: "FRI",
        should: "",
        requirement: "HTTP/1.0 without keep-alive: from T0 on each connection gets its response, and then end of file.",
        why: "Health checks and old libraries speak it, and know the end of a body by the end of the connection alone.",
        source: "RFC 9112 §9.3; RFC 1945",
        judge: Some(http10),
    },
    Clause {
        id: "protocol.http10-keep-alive",
        must: "FRI",
        should: "",
        requirement: "HTTP/1.0 with keep-alive: a response to a request that was sent after Td + δ promises no `Connection: keep-alive`, and its connection is closed.",
        why: "An HTTP/1.0 client goes by that promise alone, and loses its next request.",
        source: "RFC 9112 §9.3, appendix C.2.2",
        judge: Some(http10_keep_alive),
    },
    Clause {
        id: "protocol.pipelined",
        must: "FRI",
        should: "",
        requirement: "Pipelined requests are answered in order and whole; the last one that is answered after Td + δ announces the close; what stays unanswered causes no RST that destroys an answer.",
        why: "A close with unread requests makes the kernel send RST, which takes with it what the client had not yet read.",
        source: "RFC 9112 §9.3.2, §9.6",
        judge: Some(pipelined),
    },
];

/// From the last byte of an answer to the FIN.
const CLOSE_WITHIN: Micros = 1_000_000;

fn of_role<'a>(case: &'a Case<'_>, role: &'a str) -> impl Iterator<Item = &'a Lane> {
    case.restart_lanes().filter(move |lane| lane.role == role)
}

fn http10(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    let by_fin = |lane: &Lane| lane.end.is_some_and(|end| end.how == Ending::Fin);
    let control = case.lanes.values().filter(|lane| lane.phase == Phase::Control && lane.role == "http10");
    if !control.clone().any(by_fin) {
        tally.rule_out("control shows that the target does not end HTTP/1.0 connections");
        return;
    }
    // A server that lingers does so without any restart too.
    let open_for = |lane: &Lane| Some(lane.end?.at.saturating_sub(lane.exchanges.first()?.body.as_ref()?.at));
    let usual = control.filter(|lane| by_fin(lane)).filter_map(open_for).max().unwrap_or_default();
    for lane in of_role(case, "http10").filter(|lane| lane.opened >= t0.lo) {
        let Some(exchange) = lane.exchanges.first() else { continue };
        tally.exercise();
        judge_exchange(case, lane, exchange, tally);
        closed_after(case, lane, exchange, usual, tally);
    }
}

/// Whether the connection ended soon after the answer, or as soon as is usual.
fn closed_after(case: &Case<'_>, lane: &Lane, exchange: &Exchange, usual: Micros, tally: &mut Tally) {
    let (Some(body), Some(end)) = (&exchange.body, lane.end) else { return };
    let open_for = end.at.saturating_sub(body.at);
    let limit = CLOSE_WITHIN.max(usual).saturating_add(case.delta);
    if open_for > limit && case.had(body.at, end.at) <= limit {
        tally.disturbed(case, STOOD_STILL);
    } else if open_for > limit {
        let seen = format!("still open {} after the last byte", Span(open_for));
        let expected = format!("end of file within {} of the last byte", Span(CLOSE_WITHIN.max(usual)));
        tally.break_on(case, lane, end.at, "still-open", &expected, seen);
    }
}

fn http10_keep_alive(case: &Case<'_>, tally: &mut Tally) {
    let promises = |exchange: &Exchange| exchange.head.as_ref().is_some_and(|head| head.keep_alive);
    let ours = |lane: &&Lane| lane.role.starts_with("http10-");
    let control = case.lanes.values().filter(ours).filter(|lane| lane.phase == Phase::Control);
    if !control.flat_map(|lane| &lane.exchanges).any(promises) {
        tally.rule_out("control shows that the target promises no keep-alive to HTTP/1.0 clients");
        return;
    }
    if rules_out_in_place(case, tally) {
        return;
    }
    for lane in case.restart_lanes().filter(ours) {
        let Some(td) = case.td_of(lane) else {
            note_unknown_owner(case, lane, tally);
            continue;
        };
        for exchange in lane.exchanges.iter().filter(|exchange| asked_late(case, exchange, td)) {
            tally.exercise();
            if let Some(head) = exchange.head.as_ref().filter(|_| promises(exchange)) {
                let seen = "`Connection: keep-alive`".to_owned();
                tally.break_on(case, lane, head.at, "promised", "no promise of keep-alive", seen);
            }
            closed_after(case, lane, exchange, 0, tally);
        }
    }
}

/// The request's last byte left, and its answer began, when its owner surely drained.
fn asked_late(case: &Case<'_>, exchange: &Exchange, td: Interval) -> bool {
    let late = td.hi.saturating_add(case.delta);
    exchange.sent.is_some_and(|sent| sent.lo > late) && exchange.body.is_some()
}

fn pipelined(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    if rules_out_in_place(case, tally) {
        return;
    }
    for lane in of_role(case, "pipelined") {
        let Some(td) = case.td_of(lane) else {
            note_unknown_owner(case, lane, tally);
            continue;
        };
        let waiting = lane.armed.is_some_and(|at| at <= t0.lo) && lane.exchanges.len() > 1;
        let first =
            lane.exchanges.first().filter(|first| first.body.as_ref().is_none_or(|body| body.at > td.hi));
        let (Some(first), true) = (first, waiting) else { continue };
        tally.exercise();
        if !first.answered() {
            if !doubt_past_limit(case, lane, first, tally) {
                judge_exchange(case, lane, first, tally);
            }
            continue;
        }
        let answered: Vec<&Exchange> =
            lane.exchanges.iter().take_while(|exchange| exchange.answered()).collect();
        for exchange in &answered {
            judge_exchange(case, lane, exchange, tally);
        }
        cut_behind(case, lane, answered.len(), tally);
        announces(case, lane, &answered, td, tally);
    }
}

/// The answer behind the last whole one may not have been begun.
fn cut_behind(case: &Case<'_>, lane: &Lane, whole: usize, tally: &mut Tally) {
    let begun = |next: &&Exchange| next.head.is_some() || next.malformed.is_some();
    let Some(next) = lane.exchanges.get(whole).filter(begun) else { return };
    if next.malformed.is_some() {
        return judge_exchange(case, lane, next, tally);
    }
    if let Some(end) = lane.end.filter(|end| !matches!(end.how, Ending::Lane | Ending::GaveUp)) {
        let status = next.head.as_ref().map_or(0, |head| head.status);
        let seen = format!("a part of answer {} (status {status})", whole + 1);
        tally.break_on(case, lane, end.at, "cut", "whole answers, or none", seen);
    }
}

fn announces(case: &Case<'_>, lane: &Lane, answered: &[&Exchange], td: Interval, tally: &mut Tally) {
    let all = answered.len() == lane.exchanges.len();
    let by_server =
        lane.end.is_some_and(|end| matches!(end.how, Ending::Fin | Ending::Reset | Ending::ResetAfterFin));
    // Where requests are unanswered and the lane left by itself, another answer may have been on its way. Where all are
    // answered, nothing was lost: only falcore promises more than a clean end of what is idle then.
    let owed = if all { case.profile == Profile::Falcore } else { by_server };
    if !owed {
        return;
    }
    let Some((number, head)) =
        answered.iter().enumerate().filter_map(|(n, one)| Some((n, one.head.as_ref()?))).next_back()
    else {
        return;
    };
    let late = head.first_byte > td.hi.saturating_add(case.delta);
    if late && !head.last {
        let seen =
            format!("answer {} of {} without it, and no other followed", number + 1, lane.exchanges.len());
        tally.break_on(case, lane, head.at, "no-close", "`Connection: close` on the last answer", seen);
    }
}
