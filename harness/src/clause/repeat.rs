//! Triggers that come again: at any distance, amid a drain, at the start, to the successor, to the whole group.

use super::repeated::{Further, nobody_dies, nothing_grows, nothing_lost, one_left};
use super::{Case, Clause, Tally, lineage};
use crate::declaration::{Profile, Span};
use crate::history::event::Owner;
use crate::history::{Lane, Micros, Model};

/// The clauses of this group.
pub const CLAUSES: &[Clause] = &[
    Clause {
        id: "repeat.many",
        must: "FRI",
        should: "",
        requirement: "Twenty restarts under load, each after the last one's Tx, lose no client, kill no process and leave nothing behind; each brings a new generation or marker, and no process holds more than 8 descriptors more at the end than after the first.",
        why: "What one restart leaves over shows in the twentieth, and a server is restarted for as long as it lives.",
        source: "hotspec",
        judge: Some(many),
    },
    Clause {
        id: "repeat.double-trigger",
        must: "FRI",
        should: "",
        requirement: "Two triggers 0, 0.5, 1, 2, 5, 10, 50, 200 or 1000 ms apart, or the second while a successor starts slowly, crash nothing and lose no client, and one generation is left. (By a command: one after the other.)",
        why: "A deploy that runs twice, and an operator who asks again, are no reason to lose the service.",
        source: "hotspec; Falcore's own example panics at 1.5 ms",
        judge: Some(double_trigger),
    },
    Clause {
        id: "repeat.while-draining",
        must: "FRI",
        should: "",
        requirement: "A trigger while the last restart still drains is refused, queued or carried out: nobody is lost, nothing crashes, and one generation is left.",
        why: "A drain takes as long as the longest request, and the next deploy does not wait for it.",
        source: "hotspec",
        judge: Some(while_draining),
    },
    Clause {
        id: "repeat.at-start",
        must: "FRI",
        should: "",
        requirement: "A trigger from the first answered request on is carried out or ignored, and never fatal. (falcore: nor is one to the successor, from its birth on.)",
        why: "The signals that restart a server end a program that has not installed its handlers yet.",
        source: "hotspec; signal(7)",
        judge: Some(at_start),
    },
    Clause {
        id: "repeat.successor-triggered",
        must: "FR",
        should: "",
        requirement: "A trigger to the successor's main process while the old generation drains loses nobody, crashes nothing, and all but the newest generation drain in the end.",
        why: "The pid file and the service manager name the successor by then: it is who the next deploy talks to.",
        source: "hotspec",
        judge: Some(successor_triggered),
    },
    Clause {
        id: "repeat.process-group",
        must: "",
        should: "FRI",
        requirement: "A trigger to the whole process group does what one to the main process does: a new generation, and nobody lost.",
        why: "A terminal and many a service manager signal the group; a helper that dies of it may take the server along.",
        source: "hotspec; kill(2)",
        judge: Some(process_group),
    },
    Clause {
        id: "repeat.storm",
        must: "",
        should: "FRI",
        requirement: "A hundred triggers 250 ms apart kill no process and lose nobody, and nothing grows: one generation is left, none of its processes with more than 8 descriptors more.",
        why: "Whoever watches files and reloads at each change sends as many.",
        source: "hotspec",
        judge: Some(storm),
    },
    Clause {
        id: "repeat.terminate-amid",
        must: "FR",
        should: "",
        requirement: "After SIGTERM to the old main process, once the successor is ready, the successor serves on. Where a master stays all of it stops in order, and no process is left behind.",
        why: "A service manager stops the process that it started, and that is the old one.",
        source: "hotspec",
        judge: Some(terminate_amid),
    },
];

/// What every repetition owes.
fn whole(case: &Case<'_>, tally: &mut Tally) {
    let broken = tally.violations.len();
    nothing_lost(case, tally, |_| false);
    nobody_dies(case, tally, |_| false);
    // Of a target that ended, how many are left is no open question.
    if tally.violations.len() == broken || case.timeline.tr().is_some() {
        one_left(case, tally);
    }
}

/// The further triggers of a case, with the reason told where there are none.
fn further<'a>(case: &'a Case<'_>, tally: &mut Tally) -> Vec<&'a Further> {
    let sent: Vec<&Further> = case.repeated.sent().collect();
    if sent.is_empty() && case.t0().is_some() {
        let failed = case.repeated.further.iter().find_map(|one| one.failed.as_deref());
        match failed {
            Some(why) => tally.doubt(case, format!("it could not be triggered again: {why}")),
            None => tally.doubt(case, "it was not triggered again"),
        }
    }
    sent
}

fn many(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    comes(case, tally, t0.hi);
    whole(case, tally);
    // The first look is from before the first restart; a successor may keep something for the next one.
    nothing_grows(case, tally, 2);
}

/// The trigger leads to a new generation or marker.
pub(super) fn comes(case: &Case<'_>, tally: &mut Tally, since: Micros) {
    if case.timeline.tr().is_some() {
        tally.exercise();
    } else if let Some(why) = case.owners_withheld().filter(|_| case.marker.is_none()) {
        tally.withhold(why);
    } else if let Some(why) = case.had_no_time_to_serve(since) {
        tally.doubt(case, why);
    } else {
        tally.exercise();
        let expected = format!("a new generation or marker within {}", Span(case.limits.ready_max));
        let seen = format!("none in {}", Span(case.end.saturating_sub(since)));
        tally.break_by(case, "none".to_owned(), case.end, "none", &expected, seen);
    }
}

fn double_trigger(case: &Case<'_>, tally: &mut Tally) {
    if case.t0().is_none() {
        return;
    }
    // One that found nobody is judged all the same: the first may have been what was fatal.
    if case.repeated.further.is_empty() {
        return tally.doubt(case, "it was not triggered again");
    }
    whole(case, tally);
}

fn while_draining(case: &Case<'_>, tally: &mut Tally) {
    let sent = further(case, tally);
    let Some(last) = sent.last() else { return };
    let drains = case.timeline.tx().is_none_or(|tx| tx.hi > last.at.lo);
    let in_place = case.generations.model == Model::InPlace;
    if !drains && !in_place {
        return tally.doubt(case, "the old generation was gone before the trigger came again");
    }
    whole(case, tally);
}

fn at_start(case: &Case<'_>, tally: &mut Tally) {
    if case.t0().is_none() {
        return;
    }
    // Before a successor serves, only falcore promises anything.
    if !case.repeated.further.is_empty() && case.profile != Profile::Falcore {
        return;
    }
    nothing_lost(case, tally, |_| false);
    nobody_dies(case, tally, |_| false);
}

fn successor_triggered(case: &Case<'_>, tally: &mut Tally) {
    if case.t0().is_some() && matches!(case.generations.model, Model::MasterWorkers | Model::InPlace) {
        return tally.rule_out("the process that is triggered stays: its successor has none of its own");
    }
    let sent = further(case, tally);
    let Some(first) = sent.first() else { return };
    let to_successor = first.proc.is_some_and(|proc| case.generations.successors.contains(&proc));
    if !to_successor {
        return tally.doubt(case, "the successor had no main process of its own that could be triggered");
    }
    if case.timeline.tx().is_some_and(|tx| tx.hi <= first.at.lo) {
        return tally.doubt(case, "the old generation was gone before the successor was triggered");
    }
    whole(case, tally);
}

fn process_group(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    if let Some(why) = case.repeated.further.iter().find_map(|one| one.failed.as_deref()) {
        return tally.rule_out(why);
    }
    comes(case, tally, t0.hi);
    whole(case, tally);
}

fn storm(case: &Case<'_>, tally: &mut Tally) {
    let sent = further(case, tally);
    if sent.is_empty() {
        return;
    }
    whole(case, tally);
    nothing_grows(case, tally, 0);
}

fn terminate_amid(case: &Case<'_>, tally: &mut Tally) {
    if case.t0().is_none() {
        return;
    }
    if case.generations.model == Model::InPlace {
        return tally
            .rule_out("it restarts in place: the process that would be stopped is the one that serves");
    }
    let sent = further(case, tally);
    let Some(stop) = sent.into_iter().find(|one| one.stop) else { return };
    if let Some(why) = case.owners_withheld() {
        return tally.withhold(why);
    }
    if case.generations.model == Model::MasterWorkers {
        return stops_in_order(case, tally, stop);
    }
    // What the old generation had in hand it may drop: it was told to stop.
    let of_old = |lane: &Lane| {
        case.old_owner(lane).is_some() || (lane.opened <= stop.at.hi && !case.by_successor(lane))
    };
    nothing_lost(case, tally, of_old);
    nobody_dies(case, tally, |proc| case.generations.old.contains(&proc.id));
    one_left(case, tally);
}

/// The master was told to stop, and all of it with it.
fn stops_in_order(case: &Case<'_>, tally: &mut Tally, stop: &Further) {
    tally.exercise();
    let due = stop.at.hi.saturating_add(case.limits.drain_max).saturating_add(case.limits.exit_max);
    let of_target = |id: &u32| {
        let proc = case.timeline.procs.get(id)?;
        (lineage::serves(proc) || lineage::is_of_target(case, proc)).then_some(proc)
    };
    for proc in case.timeline.procs.keys().filter_map(of_target).filter(|proc| proc.gone.is_none()) {
        if case.end <= due {
            tally.doubt(case, "the stop was not watched for long enough");
            return;
        }
        let who = case.timeline.describe(Owner::Process(proc.id));
        let seen = format!("still there {} after SIGTERM", Span(case.end.saturating_sub(stop.at.hi)));
        tally.break_by(case, who, case.end, "left-behind", "all processes end with the master", seen);
    }
    // Workers may be killed by a master that stops; only what crashes is no stop in order.
    let ends = |proc: &crate::history::generation::Proc| {
        let end = case.observed.end(proc, super::aftermath::next_of_pid(case, proc));
        end.is_some_and(|end| end.signal.is_none() || is_stop(end.signal))
    };
    nobody_dies(case, tally, ends);
}

fn is_stop(signal: Option<i32>) -> bool {
    const TERM: i32 = nix::sys::signal::Signal::SIGTERM as i32;
    const KILL: i32 = nix::sys::signal::Signal::SIGKILL as i32;
    matches!(signal, Some(TERM | KILL))
}
