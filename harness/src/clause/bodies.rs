//! Bodies of HTTP/1 across a restart: sent in chunks, asked for, left out, streamed.

use super::availability::{judge_exchange, note_unknown_owner};
use super::in_flight::{Within, uploads, within};
use super::tally::STOOD_STILL;
use super::{Case, Clause, Tally};
use crate::declaration::Span;
use crate::history::event::{Ending, Phase};
use crate::history::{Exchange, Interval, Lane, Micros, Model};

/// The clauses of this file.
pub const CLAUSES: &[Clause] = &[
    Clause {
        id: "protocol.chunked-upload",
        must: "FRI",
        should: "",
        requirement: "A chunked request body under way at T0, never silent for idle_max/4, is received whole and answered.",
        why: "Whoever sends in chunks does not know the length beforehand, and a server that waits for a length sees nothing outstanding.",
        source: "RFC 9112 §7.1; Falcore's hot restart",
        judge: Some(chunked_upload),
    },
    Clause {
        id: "protocol.expect-continue",
        must: "FRI",
        should: "",
        requirement: "A request with `Expect: 100-continue` begun before T0, whose head is whole and whose body is ready by Td + idle_max/2, gets 100 and its answer, or a final status and the close.",
        why: "Such a client sends nothing before it is told to: both sides wait for each other until one loses patience.",
        source: "RFC 9110 §10.1.1",
        judge: Some(expect_continue),
    },
    Clause {
        id: "protocol.no-body",
        must: "FRI",
        should: "",
        requirement: "Responses to HEAD (but for 408 and other refusals of a request that was not sent whole), 204 and 304 carry no body, and those to requests sent after Td + δ the announced close.",
        why: "They end with their head: an announcement that is tied to the body is forgotten, and a body is taken for another answer.",
        source: "RFC 9112 §6.3, §9.6",
        judge: Some(no_body),
    },
    Clause {
        id: "protocol.server-sent-events",
        must: "",
        should: "FRI",
        requirement: "A long event stream under way at T0 ends by its last chunk, however early.",
        why: "Only the last chunk tells a client that the stream is over from one that was cut.",
        source: "RFC 9112 §8; HTML, server-sent events",
        judge: Some(server_sent_events),
    },
];

/// From the last byte of a final status to the close.
const CLOSE_WITHIN: Micros = 1_000_000;

/// What control shows of lanes of a role.
fn in_control<'a>(case: &'a Case<'_>, role: &'a str) -> impl Iterator<Item = &'a Exchange> {
    let control = case.lanes.values().filter(|lane| lane.phase == Phase::Control);
    control.filter(move |lane| lane.role.starts_with(role)).flat_map(|lane| &lane.exchanges)
}

fn chunked_upload(case: &Case<'_>, tally: &mut Tally) {
    let taken = |exchange: &Exchange| {
        exchange.answered() && exchange.head.as_ref().is_some_and(|head| !matches!(head.status, 411 | 501))
    };
    if !in_control(case, "chunked").any(taken) {
        tally.rule_out("control shows that the target takes no request bodies in chunks");
        return;
    }
    uploads(case, tally, |lane| lane.role == "chunked");
}

fn expect_continue(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    if !in_control(case, "expecting").any(|exchange| exchange.continued.is_some()) {
        tally.rule_out("control shows that the target never answers 100");
        return;
    }
    for (lane, _, exchange) in case.exchanges().filter(|(lane, ..)| lane.role.starts_with("expecting")) {
        let alive = lane.end.is_none_or(|end| end.at > t0.lo);
        if exchange.begun >= t0.lo || !alive || lane.armed.is_none() {
            continue;
        }
        let Some(td) = case.td_or_later(lane) else {
            tally.doubt(case, "no drain was seen");
            continue;
        };
        let Some(ready) = body_ready(lane, exchange) else { continue };
        // Whoever takes so long to send a request is timed out with no restart as well.
        let kept = exchange.begun.saturating_add(case.limits.idle_max.saturating_sub(case.delta));
        let timely = within(ready, td, case.limits.idle_max / 2);
        if ready >= kept && !exchange.answered() && !matches!(timely, Within::No) {
            tally.disturbed(case, "the request was under way for as long as an idle connection is kept");
            continue;
        }
        match timely {
            Within::Surely => {
                tally.exercise();
                asked_for_its_body(case, lane, exchange, tally);
            }
            Within::Perhaps if !exchange.answered() => {
                tally.doubt(case, format!("Td is uncertain by {}", Span(td.hi - td.lo)));
            }
            Within::Perhaps => tally.exercise(),
            Within::No => {}
        }
    }
}

/// When the client was ready to send the body: it began to wait for 100 in vain, or sent it, or was answered without.
fn body_ready(lane: &Lane, exchange: &Exchange) -> Option<Micros> {
    let sent = exchange.vain_wait.map(|wait| wait.lo).or(exchange.sent.map(|sent| sent.hi));
    let answered = exchange.head.as_ref().map(|head| head.first_byte);
    sent.or(answered).or(lane.end.map(|end| end.at))
}

fn asked_for_its_body(case: &Case<'_>, lane: &Lane, exchange: &Exchange, tally: &mut Tally) {
    if let (Some(wait), None) = (exchange.vain_wait, exchange.continued) {
        // A machine that did not run hotspec may not have run the target either.
        let waited = case.had(wait.lo, wait.hi);
        if waited <= case.limits.stall_max.saturating_add(case.delta) {
            tally.disturbed(case, STOOD_STILL);
            return;
        }
        let seen = format!("neither 100 nor an answer within {}", Span(wait.hi - wait.lo));
        let expected = "100, or a final status and the close";
        tally.break_on(case, lane, wait.hi, "no-continue", expected, seen);
        return;
    }
    if exchange.continued.is_some() || !exchange.answered() {
        return judge_exchange(case, lane, exchange, tally);
    }
    // A final status without 100: the body is not wanted, and the connection of no use any more.
    let (Some(body), Some(end)) = (&exchange.body, lane.end) else { return };
    let open_for = case.had(body.at, end.at);
    if matches!(end.how, Ending::Lane | Ending::GaveUp) && open_for > CLOSE_WITHIN + case.delta {
        let status = exchange.head.as_ref().map_or(0, |head| head.status);
        let seen = format!("status {status} without 100, and still open {} later", Span(open_for));
        tally.break_on(case, lane, end.at, "still-open", "the close after a final status", seen);
    }
}

/// Endpoints whose responses, where they are what they should be, have no body.
const BODILESS: [&str; 3] = ["head", "no-content", "not-modified"];

/// Whether a response of this status to a request for this endpoint has no body.
fn has_no_body(exchange: &Exchange) -> bool {
    let status = exchange.head.as_ref().map(|head| head.status);
    match exchange.endpoint.as_str() {
        "head" => status.is_some(),
        "no-content" => status == Some(204),
        "not-modified" => status == Some(304),
        _ => false,
    }
}

fn no_body(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    let of_role = |lane: &&Lane| lane.exchanges.iter().any(has_no_body);
    if BODILESS.iter().any(|endpoint| case.control.surplus.contains(*endpoint)) {
        tally.rule_out("control shows that the target sends bodies where there are none");
        return;
    }
    for lane in case.restart_lanes().filter(of_role) {
        let is_one = |exchange: &&Exchange| {
            has_no_body(exchange) && exchange.answered() && !exchange.refused_half_sent()
        };
        let last = lane.exchanges.iter().rev().find(is_one);
        let Some((exchange, head)) = last.and_then(|last| Some((last, last.head.as_ref()?))) else {
            continue;
        };
        if head.at < t0.lo {
            continue;
        }
        if let Some((at, bytes)) = lane.extra_from(head.at) {
            tally.exercise();
            let seen =
                format!("{bytes} bytes after the head of status {} to {}", head.status, exchange.endpoint);
            tally.break_on(case, lane, at, "body", "the response ends with its head", seen);
            continue;
        }
        // When it would have to be announced is not seen then.
        if case.generations.model == Model::InPlace || case.clients_only() {
            tally.exercise();
            continue;
        }
        match case.td_of(lane) {
            Some(td) => announces(case, lane, exchange, td, tally),
            None => note_unknown_owner(case, lane, tally),
        }
    }
}

/// The announced close on a response that can say nothing else.
fn announces(case: &Case<'_>, lane: &Lane, exchange: &Exchange, td: Interval, tally: &mut Tally) {
    let late = exchange.sent.is_some_and(|sent| sent.lo > td.hi.saturating_add(case.delta));
    let Some(head) = exchange.head.as_ref().filter(|_| late) else { return };
    tally.exercise();
    if !head.close {
        let seen = format!("status {} to {} without it", head.status, exchange.endpoint);
        tally.break_on(case, lane, head.at, "no-close", "`Connection: close` on the response", seen);
    }
}

fn server_sent_events(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    let chunked = |exchange: &Exchange| exchange.head.as_ref().is_some_and(|head| head.framing == "chunked");
    if !in_control(case, "events").any(chunked) {
        tally.rule_out("control shows that the target does not send its streams in chunks");
        return;
    }
    let last = case.td_last().map(|td| td.lo.saturating_add(case.limits.drain_max));
    for (lane, _, exchange) in case.exchanges().filter(|(lane, ..)| lane.role == "events") {
        let Some(head) = exchange.head.as_ref().filter(|head| head.at < t0.lo) else { continue };
        let over = exchange.body.as_ref().map(|body| body.at).or(lane.end.map(|end| end.at));
        let drain_until = last.or_else(|| case.drain_over(lane)).unwrap_or(Micros::MAX);
        let under_way = over.is_none_or(|over| over >= t0.lo && over <= drain_until);
        if !under_way || !chunked(exchange) {
            continue;
        }
        tally.exercise();
        if exchange.answered() || exchange.malformed.is_some() {
            // No HTTP at all is told as such; shorter than in control is right, if it says so.
            if exchange.malformed.is_some() {
                judge_exchange(case, lane, exchange, tally);
            }
            continue;
        }
        if let Some(end) = lane.end.filter(|end| end.how != Ending::Lane) {
            let how = match end.how {
                Ending::Reset => "RST",
                Ending::GaveUp => "nothing more",
                _ => "FIN",
            };
            let seen = format!("{how} {} into the stream, with no last chunk", Span(end.at - head.at));
            tally.break_on(case, lane, end.at, "cut", "the stream ends by its last chunk", seen);
        }
    }
}
