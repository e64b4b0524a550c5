//! The old generation goes when its last connection is over, and when nobody comes at all.

use super::tally::STOOD_STILL;
use super::{Case, Tally};
use crate::declaration::Span;
use crate::history::event::Owner;
use crate::history::generation::Proc;
use crate::history::{Lane, Micros};

/// See `drain.exits`.
pub(super) fn exits(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    let unasked = Unasked::of(case).filter(|unasked| unasked.serves_in_time(case));
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
    let owed_since = last_lane.max(td.hi);
    let deadline = owed_since.saturating_add(case.limits.exit_max).saturating_add(case.delta);
    for id in &case.generations.old {
        let Some(proc) = case.timeline.procs.get(id) else { continue };
        let expected =
            format!("gone within {} of the end of its last connection", Span(case.limits.exit_max));
        let who = case.timeline.describe(Owner::Process(*id));
        match unasked.as_ref().and_then(|unasked| unasked.kept(case, proc)) {
            Some(Kept { seen, at, surely: true }) => {
                tally.exercise();
                let owed = Span(unasked.as_ref().map_or(0, |unasked| unasked.owed));
                let expected = format!("gone {owed} after the trigger, though nobody connects");
                let seen = format!("still there {} after it, while nobody had connected", Span(seen));
                tally.break_by(case, who, at, "unasked", &expected, seen);
                continue;
            }
            Some(_) => {
                tally.disturbed(case, STOOD_STILL);
                continue;
            }
            None => {}
        }
        let until = proc.gone.map_or(case.end, |gone| gone.lo);
        if until > deadline && case.is_excused(owed_since, deadline, until) {
            tally.disturbed(case, STOOD_STILL);
            continue;
        }
        match proc.gone {
            Some(gone) if gone.lo > deadline => {
                tally.exercise();
                let late = format!("gone {} after it", Span(gone.lo - owed_since));
                tally.break_by(case, who, gone.hi, "late", &expected, late);
            }
            Some(_) => tally.exercise(),
            None if case.end > deadline => {
                tally.exercise();
                let seen = format!("still there {} after it", Span(case.end - owed_since));
                tally.break_by(case, who, case.end, "still-there", &expected, seen);
            }
            None => tally.doubt(case, format!("{who} was not watched for long enough")),
        }
    }
}

/// A time from the last step of the trigger on in which nobody connected, and nobody was connected: a process that goes only
/// when the next client comes stays for as long as that.
struct Unasked {
    /// The old generation had been told to drain.
    from: Micros,
    /// Somebody connected, or the history ends.
    to: Micros,
    /// So long after `from` the old generation is to be gone: until a successor serves, the drain begins and the last process
    /// goes.
    owed: Micros,
}

/// A process that stayed for all that it may take.
struct Kept {
    seen: Micros,
    at: Micros,
    /// Also without the time in which the harness itself did not run, and by more than the tolerance.
    surely: bool,
}

impl Unasked {
    /// None where somebody was connected meanwhile.
    fn of(case: &Case<'_>) -> Option<Self> {
        let t0 = case.t0()?;
        // A trigger of several steps that was not carried out to its end tells nobody to drain.
        let from = case.timeline.drain_step?.hi.max(t0.hi);
        // One that was refused woke nobody.
        let came = case.restart_lanes().filter(|lane| lane.connect_failed.is_none());
        let opened = || came.map(|lane| lane.opened);
        let busy = |lane: &Lane| lane.opened <= from && lane.end.is_none_or(|end| end.at > t0.lo);
        let not_connected = |lane: &Lane| lane.connect_failed.is_some_and(|(at, ..)| at <= t0.lo);
        if case.starved || case.restart_lanes().any(|lane| busy(lane) && !not_connected(lane)) {
            return None;
        }
        let to = opened().filter(|at| *at > from).min().unwrap_or(case.end).min(case.end);
        let limits = &case.limits;
        let owed = limits.ready_max.saturating_add(limits.drain_start_max).saturating_add(limits.exit_max);
        Some(Self { from, to, owed })
    }

    /// Whether a successor was seen to serve in the end, and to have a listening socket when it had to be ready.
    fn serves_in_time(&self, case: &Case<'_>) -> bool {
        let ready = self.from.saturating_add(case.limits.ready_max);
        let listened = case.held_by.listeners.iter().any(|(at, proc, inodes)| {
            *at <= ready && !inodes.is_empty() && case.generations.successors.contains(proc)
        });
        listened && case.timeline.tr().is_some()
    }

    /// Whether a process of the old generation stayed for longer than that.
    fn kept(&self, case: &Case<'_>, proc: &Proc) -> Option<Kept> {
        let at = proc.gone.map_or(self.to, |gone| gone.lo.min(self.to));
        let seen = at.saturating_sub(self.from);
        let surely = case.had(self.from, at).saturating_sub(case.delta) > self.owed;
        (seen > self.owed).then_some(Kept { seen, at, surely })
    }
}
