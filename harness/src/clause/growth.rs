//! What grows from generation to generation: descriptors and memory, at the same quiet moment of each.

use std::collections::{BTreeMap, BTreeSet};

use super::aftermath::plain;
use super::held::Resources;
use super::{Case, Clause, Tally};
use crate::history::Micros;

/// The clauses of this file.
pub const CLAUSES: &[Clause] = &[
    Clause {
        id: "process.memory",
        must: "",
        should: "FRI",
        requirement: "After the same requests to each of twenty generations, none has much more memory than the first ones: what belongs to no file grows by no more than 8 MiB over all of them, by the slope as well.",
        why: "State that is handed on and never let go of fills the machine after enough restarts.",
        source: "hotspec",
        judge: Some(memory),
    },
    Clause {
        id: "descriptors.no-growth",
        must: "FRI",
        should: "",
        requirement: "When all is quiet, of twenty generations the last has in each role at most 2 open descriptors more than the first, listeners and the connections of lanes aside, and the slope is under 0.1 a generation. (It is a breach where both are exceeded, by each of the last three against each of the first three, and in three steps at least.)",
        why: "A descriptor that is passed on by mistake with every restart is one more each time, until none is left and nobody can be accepted any more.",
        source: "hotspec",
        judge: Some(no_growth),
    },
];

/// The generations that are compared: the first that was restarted into, and as many more as make twenty.
const GENERATIONS: usize = 20;
/// So many descriptors more are no growth.
const DESCRIPTORS_MORE: u64 = 2;
/// Growth by so many descriptors a generation is too much.
const DESCRIPTORS_SLOPE: f64 = 0.1;
/// So much memory more is no growth, in KiB.
const MEMORY_MORE: u64 = 8 << 10;
/// What is no descriptor of a process's own.
const NOT_COUNTED: [&str; 2] = ["listener", "connection"];
/// At each end so many generations are compared, so that nothing hangs on a single look.
const AT_EACH_END: usize = 3;
/// Growth comes in so many steps at least; what is opened once and kept comes in fewer.
const STEPS_MIN: usize = 3;

/// A process's name without its numbers, and whether it is the top of its tree.
type Role = (String, bool);

/// One number of each generation.
struct Series {
    role: Role,
    values: Vec<u64>,
    at: Micros,
}

/// The numbers of the twenty generations by role; only once, by the restart that follows on the last of them. A role that is
/// not there in all of them is left out.
fn series(case: &Case<'_>, number: impl Fn(&Resources) -> Option<u64>) -> Option<Vec<Series>> {
    let rounds = &case.held_by.before;
    if case.round as usize != GENERATIONS + 1 || rounds.len() != GENERATIONS + 1 {
        return None;
    }
    let generations = rounds.get(1..)?;
    let of_each: Vec<BTreeMap<Role, u64>> =
        generations.iter().map(|seen| by_role(case, seen, &number)).collect();
    let at = generations.last()?.iter().map(|seen| seen.at).max().unwrap_or_default();
    let roles = of_each.first()?.keys().cloned();
    let whole = roles.filter_map(|role| {
        let values: Option<Vec<u64>> = of_each.iter().map(|one| one.get(&role).copied()).collect();
        values.map(|values| Series { role, values, at })
    });
    Some(whole.collect())
}

/// Of several processes of one role the one with the least counts: what grows in one grows in all.
fn by_role(
    case: &Case<'_>,
    seen: &[Resources],
    number: impl Fn(&Resources) -> Option<u64>,
) -> BTreeMap<Role, u64> {
    let proc = |one: &Resources| case.timeline.procs.get(&one.proc);
    let pids: BTreeSet<i32> = seen.iter().filter_map(proc).map(|proc| proc.pid).collect();
    let mut roles: BTreeMap<Role, u64> = BTreeMap::new();
    for one in seen {
        let (Some(proc), Some(value)) = (proc(one), number(one)) else { continue };
        let role = (plain(&proc.name), !pids.contains(&proc.ppid));
        roles.entry(role).and_modify(|least| *least = (*least).min(value)).or_insert(value);
    }
    roles
}

/// How much the last ones have more than the first ones, if that is more than `more`, and came in steps.
fn growth(values: &[u64], more: u64) -> Option<u64> {
    let first = values.iter().take(AT_EACH_END).max()?;
    let last = values.iter().rev().take(AT_EACH_END).min()?;
    let grown = last.checked_sub(*first).filter(|grown| *grown > more)?;
    let mut highest = *values.first()?;
    let mut steps = 0;
    for value in values {
        if *value > highest {
            steps += 1;
            highest = *value;
        }
    }
    (steps >= STEPS_MIN).then_some(grown)
}

/// The median of the slopes between any two generations (Theil and Sen): a few that are out of line do not move it.
fn slope(values: &[u64]) -> f64 {
    let mut slopes: Vec<f64> = Vec::new();
    for (n, one) in values.iter().enumerate() {
        for (m, other) in values.iter().enumerate().skip(n + 1) {
            slopes.push((*other as f64 - *one as f64) / (m - n) as f64);
        }
    }
    slopes.sort_by(f64::total_cmp);
    slopes.get(slopes.len() / 2).copied().unwrap_or_default()
}

fn in_words((name, top): &Role) -> String {
    format!("{name} ({})", if *top { "the top of its tree" } else { "below another" })
}

fn listed(values: &[u64]) -> String {
    values.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")
}

fn no_growth(case: &Case<'_>, tally: &mut Tally) {
    let count = |one: &Resources| {
        let counted = one.descriptors.as_ref()?.iter();
        Some(
            counted
                .filter(|(kind, _)| !NOT_COUNTED.contains(&kind.as_str()))
                .map(|(_, n)| u64::from(*n))
                .sum(),
        )
    };
    let Some(all) = series(case, count) else { return };
    if all.is_empty() {
        tally.withhold("the descriptors of the target's processes may not be read by this user");
        return;
    }
    for Series { role, values, at } in all {
        tally.exercise();
        let slope = slope(&values);
        let Some(grown) = growth(&values, DESCRIPTORS_MORE).filter(|_| slope >= DESCRIPTORS_SLOPE) else {
            continue;
        };
        let expected = format!("at most {DESCRIPTORS_MORE} more after {GENERATIONS} generations");
        let kinds = grown_kinds(case, &role);
        let seen = format!("{grown} more, {slope:.1} a generation ({}); {kinds}", listed(&values));
        tally.break_by(case, in_words(&role), at, "grown", &expected, seen);
    }
}

/// Which kinds there are more of in the last generation than in the first.
fn grown_kinds(case: &Case<'_>, role: &Role) -> String {
    let kinds: BTreeSet<&String> = case
        .held_by
        .before
        .iter()
        .flatten()
        .filter_map(|one| one.descriptors.as_ref())
        .flat_map(BTreeMap::keys)
        .collect();
    let of = |seen: Option<&Vec<Resources>>, kind: &String| -> u64 {
        let number = |one: &Resources| {
            Some(u64::from(one.descriptors.as_ref()?.get(kind).copied().unwrap_or_default()))
        };
        seen.and_then(|seen| by_role(case, seen, number).get(role).copied()).unwrap_or_default()
    };
    let told: Vec<String> = kinds
        .into_iter()
        .filter(|kind| !NOT_COUNTED.contains(&kind.as_str()))
        .filter_map(|kind| {
            let (first, last) = (of(case.held_by.before.get(1), kind), of(case.held_by.before.last(), kind));
            (last > first).then(|| format!("{kind}: {first} and then {last}"))
        })
        .take(8)
        .collect();
    told.join(", ")
}

fn memory(case: &Case<'_>, tally: &mut Tally) {
    let Some(all) = series(case, |one| one.memory_kib) else { return };
    if all.is_empty() {
        tally.withhold("the memory of the target's processes is not told");
        return;
    }
    let peak = case.held_by.before.iter().flatten().filter_map(|one| one.peak_kib).max().unwrap_or_default();
    for Series { role, values, at } in all {
        tally.exercise();
        let slope = slope(&values);
        // By the slope too at least half of it: no single jump.
        let sloped = slope * (GENERATIONS - 1) as f64 > MEMORY_MORE as f64 / 2.0;
        let Some(grown) = growth(&values, MEMORY_MORE).filter(|_| sloped) else { continue };
        let expected = format!("at most {MEMORY_MORE} KiB more after {GENERATIONS} generations");
        let seen = format!(
            "{grown} KiB more, {slope:.0} KiB a generation; {peak} KiB at its peak ({} KiB)",
            listed(&values)
        );
        tally.break_by(case, in_words(&role), at, "grown", &expected, seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: impl Fn(u64) -> u64) -> Vec<u64> {
        (0..20).map(value).collect()
    }

    #[test]
    fn a_step_up_or_a_look_out_of_line_is_no_growth() {
        assert_eq!(growth(&of(|_| 9), 2), None);
        assert_eq!(growth(&of(|n| 9 + u64::from(n > 10) * 7), 2), None, "opened once and kept");
        assert_eq!(growth(&of(|n| 9 + u64::from(n == 19) * 7), 2), None);
        assert_eq!(growth(&of(|n| 9 + n % 3), 2), None);
        assert_eq!(growth(&of(|n| 9 + n / 10), 2), None);
        assert_eq!(growth(&of(|n| 29 - n), 2), None);
        assert_eq!(growth(&[], 2), None);
    }

    #[test]
    fn one_more_each_time_is() {
        assert_eq!(growth(&of(|n| 9 + n), 2), Some(15));
        assert!(growth(&of(|n| 9 + n / 4), 2).is_some());
        assert!((slope(&of(|n| 9 + n)) - 1.0).abs() < 1e-9);
        assert!(slope(&of(|n| 9 + n % 2)).abs() < 0.1);
        assert!(slope(&[]).abs() < 1e-9);
    }
}
