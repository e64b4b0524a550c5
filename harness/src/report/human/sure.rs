//! What can be concluded from so many restarts, and what could still have been missed.

use std::collections::BTreeSet;

use super::super::page::Page;
use super::super::style::count;
use crate::clause::result::{Restart, RunResult, RunVerdict};
use crate::declaration::Span;
use crate::history::Micros;

/// What so many restarts without a failure show, and what could still have been missed.
pub(super) fn write(page: &mut Page, run: &RunResult) {
    let told = told(run);
    if !told.is_empty() {
        page.heading("How sure this is");
    }
    for text in told {
        page.text(2, &text);
    }
}

/// The same in sentences; none where something was lost, as they are about losing nothing.
pub(in crate::report) fn told(run: &RunResult) -> Vec<String> {
    let judged = matches!(run.verdict, RunVerdict::Pass | RunVerdict::Fail | RunVerdict::Inconclusive);
    let broken: BTreeSet<&str> = run
        .clauses
        .iter()
        .flat_map(|clause| clause.violations.iter().chain(&clause.known))
        .map(|violation| violation.scenario.as_str())
        .collect();
    let number = run.restarts.iter().filter(|restart| run.is_decided(restart)).count();
    if !judged || !broken.is_empty() || number == 0 {
        return Vec::new();
    }
    let restarts = count(number, "restart", "restarts");
    let first = if number > 3 {
        let bound = 300.0 / number as f64;
        format!("0 losses in {restarts}: at 95 % fewer than 3/{number} of restarts ({bound:.1} %) lose any.")
    } else {
        format!("0 losses in {restarts}: too few to say how rare a loss is.")
    };
    std::iter::once(first).chain(gaps(run)).collect()
}

/// What nobody looked at.
pub(in crate::report) fn gaps(run: &RunResult) -> Vec<String> {
    let mut told = Vec::new();
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
        told.push(format!("{text}."));
    }
    if let Some(gap) = run.restarts.iter().filter_map(|restart| restart.sample_gap_us).max() {
        told.push(format!("The longest gap between two samples of the listening sockets was {}.", Span(gap)));
    }
    told
}
