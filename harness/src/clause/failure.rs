//! Restarts that fail: the old generation serves on, and the next restart succeeds.

use super::keep_alive::asks_for_close;
use super::last_request::idle_at;
use super::trial::losses;
use super::{Case, Clause, Tally};
use crate::declaration::Span;
use crate::history::event::{ConnectTrouble, Ending, Fault, Owner, Stage};
use crate::history::{Exchange, Lane, Micros};

/// The clauses of this group that are built.
pub const CLAUSES: &[Clause] = &[Clause {
    id: "failure.no-program",
    must: "FR",
    should: "",
    requirement: "When the program is missing, not executable or truncated, the old generation serves on without one error, and a good restart afterwards succeeds.",
    why: "A package that is being installed, or a disk that is full, must not take down what still runs.",
    source: "hotspec; execve(2)",
    judge: Some(no_program),
}];

/// What keep-alive asks of a restart that fails.
pub const KEEP_ALIVE: &[Clause] = &[Clause {
    id: "keep-alive.kept-on-failed-restart",
    must: "FRI",
    should: "",
    requirement: "When a restart is given up, responses go on without `Connection: close`.",
    why: "A server that goes on saying so makes its clients connect anew for each request until somebody notices.",
    source: "Falcore's hot restart",
    judge: Some(kept_on_failed_restart),
}];

impl Case<'_> {
    /// Why a restart of this scenario that had to fail can't be judged, if so: told here. It took no other way than the one
    /// that was spoilt, that way worked, and it did fail.
    fn was_made_to_fail(&self, tally: &mut Tally) -> bool {
        let Some(fault) = self.trial.fault else { return false };
        if !self.way_is_known(fault, tally) {
            return false;
        }
        if self.t0().is_none() {
            tally.doubt(self, "the restart that has to fail was not triggered");
            return false;
        }
        if self.timeline.tr().is_some() {
            tally.rule_out(format!(
                "a restart went on in spite of what was to keep it from succeeding ({})",
                fault.as_str()
            ));
            return false;
        }
        true
    }

    fn way_is_known(&self, fault: Fault, tally: &mut Tally) -> bool {
        let Some(plain) = self.trial.plain else { return false };
        if fault.by_path() && !plain.came {
            tally.rule_out(NO_WAY);
        } else if !plain.succeeded {
            tally.doubt(self, "a plain restart by the way that is to be spoilt did not succeed");
        } else {
            return true;
        }
        false
    }
}

/// Why a target can't be put through restarts that fail on the way to the program.
const NO_WAY: &str = "nobody came by the path by which the program was started: its restart has no start of a program, or finds it otherwise";

fn no_program(case: &Case<'_>, tally: &mut Tally) {
    serves_on(case, tally, &[Fault::Missing, Fault::NotExecutable, Fault::Truncated]);
}

/// The old generation serves on without one error while the restart fails, and the next one succeeds.
fn serves_on(case: &Case<'_>, tally: &mut Tally, faults: &[Fault]) {
    let trial = &case.trial;
    if !trial.is_one {
        return;
    }
    let concerns = |fault: &Fault| faults.contains(fault);
    if trial.fault.is_some_and(|fault| concerns(&fault)) {
        if case.was_made_to_fail(tally) {
            undisturbed(case, tally);
            if trial.last && !case.interrupted {
                tally.exercise();
                let seen = "it could not be triggered any more".to_owned();
                tally.break_by(case, "none".to_owned(), case.end, "no-restart", SUCCEEDS, seen);
            }
        }
    } else if let Some(fault) = trial.after.filter(concerns) {
        if case.way_is_known(fault, tally) {
            succeeds_afterwards(case, fault, tally);
        }
    } else if trial.fault.is_none() && trial.after.is_none() && trial.last {
        // Nothing but the plain restart took place.
        let by_path = faults.iter().find(|fault| fault.by_path());
        if by_path.is_none_or(|fault| case.way_is_known(*fault, tally)) {
            tally.doubt(case, "no restart was made to fail, as the plain one did not come to its end");
        }
    }
}

const SUCCEEDS: &str = "a good restart after one that failed succeeds";

fn succeeds_afterwards(case: &Case<'_>, fault: Fault, tally: &mut Tally) {
    let Some(t0) = case.t0() else {
        tally.exercise();
        let seen = "it could not be triggered any more".to_owned();
        return tally.break_by(case, "none".to_owned(), case.end, "no-restart", SUCCEEDS, seen);
    };
    if case.timeline.tr().is_none() {
        if let Some(why) = case.owners_withheld() {
            tally.withhold(why);
        } else if case.end >= t0.hi.saturating_add(case.limits.ready_max) || nobody_left(case) {
            tally.exercise();
            let after = Span(case.end.saturating_sub(t0.hi));
            let seen =
                format!("no successor answered within {after} (the one before failed: {})", fault.as_str());
            tally.break_by(case, "none".to_owned(), case.end, "no-restart", SUCCEEDS, seen);
        } else {
            tally.doubt(case, "the scenario ended before ready_max");
        }
        return;
    }
    tally.exercise();
    // What a restart costs at other times is another clause's affair.
    if case.trial.plain.is_some_and(|plain| plain.losses > 0) {
        return;
    }
    for (lane, at, kind, expected, seen) in losses(case) {
        tally.break_on(case, lane, at, kind, &expected, seen);
    }
}

fn nobody_left(case: &Case<'_>) -> bool {
    let procs = &case.timeline.procs;
    !procs.is_empty() && procs.values().all(|proc| proc.gone.is_some())
}

/// No connection is refused, cut or left waiting from the trigger on.
fn undisturbed(case: &Case<'_>, tally: &mut Tally) {
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
            lost(case, lane, exchange, tally);
        }
        cut_while_idle(case, lane, t0, tally);
    }
    if nobody_left(case) {
        let seen = "no process of the target was left".to_owned();
        tally.break_by(case, "none".to_owned(), case.end, "gone", "the old generation serves on", seen);
    }
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
            return;
        }
        if kind == "no-answer" && case.longest_own_gap(exchange.begun, at) > case.limits.stall_max {
            return tally
                .doubt(case, "the harness itself did not run for a while; a quieter machine would help");
        }
        let at = exchange.body.as_ref().map_or(at, |body| body.at);
        return tally.break_on(case, lane, at, kind, &expected, seen);
    }
    let Some(head) = exchange.head.as_ref().filter(|_| exchange.endpoint == "fast") else { return };
    let (Some(sent), limit) =
        (exchange.sent, case.control.first_byte_max.saturating_add(case.limits.stall_max))
    else {
        return;
    };
    let waited = head.first_byte.saturating_sub(sent.lo);
    if waited <= limit {
        return;
    }
    if waited.saturating_sub(case.own_gaps(sent.lo, head.first_byte)) <= limit {
        return tally.doubt(case, "the harness itself did not run for a while; a quieter machine would help");
    }
    let expected = format!("the first byte within {} (control's maximum plus stall_max)", Span(limit));
    let seen = format!("{} from the request to the first byte", Span(waited));
    tally.break_on(case, lane, head.first_byte, "stall", &expected, seen);
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
    let expected = format!("kept for {} at least, as in control", Span(case.timeline.control_idle));
    tally.break_on(case, lane, end.at, kind, &expected, format!("{how} after {} of silence", Span(idle)));
}

fn kept_on_failed_restart(case: &Case<'_>, tally: &mut Tally) {
    if !case.trial.is_one || case.trial.fault.is_none() {
        if case.trial.last && case.trial.is_one && !case.trial.plain.is_some_and(|plain| plain.came) {
            tally.rule_out(NO_WAY);
        }
        return;
    }
    let Some((over, _)) = case.trial.attempt else { return };
    if !case.was_made_to_fail(tally) {
        return;
    }
    for (lane, n, exchange) in case.exchanges().filter(|(.., exchange)| exchange.begun >= over) {
        let Some(head) = &exchange.head else { continue };
        if n >= case.control.ordinals || asks_for_close(lane) {
            continue;
        }
        tally.exercise();
        if head.last {
            let after = Span(exchange.begun - over);
            let who = match lane.owner {
                Owner::Process(_) => case.timeline.describe(lane.owner),
                _ => "the target".to_owned(),
            };
            let seen = format!("{who} announced the close {after} after the attempt was over");
            let expected = "kept alive, as in control";
            tally.break_on(case, lane, head.at, "closes", expected, seen);
        }
    }
}
