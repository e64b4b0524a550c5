//! Connections are accepted and answered throughout.

use super::control::asked_at_once;
use super::listeners::{doubt_replaced_unseen, listener_present, no_overflow, same_listener};
use super::tally::STOOD_STILL;
use super::{Case, Clause, Tally};
use crate::declaration::{Profile, Span};
use crate::history::event::{ConnectTrouble, Ending, Owner, Phase, Stage};
use crate::history::lane::End;
use crate::history::timeline::Frozen;
use crate::history::{Exchange, Interval, Lane, Micros};

/// The clauses of this group.
pub const CLAUSES: &[Clause] = &[
    Clause {
        id: "availability.not-refused",
        must: "FRI",
        should: "",
        requirement: "From T0 through settle no connect to a declared address gives ECONNREFUSED (or, on a unix path, ENOENT).",
        why: "A refused connection is a client that was turned away: the listener was closed before another one stood in for it.",
        source: "Falcore's hot restart",
        judge: Some(not_refused),
    },
    Clause {
        id: "availability.queue-kept",
        must: "FRI",
        should: "",
        requirement: "A connection completed by the kernel and not yet accepted when the listener changes hands is never reset.",
        why: "Closing a listener resets all that waits in its queue, unless another process holds the same socket. SO_REUSEPORT gives each process a queue of its own.",
        source: "Falcore's hot restart; socket(7), ip-sysctl tcp_migrate_req",
        judge: Some(queue_kept),
    },
    Clause {
        id: "availability.accepted-unread",
        must: "FR",
        should: "",
        requirement: "A connection accepted and not yet read when the old generation is told to drain is answered.",
        why: "Between accept and the first read a server often takes a connection for idle and drops it.",
        source: "Falcore's hot restart",
        judge: Some(accepted_unread),
    },
    Clause {
        id: "availability.answered",
        must: "FRI",
        should: "",
        requirement: "Each connection established from T0 to Tx that sends a valid request within 1 s gets one complete response (in profile falcore: for each request until a close is announced).",
        why: "A request on a new connection is never the client's fault: it can't have met an idle timeout.",
        source: "Falcore's hot restart",
        judge: Some(answered),
    },
    Clause {
        id: "availability.no-stall",
        must: "FRI",
        should: "",
        requirement: "On the fast path, connect to first byte never takes longer than control's maximum plus stall_max.",
        why: "A server that accepts nobody while it drains refuses none, and all of them wait.",
        source: "hotspec",
        judge: Some(no_stall),
    },
    Clause {
        id: "availability.listener-present",
        must: "FR",
        should: "",
        requirement: "A listening socket exists on the target's address at every sample from T0 on.",
        why: "Without a listening socket the kernel refuses whoever comes in that moment.",
        source: "Falcore's hot restart",
        judge: Some(listener_present),
    },
    Clause {
        id: "availability.same-listener",
        must: "F",
        should: "R",
        requirement: "The listening sockets from before the restart are among those after it (inode and cookie), and no connection waits in the queue of one for over 1 s.",
        why: "The same socket has the same queue: nothing that waits in it can be lost.",
        source: "Falcore's hot restart",
        judge: Some(same_listener),
    },
    Clause {
        id: "availability.successor-serves",
        must: "FR",
        should: "",
        requirement: "Every connection established after the last old process drains (plus δ) is answered by the successor.",
        why: "A connection that an old process still takes is one more that it has to wait for.",
        source: "Falcore's hot restart",
        judge: Some(successor_serves),
    },
    Clause {
        id: "availability.no-overflow",
        must: "FRI",
        should: "",
        requirement: "Below the backlog no SYN of a lane is dropped (on a unix socket: no connect gives EAGAIN).",
        why: "A dropped SYN costs a client a second at least, and shows in no server's log.",
        source: "hotspec; listen(2)",
        judge: Some(no_overflow),
    },
];

/// Lanes that began to connect at T0 or later.
pub(super) fn after_t0<'a>(case: &'a Case<'_>) -> impl Iterator<Item = &'a Lane> {
    let t0 = case.t0().map(|t0| t0.lo);
    case.restart_lanes().filter(move |lane| t0.is_some_and(|t0| lane.opened >= t0))
}

fn not_refused(case: &Case<'_>, tally: &mut Tally) {
    let expected = "the connection is accepted";
    for lane in after_t0(case) {
        match lane.connect_failed {
            Some((at, why @ (ConnectTrouble::Refused | ConnectTrouble::Missing), errno)) => {
                tally.exercise();
                let how = match why {
                    ConnectTrouble::Missing => "no socket at the path",
                    _ => "connection refused",
                };
                let seen = format!("{how} (errno {})", errno.unwrap_or_default());
                tally.break_on(case, lane, at, "refused", expected, seen);
            }
            Some((_, ConnectTrouble::Local, errno)) => tally.doubt(
                case,
                format!(
                    "the harness could not open a connection of its own (errno {})",
                    errno.unwrap_or_default()
                ),
            ),
            _ if lane.fetches.is_empty() => tally.exercise(),
            _ => {}
        }
    }
    let t0 = case.t0().map_or(u64::MAX, |t0| t0.lo);
    for lane in case.restart_lanes() {
        for fetch in lane.fetches.iter().filter(|fetch| fetch.from >= t0) {
            tally.exercise();
            if let Err((kind, message)) = &fetch.result
                && kind == "refused"
            {
                tally.break_on(case, lane, fetch.at, "refused", expected, message.clone());
            }
        }
    }
    doubt_replaced_unseen(case, tally);
}

/// Whether the lane connected while processes that could have accepted it, as they still listened, were stopped.
fn connected_while_stopped(case: &Case<'_>, lane: &Lane) -> bool {
    let Some(at) = lane.connected else { return false };
    let stopped = |frozen: &Frozen| frozen.listening && at >= frozen.interval.lo && at <= frozen.interval.hi;
    case.timeline.frozen.iter().any(stopped)
}

fn queue_kept(case: &Case<'_>, tally: &mut Tally) {
    if case.t0().is_none() {
        return;
    }
    for lane in case.restart_lanes() {
        if !connected_while_stopped(case, lane) {
            continue;
        }
        tally.exercise();
        // An answer that was begun shows that it was accepted: what cuts it is another clause's affair.
        let begun = lane.exchanges.first().is_some_and(|first| first.head.is_some());
        let reset = |end: &End| end.how == Ending::Reset && end.stage != Stage::InHead && !begun;
        if let Some(end) = lane.end.filter(reset) {
            if doubt_overlong_stop(case, tally) {
                continue;
            }
            let since = Span(end.at.saturating_sub(lane.connected.unwrap_or(lane.opened)));
            let seen = format!(
                "RST {since} after the kernel had completed the connection, before any byte of an answer"
            );
            let expected = "the connection waits in the queue until it is accepted and answered";
            tally.break_on(case, lane, end.at, "reset", expected, seen);
        }
    }
}

/// Where the old generation was held for too long, what went wrong may be hotspec's doing.
fn doubt_overlong_stop(case: &Case<'_>, tally: &mut Tally) -> bool {
    let stood = case.overlong_stop();
    if let Some(stood) = stood {
        doubt_stop(case, stood, tally);
    }
    stood.is_some()
}

fn doubt_stop(case: &Case<'_>, stood: Micros, tally: &mut Tally) {
    let stood = Span(stood);
    tally.disturbed(case, format!("the old generation stood still for {stood}"));
}

/// Whether control shows that a connection waits for its first byte before it is accepted (TCP_DEFER_ACCEPT): there every one
/// that was to be accepted and unread was in a queue when it had sent.
fn accepts_with_first_byte(case: &Case<'_>) -> bool {
    let mut unread = case.lanes.values().filter(|lane| lane.phase == Phase::Control && lane.role == "unread");
    let waited = |lane: &Lane| {
        let begun = lane.exchanges.first().map(|exchange| exchange.begun);
        lane.queued.zip(begun).is_some_and(|(queued, begun)| queued >= begun)
    };
    unread.clone().next().is_some() && unread.all(waited)
}

fn accepted_unread(case: &Case<'_>, tally: &mut Tally) {
    if accepts_with_first_byte(case) {
        tally.rule_out("control shows that it accepts no connection before that has sent something");
        return;
    }
    for lane in case.restart_lanes() {
        let Some(exchange) = lane.exchanges.first() else { continue };
        if case.old_owner(lane).is_none() {
            note_unknown_owner(case, lane, tally);
            continue;
        }
        let inside = |stopped: Interval| {
            exchange.sent.is_some_and(|sent| sent.lo >= stopped.lo && sent.hi <= stopped.hi)
        };
        let stop = case.timeline.frozen.iter().map(|frozen| frozen.interval).find(|stop| inside(*stop));
        let t0 = case.t0().map_or(u64::MAX, |t0| t0.lo);
        let Some(stop) = stop.filter(|_| exchange.begun >= t0) else { continue };
        // Whoever stands still for as long finds its idle limit run out when it goes on.
        let opened = lane.connected.unwrap_or(lane.opened);
        if !exchange.answered() && stop.hi.saturating_sub(opened.max(t0)) > case.limits.idle_max / 2 {
            doubt_stop(case, stop.hi.saturating_sub(stop.lo), tally);
            continue;
        }
        if timed_out_unused(case, lane) {
            tally.disturbed(case, "it was not read for as long as an idle connection is kept");
            continue;
        }
        tally.exercise();
        judge_exchange(case, lane, exchange, tally);
    }
}

/// Reports an exchange that has no complete response like control's.
pub fn judge_exchange(case: &Case<'_>, lane: &Lane, exchange: &Exchange, tally: &mut Tally) {
    if let Some((kind, expected, seen)) = case.control.fault(lane, exchange) {
        if kind == "unfinished" {
            return;
        }
        let body = exchange.body.as_ref().map(|body| body.at);
        let at = body.or_else(|| lane.end.map(|end| end.at)).unwrap_or(case.end);
        tally.break_on(case, lane, at, kind, &expected, seen);
    }
}

/// No answer came, or a 408 that crossed the request, and the server ended the connection no earlier than it may end any idle one,
/// with no restart as well.
pub fn timed_out_unused(case: &Case<'_>, lane: &Lane) -> bool {
    let kept = case.limits.idle_max.saturating_sub(case.delta);
    let until = lane.connected.unwrap_or(lane.opened).saturating_add(kept);
    let late = |end: &End| matches!(end.how, Ending::Fin | Ending::ResetAfterFin) && end.at >= until;
    let first = lane.exchanges.first();
    match first.and_then(|first| Some((first, first.head.as_ref()?))) {
        // What a server says when it has waited for long enough (RFC 9110 §15.5.9); what the client sent then was not read.
        Some((first, head)) => first.timed_out() && head.first_byte >= until,
        None => lane.end.as_ref().is_some_and(late),
    }
}

/// Says why a lane can't be judged by its owner.
pub fn note_unknown_owner(case: &Case<'_>, lane: &Lane, tally: &mut Tally) {
    if let (Owner::Unknown, Some(why)) = (lane.owner, case.owners_withheld()) {
        tally.withhold(why);
    }
}

fn answered(case: &Case<'_>, tally: &mut Tally) {
    let tx = case.timeline.tx().map_or(case.end, |tx| tx.hi);
    for lane in after_t0(case).filter(|lane| lane.opened <= tx && lane.connected.is_some()) {
        let Some(first) = lane.exchanges.first() else { continue };
        // A request that could not be sent whole counts from its first byte.
        let connected = lane.connected.unwrap_or(lane.opened);
        let begun_at_once = first.begun.saturating_sub(connected) < 1_000_000;
        let failed_at_once = first.send_failed.is_some() && begun_at_once;
        if !failed_at_once && !asked_at_once(lane, first) {
            continue;
        }
        let demanded = if case.profile == Profile::Falcore { lane.exchanges.len() } else { 1 };
        for exchange in lane.exchanges.iter().take(demanded) {
            if case.control.fault(lane, exchange).is_some() && doubt_overlong_stop(case, tally) {
                break;
            }
            tally.exercise();
            judge_exchange(case, lane, exchange, tally);
            if exchange.closes() {
                break;
            }
        }
    }
    fetched(case, tally);
}

/// Whether a connection of the pool may have been idle until its server timed it out, as the harness stood still for so long.
pub fn pool_stood_still(case: &Case<'_>, at: Micros, tally: &mut Tally) -> bool {
    let since = case.t0().map_or(0, |t0| t0.lo).saturating_sub(case.limits.idle_max);
    let long = case.longest_own_gap(since, at) > case.limits.idle_max / 4;
    if long {
        tally.disturbed(case, "the pooled client itself did not run for longer than idle_max/4");
    }
    long
}

/// The pooled client: what its user can't have caused.
fn fetched(case: &Case<'_>, tally: &mut Tally) {
    let t0 = case.t0().map_or(u64::MAX, |t0| t0.lo);
    for lane in case.restart_lanes() {
        for fetch in lane.fetches.iter().filter(|fetch| fetch.from >= t0) {
            if matches!(&fetch.result, Err((kind, _)) if kind == "local") {
                tally.doubt(case, "the pooled client could not open a connection of its own");
                continue;
            }
            if fetch.result.is_err() && pool_stood_still(case, fetch.at, tally) {
                continue;
            }
            tally.exercise();
            let Err((kind, message)) = &fetch.result else { continue };
            // Outside falcore an unannounced close of a pooled connection is the server's right.
            let pardoned = matches!(kind.as_str(), "closed" | "reset") && case.profile != Profile::Falcore;
            if !pardoned {
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

fn no_stall(case: &Case<'_>, tally: &mut Tally) {
    let limit = case.control.first_byte_max.saturating_add(case.limits.stall_max);
    for lane in after_t0(case) {
        let Some(first) = lane.exchanges.first().filter(|first| first.endpoint == "fast") else { continue };
        if !asked_at_once(lane, first) {
            continue;
        }
        let came = first.head.as_ref().map(|head| head.first_byte);
        // Whoever was called off, or gave up, had waited in vain until then.
        let in_vain =
            lane.end.filter(|end| matches!(end.how, Ending::GaveUp | Ending::Lane)).map(|end| end.at);
        let Some(until) = came.or(in_vain) else { continue };
        let waited = until.saturating_sub(lane.opened);
        if waited <= limit {
            tally.exercised += u64::from(came.is_some());
            continue;
        }
        // Whom the harness stopped is not to be blamed.
        let stopped = |frozen: &Frozen| frozen.interval.lo <= until && frozen.interval.hi >= lane.opened;
        if case.timeline.frozen.iter().any(stopped) {
            continue;
        }
        tally.exercise();
        if case.had(lane.opened, until) <= limit {
            tally.disturbed(case, STOOD_STILL);
            continue;
        }
        let expected = format!("the first byte within {} (control's maximum plus stall_max)", Span(limit));
        let seen = format!("{} from connecting to the first byte", Span(waited));
        tally.break_on(case, lane, until, "stall", &expected, seen);
    }
}

fn successor_serves(case: &Case<'_>, tally: &mut Tally) {
    let Some(td) = case.td_last() else {
        tally.doubt(case, "no drain was seen");
        return;
    };
    for lane in case.restart_lanes().filter(|lane| lane.opened > td.hi.saturating_add(case.delta)) {
        let Owner::Process(_) = lane.owner else {
            note_unknown_owner(case, lane, tally);
            continue;
        };
        tally.exercise();
        if case.old_owner(lane).is_some() {
            let seen = "a process of the old generation accepted it".to_owned();
            tally.break_on(case, lane, lane.opened, "old-process", "the successor accepts it", seen);
        }
    }
}
