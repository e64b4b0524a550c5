//! What a successor has in common with the old generation beside its listening sockets.

use super::held::Common;
use super::lineage::{Passage, executed, name, passage};
use super::{Case, Clause, Tally};
use crate::history::event::CommonDescriptor;
use crate::history::generation::Proc;
use crate::history::{Micros, ProcId};

/// The clauses of this file.
pub const CLAUSES: &[Clause] = &[
    Clause {
        id: "descriptors.no-shared-connections",
        must: "FR",
        should: "",
        requirement: "From its execution + δ on, and once it serves, the successor holds no connection that the old generation still holds.",
        why: "A connection that another process holds too does not end when its server closes it: the client waits for an end of file that never comes.",
        source: "hotspec",
        judge: Some(no_shared_connections),
    },
    Clause {
        id: "descriptors.no-strays",
        must: "",
        should: "FR",
        requirement: "Once it serves, the successor has no open file of the old generation's but listeners and the standard descriptors: no file, pipe end, epoll instance, timer or the like. (Not judged: sockets that are no client's, and memory files, as state is handed on by both.)",
        why: "What is inherited by mistake is one more with every restart, and keeps pipes, locks and deleted files alive.",
        source: "hotspec",
        judge: Some(no_strays),
    },
];

/// A thorough look comes within this, in which processes are compared.
const LOOKED_WITHIN: Micros = 400_000;
/// What may be handed on, or belongs to the other clause.
const NOT_STRAY: [&str; 3] = ["socket", "memfd", "connection"];

/// What was seen to be so of a pair of processes at or after an instant.
struct Seen<'a> {
    young: &'a Proc,
    old: &'a Proc,
    at: Micros,
    common: &'a Common,
}

/// All that was seen, of successors that executed something, when they served: each state of each pair that a look then
/// confirmed.
fn seen<'a>(case: &'a Case<'_>, tally: &mut Tally) -> Option<Vec<Seen<'a>>> {
    case.t0()?;
    let Passage { old, new, .. } = passage(case, tally)?;
    if new.pid == old.pid {
        tally.rule_out("the process executes itself anew in its place: nobody else holds what it holds");
        return None;
    }
    let tr = case.timeline.tr()?;
    let held = case.held.map_or(0, |held| held.hi.min(case.end));
    let mut seen = Vec::new();
    for common in &case.held_by.common {
        let procs = &case.timeline.procs;
        let (Some(young), Some(old)) = (procs.get(&common.proc), procs.get(&common.with)) else { continue };
        let pair = case.generations.successors.contains(&young.id) && case.generations.old.contains(&old.id);
        if !pair || !executed(case, young) {
            continue;
        }
        let since = young.seen.saturating_add(case.delta).max(tr.hi).max(held);
        let at = common.at.max(confirmed(case, common, young, old));
        if at >= since {
            seen.push(Seen { young, old, at, common });
        }
    }
    if seen.is_empty() {
        // Nothing that it held is held by two any more.
        tally.withhold("the old generation was gone before both could be looked at");
    }
    Some(seen)
}

/// When a state was last surely seen: by the look before the next change, or, without one, by those that follow while both
/// processes live.
fn confirmed(case: &Case<'_>, common: &Common, young: &Proc, old: &Proc) -> Micros {
    let same =
        |other: &&Common| (other.proc, other.with) == (common.proc, common.with) && other.at > common.at;
    if let Some(next) = case.held_by.common.iter().find(same) {
        return next.from;
    }
    let lived = |proc: &Proc| proc.gone.map_or(case.end, |gone| gone.lo);
    let until = lived(young).min(lived(old)).min(case.end);
    let looked = LOOKED_WITHIN.saturating_add(case.own_gaps(common.at, until));
    until.saturating_sub(looked)
}

fn no_shared_connections(case: &Case<'_>, tally: &mut Tally) {
    let Some(all) = seen(case, tally) else { return };
    let of_kind = |common: &Common| -> Vec<CommonDescriptor> {
        common.descriptors.iter().filter(|one| one.kind == "connection").cloned().collect()
    };
    let mut told: Vec<ProcId> = Vec::new();
    for Seen { young, old, at, common } in
        all.iter().filter(|seen| seen.old.lanes > 0 || seen.old.canaries > 0)
    {
        tally.exercise();
        let shared = of_kind(common);
        if shared.is_empty() || told.contains(&young.id) {
            continue;
        }
        told.push(young.id);
        let expected = "no connection of the old generation's";
        let seen = format!(
            "it holds {} of the connections that {} holds: {}",
            shared.len(),
            name(case, old),
            listed(&shared)
        );
        tally.break_by(case, name(case, young), *at, "shared", expected, seen);
    }
}

fn no_strays(case: &Case<'_>, tally: &mut Tally) {
    let Some(all) = seen(case, tally) else { return };
    let mut told: Vec<ProcId> = Vec::new();
    for Seen { young, old, at, common } in &all {
        let strays: Vec<CommonDescriptor> = common
            .descriptors
            .iter()
            .filter(|one| !NOT_STRAY.contains(&one.kind.as_str()))
            .cloned()
            .collect();
        if strays.is_empty() && !common.compared {
            tally.withhold("open files of two processes may not be compared here (kcmp(2))");
            continue;
        }
        tally.exercise();
        if strays.is_empty() || told.contains(&young.id) {
            continue;
        }
        told.push(young.id);
        let expected = "nothing inherited but listeners and standard descriptors";
        let seen = format!("it has open files in common with {}: {}", name(case, old), listed(&strays));
        tally.break_by(case, name(case, young), *at, "stray", expected, seen);
    }
}

fn listed(descriptors: &[CommonDescriptor]) -> String {
    let shown: Vec<String> = descriptors
        .iter()
        .take(6)
        .map(|one| format!("descriptor {} ({} {})", one.fd, one.kind, one.target))
        .collect();
    match descriptors.len().saturating_sub(shown.len()) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
