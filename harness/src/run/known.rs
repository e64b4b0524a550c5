//! Whether what a target file admits can be: the clause, the scenario, and that the one exercises the other.

use crate::clause::registry;
use crate::declaration::Known;
use crate::exit::{self, Failure};
use crate::scenario::file::Scenario;
use crate::target::file::Target;

/// Looks every entry up.
///
/// # Errors
/// An entry that no run could ever meet, with the nearest names.
pub(crate) fn check(target: &Target, scenarios: &[Scenario]) -> Result<(), Failure> {
    let file = target.path.as_ref().map_or_else(|| target.name.clone(), |path| path.display().to_string());
    for known in &target.known {
        wrong_name(known, scenarios).map_or(Ok(()), |why| {
            Err(Failure::new(exit::BAD_FILE, format!("{file}: [[known]] {}: {why}", known.describe())))
        })?;
    }
    Ok(())
}

fn wrong_name(known: &Known, scenarios: &[Scenario]) -> Option<String> {
    let clauses = registry::all();
    if !clauses.iter().any(|clause| clause.id == known.clause) {
        let near = nearest(&known.clause, clauses.iter().map(|clause| clause.id));
        return Some(format!("expected the id of a clause, found `{}`; the nearest is {near}", known.clause));
    }
    let Some(scenario) = scenarios.iter().find(|scenario| scenario.name == known.scenario) else {
        let near = nearest(&known.scenario, scenarios.iter().map(|scenario| scenario.name.as_str()));
        return Some(format!(
            "expected the name of a scenario, found `{}`; the nearest is {near}",
            known.scenario
        ));
    };
    if !scenario.clauses.contains(&known.clause) {
        let by = scenarios.iter().filter(|scenario| scenario.clauses.contains(&known.clause));
        let by: Vec<&str> = by.map(|scenario| scenario.name.as_str()).collect();
        let by = if by.is_empty() {
            "no scenario does".to_owned()
        } else {
            format!("these do: {}", by.join(", "))
        };
        return Some(format!("scenario {} does not put {} to the test; {by}", known.scenario, known.clause));
    }
    None
}

fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> &'a str {
    let near = names.map(|known| (known, strsim::jaro_winkler(known, name)));
    near.max_by(|a, b| a.1.total_cmp(&b.1)).map_or("none", |(known, _)| known)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::builtin;
    use crate::target::builtin as targets;

    fn checked(clause: &str, scenario: &str) -> Result<(), Failure> {
        let text = format!(
            "start = [\"x\"]\n[[restart]]\nsignal = \"HUP\"\n[[known]]\nclause = \"{clause}\"\nscenario = \"{scenario}\"\nkind = \"late\"\nreason = \"r\"\nsource = \"s\"\n"
        );
        let target = Target::parse(Path::new("mine.toml"), &text).expect("a target");
        check(&target, &builtin::scenarios().expect("scenarios parse"))
    }

    #[test]
    fn an_entry_that_no_run_could_meet_is_told_with_the_nearest_names() {
        assert!(checked("drain.exits", "zero-traffic").is_ok());
        for (clause, scenario, said) in [
            ("drain.exit", "zero-traffic", "the nearest is drain.exits"),
            ("drain.exits", "zero-trafic", "the nearest is zero-traffic"),
            ("protocol.pipelined", "zero-traffic", "these do: pipelined"),
        ] {
            let failure = checked(clause, scenario).expect_err(clause);
            assert_eq!(failure.status, exit::BAD_FILE);
            assert!(
                failure.message.contains(said) && failure.message.starts_with("mine.toml: "),
                "{}",
                failure.message
            );
        }
    }

    #[test]
    fn the_targets_that_come_with_the_program_admit_what_can_be() {
        let scenarios = builtin::scenarios().expect("scenarios parse");
        for target in targets::targets().expect("target files parse") {
            assert!(check(&target, &scenarios).is_ok(), "{}", target.name);
        }
    }
}
