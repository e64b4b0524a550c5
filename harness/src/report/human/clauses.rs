//! All clauses: how many have which verdict, what was not exercised and why, and what holds.

use super::super::page::Page;
use super::super::style::count;
use super::super::table::{Cell, Set, Table};
use super::with;
use crate::clause::Level;
use crate::clause::result::{ClauseResult, RunResult, Verdict};

/// In the order in which they are told.
const VERDICTS: [Verdict; 8] = [
    Verdict::Fail,
    Verdict::Error,
    Verdict::Inconclusive,
    Verdict::Known,
    Verdict::NoEvidence,
    Verdict::Unsupported,
    Verdict::Pass,
    Verdict::Planned,
];
/// Reasons shown of each clause.
const REASONS: usize = 4;

/// The counts, and the lists.
pub(super) fn write(page: &mut Page, run: &RunResult) {
    if run.clauses.is_empty() {
        return;
    }
    page.heading("Clauses");
    counts(page, run);
    reasons(page, run, Verdict::Error, "Not judged, by hotspec's own fault");
    reasons(
        page,
        run,
        Verdict::Inconclusive,
        "Inconclusive: what was not exercised, or not certain, and why",
    );
    reasons(page, run, Verdict::NoEvidence, "No evidence: what this machine withholds");
    reasons(page, run, Verdict::Unsupported, "Unsupported: what the target rules out");
    known(page, run);
    stale(page, run);
    held(page, run);
}

fn counts(page: &mut Page, run: &RunResult) {
    let mut table = Table::new(&[("verdict", Set::Left), ("MUST", Set::Right), ("SHOULD", Set::Right)]);
    for verdict in VERDICTS {
        let of = |level: Level| with(run, verdict).iter().filter(|clause| clause.level == level).count();
        let (must, should) = (of(Level::Must), of(Level::Should));
        if must + should > 0 {
            let word = Cell::styled(verdict.as_str(), page.styles.of(verdict));
            table.row(vec![word, must.to_string().into(), should.to_string().into()]);
        }
    }
    page.table(2, &table);
}

/// Clauses that are no pass and no failure, with the reasons.
fn reasons(page: &mut Page, run: &RunResult, verdict: Verdict, title: &str) {
    let clauses = with(run, verdict);
    if clauses.is_empty() {
        return;
    }
    page.blank();
    let style = page.styles.of(verdict);
    page.styled(2, style, title);
    // Often the same reason rules out many: it is told once.
    let mut groups: Vec<(&[String], Vec<String>)> = Vec::new();
    for clause in clauses {
        let name = name(clause);
        match groups.iter_mut().find(|(reasons, _)| *reasons == clause.reasons.as_slice()) {
            Some((_, names)) => names.push(name),
            None => groups.push((&clause.reasons, vec![name])),
        }
    }
    for (reasons, names) in groups {
        page.text(4, &names.join(", "));
        for reason in reasons.iter().take(REASONS) {
            page.text(6, reason);
        }
        if reasons.len() > REASONS {
            page.text(6, &format!("and {} more", count(reasons.len() - REASONS, "reason", "reasons")));
        }
    }
}

/// SHOULD is said; MUST is the rule.
fn name(clause: &ClauseResult) -> String {
    match clause.level {
        Level::Must => clause.id.clone(),
        Level::Should => format!("{} (SHOULD)", clause.id),
    }
}

fn known(page: &mut Page, run: &RunResult) {
    let clauses: Vec<&ClauseResult> = run.clauses.iter().filter(|clause| !clause.known.is_empty()).collect();
    if clauses.is_empty() {
        return;
    }
    page.blank();
    let style = page.styles.doubt;
    page.styled(2, style, "Known: broken as the target file says");
    for clause in clauses {
        let mut kinds: Vec<(String, usize)> = Vec::new();
        for violation in &clause.known {
            let kind = format!("{} in {}", violation.kind, violation.scenario);
            match kinds.iter_mut().find(|(other, _)| *other == kind) {
                Some((_, number)) => *number += 1,
                None => kinds.push((kind, 1)),
            }
        }
        let kinds: Vec<String> = kinds.iter().map(|(kind, number)| format!("{kind} ×{number}")).collect();
        page.text(4, &format!("{}: {}", name(clause), kinds.join(", ")));
    }
}

fn stale(page: &mut Page, run: &RunResult) {
    if run.stale.is_empty() {
        return;
    }
    page.blank();
    let style = page.styles.bad;
    page.styled(2, style, "Out of date: exercised, and not broken as the target file says");
    for entry in &run.stale {
        page.text(4, &format!("{}: {} in {}", entry.clause, entry.kind, entry.scenario));
        let reason = format!("{} ({})", entry.reason, entry.source);
        page.text(6, &reason);
    }
    page.text(4, "Remove these entries of [[known]], or say frequency = \"rare\".");
}

/// What holds, by group, and how often it was put to the test.
fn held(page: &mut Page, run: &RunResult) {
    let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
    for clause in run.clauses.iter().filter(|clause| clause.verdict == Verdict::Pass) {
        let (group, short) = clause.id.split_once('.').unwrap_or(("", &clause.id));
        let text = format!("{short} ×{}", clause.exercised);
        match groups.iter_mut().find(|(other, _)| *other == group) {
            Some((_, names)) => names.push(text),
            None => groups.push((group, vec![text])),
        }
    }
    if groups.is_empty() {
        return;
    }
    page.blank();
    let style = page.styles.good;
    page.styled(2, style, "Pass, and how often each was put to the test");
    let label = groups.iter().map(|(group, _)| group.len()).max().unwrap_or_default();
    for (group, names) in groups {
        page.field(4, group, label, &names.join(", "));
    }
}
