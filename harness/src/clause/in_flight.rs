//! What is under way when the restart comes is finished.

use super::availability::judge_exchange;
use super::{Case, Clause, Tally};
use crate::declaration::Span;
use crate::history::event::{Ending, Stage};
use crate::history::lane::End;
use crate::history::{Exchange, Interval, Lane, Micros};

/// The clauses of this group.
pub const CLAUSES: &[Clause] = &[
    Clause {
        id: "in-flight.completes",
        must: "FRI",
        should: "",
        requirement: "A request fully sent before T0 is answered completely, if the answer is not under way past drain_max: status, head, whole body by length and hash.",
        why: "The server had the request; nobody else can answer it, and a client can't know whether to repeat it.",
        source: "Falcore's hot restart",
        judge: Some(completes),
    },
    Clause {
        id: "in-flight.slow-response",
        must: "FRI",
        should: "",
        requirement: "A response that takes longer than the idle limit is not cut before drain_max.",
        why: "An idle limit that counts working connections too cuts reports, exports and downloads.",
        source: "Falcore's hot restart",
        judge: Some(slow_response),
    },
    Clause {
        id: "in-flight.upload",
        must: "FRI",
        should: "",
        requirement: "A request body under way at T0, in all at least 2 × idle_max long and never silent for idle_max/4, is received whole and answered.",
        why: "A read deadline set on every connection when the drain begins cuts uploads short.",
        source: "Falcore's hot restart",
        judge: Some(upload),
    },
    Clause {
        id: "in-flight.partial-head",
        must: "FRI",
        should: "",
        requirement: "A request head begun before T0 and finished by Td + idle_max/2 is answered.",
        why: "A slow network delivers a head in pieces; the client has sent a request all the same.",
        source: "Falcore's hot restart",
        judge: Some(partial_head),
    },
    Clause {
        id: "in-flight.slow-reader",
        must: "FRI",
        should: "",
        requirement: "A large response to a client that reads slowly, but reads, is delivered whole, if it can be within drain_max.",
        why: "The last bytes wait in the server's memory for the client: an exit or a close loses them.",
        source: "Falcore's hot restart",
        judge: Some(slow_reader),
    },
    Clause {
        id: "in-flight.not-truncated",
        must: "FRI",
        should: "",
        requirement: "No response ends short of its Content-Length, its last chunk, or (framed by end of file) its known hash, before drain_max is over.",
        why: "A truncated response that looks whole is worse than none.",
        source: "RFC 9112 §8",
        judge: Some(not_truncated),
    },
    Clause {
        id: "in-flight.close-announced",
        must: "F",
        should: "R",
        requirement: "A final response whose handler the harness released (last body byte, last byte of a half-sent head) after Td + δ carries `Connection: close`.",
        why: "A client that is not told will use the connection again, and meet its end.",
        source: "RFC 9112 §9.6",
        judge: Some(close_announced),
    },
    Clause {
        id: "in-flight.executed-once",
        must: "FRI",
        should: "",
        requirement: "No POST is executed twice because of the restart (counted at the origin behind a proxy; else unsupported).",
        why: "A proxy that repeats a request which the old process already passed on orders twice.",
        source: "RFC 9110 §9.2.2",
        judge: Some(executed_once),
    },
    Clause {
        id: "in-flight.no-drain-errors",
        must: "",
        should: "FRI",
        requirement: "No 500, 502 or 503 is answered because the server is draining.",
        why: "An error that the client would not have got without the restart is a lost request with good manners.",
        source: "hotspec",
        judge: Some(no_drain_errors),
    },
];

/// Requests that were sent whole before T0 and not answered by then.
fn in_flight<'a>(case: &'a Case<'_>, t0: Interval) -> impl Iterator<Item = (&'a Lane, &'a Exchange)> {
    case.exchanges().filter_map(move |(lane, _, exchange)| {
        let sent_before = exchange.sent.is_some_and(|sent| sent.hi <= t0.lo);
        // The trigger may take effect before the call that sends it is over.
        let open_at_t0 = exchange.body.as_ref().is_none_or(|body| body.at >= t0.lo);
        let alive_at_t0 = lane.end.is_none_or(|end| end.at >= t0.lo);
        (sent_before && open_at_t0 && alive_at_t0).then_some((lane, exchange))
    })
}

/// An old process may cut what is still under way drain_max after it began to drain: then the client was not quick enough. One
/// that had ended before has cut it before, whenever the client comes to where it breaks off.
pub(super) fn doubt_past_limit(case: &Case<'_>, lane: &Lane, exchange: &Exchange, tally: &mut Tally) -> bool {
    let limit = case.drain_over(lane);
    let cut = lane.end.filter(|end| cut_by_server(end) && exchange.head.is_some() && !exchange.answered());
    let gone = case.old_owner(lane).and_then(|owner| owner.gone);
    let past = cut
        .zip(limit)
        .is_some_and(|(end, limit)| end.at >= limit && gone.is_none_or(|gone| gone.hi >= limit));
    if past {
        let limit = Span(case.limits.drain_max);
        tally.disturbed(case, format!("the answer was under way for longer than the {limit} of drain_max"));
    }
    past
}

fn completes(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    for (lane, exchange) in in_flight(case, t0) {
        // An idle connection that was used again in the very moment of the close: keep-alive's affair.
        if lane.role.starts_with("canary") || doubt_past_limit(case, lane, exchange, tally) {
            continue;
        }
        tally.exercise();
        judge_exchange(case, lane, exchange, tally);
    }
}

fn slow_response(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    let takes = |endpoint: &str| case.control.duration_max.get(endpoint).copied().unwrap_or_default();
    for (lane, exchange) in in_flight(case, t0) {
        if !matches!(exchange.endpoint.as_str(), "slow" | "stream")
            || takes(&exchange.endpoint) <= case.limits.idle_max
        {
            continue;
        }
        let ended = exchange.body.as_ref().map(|body| body.at).or_else(|| lane.end.map(|end| end.at));
        let last = case.td_last().map(|td| td.lo.saturating_add(case.limits.drain_max));
        let drain_until = last.or_else(|| case.drain_over(lane)).unwrap_or(Micros::MAX);
        if ended.is_some_and(|at| at > drain_until) {
            continue;
        }
        tally.exercise();
        judge_exchange(case, lane, exchange, tally);
    }
}

fn upload(case: &Case<'_>, tally: &mut Tally) {
    uploads(case, tally, |_| true);
}

/// Uploads under way at T0, on the lanes that are asked for.
pub(super) fn uploads(case: &Case<'_>, tally: &mut Tally, asked_for: impl Fn(&Lane) -> bool) {
    let Some(t0) = case.t0() else { return };
    let uploads = case.exchanges().filter(|(lane, _, one)| one.endpoint == "upload" && asked_for(lane));
    for (lane, _, exchange) in uploads {
        let under_way = exchange.begun < t0.lo && exchange.sent.is_none_or(|sent| sent.lo > t0.hi);
        if !under_way || lane.end.is_some_and(|end| end.at < t0.lo) {
            continue;
        }
        if exchange.sent.is_none() && exchange.answered() && case.control.fault(lane, exchange).is_none() {
            tally.doubt(case, "the upload was answered before it was sent whole");
            continue;
        }
        let until = lane.end.map_or(case.end, |end| end.at);
        if case.longest_own_gap(t0.lo, until) > case.limits.idle_max / 4 && !exchange.answered() {
            tally.disturbed(case, "the harness itself was silent for longer than idle_max/4");
            continue;
        }
        tally.exercise();
        judge_exchange(case, lane, exchange, tally);
    }
}

/// How an instant compares with a deadline that follows an uncertain one.
pub enum Within {
    /// Before it, wherever the uncertain instant lies.
    Surely,
    /// That depends.
    Perhaps,
    /// After it, wherever the uncertain instant lies.
    No,
}

/// Whether `at` is at most `offset` after `from`.
pub fn within(at: Micros, from: Interval, offset: Micros) -> Within {
    if at <= from.lo.saturating_add(offset) {
        Within::Surely
    } else if at <= from.hi.saturating_add(offset) {
        Within::Perhaps
    } else {
        Within::No
    }
}

fn partial_head(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    for (lane, _, exchange) in case.exchanges().filter(|(lane, ..)| !lane.role.starts_with("canary")) {
        let half_sent_at_t0 = exchange.begun < t0.lo
            && exchange.endpoint != "upload"
            && exchange.sent.is_none_or(|sent| sent.lo > t0.hi)
            && lane.end.is_none_or(|end| end.at > t0.lo);
        if !half_sent_at_t0 || lane.armed.is_none() {
            continue;
        }
        let Some(td) = case.td_or_later(lane) else {
            tally.doubt(case, "no drain was seen");
            continue;
        };
        let finished = exchange.sent.map(|sent| sent.hi).or_else(|| lane.end.map(|end| end.at));
        // Whoever takes so long to send a head is timed out with no restart as well.
        let kept = exchange.begun.saturating_add(case.limits.idle_max.saturating_sub(case.delta));
        if finished.is_some_and(|at| at >= kept) && case.control.fault(lane, exchange).is_some() {
            tally.disturbed(case, "the head was half sent for as long as an idle connection is kept");
            continue;
        }
        match finished.map(|at| within(at, td, case.limits.idle_max / 2)) {
            Some(Within::Surely) => {
                tally.exercise();
                judge_exchange(case, lane, exchange, tally);
            }
            Some(Within::Perhaps) if !exchange.answered() => {
                tally.doubt(case, format!("Td is uncertain by {}", Span(td.hi - td.lo)));
            }
            Some(Within::Perhaps) => tally.exercise(),
            Some(Within::No) | None => {}
        }
    }
}

fn slow_reader(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    for (lane, exchange) in in_flight(case, t0).filter(|(_, exchange)| exchange.endpoint == "large") {
        if doubt_past_limit(case, lane, exchange, tally) {
            continue;
        }
        tally.exercise();
        judge_exchange(case, lane, exchange, tally);
    }
}

/// The server ended the connection: a lane that was called off or lost patience says nothing of what was cut.
fn cut_by_server(end: &End) -> bool {
    matches!(end.how, Ending::Fin | Ending::Reset | Ending::ResetAfterFin)
}

fn not_truncated(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    for (lane, _, exchange) in case.exchanges() {
        let over = exchange.body.as_ref().map(|body| body.at).or_else(|| lane.end.map(|end| end.at));
        if over.is_some_and(|at| at < t0.lo) {
            continue;
        }
        if doubt_past_limit(case, lane, exchange, tally) {
            continue;
        }
        if let Some(head) = &exchange.head {
            tally.exercise();
            if exchange.malformed.is_some() {
                continue;
            }
            if let Some(body) = &exchange.body {
                // Framed by the end of file, a body that was cut looks whole.
                let fault = case.control.fault(lane, exchange).filter(|_| head.framing == "eof");
                if let Some((_, expected, seen)) = fault.filter(|(kind, ..)| *kind == "altered") {
                    tally.break_on(case, lane, body.at, "cut", &expected, seen);
                }
                continue;
            }
            if let Some(end) = lane.end.filter(cut_by_server) {
                let how = if end.how == Ending::Reset { "RST" } else { "FIN" };
                let seen = format!("{how} in the middle of the body (framing: {})", head.framing);
                tally.break_on(case, lane, end.at, "cut", "the whole body", seen);
            }
        } else if let Some(end) = lane.end.filter(|end| end.stage == Stage::InHead && cut_by_server(end)) {
            let current = exchange.malformed.is_none()
                && lane.unanswered().is_some_and(|(_, open)| std::ptr::eq(open, exchange));
            if current {
                tally.break_on(
                    case,
                    lane,
                    end.at,
                    "cut",
                    "the whole response",
                    "the end in the middle of the head".to_owned(),
                );
            }
        }
    }
}

fn close_announced(case: &Case<'_>, tally: &mut Tally) {
    for (lane, _, exchange) in case.exchanges() {
        let (Some(td), Some(sent), Some(head)) = (case.td_of(lane), exchange.sent, &exchange.head) else {
            continue;
        };
        let released_late = exchange.begun < td.lo && sent.lo > td.hi.saturating_add(case.delta);
        if !released_late || head.first_byte < sent.lo {
            continue;
        }
        tally.exercise();
        if !head.close {
            let seen = format!("status {} without it", head.status);
            tally.break_on(case, lane, head.at, "no-close", "`Connection: close` on the response", seen);
        }
    }
}

fn executed_once(case: &Case<'_>, tally: &mut Tally) {
    if case.executed.is_empty() {
        tally.rule_out(
            "no origin of hotspec's own stands behind the target, so nothing counts what it executes",
        );
        return;
    }
    let Some(t0) = case.t0() else { return };
    let mut seen = std::collections::BTreeMap::new();
    for (at, id) in &case.executed {
        let times = seen.entry(id).or_insert((0_u32, *at));
        times.0 += 1;
        times.1 = *at;
    }
    for (id, (times, at)) in seen {
        tally.exercise();
        // What was repeated before the trigger was not repeated because of it.
        if times > 1 && at >= t0.lo {
            let seen = format!("request {id} reached the origin {times} times");
            tally.break_by(case, "unknown".to_owned(), at, "repeated", "each POST is executed once", seen);
        }
    }
}

fn no_drain_errors(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    for (lane, _, exchange) in case.exchanges() {
        let Some(head) = exchange.head.as_ref().filter(|head| head.at >= t0.lo) else { continue };
        tally.exercise();
        let as_in_control =
            case.control.statuses.get(&exchange.endpoint).is_some_and(|seen| seen.contains(&head.status));
        if matches!(head.status, 500 | 502 | 503) && !as_in_control {
            let seen = format!("status {}", head.status);
            tally.break_on(case, lane, head.at, "status", "an answer as in control", seen);
        }
    }
}
