//! What was triggered again, and what a server owes whatever it makes of that: nobody is lost, nothing crashes, one generation
//! is left, nothing grows.

use std::collections::{BTreeMap, BTreeSet};

use nix::sys::signal::Signal;

use super::availability::judge_exchange;
use super::control::asked_at_once;
use super::lineage::{self, name};
use super::observed::End;
use super::tally::STOOD_STILL;
use super::{Case, Tally, aftermath};
use crate::declaration::{Profile, Span};
use crate::history::event::{ConnectTrouble, Event, Owner, Phase, What};
use crate::history::generation::Proc;
use crate::history::{Exchange, Interval, Lane, Micros, Model, ProcId};

/// A successor may hold some descriptors more than its predecessor: a pipe, a log, what it keeps for its own successor. So
/// many more after many restarts are growth.
pub(super) const GROWTH_MAX: u32 = 8;

/// A further trigger.
#[derive(Clone, Debug)]
pub struct Further {
    /// When it was sent.
    pub at: Interval,
    /// To whom, if it was one process.
    pub proc: Option<ProcId>,
    /// It was SIGTERM.
    pub stop: bool,
    /// Why it could not be sent.
    pub failed: Option<String>,
}

/// What was triggered again in a restart, and how many descriptors there were.
#[derive(Clone, Debug, Default)]
pub struct Repeated {
    /// Further triggers of this restart.
    pub further: Vec<Further>,
    /// Descriptors by process, while no lane was open; of all restarts so far.
    pub sizes: Vec<(Micros, BTreeMap<ProcId, u32>)>,
}

impl Repeated {
    /// Reads one event.
    pub(super) fn read(&mut self, event: &Event) {
        match &event.what {
            What::Phase { phase: Phase::Restart } => self.further.clear(),
            What::Again { proc, from, stop, failed, .. } => self.further.push(Further {
                at: Interval::new(*from, event.t),
                proc: *proc,
                stop: *stop,
                failed: failed.clone(),
            }),
            What::Sizes { descriptors } => self.sizes.push((event.t, descriptors.iter().copied().collect())),
            _ => {}
        }
    }

    /// Those that were sent.
    pub fn sent(&self) -> impl Iterator<Item = &Further> {
        self.further.iter().filter(|one| one.failed.is_none())
    }
}

/// No client is lost: none is refused, and what is owed is answered whole.
pub(super) fn nothing_lost(case: &Case<'_>, tally: &mut Tally, spared: impl Fn(&Lane) -> bool) {
    let Some(t0) = case.t0() else { return };
    for lane in case.restart_lanes().filter(|lane| !spared(lane)) {
        match lane.connect_failed {
            Some((at, ConnectTrouble::Refused | ConnectTrouble::Missing, errno)) if lane.opened >= t0.lo => {
                tally.exercise();
                let seen = format!("connection refused (errno {})", errno.unwrap_or_default());
                tally.break_on(case, lane, at, "refused", "the connection is accepted", seen);
            }
            Some((_, ConnectTrouble::Local, _)) => {
                tally.doubt(case, "the harness could not open a connection of its own");
            }
            _ => exchanges(case, lane, t0, tally),
        }
    }
}

fn exchanges(case: &Case<'_>, lane: &Lane, t0: Interval, tally: &mut Tally) {
    let mut used = lane.connected.unwrap_or(lane.opened);
    for (number, exchange) in lane.exchanges.iter().enumerate() {
        let ended = exchange.body.as_ref().map(|body| body.at).or_else(|| lane.end.map(|end| end.at));
        if ended.is_none_or(|ended| ended >= t0.lo) && is_owed(case, lane, number, exchange, used, t0) {
            let fault = case.control.fault(lane, exchange);
            let until = ended.unwrap_or(case.end);
            let stood_still = case.longest_own_gap(exchange.begun, until) > case.limits.idle_max / 4;
            let slow = case.held_up(exchange.begun, until) > case.limits.stall_max;
            if fault.as_ref().is_some_and(|(kind, ..)| stood_still || (*kind == "no-answer" && slow)) {
                tally.disturbed(case, STOOD_STILL);
            } else if fault.as_ref().is_none_or(|(kind, ..)| *kind != "unfinished") {
                tally.exercise();
                judge_exchange(case, lane, exchange, tally);
            }
        }
        // Behind an announced close nothing is owed.
        if exchange.closes() {
            break;
        }
        used = ended.unwrap_or(used);
    }
}

/// Whether an exchange that ended after T0 can't have met an idle timeout or a close that was on its way.
fn is_owed(
    case: &Case<'_>,
    lane: &Lane,
    number: usize,
    exchange: &Exchange,
    used: Micros,
    t0: Interval,
) -> bool {
    let first = number == 0;
    let at_once = first && asked_at_once(lane, exchange);
    let failed_at_once =
        first && exchange.send_failed.is_some() && exchange.begun.saturating_sub(used) < 1_000_000;
    let uploading = first && exchange.endpoint == "upload" && exchange.begun <= t0.lo;
    let begun = exchange.head.is_some();
    // In profile falcore a connection in use is closed by an announcement only.
    let last = exchange.sent.map_or(exchange.begun, |sent| sent.hi);
    let in_use = case.profile == Profile::Falcore && last.saturating_sub(used) < case.limits.idle_max / 2;
    // An answer that was begun is owed whole. Which one it is may depend on how long the lane itself took to ask.
    let cut = begun && !exchange.answered();
    at_once || failed_at_once || uploading || cut || in_use
}

/// Signals by which a supervisor may end a process that has drained, or has to be cut.
const STOPS: [Signal; 4] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGALRM];

/// Nothing of the target crashes, and no main process dies but by the end of its drain.
pub(super) fn nobody_dies(case: &Case<'_>, tally: &mut Tally, spared: impl Fn(&Proc) -> bool) {
    let Some(t0) = case.t0() else { return };
    if let Some(why) = case.owners_withheld() {
        return tally.withhold(why);
    }
    tally.exercise();
    for proc in case.timeline.procs.values().filter(|proc| !spared(proc)) {
        let Some(gone) = proc.gone.filter(|gone| gone.hi >= t0.lo) else { continue };
        let executed = case.timeline.procs.values().any(|other| other.executed_from == Some(proc.id));
        let ours = lineage::serves(proc) || lineage::is_of_target(case, proc);
        if executed || case.observed.killed.contains(&proc.id) || !ours {
            continue;
        }
        let Some(end) = case.observed.end(proc, aftermath::next_of_pid(case, proc)) else { continue };
        if let Some(kind) = death(case, proc, end) {
            let seen = aftermath::describe(end);
            let expected = "it serves on, or drains and ends in order";
            tally.break_by(case, name(case, proc), gone.hi, kind, expected, seen);
        }
    }
}

/// Whether an end is a death, and of which kind.
fn death(case: &Case<'_>, proc: &Proc, end: End) -> Option<&'static str> {
    let falcore = case.profile == Profile::Falcore;
    // One that never served may have been refused, or given up by its parent for another one.
    let is_root = case.timeline.root().is_some_and(|root| root.id == proc.id);
    let served = proc.lanes > 0 || proc.first_answer.is_some() || is_root;
    let main = is_main(case, proc) && (served || falcore && same_program(case, proc));
    let drained =
        case.timeline.drain_evidence(proc).is_some_and(|at| proc.gone.is_none_or(|gone| at < gone.lo));
    let signal = end.signal.and_then(|number| Signal::try_from(number).ok());
    match (signal, end) {
        (Some(signal), _) if aftermath::CRASHES.contains(&signal) => Some("crashed"),
        (Some(Signal::SIGKILL), _) => served.then_some("killed"),
        (Some(signal), _) => {
            let in_order = drained && STOPS.contains(&signal) && !falcore;
            (main && !in_order).then_some("died")
        }
        (None, End { code: Some(code), .. }) => {
            (main && code != 0 && (falcore || !drained)).then_some("status")
        }
        _ => None,
    }
}

/// The root, or a process that executed something: no worker that was only forked.
fn is_main(case: &Case<'_>, proc: &Proc) -> bool {
    let root = case.timeline.root().map(|root| root.id);
    let permanent = case.generations.permanent.contains(&proc.id);
    // A worker that its master replaces before it serves may not know yet what it is told.
    if case.generations.model == Model::MasterWorkers {
        return permanent || Some(proc.id) == root;
    }
    let forked = lineage::parent(case, proc).is_some_and(|up| up.stack == proc.stack && up.stack != 0);
    Some(proc.id) == root || permanent || !forked
}

fn same_program(case: &Case<'_>, proc: &Proc) -> bool {
    let root = case.timeline.root().and_then(|root| root.program.as_ref());
    proc.program.is_some() && proc.program.as_ref() == root
}

/// One generation is left, with no zombie and nothing left behind.
pub(super) fn one_left(case: &Case<'_>, tally: &mut Tally) {
    let in_place = case.generations.model == Model::InPlace || case.generations.old.is_empty();
    if case.timeline.tx().is_none() && !in_place && case.owners_withheld().is_none() {
        let Some(td) = case.td_last() else {
            return tally.doubt(case, "no successor was seen to serve, so nobody has to go");
        };
        let last = case.repeated.further.iter().map(|one| one.at.hi).max().unwrap_or_default();
        let held = case.restart_lanes().filter(|lane| case.old_owner(lane).is_some());
        let held = held.filter_map(|lane| lane.end.map(|end| end.at)).max().unwrap_or_default();
        let due = td.hi.max(last).max(held).saturating_add(case.limits.exit_max).saturating_add(case.delta);
        if case.end <= due {
            return tally.doubt(case, "the old generation was not watched for long enough");
        }
        let left = case.generations.old.iter().filter_map(|id| case.timeline.procs.get(id));
        for proc in left.filter(|proc| proc.gone.is_none()) {
            let seen = format!("still there {} later", Span(case.end.saturating_sub(td.hi.max(last))));
            let expected = "every generation but the newest drains and goes";
            tally.break_by(case, name(case, proc), case.end, "still-there", expected, seen);
        }
        return;
    }
    aftermath::one_left(case, tally);
    aftermath::no_zombies(case, tally);
    if case.generations.model == Model::ForkExec {
        lines_end(case, tally);
    }
}

/// Of the generations that came one after another in this restart the newest alone goes on. One that was started by a successor
/// that serves on is part of the same tree, so counting trees does not show it.
fn lines_end(case: &Case<'_>, tally: &mut Tally) {
    let procs = &case.timeline.procs;
    let successors = case.generations.successors.iter().filter_map(|id| procs.get(id));
    let left: Vec<&Proc> = successors
        .filter(|proc| proc.gone.is_none() && is_main(case, proc) && same_program(case, proc))
        .filter(|proc| proc.first_answer.is_some())
        .collect();
    let Some(newest) = left.iter().max_by_key(|proc| proc.id) else { return };
    for proc in left.iter().filter(|proc| proc.id != newest.id) {
        // Whoever still listens should drain; whoever drains should go.
        let (since, within) = match proc.no_listener {
            Some(at) if proc.listeners.is_empty() => (at, case.limits.drain_max.max(case.limits.exit_max)),
            _ => (newest.first_answer.unwrap_or(case.end), case.limits.drain_start_max),
        };
        if case.end <= since.saturating_add(within).saturating_add(case.delta) {
            tally.doubt(case, format!("{} was not watched for long enough", name(case, proc)));
            continue;
        }
        let seen = format!(
            "it is there beside {}, {} after it should have begun to go",
            name(case, newest),
            Span(case.end - since)
        );
        let expected = "every generation but the newest drains and goes";
        tally.break_by(case, name(case, proc), case.end, "several-left", expected, seen);
    }
}

/// After many restarts no process holds more descriptors than one of its name did before. `since` is the look that the
/// last one is compared with.
pub(super) fn nothing_grows(case: &Case<'_>, tally: &mut Tally, since: usize) {
    let sizes = &case.repeated.sizes;
    let (Some((_, before)), Some((at, after))) = (sizes.get(since), sizes.last()) else { return };
    if sizes.len() <= since + 1 {
        return;
    }
    let (before, after) = (by_role(case, before), by_role(case, after));
    let common: BTreeSet<&String> = before.keys().filter(|role| after.contains_key(*role)).collect();
    for role in common {
        let (had, (has, proc)) = (before[role].0, after[role]);
        tally.exercise();
        if has > had.saturating_add(GROWTH_MAX) {
            let expected =
                format!("at most {} more descriptors than the {had} of `{role}` before", GROWTH_MAX);
            let who = case.timeline.describe(Owner::Process(proc));
            tally.break_by(case, who, *at, "grown", &expected, format!("{has}"));
        }
    }
}

/// The most descriptors that a process of a name has, and which. Whether it is a master or a worker tells the name alone.
fn by_role(case: &Case<'_>, sizes: &BTreeMap<ProcId, u32>) -> BTreeMap<String, (u32, ProcId)> {
    let mut most: BTreeMap<String, (u32, ProcId)> = BTreeMap::new();
    for (id, count) in sizes {
        let Some(proc) = case.timeline.procs.get(id).filter(|proc| lineage::serves(proc)) else { continue };
        let one = most.entry(aftermath::plain(&proc.name)).or_insert((*count, *id));
        *one = (*one).max((*count, *id));
    }
    most
}
