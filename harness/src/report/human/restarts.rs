//! The restarts, their instants, and what can be concluded from how many there were.

use std::collections::BTreeSet;

use super::super::page::Page;
use super::super::style::count;
use super::super::table::{Cell, Set, Table};
use crate::clause::result::{Restart, RunResult, RunVerdict};
use crate::declaration::Span;
use crate::history::{Interval, Micros};

/// The restarts, one a row.
pub(super) fn write(page: &mut Page, run: &RunResult) {
    if run.restarts.is_empty() {
        return;
    }
    page.heading("Restarts");
    // The widest table that fits; else line by line.
    let full = page.table(2, &table(run, true));
    if !full && !page.table(2, &table(run, false)) {
        for restart in &run.restarts {
            let [t0, tr, td, tx, by] = instants(restart);
            let name = page.styles.name;
            page.styled(2, name, &restart.scenario);
            page.text(4, &format!("T0 {t0}, Tr {tr}, Td {td}, Tx {tx}; uncertain by {by}"));
        }
    }
    let quiet = page.styles.quiet;
    let legend = "T0: the trigger, on the scenario's clock. Since then, at the latest: Tr, the successor \
                  serves; Td, the last old process drains; Tx, the old generation is gone. The widest \
                  uncertainty is given.";
    let stretches = if full { " The last two columns are the longest such stretches." } else { "" };
    page.styled(2, quiet, &format!("{legend}{stretches}"));
}

fn table(run: &RunResult, all: bool) -> Table {
    let mut columns = vec![
        ("scenario", Set::Left),
        ("T0", Set::Right),
        ("Tr", Set::Right),
        ("Td", Set::Right),
        ("Tx", Set::Right),
        ("uncertain by", Set::Left),
    ];
    if all {
        columns.extend([
            ("connections", Set::Right),
            ("requests", Set::Right),
            ("no connect for", Set::Right),
            ("no sample for", Set::Right),
        ]);
    }
    let mut table = Table::new(&columns);
    for restart in &run.restarts {
        let mut cells: Vec<Cell> = vec![restart.scenario.as_str().into()];
        cells.extend(instants(restart).map(Cell::from));
        if all {
            let span =
                |micros: Option<Micros>| micros.map_or("?".to_owned(), |micros| Span(micros).to_string());
            cells.push(restart.lanes.to_string().into());
            cells.push(restart.requests.to_string().into());
            cells.push(span(restart.unprobed_us).into());
            cells.push(span(restart.sample_gap_us).into());
        }
        table.row(cells);
    }
    table
}

/// T0, Tr, Td, Tx and the widest interval among them. Not seen is a dash.
fn instants(restart: &Restart) -> [String; 5] {
    let begin = restart.t0_us.map_or(0, |t0| t0.lo);
    let since = |instant: Option<Interval>| match instant {
        Some(instant) => format!("+{}", Span(instant.hi.saturating_sub(begin))),
        None => "-".to_owned(),
    };
    let named = [("T0", restart.t0_us), ("Tr", restart.tr_us), ("Td", restart.td_us), ("Tx", restart.tx_us)];
    let widest = named
        .into_iter()
        .filter_map(|(name, instant)| instant.map(|instant| (instant.hi - instant.lo, name)))
        .max_by_key(|(by, _)| *by);
    let by = widest.map_or("-".to_owned(), |(by, name)| format!("{} ({name})", Span(by)));
    let t0 = restart.t0_us.map_or("-".to_owned(), |t0| Span(t0.lo).to_string());
    [t0, since(restart.tr_us), since(restart.td_us), since(restart.tx_us), by]
}

/// What so many restarts without a failure show, and what could still have been missed.
pub(super) fn write_bound(page: &mut Page, run: &RunResult) {
    let judged = matches!(run.verdict, RunVerdict::Pass | RunVerdict::Fail | RunVerdict::Inconclusive);
    let broken: BTreeSet<&str> = run
        .clauses
        .iter()
        .flat_map(|clause| clause.violations.iter().chain(&clause.known))
        .map(|violation| violation.scenario.as_str())
        .collect();
    // A restart that brought nobody up is none that could have lost anything.
    let number = run.restarts.iter().filter(|restart| restart.tr_us.is_some()).count();
    if !judged || !broken.is_empty() || number == 0 {
        return;
    }
    page.heading("How sure this is");
    let restarts = count(number, "restart", "restarts");
    if number > 3 {
        let bound = 300.0 / number as f64;
        page.text(
            2,
            &format!(
                "0 losses in {restarts}: at 95 % fewer than 3/{number} of restarts ({bound:.1} %) lose any."
            ),
        );
    } else {
        page.text(2, &format!("0 losses in {restarts}: too few to say how rare a loss is."));
    }
    write_gaps(page, run);
}

fn write_gaps(page: &mut Page, run: &RunResult) {
    let unprobed = |restart: &Restart| restart.unprobed_us.map(|gap| (gap, restart.scenario.clone()));
    let gaps: Vec<(Micros, String)> = run.restarts.iter().filter_map(unprobed).collect();
    let least = gaps.iter().min_by_key(|(gap, _)| *gap);
    let most = gaps.iter().max_by_key(|(gap, _)| *gap);
    if let (Some((least, best)), Some((most, worst))) = (least, most) {
        let mut text = format!(
            "The longest stretch from T0 to Tx with no connect under way was {} ({worst})",
            Span(*most)
        );
        if least < most {
            text.push_str(&format!(
                "; in {best} it was {}: a listener that is away for longer in every restart can't have \
                 been missed",
                Span(*least)
            ));
        }
        page.text(2, &format!("{text}."));
    }
    if let Some(gap) = run.restarts.iter().filter_map(|restart| restart.sample_gap_us).max() {
        page.text(
            2,
            &format!("The longest gap between two samples of the listening sockets was {}.", Span(gap)),
        );
    }
}
