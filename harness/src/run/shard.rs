//! `--shard I/N`: a run that is divided among machines. Each of them divides alike, and takes its own part.

use std::cmp::Reverse;

use super::select::Selection;
use crate::clause::registry;
use crate::exit::Failure;
use crate::history::Micros;
use crate::manifest::{Shard, Waits};
use crate::scenario::file::Scenario;
use crate::scenario::plan::Plan;
use crate::target::file::Target;

/// More machines than anybody has scenarios for.
const PARTS_MAX: u32 = 1000;
/// What each scenario takes besides its waits: a start, a restart and an end.
const BESIDES: Micros = 2_000_000;

/// Which part, of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Counted from 1.
    number: u32,
    of: u32,
}

impl std::str::FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            format!(
                "expected I/N with I from 1 to N and N no more than {PARTS_MAX}, as in 2/5, found `{text}`"
            )
        };
        let (number, of) = text.split_once('/').ok_or_else(expected)?;
        // Not `parse` alone: that takes a sign.
        let parse = |text: &str| text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        let (number, of) = parse(number).zip(parse(of)).ok_or_else(expected)?;
        if number < 1 || number > of || of > PARTS_MAX {
            return Err(expected());
        }
        Ok(Self { number, of })
    }
}

/// Leaves one part of a selection, and says which it is.
///
/// # Errors
/// There are fewer scenarios than parts.
pub(crate) fn keep_part(asked: Part, selection: &mut Selection, target: &Target) -> Result<Shard, Failure> {
    let limits = target.limits.resolve();
    // By what every machine says alike: not by what this one lacks.
    let cost = |scenario: &Scenario| {
        if Plan::unsupported(scenario, target).is_some() {
            return 0;
        }
        Waits::of(scenario, &target.endpoints, &limits).least(scenario.restarts()).saturating_add(BESIDES)
    };
    let costs: Vec<(String, Micros)> =
        selection.scenarios.iter().map(|(scenario, _)| (scenario.name.clone(), cost(scenario))).collect();
    let runnable = costs.iter().filter(|(_, cost)| *cost > 0).count();
    if (asked.of as usize) > runnable.max(1) {
        return Err(Failure::usage(format!(
            "--shard {}/{}: expected no more parts than scenarios that can be run, of which there are {runnable}",
            asked.number, asked.of
        )));
    }
    let parts = divide(&costs, asked.of);
    let scenarios = costs.into_iter().map(|(name, _)| name).collect();
    let all = std::mem::take(&mut selection.scenarios).into_iter().zip(parts);
    let (own, others): (Vec<_>, Vec<_>) = all.partition(|(_, part)| *part == asked.number);
    let judges = |part: &[((Scenario, Vec<String>), u32)], id: &String| {
        part.iter().any(|((_, ids), _)| ids.contains(id))
    };
    // Those that are planned only are nobody's.
    let planned = |id: &String| registry::find(id).is_some_and(|clause| clause.judge.is_none());
    let clauses = std::mem::take(&mut selection.clauses);
    selection.clauses = clauses.iter().filter(|id| judges(&own, id) || planned(id)).cloned().collect();
    let shared = selection.clauses.iter().filter(|id| judges(&others, id)).cloned().collect();
    selection.scenarios = own.into_iter().map(|(scenario, _)| scenario).collect();
    Ok(Shard { number: asked.number, of: asked.of, scenarios, clauses, shared })
}

/// The part of each, counted from 1: the longest first, each to the part that has least to do so far.
fn divide(costs: &[(String, Micros)], parts: u32) -> Vec<u32> {
    let mut order: Vec<usize> = (0..costs.len()).collect();
    order.sort_by_key(|index| (Reverse(costs[*index].1), &costs[*index].0));
    let mut loads: Vec<(Micros, u32)> = (1..=parts).map(|part| (0, part)).collect();
    let mut of = vec![1; costs.len()];
    for index in order {
        let Some(least) = loads.iter_mut().min() else { break };
        of[index] = least.1;
        least.0 = least.0.saturating_add(costs[index].1);
    }
    of
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::select::select;
    use super::*;
    use crate::declaration::Profile;
    use crate::scenario::builtin;
    use crate::target::builtin as targets;

    fn whole(profile: Profile) -> Selection {
        let scenarios = builtin::scenarios().expect("scenarios parse");
        select(&[], &[], true, profile, scenarios).expect("a selection")
    }

    #[test]
    fn every_scenario_is_in_exactly_one_part_and_every_clause_in_one_at_least() {
        for name in ["reference", "nginx", "puma"] {
            let target = targets::find(name).expect("a target");
            let all = whole(target.profile);
            let names: Vec<String> =
                all.scenarios.iter().map(|(scenario, _)| scenario.name.clone()).collect();
            for of in [1, 2, 3, 5, 24] {
                let (mut seen, mut clauses) = (Vec::new(), BTreeSet::new());
                for number in 1..=of {
                    let mut selection = whole(target.profile);
                    let shard = keep_part(Part { number, of }, &mut selection, &target).expect("a part");
                    assert_eq!((&shard.scenarios, &shard.clauses), (&names, &all.clauses));
                    assert!(!selection.scenarios.is_empty(), "{name} {number}/{of}");
                    assert!(of > 1 || shard.shared.is_empty());
                    clauses.extend(selection.clauses);
                    seen.extend(selection.scenarios.into_iter().map(|(scenario, _)| scenario.name));
                }
                assert_eq!(seen.len(), names.len(), "{name} in {of}");
                assert_eq!(seen.iter().collect::<BTreeSet<_>>(), names.iter().collect::<BTreeSet<_>>());
                assert_eq!(clauses, all.clauses.iter().cloned().collect());
            }
        }
    }

    #[test]
    fn no_part_has_more_to_do_than_another_by_more_than_one_scenario() {
        let costs: Vec<(String, Micros)> =
            (0..40).map(|n: u64| (format!("s{n}"), 1 + n * 7919 % 60)).collect();
        for parts in 1..=12 {
            let of = divide(&costs, parts);
            let load = |part: u32| -> Micros {
                costs.iter().zip(&of).filter(|(_, of)| **of == part).map(|((_, cost), _)| cost).sum()
            };
            let loads: Vec<Micros> = (1..=parts).map(load).collect();
            let longest = costs.iter().map(|(_, cost)| *cost).max().unwrap_or_default();
            let (least, most) = (loads.iter().min(), loads.iter().max());
            assert!(most.zip(least).is_some_and(|(most, least)| most - least <= longest), "{loads:?}");
        }
    }

    #[test]
    fn the_order_in_which_scenarios_are_known_changes_nothing() {
        let costs: Vec<(String, Micros)> = (0..20).map(|n| (format!("s{n}"), n % 3)).collect();
        let mut back: Vec<(String, Micros)> = costs.clone();
        back.reverse();
        let mut of = divide(&back, 4);
        of.reverse();
        assert_eq!(of, divide(&costs, 4));
    }

    #[test]
    fn what_is_no_part_is_refused_with_what_was_expected() {
        for text in ["", "1", "0/3", "4/3", "1/0", "a/b", "1/3/5", "-1/3", "+1/3", "1/99999", "1 / 3"] {
            let error = text.parse::<Part>().expect_err(text);
            assert!(error.contains("as in 2/5") && error.contains(text), "{error}");
        }
        assert_eq!("2/5".parse(), Ok(Part { number: 2, of: 5 }));
    }

    #[test]
    fn more_parts_than_scenarios_are_refused() {
        let target = targets::find("reference").expect("a target");
        let mut selection = whole(target.profile);
        let error = keep_part(Part { number: 1, of: 900 }, &mut selection, &target).expect_err("too many");
        assert!(error.message.contains("no more parts than scenarios"), "{}", error.message);
    }
}
