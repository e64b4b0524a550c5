//! While a restart fails, its clients notice nothing: none is refused, cut or left waiting.

use super::keep_alive::asks_for_close;
use super::last_request::idle_at;
use super::tally::STOOD_STILL;
use super::{Case, Tally};
use crate::declaration::Span;
use crate::history::event::{ConnectTrouble, Ending, Stage};
use crate::history::{Exchange, Lane, Micros};

/// No connection is refused, cut or left waiting from the trigger on.
pub(super) fn undisturbed(case: &Case<'_>, tally: &mut Tally) {
    let t0 = case.t0().map_or(Micros::MAX, |t0| t0.lo);
    for lane in case.restart_lanes() {
        if let Some((at, why, errno)) = lane.connect_failed.filter(|_| lane.opened >= t0) {
            let errno = errno.unwrap_or_default();
            match why {
                ConnectTrouble::Refused | ConnectTrouble::Missing => {
                    tally.exercise();
                    let seen = format!("connection refused (errno {errno})");
                    tally.break_on(case, lane, at, "refused", "the connection is accepted", seen);
                }
                _ => tally.doubt(case, format!("a connection did not come about (errno {errno})")),
            }
            continue;
        }
        for (n, exchange) in lane.exchanges.iter().enumerate() {
            if exchange.body.as_ref().is_some_and(|body| body.at < t0) {
                continue;
            }
            if lane.exchanges.iter().take(n).any(Exchange::closes) || !kept_so_far(case, lane, n, exchange) {
                break;
            }
            tally.exercise();
            let until = lane.end.map_or(case.end, |end| end.at);
            if case.control.fault(lane, exchange).is_some_and(|(kind, ..)| ["eof", "reset"].contains(&kind))
                && slept_through(case, lane, n, until)
            {
                tally.disturbed(case, SLEPT);
                continue;
            }
            lost(case, lane, exchange, tally);
        }
        cut_while_idle(case, lane, t0, tally);
    }
}

pub(super) const SLEPT: &str =
    "the harness itself did not run for so long that a connection may have been idle meanwhile";

/// The server may have answered, and timed the connection out, while the harness did not look: from the request before this
/// one on, or from connecting. Who ends a connection before most of its time is up has not timed it out, slept or not.
pub(super) fn slept_through(case: &Case<'_>, lane: &Lane, before: usize, until: Micros) -> bool {
    let last = before.checked_sub(1).and_then(|last| lane.exchanges.get(last));
    let since = last.map_or(lane.opened, |last| last.sent.map_or(last.begun, |sent| sent.lo));
    let (idle_max, control_idle) = (case.limits.idle_max, case.timeline.control_idle);
    let may_be_due = until.saturating_sub(since) >= idle_max.min(control_idle) / 4 * 3;
    may_be_due && case.own_gaps(since, until) > (idle_max / 4).min(control_idle / 2)
}

/// A connection that was silent for long may be closed at any time, as in control.
fn kept_so_far(case: &Case<'_>, lane: &Lane, n: usize, exchange: &Exchange) -> bool {
    let idle = idle_at(lane, exchange.begun).unwrap_or_default();
    n == 0 || (n < case.control.ordinals && idle <= case.timeline.control_idle / 2)
}

fn lost(case: &Case<'_>, lane: &Lane, exchange: &Exchange, tally: &mut Tally) {
    let at = lane.end.map_or(case.end, |end| end.at);
    if let Some((kind, expected, seen)) = case.control.fault(lane, exchange) {
        if kind == "unfinished" {
            return in_vain(case, lane, exchange, tally);
        }
        if kind == "no-answer" && case.longest_own_gap(exchange.begun, at) > case.limits.stall_max {
            return tally.disturbed(case, STOOD_STILL);
        }
        let at = exchange.body.as_ref().map_or(at, |body| body.at);
        return tally.break_on(case, lane, at, kind, &expected, seen);
    }
    let Some(head) = &exchange.head else { return };
    let first_byte = head.first_byte;
    let seen = |waited| format!("{} from the request to the first byte", Span(waited));
    stalled(case, lane, exchange, first_byte, seen, tally);
}

/// Whoever was called off had waited until then.
fn in_vain(case: &Case<'_>, lane: &Lane, exchange: &Exchange, tally: &mut Tally) {
    let Some(end) = lane.end.filter(|end| end.how == Ending::Lane && exchange.head.is_none()) else { return };
    let seen = |waited| format!("none in the {} for which it was waited", Span(waited));
    stalled(case, lane, exchange, end.at, seen, tally);
}

/// From the request until then is no longer than control's maximum and stall_max.
fn stalled(
    case: &Case<'_>,
    lane: &Lane,
    exchange: &Exchange,
    until: Micros,
    seen: impl Fn(Micros) -> String,
    tally: &mut Tally,
) {
    let Some(sent) = exchange.sent.filter(|_| exchange.endpoint == "fast") else { return };
    let limit = case.control.first_byte_max.saturating_add(case.limits.stall_max);
    let waited = until.saturating_sub(sent.lo);
    if waited <= limit {
        return;
    }
    if case.had(sent.lo, until) <= limit {
        return tally.disturbed(case, STOOD_STILL);
    }
    let expected = format!("the first byte within {} (control's maximum plus stall_max)", Span(limit));
    tally.break_on(case, lane, until, "stall", &expected, seen(waited));
}

/// A connection that nothing was asked on is left alone, as in control.
fn cut_while_idle(case: &Case<'_>, lane: &Lane, t0: Micros, tally: &mut Tally) {
    let Some(end) = lane.end.filter(|end| end.at >= t0 && end.stage == Stage::Idle) else { return };
    let (kind, how) = match end.how {
        Ending::Fin => ("closed-idle", "FIN"),
        Ending::Reset => ("reset", "RST"),
        _ => return,
    };
    let Some(idle) = idle_at(lane, end.at) else { return };
    let announced = lane.exchanges.iter().any(Exchange::closes);
    let due = lane.exchanges.len() >= case.control.ordinals || idle >= case.timeline.control_idle / 2;
    if announced || due || asks_for_close(lane) {
        return;
    }
    if slept_through(case, lane, lane.exchanges.len(), end.at) {
        return tally.disturbed(case, SLEPT);
    }
    let expected = format!("kept for {} at least, as in control", Span(case.timeline.control_idle));
    tally.break_on(case, lane, end.at, kind, &expected, format!("{how} after {} of silence", Span(idle)));
}
