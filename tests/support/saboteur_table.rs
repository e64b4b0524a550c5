//! The page that says which saboteur failed by which clause, and how often.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::saboteur::Saboteur;

/// What one saboteur failed by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// How often it was run.
    pub runs: u32,
    /// How often a run was made once more, as the machine had stood still.
    pub again: u32,
    /// In how many runs each clause failed that is its own or falls with it.
    pub failed: BTreeMap<String, u32>,
    /// The same for clauses that are only recommended, and that its head does not name.
    pub recommended: BTreeMap<String, u32>,
}

impl Row {
    /// Adds the runs of another row.
    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.again += other.again;
        let add = |to: &mut BTreeMap<String, u32>, from: &BTreeMap<String, u32>| {
            from.iter().for_each(|(id, count)| *to.entry(id.clone()).or_default() += count);
        };
        add(&mut self.failed, &other.failed);
        add(&mut self.recommended, &other.recommended);
    }

    /// Counts a run by what failed in it.
    pub fn count(&mut self, saboteur: &Saboteur, must: &[&str], should: &[&str]) {
        self.runs += 1;
        for id in must.iter().chain(should) {
            let named = *id == saboteur.clause || saboteur.falls_with.contains(*id);
            let counts = if named { &mut self.failed } else { &mut self.recommended };
            *counts.entry((*id).to_owned()).or_default() += 1;
        }
    }
}

const NOTHING: &str = "–";

/// The page. Saboteurs without a row were not run yet.
pub fn write(saboteurs: &[Saboteur], rows: &BTreeMap<String, Row>) -> String {
    let mut page = "# Which saboteur fails by which clause\n\n\
        Written by `cargo test -p hotspec --test end_to_end [saboteurs]`; an ordinary `cargo test` runs each saboteur once and compares\n\
        this page with the heads of their sources. `HOTSPEC_WRITE_TABLE=1` puts each through all scenarios that exercise its own clause\n\
        (`HOTSPEC_SABOTEUR_WHOLE=1`: through all there are) and writes its row anew; `HOTSPEC_WRITE_TABLE=add HOTSPEC_SABOTEUR_RUNS=19`\n\
        adds runs through the quickest scenario that shows its fault, in which fewer clauses can fall with it. A number says in\n\
        how many of its runs a saboteur failed by that clause. What its head names beforehand is all that it may fail by; what was\n\
        named and did not fail is in the last column. A clause that is only recommended to the profile need not be named, and has\n\
        a column of its own.\n\n"
        .to_owned();
    let runs: u32 = rows.values().map(|row| row.runs).sum();
    let again: u32 = rows.values().map(|row| row.again).sum();
    let _ = writeln!(
        page,
        "{} saboteurs, {runs} runs; {again} more were not counted, as they left its own clause undecided.\n",
        saboteurs.len()
    );
    page.push_str("| saboteur | profile | runs | again | own clause | fell with it | recommended, fell too | named, did not fall |\n");
    page.push_str("| --- | --- | --- | --- | --- | --- | --- | --- |\n");
    for saboteur in saboteurs {
        let row = rows.get(&saboteur.name).cloned().unwrap_or_default();
        let own = row.failed.get(&saboteur.clause).copied().unwrap_or_default();
        let with = row.failed.iter().filter(|(id, _)| **id != saboteur.clause);
        let unseen = saboteur.falls_with.iter().filter(|id| !row.failed.contains_key(*id));
        let level = saboteur.level.as_ref().map_or("", |_| ", SHOULD");
        let _ = writeln!(
            page,
            "| [{}]({}) | {}{level} | {} | {} | {} {own} | {} | {} | {} |",
            saboteur.name,
            saboteur.file(),
            saboteur.profile,
            row.runs,
            row.again,
            saboteur.clause,
            counts(with),
            counts(row.recommended.iter()),
            list(unseen.cloned().collect()),
        );
    }
    let own: BTreeSet<&str> = saboteurs.iter().map(|saboteur| saboteur.clause.as_str()).collect();
    let judged = hotspec::clause::registry::all().into_iter().filter(|clause| clause.judge.is_some());
    let without = judged.map(|clause| clause.id).filter(|id| !own.contains(id)).map(|id| format!("`{id}`"));
    let without: Vec<String> = without.collect();
    let _ = writeln!(
        page,
        "\nJudged, and nobody's own clause yet (histories made up by `harness/tests/clauses` break them): {}.",
        list(without)
    );
    page
}

fn counts<'a>(counts: impl Iterator<Item = (&'a String, &'a u32)>) -> String {
    list(counts.map(|(id, count)| format!("{id} {count}")).collect())
}

fn list(items: Vec<String>) -> String {
    if items.is_empty() { NOTHING.to_owned() } else { items.join(", ") }
}

/// The rows of a page, by saboteur.
pub fn read(page: &str) -> BTreeMap<String, Row> {
    page.lines().filter_map(read_row).collect()
}

fn read_row(line: &str) -> Option<(String, Row)> {
    let cells: Vec<&str> = line.strip_prefix("| [")?.split('|').map(str::trim).collect();
    let [name, _profile, runs, again, own, with, recommended, ..] = cells[..] else { return None };
    let name = name.split_once(']')?.0.to_owned();
    let mut failed = read_counts(with);
    failed.extend(read_counts(own).into_iter().filter(|(_, count)| *count > 0));
    let recommended = read_counts(recommended);
    Some((name, Row { runs: runs.parse().ok()?, again: again.parse().ok()?, failed, recommended }))
}

fn read_counts(cell: &str) -> BTreeMap<String, u32> {
    let pairs = cell.split(", ").filter_map(|item| item.split_once(' '));
    pairs.filter_map(|(id, count)| Some((id.to_owned(), count.parse().ok()?))).collect()
}
