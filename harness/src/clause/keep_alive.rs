//! Connections that could be used again: told of their end, given it in order, and left alone otherwise.

use super::availability::{judge_exchange, note_unknown_owner, pool_stood_still};
use super::last_request::{fresh_request, idle_at, one_last_request};
use super::tally::STOOD_STILL;
use super::undisturbed::{SLEPT, slept_through};
use super::{Case, Clause, Tally};
use crate::declaration::{Profile, Span};
use crate::history::event::{Ending, Owner, Phase, Stage};
use crate::history::{Exchange, Lane, Micros};

/// From the last byte of an answer that announced the close to the FIN.
const CLOSE_WITHIN: Micros = 1_000_000;

/// The clauses of this group.
pub const CLAUSES: &[Clause] = &[
    Clause {
        id: "keep-alive.close-announced",
        must: "FR",
        should: "",
        requirement: "A final response of an old process to a request sent after Td + δ carries `Connection: close`; of several to requests sent together, the last.",
        why: "A client that is not told uses the connection again and loses that request.",
        source: "Falcore's hot restart; RFC 9112 §9.6",
        judge: Some(close_announced),
    },
    Clause {
        id: "keep-alive.close-honoured",
        must: "FRI",
        should: "",
        requirement: "Within 1 s of the last body byte after an announced close the server sends FIN and nothing more.",
        why: "A connection that was called off and stays open keeps the old process, and misleads the client.",
        source: "RFC 9112 §9.6",
        judge: Some(close_honoured),
    },
    Clause {
        id: "keep-alive.one-last-request",
        must: "F",
        should: "",
        requirement: "An idle connection, used within a quarter of control's keep-alive timeout before Td, gets one more request, sent by Td + idle_max/2, answered.",
        why: "Whoever closes an idle connection unannounced races with the request that may be on its way.",
        source: "Falcore's hot restart",
        judge: Some(one_last_request),
    },
    Clause {
        id: "keep-alive.fresh-request",
        must: "F",
        should: "R",
        requirement: "A connection that an old process accepted and that never sent a byte gets its first request, sent by Td + idle_max/2, answered.",
        why: "Browsers and pools open connections ahead of need; their first request is not a repeated one.",
        source: "Falcore's hot restart",
        judge: Some(fresh_request),
    },
    Clause {
        id: "keep-alive.answered-throughout",
        must: "F",
        should: "",
        requirement: "Every request sent between T0 and Tx on a connection without announced close, at least δ before its owner's earliest permitted timeout, is answered whole.",
        why: "This is the promise as clients see it: no request is lost, whatever connection it takes.",
        source: "Falcore's hot restart",
        judge: Some(answered_throughout),
    },
    Clause {
        id: "keep-alive.only-one",
        must: "F",
        should: "",
        requirement: "After a response with an announced close, or any response to a request sent after Td + δ, nothing further is answered on that connection.",
        why: "Each request is the last; a connection served for ever keeps the old process for ever.",
        source: "Falcore's hot restart; RFC 9112 §9.6",
        judge: Some(only_one),
    },
    Clause {
        id: "keep-alive.not-before-ready",
        must: "F",
        should: "",
        requirement: "No close is announced before the successor is ready.",
        why: "A server that drains at the trigger has given up the way back before it knows that the way on exists.",
        source: "Falcore's hot restart",
        judge: Some(not_before_ready),
    },
    Clause {
        id: "keep-alive.fin-not-reset",
        must: "FRI",
        should: "",
        requirement: "A connection with nothing unanswered ends by FIN, never by RST.",
        why: "An RST can destroy the last response on its way, and looks like a crash.",
        source: "RFC 9112 §9.6",
        judge: Some(fin_not_reset),
    },
    Clause {
        id: "keep-alive.crossing-request",
        must: "",
        should: "FRI",
        requirement: "A request that crosses the close gets a complete response or end of file with no byte, never part of one.",
        why: "With no byte of an answer a client may repeat the request; with half of one it may not.",
        source: "RFC 9112 §9.3.1",
        judge: Some(crossing_request),
    },
    Clause {
        id: "keep-alive.normal-otherwise",
        must: "FRI",
        should: "",
        requirement: "Before T0, and on the successor's connections, keep-alive is as in control, request by request, idle timeout included (falcore: and control shows that connections are kept alive).",
        why: "A server that always closes would pass the rest.",
        source: "hotspec",
        judge: Some(normal_otherwise),
    },
];

fn close_announced(case: &Case<'_>, tally: &mut Tally) {
    for (lane, n, exchange) in case.exchanges() {
        let (Some(td), Some(head)) = (case.td_of(lane), &exchange.head) else {
            note_unknown_owner(case, lane, tally);
            continue;
        };
        if exchange.begun <= td.hi.saturating_add(case.delta) || exchange.body.is_none() {
            continue;
        }
        // A close that is announced here would take back what had come with it; whether it may be answered is another question.
        let came_with_it = |next: &Exchange| next.begun <= head.first_byte && next.answered();
        if lane.exchanges.iter().skip(n + 1).any(came_with_it) {
            continue;
        }
        tally.exercise();
        if !head.close {
            let after = Span(exchange.begun - td.hi);
            let seen = format!("status {} without it, on a request sent {after} after Td", head.status);
            tally.break_on(
                case,
                lane,
                head.at,
                "no-close",
                "`Connection: close` among the tokens of the head",
                seen,
            );
        }
    }
}

fn close_honoured(case: &Case<'_>, tally: &mut Tally) {
    for (lane, n, exchange) in case.exchanges().filter(|(.., exchange)| exchange.closes()) {
        let Some(body) = &exchange.body else { continue };
        let end = lane.end.filter(|end| end.at >= body.at);
        // A request that was pipelined behind it must not be answered any more.
        if let Some(next) = lane.exchanges.iter().skip(n + 1).find_map(|next| next.head.as_ref()) {
            tally.exercise();
            let seen = format!("another response (status {})", next.status);
            let expected = "FIN and nothing more after an announced close";
            tally.break_on(case, lane, next.at, "bytes-after", expected, seen);
            continue;
        }
        if let Some((at, bytes)) = lane.extra_from(body.at) {
            if case.control.surplus.contains(&exchange.endpoint) {
                continue;
            }
            tally.exercise();
            let seen = format!("{bytes} more bytes");
            tally.break_on(
                case,
                lane,
                at,
                "bytes-after",
                "FIN and nothing more after an announced close",
                seen,
            );
            continue;
        }
        let Some(end) = end.filter(|end| end.how != Ending::Lane) else { continue };
        tally.exercise();
        let open_for = end.at.saturating_sub(body.at);
        let late = open_for > CLOSE_WITHIN.saturating_add(case.delta);
        if !late && end.how != Ending::GaveUp {
            continue;
        }
        if case.had(body.at, end.at) <= CLOSE_WITHIN.saturating_add(case.delta) {
            tally.disturbed(case, STOOD_STILL);
            continue;
        }
        let seen = format!("still open {} after the last byte", Span(open_for));
        tally.break_on(
            case,
            lane,
            end.at,
            "still-open",
            "FIN within 1 s of the last byte after an announced close",
            seen,
        );
    }
}

fn answered_throughout(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    let tx = case.timeline.tx().map_or(case.end, |tx| tx.hi);
    for lane in case.restart_lanes() {
        // Nobody knows whose it is: then it may belong to the first that drained.
        let td = match lane.owner {
            Owner::Process(_) => case.td_of(lane),
            _ => case.td_first(),
        };
        for (n, exchange) in lane.exchanges.iter().enumerate() {
            let sent = exchange.sent.map_or(exchange.begun, |sent| sent.hi);
            let in_window = exchange.begun >= t0.hi && exchange.begun <= tx;
            let announced = lane.exchanges.iter().take(n).any(Exchange::closes);
            let idle = idle_at(lane, exchange.begun).unwrap_or_default();
            let early = td.is_none_or(|td| {
                sent.saturating_add(case.delta) <= td.lo.saturating_add(case.limits.idle_max / 2)
            });
            let kept = match n {
                0 => used_in_time(case, lane, sent),
                _ => idle <= case.timeline.control_idle / 2,
            };
            if !in_window || announced || !early || !kept {
                continue;
            }
            let unsent_until = || lane.end.map_or(case.end, |end| end.at);
            let asked = exchange.sent.map_or_else(unsent_until, |sent| sent.hi);
            if n > 0 && !exchange.answered() && slept_through(case, lane, n, asked) {
                tally.disturbed(case, SLEPT);
                continue;
            }
            tally.exercise();
            judge_exchange(case, lane, exchange, tally);
        }
        for fetch in lane.fetches.iter().filter(|fetch| fetch.from >= t0.hi && fetch.from <= tx) {
            if matches!(&fetch.result, Err((kind, _)) if kind == "local") {
                tally.doubt(case, "the pooled client could not open a connection of its own");
                continue;
            }
            if fetch.result.is_err() && pool_stood_still(case, fetch.at, tally) {
                continue;
            }
            tally.exercise();
            if let Err((kind, message)) = &fetch.result {
                tally.break_on(
                    case,
                    lane,
                    fetch.at,
                    kind,
                    "an ordinary client notices nothing",
                    message.clone(),
                );
            }
        }
    }
}

/// Its owner may not have closed it yet for want of a request.
fn used_in_time(case: &Case<'_>, lane: &Lane, sent: Micros) -> bool {
    let since = lane.connected.unwrap_or(lane.opened);
    sent.saturating_add(case.delta) <= since.saturating_add(case.limits.idle_max)
}

fn only_one(case: &Case<'_>, tally: &mut Tally) {
    for lane in case.restart_lanes() {
        let td = case.td_of(lane);
        let last = lane.exchanges.iter().enumerate().find(|(_, exchange)| {
            let late = td.is_some_and(|td| exchange.begun > td.hi.saturating_add(case.delta));
            exchange.answered() && (exchange.closes() || late)
        });
        let Some((n, exchange)) = last else { continue };
        tally.exercise();
        let over = exchange.body.as_ref().map_or(0, |body| body.at);
        let further = lane.exchanges.iter().skip(n + 1).find_map(|next| next.head.as_ref());
        let as_in_control = case.control.surplus.contains(&exchange.endpoint);
        let extra = lane.extra_from(over).filter(|_| !as_in_control).map(|(at, _)| at);
        if let Some(at) = further.map(|head| head.at).or(extra) {
            let seen = "another answer on the same connection".to_owned();
            tally.break_on(case, lane, at, "one-more", "nothing further is answered", seen);
        }
    }
}

/// A client that asks for the close gets it announced at any time.
pub(super) fn asks_for_close(lane: &Lane) -> bool {
    lane.role.ends_with("closing")
}

fn not_before_ready(case: &Case<'_>, tally: &mut Tally) {
    let (Some(t0), Some(tr)) = (case.t0(), case.timeline.tr()) else {
        if case.t0().is_some() {
            tally.doubt(case, "no successor was seen to serve");
        }
        return;
    };
    // As long as it is held up, a successor that is born runs no program of its own.
    let let_through = case.held.map(|held| held.hi).filter(|at| *at <= tr.hi);
    let not_ready = tr.lo.max(let_through.unwrap_or(0));
    for (lane, n, exchange) in case.exchanges() {
        let Some(head) = exchange.head.as_ref() else { continue };
        if head.at < t0.lo || exchange.begun > tr.hi || case.old_owner(lane).is_none() {
            continue;
        }
        if n >= case.control.ordinals || asks_for_close(lane) {
            continue;
        }
        tally.exercise();
        if head.last && head.at < not_ready {
            let before = Span(not_ready - head.at);
            let seen = format!("`Connection: close` {before} before the successor could be ready");
            tally.break_on(
                case,
                lane,
                head.at,
                "early-close",
                "no close before the successor is ready",
                seen,
            );
        }
    }
}

fn fin_not_reset(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    for lane in case.restart_lanes() {
        let Some(end) = lane.end.filter(|end| end.at >= t0.lo && end.stage == Stage::Idle) else { continue };
        match end.how {
            Ending::Fin | Ending::ResetAfterFin => tally.exercise(),
            Ending::Reset => {
                tally.exercise();
                let seen = format!("RST with nothing unanswered (errno {})", end.errno.unwrap_or_default());
                tally.break_on(case, lane, end.at, "reset", "FIN", seen);
            }
            Ending::Lane | Ending::GaveUp => {}
        }
    }
}

fn crossing_request(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    for (lane, n, exchange) in case.exchanges() {
        if n == 0 || exchange.begun < t0.lo || case.old_owner(lane).is_none() {
            continue;
        }
        tally.exercise();
        let Some(end) = lane.end.filter(|_| !exchange.answered()) else { continue };
        let open = lane.unanswered().is_some_and(|(first, _)| first == n);
        if open && matches!(end.stage, Stage::InHead | Stage::InBody) && end.how != Ending::Lane {
            let seen = "a part of a response".to_owned();
            tally.break_on(
                case,
                lane,
                end.at,
                "cut",
                "a complete response or end of file with no byte",
                seen,
            );
        }
    }
}

/// Control shows no connection that was kept alive. Only falcore promises that there are any.
fn never_keeps(case: &Case<'_>, tally: &mut Tally) {
    let control = case.lanes.values().filter(|lane| lane.phase == Phase::Control && !asks_for_close(lane));
    let closed = |lane: &&Lane| lane.exchanges.first().is_some_and(Exchange::closes);
    match control.clone().find(closed).filter(|_| case.profile == Profile::Falcore) {
        Some(lane) => {
            tally.exercise();
            let at = lane.exchanges.first().and_then(|first| first.head.as_ref()).map_or(0, |head| head.at);
            let seen = "`Connection: close` on each first answer, with no restart at all".to_owned();
            tally.break_on(case, lane, at, "always-closes", "connections are kept alive", seen);
        }
        None => tally.rule_out("control shows that the target never keeps a connection alive"),
    }
}

fn normal_otherwise(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    if case.control.ordinals == 0 {
        return never_keeps(case, tally);
    }
    for (lane, n, exchange) in case.exchanges() {
        let Some(head) = exchange.head.as_ref() else { continue };
        let before = head.at < t0.lo;
        if n >= case.control.ordinals || !(before || case.by_successor(lane)) || asks_for_close(lane) {
            continue;
        }
        tally.exercise();
        if head.last {
            let seen = format!("`Connection: close` on answer {}", n + 1);
            let expected = format!("kept alive, as in control up to answer {}", case.control.ordinals);
            tally.break_on(case, lane, head.at, "closes", &expected, seen);
        }
    }
    for lane in case.restart_lanes().filter(|lane| case.by_successor(lane)) {
        let Some(end) = lane.end.filter(|end| end.how == Ending::Fin && end.stage == Stage::Idle) else {
            continue;
        };
        let Some(idle) = idle_at(lane, end.at) else { continue };
        let announced = lane.exchanges.iter().any(Exchange::closes);
        if !announced && lane.exchanges.len() < case.control.ordinals && idle < case.timeline.control_idle / 2
        {
            if slept_through(case, lane, lane.exchanges.len(), end.at) {
                tally.disturbed(case, SLEPT);
                continue;
            }
            let seen = format!("FIN after {} of silence", Span(idle));
            let expected = format!("kept for {} at least, as in control", Span(case.timeline.control_idle));
            tally.break_on(case, lane, end.at, "closed-idle", &expected, seen);
        }
    }
}
