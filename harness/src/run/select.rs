//! From selectors to clauses and scenarios.

use std::collections::BTreeSet;

use crate::clause::{Clause, registry};
use crate::declaration::Profile;
use crate::exit::{self, Failure};
use crate::scenario::file::{Scenario, Tag};

/// What is to be run and judged.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    /// Ids of the clauses.
    pub(crate) clauses: Vec<String>,
    /// The scenarios, with the clauses that each is judged by.
    pub(crate) scenarios: Vec<(Scenario, Vec<String>)>,
    /// Names of the scenarios that were left out because they take long by nature.
    pub(crate) slow: Vec<String>,
}

impl Selection {
    /// One of its scenarios, by itself.
    pub(crate) fn only(&self, name: &str) -> Self {
        let scenarios: Vec<_> =
            self.scenarios.iter().filter(|(scenario, _)| scenario.name == name).cloned().collect();
        let judged = |id: &&String| scenarios.iter().any(|(_, ids)| ids.contains(id));
        let clauses = self.clauses.iter().filter(judged).cloned().collect();
        Self { clauses, scenarios, slow: Vec::new() }
    }
}

/// Selects. A scenario that takes long by nature is taken if all are (`every`), if it or its tag was named, or if a clause
/// was named that no quick scenario exercises.
///
/// # Errors
/// A selector that names nothing (with the nearest names), or a selection that comes to nothing.
pub(crate) fn select(
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
    let left_out_whole =
        |scenario: &Scenario| excluded.iter().any(|selector| names_scenario(selector, scenario));
    let quick: BTreeSet<String> = scenarios
        .iter()
        .filter(|scenario| !scenario.is_slow() && !left_out_whole(scenario))
        .flat_map(|scenario| scenario.clauses.iter().cloned())
        .collect();
    let in_profile = |id: &str| {
        registry::find(id).is_some_and(|clause| clause.level(profile).is_some() && !left_out(clause))
    };
    let mut selection = Selection { clauses: Vec::new(), scenarios: Vec::new(), slow: Vec::new() };
    for scenario in scenarios {
        if left_out_whole(&scenario) {
            continue;
        }
        let named = scenario_chosen(&scenario);
        let all = whole || named;
        let ids = scenario.clauses.iter().filter(|id| in_profile(id));
        let ids: Vec<String> =
            ids.filter(|id| all || registry::find(id).is_some_and(&chosen)).cloned().collect();
        if ids.is_empty() {
            continue;
        }
        let only_here = ids.iter().any(|id| !quick.contains(id));
        if scenario.is_slow() && !every && !named && (whole || !only_here) {
            selection.slow.push(scenario.name);
        } else {
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
        let why = if selection.slow.is_empty() {
            format!(
                "no scenario exercises what was selected in profile {profile}; `hotspec list clauses --profile {profile}` shows what there is"
            )
        } else {
            format!("all that is left takes long ({}); --all runs it", selection.slow.join(", "))
        };
        let message = format!("nothing is left to run: {why}");
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
    use std::path::Path;

    use super::*;
    use crate::scenario::builtin;

    fn selected(selectors: &[&str], excluded: &[&str], profile: Profile) -> Result<Selection, Failure> {
        let scenarios = builtin::scenarios().expect("scenarios parse");
        select(&own(selectors), &own(excluded), false, profile, scenarios)
    }

    fn own(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    /// Two scenarios made up: `quick` exercises drain.exits, and `long`, which is slow, drain.exits and drain.waits.
    fn selected_of_two(selectors: &[&str], excluded: &[&str], every: bool) -> Result<Selection, Failure> {
        let scenario = |name: &str, more: &str| {
            let text = format!("name = '{name}'\ntitle = 't'\n{more}\n");
            Scenario::parse(Path::new("made-up.toml"), &text).expect("a scenario")
        };
        let quick = scenario("quick", "clauses = ['drain.exits']");
        let long = scenario("long", "clauses = ['drain.exits', 'drain.waits']\ntags = ['slow']");
        select(&own(selectors), &own(excluded), every, Profile::Reload, vec![quick, long])
    }

    fn names(selection: &Selection) -> Vec<String> {
        selection.scenarios.iter().map(|(scenario, _)| scenario.name.clone()).collect()
    }

    #[test]
    fn what_takes_long_is_left_out_and_named() {
        let usual = selected_of_two(&[], &[], false).expect("a selection");
        assert_eq!((names(&usual), usual.slow), (own(&["quick"]), own(&["long"])));
        let one = selected_of_two(&["drain.exits"], &[], false).expect("a selection");
        assert_eq!((names(&one), one.slow), (own(&["quick"]), own(&["long"])));
    }

    #[test]
    fn what_takes_long_is_run_with_all_by_its_name_and_by_its_tag() {
        let all = selected_of_two(&[], &[], true).expect("a selection");
        assert_eq!((names(&all), all.slow), (own(&["quick", "long"]), own(&[])));
        for selector in ["long", "slow", "lo*"] {
            let one = selected_of_two(&[selector], &[], false).expect(selector);
            assert_eq!((names(&one), one.slow), (own(&["long"]), own(&[])), "{selector}");
            assert_eq!(one.clauses, ["drain.exits", "drain.waits"]);
        }
    }

    #[test]
    fn what_takes_long_is_run_where_nothing_quick_puts_a_clause_to_the_test_that_was_asked_for() {
        for (selectors, excluded, judged) in [
            (&["drain.waits"][..], &[][..], &["drain.waits"][..]),
            (&["drain"], &[], &["drain.exits", "drain.waits"]),
            (&["drain.exits"], &["quick"], &["drain.exits"]),
        ] {
            let selection = selected_of_two(selectors, excluded, false).expect("a selection");
            assert!(names(&selection).contains(&"long".to_owned()), "{selectors:?}");
            assert_eq!(selection.clauses, judged);
        }
    }

    #[test]
    fn exclusion_goes_before_all_the_rest() {
        for excluded in ["slow", "long", "l*g"] {
            let all = selected_of_two(&[], &[excluded], true).expect(excluded);
            assert_eq!((names(&all), all.slow), (own(&["quick"]), own(&[])), "{excluded}");
        }
        let without = selected_of_two(&["drain"], &["drain.waits"], false).expect("a selection");
        assert_eq!((names(&without), without.clauses), (own(&["quick"]), own(&["drain.exits"])));
        assert!(selected_of_two(&["drain"], &["drain"], true).is_err());
        let error = selected_of_two(&[], &["quick"], false).expect_err("what is left takes long");
        assert!(error.message.contains("(long); --all runs it"), "{}", error.message);
        assert!(selected_of_two(&["long"], &["slow"], true).is_err());
    }

    #[test]
    fn a_pattern_may_stand_for_the_beginning_the_middle_and_the_end() {
        for (pattern, name, yes) in [
            ("drain.*", "drain.exits", true),
            ("*.exits", "drain.exits", true),
            ("d*.e*s", "drain.exits", true),
            ("*", "drain.exits", true),
            ("drain", "drain.exits", false),
            ("*.exit", "drain.exits", false),
            ("ab*ba", "aba", false),
            ("drain.exits", "drain.exits", true),
        ] {
            assert_eq!(matches(pattern, name), yes, "{pattern} {name}");
        }
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
