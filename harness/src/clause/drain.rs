//! The old generation begins to drain, and goes.

use super::availability::{judge_exchange, note_unknown_owner};
use super::tally::STOOD_STILL;
use super::{Case, Clause, Tally};
use crate::declaration::{Profile, Span};
use crate::history::event::{Ending, Owner, Stage};
use crate::history::{Exchange, Lane, Micros};

/// The clauses of this group.
pub const CLAUSES: &[Clause] = &[
    Clause {
        id: "drain.starts",
        must: "FR",
        should: "",
        requirement: "The old generation begins to drain by the successor's first answer plus drain_start_max.",
        why: "Two generations that both accept serve two versions to the same clients.",
        source: "Falcore's hot restart",
        judge: Some(starts),
    },
    Clause {
        id: "drain.exits",
        must: "FR",
        should: "",
        requirement: "The old generation is gone by exit_max after its last lane closed, also with no further traffic at all.",
        why: "Old processes that stay hold memory, files and locks, and pile up deploy after deploy.",
        source: "Falcore's hot restart",
        judge: Some(super::exits::exits),
    },
    Clause {
        id: "drain.waits",
        must: "FR",
        should: "",
        requirement: "Nothing in flight is lost by an exit of the old generation before drain_max: every response is delivered whole, even if the kernel sends its last bytes after the exit.",
        why: "A process that goes with work in its hands loses that work, and nobody logs it.",
        source: "Falcore's hot restart",
        judge: Some(waits),
    },
    Clause {
        id: "drain.hard-limit",
        must: "FR",
        should: "",
        requirement: "At the hard limit that the target declares the old generation closes what remains, by RST if need be, and is gone within 1 s.",
        why: "Who declares a limit lets others count on it: a deploy that waits for the old processes to go.",
        source: "hotspec",
        judge: Some(hard_limit),
    },
    Clause {
        id: "drain.stops-accepting",
        must: "FR",
        should: "",
        requirement: "No connection established after the last old process drains (plus δ) is owned by the old generation.",
        why: "An old process that goes on accepting never runs out of work, and serves the old version meanwhile.",
        source: "Falcore's hot restart",
        judge: Some(stops_accepting),
    },
    Clause {
        id: "drain.quiet",
        must: "",
        should: "FR",
        requirement: "The old generation uses under 5 % of a processor while it waits for its connections to end.",
        why: "A shared listener that was closed and left in epoll wakes its process again and again.",
        source: "hotspec; epoll(7)",
        judge: Some(quiet),
    },
    Clause {
        id: "drain.exit-undisturbing",
        must: "FR",
        should: "",
        requirement: "From the old generation's exit through settle nothing that the successor serves is disturbed by it.",
        why: "An exit may shut a shared socket down, unlink a path, or release a lock that others rely on.",
        source: "hotspec",
        judge: Some(exit_undisturbing),
    },
];

/// From the hard limit to the end of the process.
const GONE_WITHIN: Micros = 1_000_000;
/// The share of a processor that a process may use while it waits: one in so many.
const QUIET_SHARE: Micros = 20;
/// Less than this can't be told from the ticks that processor time is counted in.
const QUIET_OVER_MIN: Micros = 800_000;

fn starts(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    let Some(tr) = case.timeline.tr() else {
        tally.doubt(case, "no successor was seen to serve, so no drain is owed");
        return;
    };
    let step = case.timeline.drain_step.map_or(t0.hi, |step| step.hi);
    let deadline = tr.hi.max(step).saturating_add(case.limits.drain_start_max);
    let tolerated = deadline.saturating_add(case.delta);
    if case.generations.old.is_empty() {
        tally.doubt(case, "no process of the old generation is known");
    }
    for id in case.generations.old.iter().filter(|id| !case.generations.idle.contains(id)) {
        let Some(proc) = case.timeline.procs.get(id) else { continue };
        let evidence = case.timeline.drain_evidence(proc);
        let in_time = evidence.is_some_and(|at| at <= tolerated);
        let last_open = proc.last_open.filter(|open| *open > tolerated);
        if in_time {
            tally.exercise();
        } else if last_open.is_some_and(|open| case.is_excused(tr.lo, tolerated, open)) {
            tally.disturbed(case, STOOD_STILL);
        } else if let Some(open) = last_open {
            tally.exercise();
            let seen = format!(
                "it still answered without a close, or accepted, {} after the successor's first answer",
                Span(open - tr.hi)
            );
            let expected = format!("draining within {}", Span(case.limits.drain_start_max));
            tally.break_by(
                case,
                case.timeline.describe(Owner::Process(*id)),
                open,
                "not-draining",
                &expected,
                seen,
            );
        } else {
            let seen = if evidence.is_some() { "was seen late only" } else { "was not seen at all" };
            let who = case.timeline.describe(Owner::Process(*id));
            tally.doubt(case, format!("that {who} drains {seen} ({} canaries stood on it)", proc.canaries));
        }
    }
}

fn waits(case: &Case<'_>, tally: &mut Tally) {
    // Whoever declares a hard limit may cut then, whatever longer time was assumed.
    let drain_max =
        case.limits.hard_limit.map_or(case.limits.drain_max, |hard| hard.min(case.limits.drain_max));
    for (lane, _, exchange) in case.exchanges() {
        let (Some(owner), Some(td)) = (case.old_owner(lane), case.td_of(lane)) else {
            note_unknown_owner(case, lane, tally);
            continue;
        };
        let over = exchange.body.as_ref().map(|body| body.at).or_else(|| lane.end.map(|end| end.at));
        let under_way = exchange.sent.is_some_and(|sent| sent.hi <= td.lo) || exchange.head.is_some();
        let (Some(over), true) = (over.filter(|at| *at >= td.lo), under_way) else { continue };
        if exchange.answered() {
            tally.exercise();
            continue;
        }
        // Only what ended with the process was lost by its exit; all else is told by others.
        let Some(gone) = owner.gone else { continue };
        // What the kernel had buffered is still read afterwards, so the end may be seen long after the exit.
        let with_it = over.saturating_add(case.delta) >= gone.lo;
        let by_server = lane.end.is_some_and(|end| !matches!(end.how, Ending::Lane | Ending::GaveUp));
        let before_limit = gone.hi < td.lo.saturating_add(drain_max);
        // An idle connection that was used again in the very moment of its close, which may be the exit's.
        let crossed = case.profile != Profile::Falcore && reused(lane, exchange) && !begun(lane, exchange);
        let lost = with_it && by_server && before_limit && !crossed;
        if lost && case.control.fault(lane, exchange).is_some() {
            tally.exercise();
            let after = Span(gone.hi.saturating_sub(td.lo));
            let seen = format!("the process was gone within {after} of Td, with the response under way");
            tally.break_on(
                case,
                lane,
                over,
                "lost-by-exit",
                "the response is delivered before the exit",
                seen,
            );
        }
    }
}

fn hard_limit(case: &Case<'_>, tally: &mut Tally) {
    let Some(limit) = case.limits.hard_limit else {
        tally.rule_out("the target declares no hard limit (--hard-limit)");
        return;
    };
    for id in &case.generations.old {
        let Some(proc) = case.timeline.procs.get(id) else { continue };
        let Some(td) = case.timeline.td(*id, case.limits.drain_start_max) else { continue };
        let held = |lane: &&Lane| {
            let until = lane.end.map_or(case.end, |end| end.at);
            lane.owner == Owner::Process(*id)
                && until.saturating_add(case.delta) >= td.lo.saturating_add(limit)
        };
        if case.restart_lanes().find(held).is_none() {
            continue;
        }
        let deadline = td.hi.saturating_add(limit).saturating_add(GONE_WITHIN).saturating_add(case.delta);
        let until = proc.gone.map_or(case.end, |gone| gone.lo);
        if proc.gone.is_none() && case.end <= deadline {
            tally.doubt(case, "the old generation was not watched until its hard limit");
            continue;
        }
        if until > deadline && case.is_excused(td.hi.saturating_add(limit), deadline, until) {
            tally.disturbed(case, STOOD_STILL);
            continue;
        }
        tally.exercise();
        if until > deadline {
            let expected = format!("gone within {} + 1 s of Td", Span(limit));
            let seen = format!("still there {} after Td", Span(until.saturating_sub(td.hi)));
            tally.break_by(
                case,
                case.timeline.describe(Owner::Process(*id)),
                until,
                "still-there",
                &expected,
                seen,
            );
        }
    }
}

fn stops_accepting(case: &Case<'_>, tally: &mut Tally) {
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
            let seen = format!("accepted by it {} after Td", Span(lane.opened - td.hi));
            tally.break_on(
                case,
                lane,
                lane.opened,
                "accepts",
                "the old generation accepts nobody any more",
                seen,
            );
        }
    }
}

fn quiet(case: &Case<'_>, tally: &mut Tally) {
    for id in &case.generations.old {
        let Some(td) = case.timeline.td(*id, case.limits.drain_start_max) else { continue };
        // Canaries ask for a second after Td; what is left then is silent in the scenarios that ask this.
        let from = td.hi.saturating_add(2 * super::case::DELTA_MIN).saturating_add(1_000_000);
        let busy = case.exchanges().filter(|(lane, ..)| lane.owner == Owner::Process(*id));
        let last = busy.map(|(lane, _, exchange)| busy_until(case, lane, exchange)).max().unwrap_or_default();
        let since = from.max(last);
        let mut samples = case.used.iter().filter(|used| used.proc == *id && used.at >= since);
        let (Some(first), Some(last)) = (samples.clone().next(), samples.next_back()) else { continue };
        let over = last.at.saturating_sub(first.at);
        if over < QUIET_OVER_MIN {
            continue;
        }
        tally.exercise();
        let used = last.cpu_us.saturating_sub(first.cpu_us);
        if used > over / QUIET_SHARE {
            let who = case.timeline.describe(Owner::Process(*id));
            let seen = format!("{} of processor time in {} of waiting", Span(used), Span(over));
            tally.break_by(case, who, last.at, "busy", "under 5 % of a processor", seen);
        }
    }
}

/// Until when an exchange may give its owner something to do.
fn busy_until(case: &Case<'_>, lane: &Lane, exchange: &Exchange) -> Micros {
    match (&exchange.body, exchange.sent) {
        (Some(body), sent) => body.at.max(sent.map_or(exchange.begun, |sent| sent.hi)),
        // An answer that is awaited may be work.
        (None, Some(_)) => lane.end.map_or(case.end, |end| end.at),
        (None, None) => exchange.begun,
    }
}

fn exit_undisturbing(case: &Case<'_>, tally: &mut Tally) {
    let Some(tx) = case.timeline.tx() else {
        tally.doubt(case, "the old generation was not seen to go");
        return;
    };
    for lane in case.restart_lanes() {
        // Whose it is may be unknown: then it may be the old generation's until that is surely gone.
        let by_old = case.old_owner(lane).is_some() || lane.opened < tx.hi && !case.by_successor(lane);
        if by_old || lane.connect_failed.is_some_and(|(at, ..)| at < tx.lo) {
            continue;
        }
        if let Some((at, why, errno)) = lane.connect_failed {
            if why == crate::history::event::ConnectTrouble::Local {
                continue;
            }
            tally.exercise();
            let seen =
                format!("{why:?} (errno {}) {} after the exit", errno.unwrap_or_default(), Span(at - tx.lo));
            tally.break_on(case, lane, at, "not-connected", "the connection is accepted", seen);
            continue;
        }
        for exchange in &lane.exchanges {
            let over = exchange.body.as_ref().map(|body| body.at).or_else(|| lane.end.map(|end| end.at));
            if over.is_some_and(|over| over >= tx.lo) && !reused_and_closed(lane, exchange) {
                tally.exercise();
                judge_exchange(case, lane, exchange, tally);
            }
            // Behind an announced close nothing is owed.
            if exchange.closes() {
                break;
            }
        }
    }
}

/// The connection had been used before.
fn reused(lane: &Lane, exchange: &Exchange) -> bool {
    lane.exchanges.first().is_some_and(|first| !std::ptr::eq(first, exchange))
}

/// A byte of an answer came.
fn begun(lane: &Lane, exchange: &Exchange) -> bool {
    exchange.head.is_some() || lane.end.is_some_and(|end| matches!(end.stage, Stage::InHead | Stage::InBody))
}

/// A request on a connection that had been used before, which the server closed with no byte of an answer: its right.
fn reused_and_closed(lane: &Lane, exchange: &Exchange) -> bool {
    let fin = lane.end.is_some_and(|end| matches!(end.how, Ending::Fin | Ending::ResetAfterFin));
    reused(lane, exchange) && fin && !begun(lane, exchange)
}
