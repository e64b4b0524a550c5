//! Connections that say nothing while the old generation drains.

use super::in_flight::{Within, within};
use super::{Case, Clause, Tally};
use crate::declaration::Span;
use crate::history::Exchange;
use crate::history::event::{Ending, Stage};

/// The clauses of this group.
pub const CLAUSES: &[Clause] = &[Clause {
    id: "idle.not-early",
    must: "F",
    should: "",
    requirement: "No idle connection is closed within idle_max/2 of Td if it was active within a quarter of control's keep-alive timeout before.",
    why: "A connection that is closed at once races with the request that its client is about to send.",
    source: "Falcore's hot restart",
    judge: Some(not_early),
}];

fn not_early(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    for lane in case.restart_lanes().filter(|lane| lane.armed.is_some_and(|at| at <= t0.hi)) {
        let Some(td) = case.td_of(lane) else {
            super::availability::note_unknown_owner(case, lane, tally);
            continue;
        };
        let answered = lane.exchanges.iter().filter(|exchange| exchange.answered());
        let last = answered
            .filter_map(|exchange| exchange.body.as_ref())
            .map(|body| body.at)
            .filter(|at| *at <= td.hi)
            .max();
        let Some(idle) = last.map(|last| td.hi.saturating_sub(last)) else { continue };
        if idle > case.timeline.control_idle / 4 {
            tally.doubt(
                case,
                format!(
                    "idle for {} at Td, longer than a quarter of what control shows to be kept",
                    Span(idle)
                ),
            );
            continue;
        }
        let asked_again = lane.exchanges.iter().any(|exchange| exchange.begun >= td.lo);
        let announced = lane.exchanges.iter().any(Exchange::closes);
        let end = lane
            .end
            .filter(|end| !matches!(end.how, Ending::Lane | Ending::GaveUp) && end.stage == Stage::Idle);
        match end.map(|end| (end, within(end.at, td, case.limits.idle_max / 2))) {
            Some((end, Within::Surely)) if !asked_again && !announced => {
                tally.exercise();
                let after = Span(end.at.saturating_sub(td.lo));
                let expected = format!("open for {} after Td at least", Span(case.limits.idle_max / 2));
                let how = if end.how == Ending::Reset { "RST" } else { "FIN" };
                tally.break_on(
                    case,
                    lane,
                    end.at,
                    "closed-early",
                    &expected,
                    format!("{how} within {after} of Td"),
                );
            }
            _ => tally.exercise(),
        }
    }
}
