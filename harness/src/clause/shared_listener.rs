//! How a listening socket that generations share is kept: its flags, its backlog, that it listens.

use std::collections::BTreeSet;

use super::listeners::were_sampled;
use super::{Case, Clause, Tally};
use crate::history::event::Owner;
use crate::history::{Interval, ProcId};

/// The clauses of this file.
pub const CLAUSES: &[Clause] = &[
    Clause {
        id: "descriptors.nonblocking-kept",
        must: "F",
        should: "R",
        requirement: "O_NONBLOCK of a listening socket that generations share is the same before, during and after a restart, a failed one included.",
        why: "The flag belongs to the open file, so whoever changes it changes it for all: a process that polls and then accepts blocks in accept, or one that blocks spins.",
        source: "open(2), fcntl(2); Falcore's hot restart",
        judge: Some(nonblocking_kept),
    },
    Clause {
        id: "descriptors.backlog-kept",
        must: "",
        should: "FR",
        requirement: "The backlog of the listening sockets is the same after a restart as before it.",
        why: "A successor that listens anew with a smaller one drops connections at the next burst, long after the restart.",
        source: "listen(2)",
        judge: Some(backlog_kept),
    },
    Clause {
        id: "descriptors.not-shut-down",
        must: "FR",
        should: "",
        requirement: "No listening socket that a process of the new generation holds, or one that stays, leaves the state LISTEN.",
        why: "shutdown(2) by one process resets the queue and ends accept for all who share the socket; to close it is enough.",
        source: "shutdown(2), tcp(7)",
        judge: Some(not_shut_down),
    },
];

/// A process that is not of the old generation: a successor, or one that stays.
fn goes_on(case: &Case<'_>, proc: ProcId) -> bool {
    case.generations.successors.contains(&proc) || case.generations.permanent.contains(&proc)
}

/// The listening sockets that successors were seen to hold after the trigger.
fn taken_over(case: &Case<'_>, t0: Interval) -> BTreeSet<u64> {
    let holds = case.held_by.listeners.iter();
    let after = holds.filter(|(at, proc, _)| *at >= t0.lo && case.generations.successors.contains(proc));
    after.flat_map(|(.., inodes)| inodes).copied().collect()
}

fn nonblocking_kept(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    let seen = &case.held_by.nonblocking;
    let before = |inode: u64| seen.iter().rev().find(|one| one.inode == inode && one.at <= t0.lo);
    let known: BTreeSet<u64> = seen.iter().filter(|one| one.at <= t0.lo).map(|one| one.inode).collect();
    if known.is_empty() {
        match case.owners_withheld() {
            Some(why) => tally.withhold(why),
            None => tally.doubt(case, "the flags of no listening socket were seen before the trigger"),
        }
        return;
    }
    let taken_over = taken_over(case, t0);
    // Where the restart fails there is nobody to take it over, and it is to be kept all the same.
    let nobody = case.timeline.tr().is_none();
    let shared: Vec<u64> = known.into_iter().filter(|inode| nobody || taken_over.contains(inode)).collect();
    if shared.is_empty() {
        tally.rule_out("its generations share no listening socket: each opens its own");
        return;
    }
    for inode in shared {
        tally.exercise();
        let Some(before) = before(inode) else { continue };
        let changed = seen.iter().find(|one| one.inode == inode && one.at > t0.lo && one.on != before.on);
        if let Some(changed) = changed {
            let word = |on| if on { "set" } else { "not set" };
            let expected = format!("O_NONBLOCK {}, as before the trigger", word(before.on));
            let seen = format!("{} on the listening socket {inode}", word(changed.on));
            let who = case.timeline.describe(Owner::Process(changed.proc));
            let kind = if changed.on { "set" } else { "cleared" };
            tally.break_by(case, who, changed.at, kind, &expected, seen);
        }
    }
}

fn backlog_kept(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    let before = case.listeners.iter().rev().find(|(_, at, _)| *at < t0.lo).map(|(.., rows)| rows);
    let (Some(before), Some((_, at, after))) = (before, case.listeners.last()) else {
        if let Some(why) = case.owners_withheld() {
            tally.withhold(why);
        }
        return;
    };
    if case.timeline.tr().is_none() || after.is_empty() || before.is_empty() {
        tally.doubt(case, "no successor was seen to listen");
        return;
    }
    tally.exercise();
    let backlogs = |rows: &[crate::history::event::ListenerRow]| -> BTreeSet<u32> {
        rows.iter().map(|row| row.backlog).collect()
    };
    let (had, has) = (backlogs(before), backlogs(after));
    // With several sockets the old generation's may still be there, or the new one's not yet.
    if !has.is_subset(&had) {
        let expected = format!("a backlog of {}, as before the trigger", listed(&had));
        tally.break_by(case, "unknown".to_owned(), *at, "changed", &expected, listed(&has));
    }
}

fn listed(numbers: &BTreeSet<u32>) -> String {
    numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(" and ")
}

fn not_shut_down(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    if !were_sampled(case, tally) {
        return;
    }
    for _ in taken_over(case, t0) {
        tally.exercise();
    }
    for (_, at, inode, procs) in case.held_by.shut_down.iter().filter(|(_, at, ..)| *at >= t0.lo) {
        let Some(who) = procs.iter().find(|proc| goes_on(case, **proc)) else { continue };
        tally.exercise();
        let who = case.timeline.describe(Owner::Process(*who));
        let seen = format!("the socket {inode} does not listen any more, and {who} holds it");
        tally.break_by(case, who, *at, "shut-down", "it listens for as long as it is held", seen);
    }
}
