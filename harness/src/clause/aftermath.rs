//! What is left when the old generation has gone, and how it went.

use std::collections::{BTreeMap, BTreeSet};

use nix::sys::signal::Signal;

use super::lineage::{self, name};
use super::observed::End;
use super::{Case, Clause, Tally};
use crate::declaration::{Profile, Span};
use crate::history::event::Counted;
use crate::history::generation::Proc;
use crate::history::{Interval, Micros, Model, ProcId};

/// The clauses of this file.
pub const CLAUSES: &[Clause] = &[
    Clause {
        id: "process.exit-zero",
        must: "F",
        should: "R",
        requirement: "The old main process exits with status 0, and no process of the old generation crashes or is killed (SEGV, ABRT, BUS, ILL, FPE, TRAP, SYS, KILL).",
        why: "A service manager takes any other end for a failure, and may restart, alert or give up. A crash may have lost what was in flight.",
        source: "hotspec",
        judge: Some(exit_zero),
    },
    Clause {
        id: "process.one-left",
        must: "FRI",
        should: "",
        requirement: "One second after Tx one generation is left: as many trees that serve as before the restart, no helper of the old one beside the new one's own, nothing missing of the roles that were there throughout control, and in no role more than twice the processes that control had at most. (A role is a short name, numbers in it aside, and whether the process is the top of its tree.)",
        why: "Two generations serve two versions and hold twice the memory; and half a generation is a service that limps.",
        source: "hotspec",
        judge: Some(one_left),
    },
    Clause {
        id: "process.no-zombies",
        must: "FRI",
        should: "",
        requirement: "One second after Tx the target has no zombie that stays, and no stray helper: no process of a name that control never showed which serves nobody and has lost its parent.",
        why: "Each restart would leave one more, until no process can be started any more.",
        source: "hotspec",
        judge: Some(no_zombies),
    },
];

/// A process that is younger may be about to go.
const STRAY_AFTER: Micros = 1_000_000;
/// Signals by which nobody ends a server that works.
pub(super) const CRASHES: [Signal; 7] = [
    Signal::SIGSEGV,
    Signal::SIGABRT,
    Signal::SIGBUS,
    Signal::SIGILL,
    Signal::SIGFPE,
    Signal::SIGTRAP,
    Signal::SIGSYS,
];

fn exit_zero(case: &Case<'_>, tally: &mut Tally) {
    if case.t0().is_none() {
        return;
    }
    if let Some(why) = case.owners_withheld().filter(|_| case.generations.old.is_empty()) {
        tally.withhold(why);
        return;
    }
    let root = case.timeline.root().map(|root| root.id);
    let main = root.filter(|root| case.generations.old.contains(root));
    for proc in case.generations.old.iter().filter_map(|id| case.timeline.procs.get(id)) {
        if case.observed.killed.contains(&proc.id) {
            continue;
        }
        let who = name(case, proc);
        let is_main = Some(proc.id) == main;
        let Some(gone) = proc.gone else {
            tally.doubt(case, format!("{who} was not seen to end"));
            continue;
        };
        // One that executed in its place has not ended.
        if case.timeline.procs.values().any(|other| other.executed_from == Some(proc.id)) {
            continue;
        }
        let Some(end) = case.observed.end(proc, next_of_pid(case, proc)) else {
            tally.withhold(format!(
                "how {who} ended is known to its parent only (others are told from Linux 6.15 on)"
            ));
            continue;
        };
        // Without the main one's end nothing is shown; workers alone count where no main process ends.
        if is_main || main.is_none() {
            tally.exercise();
        }
        let crash = end.signal.and_then(|signal| {
            CRASHES.into_iter().chain([Signal::SIGKILL]).find(|crash| *crash as i32 == signal)
        });
        let kind = match (crash, end) {
            (Some(Signal::SIGKILL), _) => "killed",
            (Some(_), _) => "crashed",
            (None, End { signal: Some(_), .. }) if is_main => "signal",
            (None, End { code: Some(code), .. }) if is_main && code != 0 => "status",
            _ => continue,
        };
        let expected = if is_main { "the old main process exits with status 0" } else { "an end in order" };
        tally.break_by(case, who, gone.hi, kind, expected, describe(end));
    }
}

pub(super) fn next_of_pid(case: &Case<'_>, proc: &Proc) -> Option<Micros> {
    let later = case.timeline.procs.values().filter(|other| other.pid == proc.pid && other.id > proc.id);
    later.map(|other| other.seen).min()
}

pub(super) fn describe(end: End) -> String {
    match end {
        End { signal: Some(signal), .. } => {
            let name = Signal::try_from(signal).map_or_else(|_| signal.to_string(), |one| one.to_string());
            format!("it was ended by {name}")
        }
        End { code: Some(code), .. } => format!("it exited with status {code}"),
        End { .. } => "it ended".to_owned(),
    }
}

/// What a helper is given to go once those that it helped are gone, in microseconds: they are counted after a second.
const TIME_TO_GO: Micros = 800_000;
const NO_TIME: &str = "the machine stood still after Tx, so what is left had no time to go";

/// Who was there before the trigger, and who is left.
struct Stock<'a> {
    before: &'a [Counted],
    after: &'a [Counted],
    before_at: Micros,
    at: Micros,
    /// Whoever was there had most of a second since Tx in which the machine let others run.
    had_time: bool,
}

/// The last count before the trigger, and the first one after Tx. In place nobody goes: there it is the first after Tr.
fn stock<'a>(case: &'a Case<'_>, tally: &mut Tally) -> Option<Stock<'a>> {
    let t0 = case.t0()?;
    if let Some(why) = case.owners_withheld() {
        tally.withhold(why);
        return None;
    }
    let alone = case.profile == Profile::InPlace && case.generations.successors.is_empty();
    let in_place = case.generations.model == Model::InPlace || alone;
    let since = if in_place { case.timeline.tr() } else { case.timeline.tx() };
    let Some(since) = since else {
        tally.doubt(case, "the old generation was not seen to go");
        return None;
    };
    let censuses = &case.observed.censuses;
    let before = censuses.iter().rfind(|(at, _)| *at <= t0.lo);
    let after = censuses.iter().find(|(at, _)| *at > since.hi && *at > t0.hi);
    let (Some((before_at, before)), Some((at, after))) = (before, after) else {
        tally.doubt(case, "processes were not counted before the trigger and after Tx");
        return None;
    };
    let ran = case.had(since.hi, *at);
    Some(Stock { before, after, before_at: *before_at, at: *at, had_time: ran >= TIME_TO_GO })
}

/// The process of this number at an instant.
fn proc_at<'a>(case: &'a Case<'_>, pid: i32, at: Micros) -> Option<&'a Proc> {
    let there = |proc: &&Proc| proc.pid == pid && proc.seen <= at;
    let last = case.timeline.procs.values().filter(there).max_by_key(|proc| (proc.seen, proc.id))?;
    last.gone.is_none_or(|gone| gone.hi >= at).then_some(last)
}

/// Those of a count that serve, and their children's children: what makes a generation. By pid.
fn of_generation(case: &Case<'_>, counted: &[Counted], at: Micros) -> BTreeSet<i32> {
    let living = counted.iter().filter(|one| !one.zombie);
    let serves = |one: &&Counted| proc_at(case, one.pid, at).is_some_and(lineage::serves);
    let mut found: BTreeSet<i32> = living.clone().filter(serves).map(|one| one.pid).collect();
    loop {
        let more: Vec<i32> = living
            .clone()
            .filter(|one| found.contains(&one.ppid) && !found.contains(&one.pid))
            .map(|one| one.pid)
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

/// A name without its numbers, and whether the process is the top of its tree.
type Role = (String, bool);

fn roles(counted: &[Counted], of: &BTreeSet<i32>) -> BTreeMap<Role, Vec<i32>> {
    let mut roles: BTreeMap<Role, Vec<i32>> = BTreeMap::new();
    for one in counted.iter().filter(|one| of.contains(&one.pid)) {
        roles.entry((plain(&one.name), !of.contains(&one.ppid))).or_default().push(one.pid);
    }
    roles
}

pub(super) fn plain(name: &str) -> String {
    name.chars().filter(|c| !c.is_ascii_digit()).collect()
}

fn in_words((name, top): &Role) -> String {
    format!("`{name}` ({})", if *top { "the top of its tree" } else { "below another" })
}

pub(super) fn one_left(case: &Case<'_>, tally: &mut Tally) {
    let Some(stock) = stock(case, tally) else { return };
    let before = roles(stock.before, &of_generation(case, stock.before, stock.before_at));
    let after = roles(stock.after, &of_generation(case, stock.after, stock.at));
    if before.is_empty() {
        tally.doubt(case, "no process was seen to serve before the trigger");
        return;
    }
    tally.exercise();
    let tops = |roles: &BTreeMap<Role, Vec<i32>>| -> usize {
        roles.iter().filter(|((_, top), _)| *top).map(|(_, pids)| pids.len()).sum()
    };
    let (had, has) = (tops(&before), tops(&after));
    let whole = "the target".to_owned();
    if has == 0 || (case.generations.model == Model::ForkExec && has != had) {
        let kind = if has < had { "none-left" } else { "several-left" };
        let expected = format!("{had} tree(s) of processes that serve, as before the trigger");
        tally.break_by(case, whole, stock.at, kind, &expected, format!("{has} of them"));
        return;
    }
    left_behind(case, tally, &stock);
    let control = case.observed.control.unwrap_or_default();
    let executes = |pids: &[i32], at: Micros| {
        pids.iter().find_map(|pid| proc_at(case, *pid, at)?.program.as_deref().map(ToOwned::to_owned))
    };
    let mut renamed: Vec<(bool, Option<String>)> = after
        .iter()
        .filter(|(role, _)| !before.contains_key(*role))
        .map(|((_, top), pids)| (*top, executes(pids, stock.at)))
        .collect();
    for (role, pids) in &before {
        let stayed =
            |pid: &i32| proc_at(case, *pid, stock.before_at).is_some_and(|proc| proc.seen <= control);
        // One that executes itself anew in its place may have another name then (a script's interpreter).
        let in_place = || after.values().flatten().any(|pid| pids.contains(pid));
        if pids.iter().any(stayed) && !after.contains_key(role) && !in_place() {
            // An interpreter has its own name or that of a script, as it was started.
            let same = (role.1, executes(pids, stock.before_at));
            if let Some(place) = renamed.iter().position(|other| other.1.is_some() && *other == same) {
                renamed.remove(place);
                continue;
            }
            let expected = format!("a process of the role {}, as throughout control", in_words(role));
            tally.break_by(case, whole.clone(), stock.at, "role-missing", &expected, "none".to_owned());
        }
    }
    for (role, pids) in &after {
        let most = most_in_control(case, role).max(before.get(role).map_or(0, Vec::len));
        if most > 0 && pids.len() > 2 * most {
            let expected = format!("at most twice the {most} of the role {} in control", in_words(role));
            tally.break_by(case, whole.clone(), stock.at, "role-grown", &expected, format!("{}", pids.len()));
        }
    }
}

/// Helpers of the old generation that live on without it, though the successor has its own. (One that lives on and is not
/// started again is shared on purpose.)
fn left_behind(case: &Case<'_>, tally: &mut Tally, stock: &Stock<'_>) {
    let is_old = |pid: i32| {
        proc_at(case, pid, stock.before_at).is_some_and(|proc| case.generations.old.contains(&proc.id))
    };
    let is_left = |pid: i32| stock.after.iter().any(|one| one.pid == pid);
    for helper in stock.before.iter().filter(|one| !one.zombie && is_old(one.ppid) && !is_left(one.ppid)) {
        let same = |one: &Counted| !one.zombie && one.pid == helper.pid && one.name == helper.name;
        let of_successor = |one: &&Counted| {
            one.name == helper.name
                && !one.zombie
                && proc_at(case, one.ppid, stock.at).is_some_and(|parent| born_after(case, parent.id))
        };
        let serves = proc_at(case, helper.pid, stock.at).is_none_or(lineage::serves);
        if serves || !stock.after.iter().any(same) {
            continue;
        }
        if let Some(own) = stock.after.iter().find(of_successor) {
            if !stock.had_time {
                tally.disturbed(case, NO_TIME);
                continue;
            }
            let seen = format!(
                "`{}` {} of the old generation is there beside the successor's own, {}",
                helper.name, helper.pid, own.pid
            );
            let who = format!("{} {}", helper.name, helper.pid);
            let expected = "the old generation's helpers go with it";
            tally.break_by(case, who, stock.at, "left-behind", expected, seen);
        }
    }
}

/// The most processes of this role's name that were there at one time before the trigger.
fn most_in_control(case: &Case<'_>, (name, _): &Role) -> usize {
    let until = case.t0().map_or(Micros::MAX, |t0| t0.lo);
    let of_name =
        || case.timeline.procs.values().filter(|proc| plain(&proc.name) == *name && proc.seen <= until);
    let there = |proc: &Proc, at: Micros| proc.seen <= at && proc.gone.is_none_or(|gone| gone.lo >= at);
    of_name().map(|one| of_name().filter(|proc| there(proc, one.seen)).count()).max().unwrap_or_default()
}

pub(super) fn no_zombies(case: &Case<'_>, tally: &mut Tally) {
    let Some(stock) = stock(case, tally) else { return };
    tally.exercise();
    let was_zombie = |pid: i32| stock.before.iter().any(|one| one.pid == pid && one.zombie);
    let living = |pid: i32| stock.after.iter().find(|one| one.pid == pid && !one.zombie);
    for one in stock.after.iter().filter(|one| one.zombie && !was_zombie(one.pid)) {
        let Some(parent) = living(one.ppid) else { continue };
        // What the harness's own command does not reap is not the target's fault.
        if !proc_at(case, parent.pid, stock.at).is_some_and(|proc| belongs(case, proc)) {
            continue;
        }
        let who = format!("{} {}", parent.name, parent.pid);
        let seen = format!("its child `{}` {} has ended and was not reaped", one.name, one.pid);
        tally.break_by(case, who, stock.at, "zombie", "every child is reaped within a second", seen);
    }
    strays(case, tally, &stock);
}

/// Serves, or descends from a process of the target's.
fn belongs(case: &Case<'_>, proc: &Proc) -> bool {
    lineage::serves(proc) || lineage::is_of_target(case, proc)
}

fn strays(case: &Case<'_>, tally: &mut Tally, stock: &Stock<'_>) {
    let until = case.t0().map_or(Micros::MAX, |t0| t0.lo);
    let mut shown: BTreeSet<String> = stock.before.iter().map(|one| plain(&one.name)).collect();
    let before = case.timeline.procs.values().filter(|proc| proc.seen <= until);
    shown.extend(before.map(|proc| plain(&proc.name)));
    let generation = of_generation(case, stock.after, stock.at);
    let serving_below =
        |pid: i32| stock.after.iter().any(|one| one.ppid == pid && generation.contains(&one.pid));
    let pids: BTreeSet<i32> = stock.after.iter().map(|one| one.pid).collect();
    let orphans = stock.after.iter().filter(|one| !one.zombie && !pids.contains(&one.ppid));
    for one in orphans.filter(|one| !generation.contains(&one.pid) && !serving_below(one.pid)) {
        let Some(proc) = proc_at(case, one.pid, stock.at) else { continue };
        let born = Interval::new(proc.born.lo, proc.born.hi);
        let old_enough = stock.at.saturating_sub(born.hi) >= STRAY_AFTER;
        if shown.contains(&plain(&one.name))
            || !old_enough
            || !born_after(case, proc.id)
            || !belongs(case, proc)
        {
            continue;
        }
        if !stock.had_time {
            tally.disturbed(case, NO_TIME);
            continue;
        }
        let seen = format!(
            "`{}` {} is left, {} old, without a parent and serving nobody",
            one.name,
            one.pid,
            Span(stock.at.saturating_sub(born.hi))
        );
        tally.break_by(
            case,
            name(case, proc),
            stock.at,
            "stray",
            "no helper that control did not show",
            seen,
        );
    }
}

fn born_after(case: &Case<'_>, id: ProcId) -> bool {
    case.generations.successors.contains(&id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_the_same_whatever_its_number() {
        assert_eq!(plain("worker/12"), plain("worker/3"));
        assert_ne!(plain("worker"), plain("master"));
    }
}
