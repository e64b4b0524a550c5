//! The old generation begins to drain, and goes.

use super::{Case, Clause, Tally};
use crate::declaration::Span;
use crate::history::Lane;
use crate::history::event::Owner;

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
        judge: Some(exits),
    },
];

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

fn exits(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    let Some(td) = case.td_last() else {
        tally.doubt(case, "no drain was seen, so no exit is owed");
        return;
    };
    // A lane that nobody else is known to own may have been the old generation's.
    let of_old = |lane: &Lane| {
        let unknown = lane.opened <= td.hi && !matches!(lane.owner, Owner::Process(_));
        unknown || case.old_owner(lane).is_some()
    };
    let of_old = |lane: &&Lane| lane.connected.is_some() && lane.fetches.is_empty() && of_old(lane);
    // One whose end is not recorded may be open still.
    let ends = case.restart_lanes().filter(of_old).map(|lane| lane.end.map_or(case.end, |end| end.at));
    let last_lane = ends.max().unwrap_or(t0.hi);
    let deadline = last_lane.max(td.hi).saturating_add(case.limits.exit_max).saturating_add(case.delta);
    for id in &case.generations.old {
        let Some(proc) = case.timeline.procs.get(id) else { continue };
        let expected =
            format!("gone within {} of the end of its last connection", Span(case.limits.exit_max));
        let who = case.timeline.describe(Owner::Process(*id));
        match proc.gone {
            Some(gone) if gone.lo > deadline => {
                tally.exercise();
                let late = format!("gone {} after it", Span(gone.lo - last_lane.max(td.hi)));
                tally.break_by(case, who, gone.hi, "late", &expected, late);
            }
            Some(_) => tally.exercise(),
            None if case.end > deadline => {
                tally.exercise();
                let seen = format!("still there {} after it", Span(case.end - last_lane.max(td.hi)));
                tally.break_by(case, who, case.end, "still-there", &expected, seen);
            }
            None => tally.doubt(case, format!("{who} was not watched for long enough")),
        }
    }
}
