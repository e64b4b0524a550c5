//! What there is: clauses, scenarios and targets, for `hotspec list` and `hotspec explain`.

mod explain;
mod markdown;

pub use explain::explain;
pub use markdown::clauses_markdown;

use super::PROFILES;
use super::page::Page;
use super::style::count;
use super::table::{Set, Table};
use crate::clause::{Clause, Level, registry};
use crate::declaration::Profile;
use crate::scenario::file::{Scenario, Tag};

/// A target that hotspec knows, and whether it can be tested on this machine.
#[derive(Clone, Debug)]
pub struct TargetRow {
    /// Its name on the command line.
    pub name: String,
    /// What it is.
    pub title: String,
    /// The profile that it is judged by.
    pub profile: Profile,
    /// Nothing, or what is missing on this machine.
    pub here: Result<(), String>,
}

/// The clauses of a profile, or of all of them: ids, levels and requirements by group, and the
/// planned ones by id.
pub fn clauses_table(profile: Option<Profile>, width: usize) -> String {
    let mut page = Page::new(width, false);
    let clauses: Vec<&Clause> = registry::all()
        .into_iter()
        .filter(|clause| profile.is_none_or(|profile| clause.level(profile).is_some()))
        .collect();
    let (built, planned): (Vec<&Clause>, Vec<&Clause>) =
        clauses.into_iter().partition(|clause| clause.judge.is_some());
    let levels = |clause: &Clause| match profile {
        Some(profile) => clause.level(profile).map_or_else(String::new, |level| level.to_string()),
        None => PROFILES.map(|profile| letter(clause.level(profile))).join(" "),
    };
    let title = if profile.is_some() { "level" } else { "F R I" };
    let mut table = Table::new(&[("clause", Set::Left), (title, Set::Left), ("requirement", Set::Wrapped)]);
    for clause in &built {
        table.row(vec![clause.id.into(), levels(clause).into(), clause.requirement.into()]);
    }
    // A column narrower than this would cut each sentence into a dozen lines.
    if width < 110 || !page.table(0, &table) {
        for (_, clauses) in by_group(&built) {
            page.blank();
            for clause in clauses {
                let levels = if profile.is_some() { levels(clause) } else { by_level(clause) };
                page.text(0, &format!("{}  {levels}", clause.id));
                page.text(4, clause.requirement);
            }
        }
    }
    if !planned.is_empty() {
        page.blank();
        page.text(0, &format!("Planned, and judged by nothing yet ({}):", planned.len()));
        for (group, clauses) in by_group(&planned) {
            let names: Vec<&str> = clauses.iter().map(|clause| short(clause)).collect();
            page.field(2, group, 12, &names.join(", "));
        }
    }
    page.blank();
    let legend = match profile {
        Some(profile) => {
            format!("{} that profile {profile} asks for.", count(built.len(), "clause", "clauses"))
        }
        None => format!(
            "{}. By profile: F falcore, R reload, I in-place; M is MUST, S SHOULD.",
            count(built.len(), "clause", "clauses")
        ),
    };
    page.text(0, &format!("{legend} hotspec explain ID says more."));
    page.finish()
}

/// The scenarios, with how many clauses each exercises and what it needs of a target.
pub fn scenarios_table(scenarios: &[Scenario], width: usize) -> String {
    let mut page = Page::new(width, false);
    let mut table = Table::new(&[
        ("scenario", Set::Left),
        ("clauses", Set::Right),
        ("needs", Set::Left),
        ("what it does", Set::Wrapped),
    ]);
    let what = |scenario: &Scenario| {
        let kind = if scenario.is_slow() {
            " (takes long)"
        } else if scenario.tags.contains(&Tag::Core) {
            " (core)"
        } else {
            ""
        };
        format!("{}{kind}", scenario.title)
    };
    for scenario in scenarios {
        table.row(vec![
            scenario.name.as_str().into(),
            scenario.clauses.len().to_string().into(),
            needs(scenario).into(),
            what(scenario).into(),
        ]);
    }
    if !page.table(0, &table) {
        for scenario in scenarios {
            page.text(0, &scenario.name);
            page.text(4, &what(scenario));
        }
    }
    page.blank();
    let number = count(scenarios.len(), "scenario", "scenarios");
    page.text(
        0,
        &format!(
            "{number}. One that needs an endpoint is skipped where the target has none; one that takes long is run with --all, by its name, or by the tag slow; `core` names those that put connections into each of their states, for a first look."
        ),
    );
    page.finish()
}

/// The targets that hotspec knows, and which of them can be tested here.
pub fn targets_table(rows: &[TargetRow], width: usize) -> String {
    let mut page = Page::new(width, false);
    let mut table = Table::new(&[
        ("target", Set::Left),
        ("profile", Set::Left),
        ("here", Set::Left),
        ("what it is", Set::Wrapped),
    ]);
    let what = |row: &TargetRow| match &row.here {
        Ok(()) => row.title.clone(),
        Err(missing) => format!("{} (missing: {missing})", row.title),
    };
    for row in rows {
        let here = if row.here.is_ok() { "yes" } else { "no" };
        let profile = row.profile.to_string();
        table.row(vec![row.name.as_str().into(), profile.into(), here.into(), what(row).into()]);
    }
    if !page.table(0, &table) {
        for row in rows {
            page.text(0, &format!("{}, profile {}", row.name, row.profile));
            page.text(4, &what(row));
        }
    }
    page.blank();
    let here = rows.iter().filter(|row| row.here.is_ok()).count();
    let number = count(rows.len(), "target", "targets");
    page.text(0, &format!("{number}, {here} of them here. hotspec run --target NAME tests one."));
    page.finish()
}

/// What a scenario needs of a target, or a dash.
fn needs(scenario: &Scenario) -> String {
    let needs: Vec<&str> = scenario.needs.iter().map(|endpoint| endpoint.as_str()).collect();
    if needs.is_empty() { "-".to_owned() } else { needs.join(", ") }
}

/// Groups in the order in which they first show.
fn by_group<'a>(clauses: &[&'a Clause]) -> Vec<(&'static str, Vec<&'a Clause>)> {
    let mut groups: Vec<(&'static str, Vec<&Clause>)> = Vec::new();
    for clause in clauses {
        match groups.iter_mut().find(|(group, _)| *group == clause.group()) {
            Some((_, clauses)) => clauses.push(clause),
            None => groups.push((clause.group(), vec![clause])),
        }
    }
    groups
}

/// The id without its group.
fn short(clause: &Clause) -> &'static str {
    clause.id.split_once('.').map_or(clause.id, |(_, name)| name)
}

/// `MUST F, SHOULD R`
fn by_level(clause: &Clause) -> String {
    let spread = |letters: &str| letters.chars().map(String::from).collect::<Vec<_>>().join(" ");
    let of =
        |level: Level, letters: &str| (!letters.is_empty()).then(|| format!("{level} {}", spread(letters)));
    let parts = [of(Level::Must, clause.must), of(Level::Should, clause.should)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn letter(level: Option<Level>) -> &'static str {
    match level {
        Some(Level::Must) => "M",
        Some(Level::Should) => "S",
        None => "-",
    }
}

fn word(level: Option<Level>) -> String {
    level.map_or_else(|| "–".to_owned(), |level| level.to_string())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::style::width;
    use super::*;

    fn scenarios() -> Vec<Scenario> {
        let text = "name = 'zero-traffic'\ntitle = 'no traffic at all'\nclauses = ['drain.exits']\nneeds = ['slow']\n";
        vec![Scenario::parse(Path::new("zero-traffic.toml"), text).expect("a scenario")]
    }

    #[test]
    fn every_clause_is_listed_once_within_the_width() {
        for columns in [60, 80, 160] {
            for profile in [None, Some(Profile::Falcore), Some(Profile::InPlace)] {
                let text = clauses_table(profile, columns);
                for line in text.lines() {
                    assert!(width(line) <= columns, "{columns}: {line}");
                }
                for clause in registry::all() {
                    let named = text.lines().any(|line| line.split(' ').next() == Some(clause.id));
                    let asked = profile.is_none_or(|profile| clause.level(profile).is_some());
                    assert_eq!(named, asked && clause.judge.is_some(), "{}", clause.id);
                }
            }
        }
    }

    #[test]
    fn a_clause_is_explained_with_the_scenarios_that_exercise_it() {
        let clause = registry::find("drain.exits").expect("a clause");
        let text = explain(clause, &scenarios(), 80, false);
        for part in ["drain.exits", clause.source, "zero-traffic", "no traffic at all", "needs slow", "MUST"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        for part in ["usually breaks", "is mended", "worker_shutdown_timeout", "hard-stop-after", "pidfd"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.lines().all(|line| width(line) <= 80), "{text}");
        assert!(!text.contains('\x1b') && explain(clause, &[], 80, true).contains('\x1b'));
    }

    #[test]
    fn every_explanation_keeps_within_the_width() {
        for columns in [50, 80, 160] {
            for clause in registry::all() {
                let text = explain(clause, &scenarios(), columns, false);
                let wide = text.lines().find(|line| width(line) > columns);
                assert_eq!(wide, None, "{}", clause.id);
            }
        }
    }

    #[test]
    fn a_planned_clause_says_so() {
        let Some(clause) = registry::all().into_iter().find(|clause| clause.judge.is_none()) else { return };
        let text = explain(clause, &scenarios(), 80, false);
        assert!(text.contains("planned"), "{text}");
        assert!(!text.contains("zero-traffic"), "{text}");
    }

    #[test]
    fn scenarios_and_targets_are_listed_with_what_they_need() {
        let text = scenarios_table(&scenarios(), 80);
        assert!(text.contains("zero-traffic        1  slow   no traffic at all"), "{text}");
        let rows = [
            TargetRow {
                name: "nginx".to_owned(),
                title: "nginx, HUP".to_owned(),
                profile: Profile::Reload,
                here: Ok(()),
            },
            TargetRow {
                name: "puma".to_owned(),
                title: "Puma \x1b[2J".to_owned(),
                profile: Profile::InPlace,
                here: Err("no program `puma`".to_owned()),
            },
        ];
        let text = targets_table(&rows, 80);
        assert!(
            text.contains("puma    in-place  no    Puma \\x1b[2J (missing: no program `puma`)"),
            "{text}"
        );
        assert!(text.contains("2 targets, 1 of them here"), "{text}");
    }
}
