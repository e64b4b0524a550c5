//! A target that gets next to no processor time: nobody is turned away for that.

use super::availability::{after_t0, timed_out_unused};
use super::control::asked_at_once;
use super::{Case, Clause, Tally};
use crate::history::event::ConnectTrouble;

/// The clause of this file.
pub const CLAUSES: &[Clause] = &[Clause {
    id: "failure.starved",
    must: "FRI",
    should: "",
    requirement: "With under 5 % of a processor, in control as in the restart, no connection is refused or reset from T0 on, and each new one is answered as in control, however long that takes.",
    why: "A machine is busiest when everything on it restarts. Whoever waits for so many milliseconds, instead of for a word of the successor's, has nobody to serve then.",
    source: "hotspec",
    judge: Some(starved),
}];

fn starved(case: &Case<'_>, tally: &mut Tally) {
    if !case.starved {
        tally.doubt(case, "the target was not starved");
        return;
    }
    if case.t0().is_none() {
        tally.doubt(case, "the restart was not triggered");
        return;
    }
    let mut answered = 0;
    for lane in after_t0(case) {
        if let Some((at, why @ (ConnectTrouble::Refused | ConnectTrouble::Missing), errno)) =
            lane.connect_failed
        {
            tally.exercise();
            let seen = format!("{why:?} (errno {})", errno.unwrap_or_default());
            tally.break_on(case, lane, at, "refused", "the connection is accepted", seen);
            continue;
        }
        let Some(first) = lane.exchanges.first().filter(|first| asked_at_once(lane, first)) else { continue };
        let fault = case.control.fault(lane, first);
        match fault {
            None if first.answered() => answered += 1,
            None => {}
            // How long it takes is the machine's doing as much as the server's.
            Some(("no-answer", ..)) => {
                tally.doubt(case, "a connection was not answered for as long as the client waits")
            }
            Some(("unfinished", ..)) => {}
            Some(_) if timed_out_unused(case, lane) => {
                tally.doubt(case, "a connection was not read for as long as an idle one is kept");
            }
            Some((kind, expected, seen)) => {
                tally.exercise();
                let body = first.body.as_ref().map(|body| body.at);
                let at = body.or_else(|| lane.end.map(|end| end.at)).unwrap_or(case.end);
                tally.break_on(case, lane, at, kind, &expected, seen);
            }
        }
    }
    if case.timeline.tr().is_some() {
        tally.exercised += answered;
    } else if let Some(why) = case.owners_withheld().filter(|_| case.marker.is_none()) {
        tally.withhold(why);
    } else {
        tally.doubt(case, "no successor served while it was watched");
    }
}
