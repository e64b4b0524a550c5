//! A listener that the changed configuration does not have any more.

use super::{Case, Clause, Tally};
use crate::history::event::{Interval, Owner};
use crate::history::{Micros, Model};

/// The clauses of this file.
pub const CLAUSES: &[Clause] = &[Clause {
    id: "descriptors.removed-listener-closed",
    must: "RI",
    should: "",
    requirement: "A listener dropped from the configuration is closed in every process when the old generation is gone. (Of a process that restarts inside itself: when the connections from before are.)",
    why: "Whoever connects there waits in a queue that nobody accepts from, and the address can't be given to another program.",
    source: "hotspec",
    judge: Some(removed_listener_closed),
}];

/// It is looked at who holds it within this.
const LOOKED_WITHIN: Micros = 400_000;

fn removed_listener_closed(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    let seen = &case.held_by.dropped;
    let before = seen.iter().rev().find(|(_, at, ..)| *at < t0.lo);
    if before.is_none_or(|(.., listening, _)| *listening == 0) {
        match case.owners_withheld() {
            Some(why) => tally.withhold(why),
            None => tally.doubt(case, "the listener that was to be dropped was not there before the trigger"),
        }
        return;
    }
    let Some(due) = due(case, t0) else {
        tally.doubt(case, "the old generation was not gone, so that what it holds says nothing");
        return;
    };
    if case.timeline.tr().is_none() {
        tally.doubt(case, "no successor was seen to serve");
        return;
    }
    let Some((_, at, listening, procs)) = seen.last() else { return };
    let due = due.saturating_add(case.delta);
    if *listening == 0 && procs.is_empty() {
        tally.exercise();
        return;
    }
    let looked = LOOKED_WITHIN.saturating_add(case.own_gaps(due, case.end));
    if *at < due && case.end < due.saturating_add(looked) {
        tally.doubt(case, "the scenario ended before it was looked at again");
        return;
    }
    tally.exercise();
    let holders: Vec<String> =
        procs.iter().map(|proc| case.timeline.describe(Owner::Process(*proc))).collect();
    let seen = match (holders.first(), listening) {
        (None, _) => format!("{listening} listen there, held by nobody of the target"),
        (Some(_), 0) => format!("nobody listens there, and {} hold(s) the socket still", holders.join(", ")),
        (Some(_), _) => format!("{} hold(s) the socket, which listens", holders.join(", ")),
    };
    let who = holders.first().cloned().unwrap_or_else(|| "unknown".to_owned());
    let expected = "nobody holds the listener that the configuration does not have any more";
    tally.break_by(case, who, (*at).max(due), "kept", expected, seen);
}

/// By when it is to be closed.
fn due(case: &Case<'_>, t0: Interval) -> Option<Micros> {
    if case.generations.model != Model::InPlace {
        return case.timeline.tx().map(|tx| tx.hi);
    }
    let latest = t0.hi.saturating_add(case.limits.drain_max);
    let from_before = case.restart_lanes().filter(|lane| lane.opened < t0.lo);
    let ends: Option<Micros> = from_before
        .map(|lane| lane.end.map(|end| end.at))
        .try_fold(t0.hi, |last, end| end.map(|end| last.max(end)));
    let tr = case.timeline.tr()?.hi;
    Some(ends.map_or(latest, |ends| ends.min(latest)).max(tr))
}
