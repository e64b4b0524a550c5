//! How long a run and its scenarios took, and the least that they could have taken.

use super::Case;
use super::attempts::Judged;
use super::judge::Recorded;
use super::result::ScenarioTime;
use crate::history::{Event, Micros};
use crate::manifest::{Manifest, ScenarioEntry, Waits};

/// Every scenario that left a history, in the order of the manifest.
pub(super) fn of_scenarios(
    manifest: &Manifest,
    recorded: &[Recorded<'_>],
    cases: &[Judged<'_>],
) -> Vec<ScenarioTime> {
    let one = |entry: &ScenarioEntry| {
        let took: Vec<Micros> = recorded
            .iter()
            .filter(|one| one.entry.name == entry.name)
            .filter_map(|one| span(&one.events))
            .map(|(first, last)| last.saturating_sub(first))
            .collect();
        let own: Vec<&Case<'_>> =
            cases.iter().filter(|one| one.entry.name == entry.name).map(|one| &one.case).collect();
        (!took.is_empty()).then(|| ScenarioTime {
            name: entry.name.clone(),
            took_us: took.into_iter().fold(0, Micros::saturating_add),
            least_us: entry.waits.and_then(|waits| least(&waits, &own)),
        })
    };
    manifest.scenarios.iter().filter_map(one).collect()
}

/// From the first to the last of all that was recorded.
pub(super) fn of_run(recorded: &[Recorded<'_>]) -> Micros {
    let spans = || recorded.iter().filter_map(|one| span(&one.events));
    let first = spans().map(|(first, _)| first).min().unwrap_or_default();
    spans().map(|(_, last)| last).max().unwrap_or_default().saturating_sub(first)
}

fn span(events: &[Event]) -> Option<(Micros, Micros)> {
    let times = || events.iter().map(|event| event.t);
    Some((times().min()?, times().max()?))
}

/// Control once for each history, and every restart. The server's own time from T0 to Tx is taken as it was: no wait of
/// ours makes it longer. Of what was broken off nothing is known.
fn least(waits: &Waits, cases: &[&Case<'_>]) -> Option<Micros> {
    let restarts = waits.control_us > 0;
    let broken_off = |case: &&Case<'_>| case.interrupted || (restarts && case.t0().is_none());
    if cases.is_empty() || cases.iter().any(broken_off) {
        return None;
    }
    let of_case = |case: &&Case<'_>| {
        let gone = case.t0().zip(case.timeline.tx()).map(|(t0, tx)| tx.lo.saturating_sub(t0.hi));
        let seen =
            gone.map_or(0, |gone| waits.lead_us.saturating_add(gone).saturating_add(waits.after_tx_us));
        let control = if case.round == 1 { waits.control_us } else { 0 };
        let settle = if case.settled.is_some() { waits.settle_us } else { 0 };
        control.saturating_add(waits.restart_us.max(seen)).saturating_add(settle)
    };
    Some(cases.iter().map(of_case).fold(0, Micros::saturating_add))
}
