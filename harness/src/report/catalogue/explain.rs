//! One clause: what it asks for, why, of whom, and how it is put to the test.

use super::super::PROFILES;
use super::super::page::Page;
use super::super::table::{Cell, Set, Table};
use super::{needs, word};
use crate::clause::Clause;
use crate::scenario::file::Scenario;

/// The width of labels.
const LABEL: usize = 11;

/// All that is to be said of a clause.
pub fn explain(clause: &Clause, scenarios: &[Scenario], width: usize, colour: bool) -> String {
    let mut page = Page::new(width, colour);
    let planned = clause.judge.is_none();
    let name = page.styles.name;
    page.lead(0, 2, name, clause.id, if planned { " (planned)" } else { "" });
    page.blank();
    page.field(2, "requirement", LABEL, clause.requirement);
    // A planned clause has no reason of its own yet.
    if !planned {
        page.field(2, "why", LABEL, clause.why);
    }
    let levels = PROFILES.map(|profile| format!("{profile} {}", word(clause.level(profile))));
    page.field(2, "levels", LABEL, &levels.join(", "));
    page.field(2, "source", LABEL, clause.source);
    page.blank();
    if planned {
        page.text(2, "It is in the catalogue, and nothing judges it yet: planned.");
    } else {
        exercised(&mut page, clause, scenarios);
    }
    page.finish()
}

fn exercised(page: &mut Page, clause: &Clause, scenarios: &[Scenario]) {
    let by: Vec<&Scenario> =
        scenarios.iter().filter(|scenario| scenario.clauses.iter().any(|id| id == clause.id)).collect();
    if by.is_empty() {
        page.text(2, "No scenario puts it to the test.");
        return;
    }
    page.text(2, "Put to the test by");
    let what = |scenario: &Scenario| match needs(scenario).as_str() {
        "-" => scenario.title.clone(),
        needs => format!("{} (needs {needs})", scenario.title),
    };
    let mut table = Table::new(&[("scenario", Set::Left), ("what it does", Set::Wrapped)]);
    for scenario in &by {
        table.row(vec![Cell::styled(&scenario.name, page.styles.name), what(scenario).into()]);
    }
    if !page.table(4, &table) {
        for scenario in &by {
            page.text(4, &scenario.name);
            page.text(6, &what(scenario));
        }
    }
    page.blank();
    if let Some(first) = by.first() {
        let command = ["hotspec", "run", &first.name, "--", "COMMAND"].map(str::to_owned).to_vec();
        page.commands(2, &[(command, "tries it")]);
    }
}
