//! One clause: what it asks for, why, of whom, how it is put to the test and seen, and what helps whoever broke it.

use super::super::PROFILES;
use super::super::page::Page;
use super::super::table::{Cell, Set, Table};
use super::{needs, word};
use crate::clause::Clause;
use crate::clause::advice::{self, Advice};
use crate::clause::cause::CauseKind;
use crate::scenario::file::Scenario;

/// The width of labels.
const LABEL: usize = 11;

/// All that is to be said of a clause.
pub fn explain(clause: &Clause, scenarios: &[Scenario], width: usize, colour: bool) -> String {
    let mut page = Page::new(width, colour);
    let planned = clause.judge.is_none();
    let advice = advice::find(clause.id);
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
    if let Some(advice) = advice.filter(|_| !planned) {
        page.field(2, "seen", LABEL, advice.seen);
    }
    page.blank();
    if planned {
        page.text(2, "It is in the catalogue, and nothing judges it yet: planned.");
        return page.finish();
    }
    let by: Vec<&Scenario> =
        scenarios.iter().filter(|scenario| scenario.clauses.iter().any(|id| id == clause.id)).collect();
    exercised(&mut page, &by);
    if let Some(advice) = advice {
        helps(&mut page, advice);
    }
    causes(&mut page, clause);
    if let Some(scenario) = by.iter().find(|scenario| !scenario.is_slow()).or(by.first()) {
        page.blank();
        let command = ["hotspec", "run", &scenario.name, "--", "COMMAND"].map(str::to_owned).to_vec();
        page.commands(2, &[(command, "tries it")]);
    }
    page.finish()
}

fn exercised(page: &mut Page, by: &[&Scenario]) {
    if by.is_empty() {
        page.text(2, "No scenario puts it to the test.");
        return;
    }
    page.text(2, "Put to the test by");
    let what = |scenario: &Scenario| {
        let slow = scenario.is_slow().then(|| "takes long: --all, or by its name".to_owned());
        let needs = Some(needs(scenario)).filter(|needs| needs != "-").map(|needs| format!("needs {needs}"));
        let more: Vec<String> = needs.into_iter().chain(slow).collect();
        if more.is_empty() {
            scenario.title.clone()
        } else {
            format!("{} ({})", scenario.title, more.join("; "))
        }
    };
    let mut table = Table::new(&[("scenario", Set::Left), ("what it does", Set::Wrapped)]);
    for scenario in by {
        table.row(vec![Cell::styled(&scenario.name, page.styles.name), what(scenario).into()]);
    }
    if !page.table(4, &table) {
        for scenario in by {
            page.text(4, &scenario.name);
            page.text(6, &what(scenario));
        }
    }
}

/// Clauses of these groups are broken by lost connections.
const OF_CONNECTIONS: [&str; 3] = ["availability.", "in-flight.", "keep-alive."];

/// What a report may name as the cause.
fn causes(page: &mut Page, clause: &Clause) {
    if !OF_CONNECTIONS.iter().any(|group| clause.id.starts_with(group)) {
        return;
    }
    page.blank();
    page.text(
        2,
        "Where counters, packets and socket table leave one explanation of a lost connection, the report names it (or two, by `either`), with what was seen:",
    );
    let names: Vec<&str> = CauseKind::ALL.iter().map(|kind| kind.as_str()).collect();
    page.text(4, &names.join(", "));
}

/// What breaks it, and how that is mended.
fn helps(page: &mut Page, advice: &Advice) {
    page.blank();
    page.text(2, "What usually breaks it");
    for what in advice.breaks {
        page.field(4, "-", 0, what);
    }
    page.blank();
    page.text(2, "How that is mended");
    let quiet = page.styles.quiet;
    for (place, how) in advice.mend {
        page.lead(4, 2, quiet, place, &format!(": {how}"));
    }
}
