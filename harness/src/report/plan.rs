//! What a run will do, before it does it.

use super::page::Page;
use super::style::{clean, count};
use super::table::{Set, Table};
use crate::declaration::Span;
use crate::history::Micros;
use crate::manifest::{Manifest, ScenarioEntry};

/// The plan for a terminal: what is started and restarted, and each scenario with the least that its waits come to.
pub fn render(manifest: &Manifest, width: usize, colour: bool) -> String {
    let mut page = Page::new(width, colour);
    let field = |page: &mut Page, label: &str, text: &str| page.field(0, label, 9, &clean(text));
    let found = manifest.found.as_ref().map(|file| format!(" ({file})")).unwrap_or_default();
    field(&mut page, "target", &format!("{}{found}", manifest.target));
    let is_up = manifest.command.is_empty();
    field(
        &mut page,
        "start",
        &if is_up { "it is up already".to_owned() } else { manifest.command.join(" ") },
    );
    field(&mut page, "restart", &manifest.restart.join("; "));
    let judged = count(manifest.clauses.len(), "clause", "clauses");
    field(&mut page, "profile", &format!("{}: {judged}", manifest.profile));
    let why = manifest.isolation_why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    field(&mut page, "isolation", &format!("{}{why}", manifest.isolation));
    if let Some(shard) = &manifest.shard {
        let (here, all) = (manifest.scenarios.len(), shard.scenarios.len());
        field(&mut page, "part", &format!("{} of {}: {here} of {all} scenarios", shard.number, shard.of));
    }
    page.blank();
    let (run, skipped): (Vec<_>, Vec<_>) =
        manifest.scenarios.iter().partition(|scenario| scenario.unsupported.is_none());
    let mut table =
        Table::new(&[("scenario", Set::Left), ("least", Set::Right), ("what it does", Set::Wrapped)]);
    for scenario in &run {
        let least = least(scenario).map_or_else(String::new, |least| Span(least).to_string());
        table.row(vec![scenario.name.as_str().into(), least.into(), scenario.title.as_str().into()]);
    }
    if !page.table(0, &table) {
        run.iter().for_each(|scenario| page.text(0, &format!("{}: {}", scenario.name, scenario.title)));
    }
    if !skipped.is_empty() {
        page.heading("Not run");
        for scenario in skipped {
            let why = scenario.unsupported.as_deref().unwrap_or_default();
            page.text(2, &clean(why));
        }
    }
    if !manifest.slow.is_empty() {
        page.heading("Left out, as they take long (--all)");
        page.text(2, &manifest.slow.join(", "));
    }
    page.blank();
    let longest = run.iter().filter_map(|scenario| least(scenario)).max().unwrap_or_default();
    let longest = Span(longest);
    page.text(
        0,
        &format!(
            "{} would be run, {}; the longest waits {longest} at least. Nothing was started.",
            count(run.len(), "scenario", "scenarios"),
            if is_up { "one after another" } else { "several at a time" }
        ),
    );
    page.finish()
}

/// For one restart.
fn least(scenario: &ScenarioEntry) -> Option<Micros> {
    scenario.waits.map(|waits| waits.least(1))
}
