//! What a successor is handed, and when it says that it is ready.

use std::collections::BTreeSet;

use super::availability::judge_exchange;
use super::control::asked_at_once;
use super::tally::STOOD_STILL;
use super::{Case, Clause, Tally};
use crate::declaration::Span;
use crate::history::event::Owner;
use crate::history::{Interval, Micros, Model, ProcId};

/// The clauses of this file.
pub const CLAUSES: &[Clause] = &[
    Clause {
        id: "process.ready-before-drain",
        must: "FR",
        should: "",
        requirement: "With the successor's start slowed by S = 5 × stall_max, connections opened throughout [T0 + 0.1 S, T0 + 0.9 S] are answered by the old generation at control's latency.",
        why: "A server that drains when it is told to restart, and not when its successor is ready, is away for as long as a start takes.",
        source: "Falcore's hot restart",
        judge: Some(ready_before_drain),
    },
    Clause {
        id: "process.descriptor-flag",
        must: "F",
        should: "",
        requirement: "The successor's command line names a descriptor that, between its exec and its first accept, is the listening socket.",
        why: "The flag is the whole of what the two generations have agreed on.",
        source: "Falcore's hot restart",
        judge: Some(descriptor_flag),
    },
    Clause {
        id: "process.readiness-signal",
        must: "F",
        should: "",
        requirement: "A process executed with the listening socket's descriptor sends its parent exactly one SIGUSR1, and then serves; if the parent dies before, nobody else gets that signal.",
        why: "Signalled too early, the old generation stops for a successor that serves nobody; signalled to a stranger (whoever inherits the orphan), SIGUSR1 kills.",
        source: "Falcore's hot restart",
        judge: Some(readiness_signal),
    },
];

/// The signal by which a successor says that it is ready.
const READY: i32 = libc::SIGUSR1;

/// Why nothing can be said where nobody came to the gate.
fn not_held(case: &Case<'_>, tally: &mut Tally) {
    if case.t0().is_none() {
        tally.doubt(case, "the restart was not triggered");
    } else if matches!(case.generations.model, Model::MasterWorkers | Model::InPlace) {
        tally.rule_out(
            "no new process executes the program when this target restarts, so its start can't be held up",
        );
    } else if let (true, Some(why)) = (case.generations.successors.is_empty(), case.owners_withheld()) {
        tally.withhold(why);
    } else if case.generations.successors.is_empty() {
        tally.doubt(case, "no successor was born");
    } else {
        tally.rule_out("the successor was not executed by the path that the target was started by, so its start can't be held up");
    }
}

fn ready_before_drain(case: &Case<'_>, tally: &mut Tally) {
    let (Some(t0), Some(held)) = (case.t0(), case.held) else { return not_held(case, tally) };
    let slow = case.limits.slow_start();
    let window = Interval {
        lo: held.lo.max(t0.hi.saturating_add(slow / 10)),
        hi: held.hi.min(t0.lo.saturating_add(slow - slow / 10)),
    };
    let limit = case.control.first_byte_max.saturating_add(case.limits.stall_max);
    for lane in case.restart_lanes().filter(|lane| lane.opened >= window.lo && lane.opened <= window.hi) {
        if let Some((at, why, errno)) = lane.connect_failed {
            if why != crate::history::event::ConnectTrouble::Local {
                tally.exercise();
                let seen = format!("{why:?} (errno {})", errno.unwrap_or_default());
                tally.break_on(case, lane, at, "not-connected", "the old generation accepts", seen);
            }
            continue;
        }
        let Some(first) = lane.exchanges.first() else { continue };
        let came = first.head.as_ref().map(|head| head.first_byte);
        // Without an end the record breaks off here, and shows nothing.
        let Some(until) = came.or_else(|| lane.end.map(|end| end.at)) else { continue };
        if !asked_at_once(lane, first) {
            continue;
        }
        tally.exercise();
        // The successor runs no program of its own yet: whoever answers is the old generation, whenever it was born.
        judge_exchange(case, lane, first, tally);
        let waited = until.saturating_sub(lane.opened);
        if waited > limit && case.had(lane.opened, until) <= limit {
            tally.disturbed(case, STOOD_STILL);
        } else if waited > limit {
            let expected =
                format!("the first byte within {} (control's maximum plus stall_max)", Span(limit));
            tally.break_on(case, lane, until, "stall", &expected, format!("{} without one", Span(waited)));
        }
    }
}

fn descriptor_flag(case: &Case<'_>, tally: &mut Tally) {
    let Some(held) = case.held else { return not_held(case, tally) };
    // It runs no program of its own until it is let through.
    let of_successor = |(proc, at, ..): &&(ProcId, Micros, String, u64)| {
        case.generations.successors.contains(proc) && *at <= held.hi
    };
    let named: Vec<_> = case.named.iter().filter(of_successor).collect();
    if named.is_empty() {
        match case.owners_withheld() {
            Some(why) => tally.withhold(why),
            None => tally.rule_out(
                "the successor's command line has no flag that names a descriptor ([successor] flag, --socket-flag)",
            ),
        }
        return;
    }
    let pid = |proc: &ProcId| case.timeline.procs.get(proc).map(|proc| proc.pid);
    let is_listener = |inode: u64| inode != 0;
    let mut told = BTreeSet::new();
    for (proc, at, argument, inode) in &named {
        // A flag may name descriptors for other addresses beside the one that is watched; and between its fork and its
        // execution a process shows its parent's command line with descriptors that it may have moved already.
        let right = named.iter().any(|(other, .., inode)| pid(other) == pid(proc) && is_listener(*inode));
        if !told.insert(pid(proc)) {
            continue;
        }
        tally.exercise();
        if !right && !is_listener(*inode) {
            let who = case.timeline.describe(Owner::Process(*proc));
            let seen = format!("`{argument}`, which is no listening socket of the target");
            let expected = "the descriptor that the flag names is the listening socket";
            tally.break_by(case, who, *at, "not-the-listener", expected, seen);
        }
    }
}

fn readiness_signal(case: &Case<'_>, tally: &mut Tally) {
    if let Some((since, pid)) = case.adopted {
        return adopted(case, since, pid, tally);
    }
    let (Some(killed), Some(held)) = (case.killed, case.held) else { return not_held(case, tally) };
    if held.hi == Micros::MAX || case.end <= held.hi {
        tally.doubt(case, "the successor was not let through");
        return;
    }
    if case.generations.successors.is_empty() {
        // The gate was met, and whose process that is is not known.
        match case.owners_withheld() {
            Some(why) => tally.withhold(why),
            None => tally.doubt(case, "the successor was not seen among the target's processes"),
        }
        return;
    }
    tally.exercise();
    let pids: Vec<i32> = case
        .generations
        .successors
        .iter()
        .filter_map(|id| case.timeline.procs.get(id))
        .map(|proc| proc.pid)
        .collect();
    let strays =
        case.signals.iter().filter(|(at, signo, pid)| *at >= killed && *signo == READY && pids.contains(pid));
    for (at, _, pid) in strays {
        let seen = format!("process {pid} sent SIGUSR1 to the process that had adopted it");
        let expected = "no SIGUSR1 to anybody, as the parent is gone";
        tally.break_by(case, format!("process {pid}"), *at, "stranger-signalled", expected, seen);
    }
}

/// The harness played the parent.
fn adopted(case: &Case<'_>, since: Micros, pid: i32, tally: &mut Tally) {
    let said: Vec<Micros> = case
        .signals
        .iter()
        .filter(|(_, signo, from)| *signo == READY && *from == pid)
        .map(|(at, ..)| *at)
        .collect();
    let answer = case
        .exchanges()
        .filter_map(|(.., exchange)| exchange.head.as_ref())
        .map(|head| head.first_byte)
        .min();
    let who = format!("process {pid}");
    if let Some(why) = case.had_no_time_to_serve(since).filter(|_| answer.is_none()) {
        return tally.doubt(case, why);
    }
    tally.exercise();
    match said.as_slice() {
        [] => {
            let within = Span(case.end.saturating_sub(since));
            let served = if answer.is_some() { ", though it serves" } else { ", and it serves nobody" };
            let seen = format!("none in {within}{served}");
            tally.break_by(case, who, case.end, "none", "one SIGUSR1 to its parent", seen);
        }
        [at] => serves_then(case, *at, answer, who, tally),
        [_, again, ..] => {
            let seen = format!("{} of them", said.len());
            tally.break_by(case, who, *again, "repeated", "exactly one SIGUSR1 to its parent", seen);
        }
    }
}

/// Whoever says that it is ready serves.
fn serves_then(case: &Case<'_>, said: Micros, answer: Option<Micros>, who: String, tally: &mut Tally) {
    let limit = case.limits.stall_max;
    let expected = format!("an answer within {} of SIGUSR1", Span(limit));
    let until = answer.unwrap_or(case.end);
    let waited = until.saturating_sub(said);
    if waited > limit.saturating_add(case.delta) {
        if case.had(said, until) <= limit.saturating_add(case.delta) {
            tally.disturbed(case, STOOD_STILL);
            return;
        }
        let seen = match answer {
            Some(_) => format!("the first answer came {} after it", Span(waited)),
            None => format!("none in {}", Span(waited)),
        };
        tally.break_by(case, who, until, "not-serving", &expected, seen);
    }
}
