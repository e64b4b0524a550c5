//! The phases of every restart with their times, and how long each scenario took beside the least that it can take.

use std::collections::BTreeMap;

use super::super::page::Page;
use super::super::table::{Cell, Set, Table};
use crate::clause::result::{Restart, RunResult, ScenarioTime};
use crate::declaration::Span;
use crate::history::{Interval, Micros};

const LEGEND: &str = "T0: the trigger. Tr: the successor serves. Td: the last old process drains. Tx: the old \
                      generation is gone. Each time is the most that it can have been. took: the whole scenario, \
                      with its control phase; least: what its waits and this server's restarts come to.";

/// The restarts, one a row.
pub(super) fn write(page: &mut Page, run: &RunResult) {
    if run.restarts.is_empty() {
        return;
    }
    page.heading("Phases");
    let rows = rows(run);
    // The widest table that fits; else line by line.
    let full = page.table(2, &table(&rows, true));
    if !full && !page.table(2, &table(&rows, false)) {
        for row in &rows {
            let [ready, drain, gone] = lengths(row.restart);
            let name = page.styles.name;
            page.styled(2, name, &row.name);
            page.text(4, &format!("T0→Tr {ready}, Tr→Td {drain}, Td→Tx {gone}"));
            if let Some(time) = row.time {
                page.text(4, &format!("took {}, least {}", Span(time.took_us), least(time)));
            }
        }
    }
    let quiet = page.styles.quiet;
    let wide = if full {
        " unsure: the widest interval in which an instant may have been. no connect, no sample: the longest such stretch."
    } else {
        ""
    };
    page.styled(2, quiet, &format!("{LEGEND}{wide}"));
    in_all(page, run);
}

/// A restart, and the times of its scenario if it is the first of it. Some scenarios have none: the harness plays the parent.
struct Row<'a> {
    name: String,
    restart: Option<&'a Restart>,
    time: Option<&'a ScenarioTime>,
}

/// Restarts of one scenario stand together, and those of one attempt are numbered.
fn rows(run: &RunResult) -> Vec<Row<'_>> {
    let mut totals: BTreeMap<(&str, u32), usize> = BTreeMap::new();
    for restart in &run.restarts {
        *totals.entry((&restart.scenario, restart.attempt)).or_default() += 1;
    }
    let restarted = |name: &str| run.restarts.iter().any(|restart| restart.scenario == name);
    let without = run.scenarios.iter().filter(|time| !restarted(&time.name));
    let without: Vec<Row<'_>> =
        without.map(|time| Row { name: time.name.clone(), restart: None, time: Some(time) }).collect();
    let mut begun: BTreeMap<(&str, u32), usize> = BTreeMap::new();
    run.restarts
        .iter()
        .map(|restart| {
            let scenario = restart.scenario.as_str();
            let one = (scenario, restart.attempt);
            let is_first = !begun.keys().any(|(begun, _)| *begun == scenario);
            let number = begun.entry(one).or_default();
            *number += 1;
            let total = totals.get(&one).copied().unwrap_or(1);
            let name = format!("{scenario}{}", which(restart.attempt, *number, total));
            let time = run.scenarios.iter().find(|time| time.name == scenario).filter(|_| is_first);
            Row { name, restart: Some(restart), time }
        })
        .chain(without)
        .collect()
}

/// Which restart of a scenario it is, where it has several: ` again 2/5`.
pub(in crate::report) fn which(attempt: u32, number: usize, total: usize) -> String {
    let again = match attempt {
        1 => String::new(),
        2 => " again".to_owned(),
        more => format!(" again ({more})"),
    };
    if total > 1 { format!("{again} {number}/{total}") } else { again }
}

fn table(rows: &[Row<'_>], all: bool) -> Table {
    let mut columns = vec![("scenario", Set::Left)];
    columns.extend(["T0→Tr", "Tr→Td", "Td→Tx", "took", "least"].map(|title| (title, Set::Right)));
    if all {
        columns.push(("unsure", Set::Left));
        columns
            .extend(["connections", "requests", "no connect", "no sample"].map(|title| (title, Set::Right)));
    }
    let mut table = Table::new(&columns);
    for row in rows {
        let mut cells: Vec<Cell> = vec![row.name.as_str().into()];
        cells.extend(lengths(row.restart).map(Cell::from));
        let took = row.time.map_or_else(String::new, |time| Span(time.took_us).to_string());
        cells.extend([took, row.time.map_or_else(String::new, least)].map(Cell::from));
        if all {
            let span =
                |micros: Option<Micros>| micros.map_or("?".to_owned(), |micros| Span(micros).to_string());
            let told = row.restart.map(|restart| {
                let (lanes, requests) = (restart.lanes.to_string(), restart.requests.to_string());
                [unsure(restart), lanes, requests, span(restart.unprobed_us), span(restart.sample_gap_us)]
            });
            cells.extend(told.unwrap_or_else(|| ["-"; 5].map(str::to_owned)).map(Cell::from));
        }
        table.row(cells);
    }
    table
}

fn least(time: &ScenarioTime) -> String {
    time.least_us.map_or_else(|| "-".to_owned(), |least| Span(least).to_string())
}

/// How long each phase can have been at most. Not seen is a dash; one that can't have been, as the next instant came before,
/// is none.
pub(in crate::report) fn lengths(restart: Option<&Restart>) -> [String; 3] {
    let length = |from: Option<Interval>, to: Option<Interval>| match from.zip(to) {
        None => "-".to_owned(),
        Some((from, to)) if to.hi < from.lo => "none".to_owned(),
        Some((from, to)) => Span(to.hi.saturating_sub(from.lo)).to_string(),
    };
    let Some(Restart { t0_us, tr_us, td_us, tx_us, .. }) = restart else {
        return ["-"; 3].map(str::to_owned);
    };
    [length(*t0_us, *tr_us), length(*tr_us, *td_us), length(*td_us, *tx_us)]
}

/// The widest of the intervals, with its name.
fn unsure(restart: &Restart) -> String {
    let named = [("T0", restart.t0_us), ("Tr", restart.tr_us), ("Td", restart.td_us), ("Tx", restart.tx_us)];
    let widest = named
        .into_iter()
        .filter_map(|(name, instant)| instant.map(|instant| (instant.hi - instant.lo, name)))
        .max_by_key(|(by, _)| *by);
    widest.map_or("-".to_owned(), |(by, name)| format!("{name} {}", Span(by)))
}

/// How long it took in all, and which scenario kept it so long.
fn in_all(page: &mut Page, run: &RunResult) {
    let Some(longest) = run.scenarios.iter().max_by_key(|time| time.took_us) else { return };
    let least = longest.least_us.map_or_else(String::new, |least| format!(" of at least {}", Span(least)));
    let sum = run.scenarios.iter().map(|time| time.took_us).fold(0, Micros::saturating_add);
    let at_once = if run.took_us < sum { ", several scenarios at a time" } else { "" };
    let text = if run.scenarios.len() == 1 {
        format!("Took {} in all.", Span(run.took_us))
    } else {
        format!(
            "Took {} in all{at_once}; the longest was {}, {}{least}.",
            Span(run.took_us),
            longest.name,
            Span(longest.took_us)
        )
    };
    page.text(2, &text);
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_phase_lasts_from_the_earliest_begin_to_the_latest_end() {
        let mut restart = sample::passing().restarts[0].clone();
        assert_eq!(lengths(Some(&restart)), ["62 ms", "52.5 ms", "4.04 s"]);
        restart.td_us = Some(Interval::new(1_001_000, 1_005_000));
        assert_eq!(lengths(Some(&restart))[1], "none");
        restart.tx_us = None;
        assert_eq!(lengths(Some(&restart))[2], "-");
        assert_eq!(unsure(&restart), "Tr 50 ms");
    }

    #[test]
    fn restarts_of_one_scenario_are_numbered_and_its_times_told_once() {
        let mut run = sample::passing();
        let again = run.restarts[0].clone();
        run.restarts.insert(1, Restart { round: 2, ..again.clone() });
        run.restarts.insert(2, Restart { attempt: 2, ..again });
        let none = ScenarioTime { name: "played-parent".to_owned(), took_us: 1_000_000, least_us: None };
        run.scenarios.push(none);
        let rows = rows(&run);
        let last = rows.last().expect("rows");
        assert_eq!(
            (last.name.as_str(), lengths(last.restart)),
            ("played-parent", ["-"; 3].map(str::to_owned))
        );
        let names: Vec<(&str, bool)> =
            rows.iter().map(|row| (row.name.as_str(), row.time.is_some())).collect();
        assert_eq!(
            names[..4],
            [
                ("idle-last-request 1/2", true),
                ("idle-last-request 2/2", false),
                ("idle-last-request again", false),
                ("keep-alive-traffic", false),
            ]
        );
    }
}
