//! From selectors to clauses and scenarios.

use std::collections::BTreeSet;

use crate::clause::{Clause, registry};
use crate::declaration::Profile;
use crate::exit::{self, Failure};
use crate::scenario::file::{Scenario, Tag};

/// What is to be run and judged.
#[derive(Debug)]
pub(super) struct Selection {
    /// Ids of the clauses.
    pub(super) clauses: Vec<String>,
    /// The scenarios, with the clauses that each is judged by.
    pub(super) scenarios: Vec<(Scenario, Vec<String>)>,
    /// Names of the scenarios that were left out because they take long by nature.
    pub(super) slow: Vec<String>,
}

/// Selects. A scenario that takes long by nature is taken if all are (`every`), if it or its tag was named, or if a clause
/// was named that no quick scenario exercises.
///
/// # Errors
/// A selector that names nothing (with the nearest names), or a selection that comes to nothing.
pub(super) fn select(
    selectors: &[String],
    excluded: &[String],
    every: bool,
    profile: Profile,
    scenarios: Vec<Scenario>,
) -> Result<Selection, Failure> {
    let clauses = registry::all();
    for selector in selectors.iter().chain(excluded) {
        let known = clauses.iter().any(|clause| names_clause(selector, clause))
            || scenarios.iter().any(|scenario| names_scenario(selector, scenario))
            || Tag::ALL.iter().any(|tag| tag.as_str() == selector);
        if !known {
            return Err(unknown(selector, &clauses, &scenarios));
        }
    }
    let whole = selectors.is_empty();
    let left_out = |clause: &Clause| excluded.iter().any(|selector| names_clause(selector, clause));
    let chosen = |clause: &Clause| selectors.iter().any(|selector| names_clause(selector, clause));
    let scenario_chosen =
        |scenario: &Scenario| selectors.iter().any(|selector| names_scenario(selector, scenario));
    let quick: BTreeSet<String> = scenarios
        .iter()
        .filter(|scenario| !scenario.is_slow())
        .flat_map(|scenario| scenario.clauses.iter().cloned())
        .collect();
    let in_profile = |id: &str| {
        registry::find(id).is_some_and(|clause| clause.level(profile).is_some() && !left_out(clause))
    };
    let mut selection = Selection { clauses: Vec::new(), scenarios: Vec::new(), slow: Vec::new() };
    for scenario in scenarios {
        if excluded.iter().any(|selector| names_scenario(selector, &scenario)) {
            continue;
        }
        let named = scenario_chosen(&scenario);
        let all = whole || named;
        if scenario.is_slow() && !every && !named {
            let only_here = |id: &&String| !quick.contains(*id) && registry::find(id).is_some_and(&chosen);
            let mut asked = scenario.clauses.iter().filter(|id| in_profile(id)).filter(only_here);
            if asked.next().is_none() {
                if whole && scenario.clauses.iter().any(|id| in_profile(id)) {
                    selection.slow.push(scenario.name);
                }
                continue;
            }
        }
        let ids = scenario.clauses.iter().filter(|id| in_profile(id));
        let ids: Vec<String> =
            ids.filter(|id| all || registry::find(id).is_some_and(&chosen)).cloned().collect();
        if !ids.is_empty() {
            selection.scenarios.push((scenario, ids));
        }
    }
    for clause in clauses {
        let judged = selection.scenarios.iter().any(|(_, ids)| ids.iter().any(|id| id == clause.id));
        let planned = clause.judge.is_none() && whole && clause.level(profile).is_some() && !left_out(clause);
        if judged || planned {
            selection.clauses.push(clause.id.to_owned());
        }
    }
    if selection.scenarios.is_empty() {
        let message = format!(
            "nothing is left to run: no scenario exercises what was selected in profile {profile}; `hotspec list clauses --profile {profile}` shows what there is"
        );
        return Err(Failure::new(exit::NOTHING_SELECTED, message));
    }
    Ok(selection)
}

/// A clause is named by its id, its group, or a pattern.
fn names_clause(selector: &str, clause: &Clause) -> bool {
    matches(selector, clause.id) || selector == clause.group()
}

/// A scenario is named by its name, a pattern, or a tag.
fn names_scenario(selector: &str, scenario: &Scenario) -> bool {
    matches(selector, &scenario.name) || scenario.tags.iter().any(|tag| tag.as_str() == selector)
}

/// Whether a name matches a selector in which `*` stands for any part.
fn matches(selector: &str, name: &str) -> bool {
    let Some((first, rest)) = selector.split_once('*') else { return selector == name };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return left.ends_with(part);
        }
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    true
}

fn unknown(selector: &str, clauses: &[&Clause], scenarios: &[Scenario]) -> Failure {
    let names = clauses.iter().flat_map(|clause| [clause.id, clause.group()]);
    let names = names.chain(scenarios.iter().map(|scenario| scenario.name.as_str()));
    let mut near: Vec<(&str, f64)> = names.map(|name| (name, likeness(selector, name))).collect();
    near.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
    near.dedup();
    let near: Vec<&str> =
        near.into_iter().filter(|(_, likeness)| *likeness > 0.7).take(3).map(|(name, _)| name).collect();
    let hint = if near.is_empty() {
        "`hotspec list clauses` and `hotspec list scenarios` show what there is".to_owned()
    } else {
        format!("the nearest names are {}", near.join(", "))
    };
    Failure::usage(format!("`{selector}` names no clause, group or scenario; {hint}"))
}

/// How much a selector is like a name, or like the part of it after the point.
fn likeness(selector: &str, name: &str) -> f64 {
    let short = name.split_once('.').map_or(name, |(_, short)| short);
    strsim::jaro_winkler(selector, name).max(strsim::jaro_winkler(selector, short))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::builtin;

    fn selected(selectors: &[&str], excluded: &[&str], profile: Profile) -> Result<Selection, Failure> {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        select(
            &own(selectors),
            &own(excluded),
            false,
            profile,
            builtin::scenarios().expect("scenarios parse"),
        )
    }

    #[test]
    fn without_a_selector_all_of_the_profile_is_selected_and_the_planned_are_listed() {
        let all = selected(&[], &[], Profile::Falcore).expect("a selection");
        assert!(all.clauses.iter().any(|id| id == "keep-alive.one-last-request"));
        assert!(all.clauses.iter().any(|id| id == "availability.no-wire-reset"));
        let reload = selected(&[], &[], Profile::Reload).expect("a selection");
        assert!(!reload.clauses.iter().any(|id| id == "keep-alive.one-last-request"));
    }

    #[test]
    fn a_clause_brings_the_scenarios_that_exercise_it_and_no_other_clause() {
        let one = selected(&["in-flight.upload"], &[], Profile::Reload).expect("a selection");
        assert_eq!(one.clauses, ["in-flight.upload"]);
        assert_eq!(one.scenarios.len(), 1);
    }

    #[test]
    fn groups_patterns_and_exclusions_compose() {
        let group = selected(&["keep-alive"], &["keep-alive.only*"], Profile::Falcore).expect("a selection");
        assert!(group.clauses.iter().all(|id| id.starts_with("keep-alive.") && id != "keep-alive.only-one"));
        let pattern = selected(&["*upload"], &[], Profile::Reload).expect("a selection");
        assert!(
            pattern.clauses.iter().any(|id| id == "in-flight.not-truncated"),
            "a scenario brings all its clauses"
        );
    }

    #[test]
    fn an_unknown_selector_is_told_with_the_nearest_names() {
        let error =
            selected(&["keep-alive.one-last-requst"], &[], Profile::Reload).expect_err("no such clause");
        assert_eq!(error.status, exit::USAGE);
        assert!(error.message.contains("keep-alive.one-last-request"), "{}", error.message);
    }

    #[test]
    fn a_selection_that_comes_to_nothing_is_an_error_of_its_own() {
        let error =
            selected(&["keep-alive.one-last-request"], &[], Profile::Reload).expect_err("not in the profile");
        assert_eq!(error.status, exit::NOTHING_SELECTED);
    }
}
