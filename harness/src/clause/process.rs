//! A new generation comes up, and it is the new one that serves.

use super::tally::STOOD_STILL;
use super::{Case, Clause, Tally};
use crate::declaration::{Profile, Span};
use crate::history::event::Owner;
use crate::history::{Lane, Model};

/// Why clients alone can't tell who answers.
const NO_NEW_VALUE: &str =
    "no answer showed a value of the field (--marker-header) that it had not shown before the trigger";

/// The clauses of this group that are built.
pub const CLAUSES: &[Clause] = &[
    Clause {
        id: "process.new-generation",
        must: "FR",
        should: "",
        requirement: "The trigger leads to a successor that serves within ready_max of T0 (falcore: the same program, forked and executed).",
        why: "A restart that restarts nothing loses no connection either.",
        source: "Falcore's hot restart",
        judge: Some(new_generation),
    },
    Clause {
        id: "process.effective",
        must: "FRI",
        should: "",
        requirement: "A marker that the harness controls, or the process that answers, changes with the trigger: after Tr + drain_start_max no new connection shows the old one.",
        why: "Otherwise ignoring the trigger would pass everything.",
        source: "hotspec",
        judge: Some(effective),
    },
];

fn new_generation(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else {
        tally.doubt(case, "the restart was not triggered");
        return;
    };
    let expected = format!("a successor that serves within {} of the trigger", Span(case.limits.ready_max));
    if let Some(tr) = case.timeline.tr() {
        tally.exercise();
        let took = tr.hi.saturating_sub(t0.hi);
        // The successor is looked for with one new connection after another: it may have been there one earlier.
        let took_itself = took.saturating_sub(case.own_gaps(t0.lo, tr.hi));
        let limit = case.limits.ready_max.saturating_add(case.delta);
        if took_itself > limit {
            let seen = format!("its first answer came after {}", Span(took));
            if took_itself.saturating_sub(case.crowded(t0.lo, tr.hi)) > limit {
                tally.break_by(case, "successor".to_owned(), tr.hi, "late", &expected, seen);
            } else {
                tally.doubt(case, format!("{seen}, and no processor was free for most of it"));
            }
        }
        if case.profile == Profile::Falcore {
            same_program(case, tally);
        }
        return;
    }
    if case.clients_only() {
        tally.doubt(case, NO_NEW_VALUE);
    } else if let Some(why) = case.owners_withheld() {
        tally.withhold(why);
    } else if let Some(why) = case.had_no_time_to_serve(t0.hi) {
        tally.doubt(case, why);
    } else {
        tally.exercise();
        let born = case.generations.successors.len();
        let seen = format!(
            "none answered in {} ({born} processes were born after the trigger)",
            Span(case.end.saturating_sub(t0.hi))
        );
        tally.break_by(case, "none".to_owned(), case.end, "none", &expected, seen);
    }
}

/// A field of answers is the marker: whether it still has a value from before the trigger.
fn still_old(case: &Case<'_>, lane: &Lane, shown: &str, excused: impl Fn() -> bool, tally: &mut Tally) {
    let old = case.timeline.had_marker(shown);
    if old && excused() {
        return tally.disturbed(case, STOOD_STILL);
    }
    tally.exercise();
    if old {
        let seen = format!("`{shown}`, as before the trigger");
        tally.break_on(case, lane, lane.opened, "old-marker", "the new generation answers", seen);
    }
}

fn same_program(case: &Case<'_>, tally: &mut Tally) {
    let Some(before) = case.timeline.root().and_then(|root| root.program.clone()) else { return };
    // The root may be a supervisor's interpreter, which serves nobody.
    let old = || case.generations.old.iter().filter_map(|id| case.timeline.procs.get(id));
    let served = case.generations.successors.iter().filter_map(|id| case.timeline.procs.get(id));
    for proc in served.filter(|proc| proc.first_answer.is_some()) {
        // What a process executes is read when it is first seen, which may be between its fork and its execution.
        let is_known = |now: &String| *now == before || old().any(|proc| proc.program.as_ref() == Some(now));
        let Some(now) = proc.program.as_ref().filter(|now| !is_known(now)) else { continue };
        let who = case.timeline.describe(Owner::Process(proc.id));
        let seen = format!("`{now}` answers after the restart");
        tally.break_by(case, who, proc.seen, "other-program", &format!("the same program, `{before}`"), seen);
    }
}

fn effective(case: &Case<'_>, tally: &mut Tally) {
    let Some(tr) = case.timeline.tr() else {
        if case.clients_only() {
            tally.doubt(case, NO_NEW_VALUE);
        } else if let Some(why) = case.owners_withheld().filter(|_| case.marker.is_none()) {
            tally.withhold(why);
        } else {
            tally.doubt(case, "neither a new process nor a new marker was seen");
        }
        return;
    };
    let step = case.timeline.drain_step.map_or(0, |step| step.hi);
    // A roll-out is over when its command is.
    let step = step.max(case.command_over.filter(|_| case.beside.is_some()).unwrap_or(0));
    let since = tr.hi.max(step).saturating_add(case.limits.drain_start_max).saturating_add(case.delta);
    let fresh = case.restart_lanes().filter(|lane| lane.opened > since);
    for lane in fresh {
        let excused = || case.is_excused(tr.hi.max(step), since, lane.opened);
        let shown = lane.exchanges.iter().find_map(|exchange| exchange.marker());
        if let Some(shown) = shown.filter(|_| case.timeline.has_header()) {
            still_old(case, lane, shown, excused, tally);
        } else if let (Some(marker), Some(shown)) = (&case.marker, shown) {
            if shown != marker && excused() {
                tally.disturbed(case, STOOD_STILL);
                continue;
            }
            tally.exercise();
            if shown != marker {
                let seen = format!("marker `{shown}`");
                tally.break_on(case, lane, lane.opened, "old-marker", &format!("marker `{marker}`"), seen);
            }
        } else if let Owner::Process(_) = lane.owner {
            // In place the process stays: only a new epoch of it shows anything.
            if case.generations.model == Model::InPlace && !case.by_successor(lane) {
                continue;
            }
            let by_old = case.old_owner(lane).is_some();
            if by_old && excused() {
                tally.disturbed(case, STOOD_STILL);
                continue;
            }
            tally.exercise();
            if by_old {
                let seen = "a process of the old generation accepted it".to_owned();
                tally.break_on(case, lane, lane.opened, "old-process", "the new generation answers", seen);
            }
        }
    }
}
