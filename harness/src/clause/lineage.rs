//! Who descends from whom, and which process of a generation is its main one: the one that was executed.

use super::{Case, Tally};
use crate::history::Model;
use crate::history::event::Owner;
use crate::history::generation::Proc;

/// A restart as a passing on: from one main process to the next.
pub(super) struct Passage<'a> {
    /// The main process of the first generation.
    pub(super) first: &'a Proc,
    /// That of the generation before the trigger.
    pub(super) old: &'a Proc,
    /// That of the successor.
    pub(super) new: &'a Proc,
}

/// It serves: it owned a lane, or holds or held a listening socket.
pub(super) fn serves(proc: &Proc) -> bool {
    proc.lanes > 0 || proc.first_answer.is_some() || !proc.listeners.is_empty() || proc.no_listener.is_some()
}

/// The process that was its parent when it was first seen, if that is one of the target's.
pub(super) fn parent<'a>(case: &'a Case<'_>, proc: &Proc) -> Option<&'a Proc> {
    let there = |other: &&Proc| {
        other.pid == proc.ppid
            && other.id != proc.id
            && other.seen <= proc.seen
            && other.gone.is_none_or(|gone| gone.hi >= proc.born.lo)
    };
    case.timeline.procs.values().filter(there).max_by_key(|other| other.id)
}

/// It executed a program since it was forked: the address of its stack is nobody's from before. Where addresses are told,
/// one that has none was seen in the midst of it.
pub(super) fn executed(case: &Case<'_>, proc: &Proc) -> bool {
    let mut others = case.timeline.procs.values().filter(|other| other.id < proc.id);
    proc.executed_from.is_some()
        || match proc.stack {
            0 => others.any(|other| other.stack != 0),
            stack => others.all(|other| other.stack != stack),
        }
}

/// From a process up through those that `stay` is true of. Bounded, since a history may hold anything.
fn ancestry<'a>(case: &'a Case<'_>, proc: &'a Proc, stay: impl Fn(&Proc) -> bool) -> Vec<&'a Proc> {
    let mut line = vec![proc];
    while let Some(up) = line.last().and_then(|last| parent(case, last)).filter(|up| stay(up)) {
        if line.iter().any(|known| known.id == up.id) {
            break;
        }
        line.push(up);
    }
    line
}

/// Whether a process that was born after the trigger descends from one of the target's, and not from a command of the
/// harness's.
pub(super) fn is_of_target(case: &Case<'_>, proc: &Proc) -> bool {
    let born_after = |id: u32| case.generations.successors.contains(&id);
    if !born_after(proc.id) || !case.observed.commands {
        return true;
    }
    let line = ancestry(case, proc, |up| born_after(up.id));
    line.iter().any(|one| one.executed_from.is_some_and(|before| !born_after(before)))
        || line.last().is_some_and(|top| parent(case, top).is_some())
}

/// The passing on of this restart; none, with the reason told, where nothing was seen to be passed on.
pub(super) fn passage<'a>(case: &'a Case<'_>, tally: &mut Tally) -> Option<Passage<'a>> {
    case.t0()?;
    if let Some((old, new)) = in_its_place(case) {
        return Some(Passage { first: first_main(case, old), old, new });
    }
    let procs = &case.timeline.procs;
    let born_after = |id: u32| case.generations.successors.contains(&id);
    let successors = || case.generations.successors.iter().filter_map(|id| procs.get(id));
    let answered = successors().filter(|proc| proc.first_answer.is_some());
    let Some(serving) = answered.min_by_key(|proc| proc.first_answer) else {
        if let Some(why) = case.owners_withheld() {
            tally.withhold(why);
        } else if case.generations.model == Model::InPlace {
            tally.rule_out("the process restarts inside itself, and passes nothing on");
        } else {
            tally.doubt(case, "no process of a successor was seen to serve");
        }
        return None;
    };
    let line = ancestry(case, serving, |up| born_after(up.id));
    let Some(new) = line.iter().rev().find(|proc| executed(case, proc)).copied() else {
        tally.rule_out("its new processes are forked and execute nothing: there is nothing to pass on");
        return None;
    };
    if case.generations.model == Model::SecondInstance || !is_of_target(case, new) {
        tally.rule_out("the successor is started by somebody else, who decides what it is given");
        return None;
    }
    let Some(old) = old_main(case, new) else {
        tally.doubt(case, "no main process of the old generation is known");
        return None;
    };
    Some(Passage { first: first_main(case, old), old, new })
}

/// A master that stays and has executed itself anew in its place, before and after: it is what passes anything on.
fn in_its_place<'a>(case: &'a Case<'_>) -> Option<(&'a Proc, &'a Proc)> {
    let epochs = || case.generations.permanent.iter().filter_map(|id| case.timeline.procs.get(id));
    let (old, new) = (epochs().min_by_key(|proc| proc.id)?, epochs().max_by_key(|proc| proc.id)?);
    (case.generations.model == Model::MasterWorkers && old.id != new.id).then_some((old, new))
}

/// The main process of the old generation: what the successor executed from, or the top of the tree that started it.
fn old_main<'a>(case: &'a Case<'_>, new: &Proc) -> Option<&'a Proc> {
    let procs = &case.timeline.procs;
    let is_old = |id: u32| case.generations.old.contains(&id);
    let born_after = |id: u32| case.generations.successors.contains(&id);
    if let Some(before) = new.executed_from.filter(|before| !born_after(*before)) {
        return procs.get(&before);
    }
    let start = procs.get(case.generations.old.first()?)?;
    ancestry(case, start, |up| is_old(up.id)).last().copied()
}

/// Back from generation to generation, to the one that was there before the first trigger.
fn first_main<'a>(case: &'a Case<'_>, old: &'a Proc) -> &'a Proc {
    let from_the_start = |proc: &Proc| case.observed.first_trigger.is_none_or(|first| proc.seen <= first);
    let mut first = old;
    while !from_the_start(first) {
        let executed = first.executed_from.and_then(|before| case.timeline.procs.get(&before));
        let Some(before) = executed.or_else(|| parent(case, first)).filter(|before| before.id < first.id)
        else {
            // It lost its parent before it was seen: then it is the first that served.
            return case.timeline.procs.values().find(|proc| serves(proc)).unwrap_or(first);
        };
        first = before;
    }
    first
}

/// A process as a reader would name it.
pub(super) fn name(case: &Case<'_>, proc: &Proc) -> String {
    case.timeline.describe(Owner::Process(proc.id))
}
