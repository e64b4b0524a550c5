//! The table of many targets: on a terminal, as Markdown and as HTML.

mod html;
mod markdown;

pub use html::html;
pub use markdown::{BEGIN, END, into_markdown, markdown};

use std::collections::BTreeSet;

use super::page::Page;
use crate::clause::matrix::{Finding, Matrix, Row};
use crate::clause::result::Verdict;
use crate::declaration::Known;

/// The page's heading.
const TITLE: &str = "What real servers do when they are restarted";
/// What the words in the cells mean.
const LEGEND: [(&str, &str); 6] = [
    ("pass", "all that was put to the test held"),
    ("fail", "the target breaks what its profile demands"),
    ("known", "it breaks that as its target file says, with the reason"),
    ("should", "it breaks what its profile only recommends"),
    ("open", "that could not be decided"),
    ("–", "nothing of the group applies to the target, or can be seen here"),
];

/// For a terminal: a paragraph for each target, as a table of all groups is wider than most.
pub fn text(matrix: &Matrix, width: usize, colour: bool) -> String {
    let mut page = Page::new(width, colour);
    page.heading("Targets");
    for row in &matrix.rows {
        let worst = cells(matrix, row);
        let broken: Vec<String> = worst
            .iter()
            .filter(|(_, verdict, _)| {
                matches!(verdict, Verdict::Fail | Verdict::Known | Verdict::Inconclusive)
            })
            .map(|(group, _, word)| format!("{group} {word}"))
            .collect();
        let verdict = row_verdict(row, &worst);
        let said = if row.runs == 0 {
            row.troubles.first().cloned().unwrap_or_else(|| "no run".to_owned())
        } else if broken.is_empty() {
            format!("pass in {} runs, {} restarts", row.runs, row.restarts)
        } else {
            format!("{} ({} runs, {} restarts)", broken.join(", "), row.runs, row.restarts)
        };
        page.lead(2, 4, page.styles.of(verdict), &row.target, &format!(" ({}): {said}", row.profile));
    }
    page.finish()
}

/// Each group with its verdict and its word.
fn cells<'a>(matrix: &'a Matrix, row: &Row) -> Vec<(&'a str, Verdict, String)> {
    let cell = |group: &'a String| {
        let (verdict, word) = row.cells.get(group).copied().unwrap_or_default().word(row.runs);
        (group.as_str(), verdict, word)
    };
    matrix.groups.iter().map(cell).collect()
}

/// The worst that stands in a row.
fn row_verdict(row: &Row, cells: &[(&str, Verdict, String)]) -> Verdict {
    let has = |wanted: Verdict| cells.iter().any(|(_, verdict, _)| *verdict == wanted);
    match () {
        () if row.runs == 0 => Verdict::Unsupported,
        () if has(Verdict::Fail) => Verdict::Fail,
        () if has(Verdict::Known) => Verdict::Known,
        () if has(Verdict::Inconclusive) => Verdict::Inconclusive,
        () => Verdict::Pass,
    }
}

/// What stands before the groups in a head, and …
const COLUMNS: [&str; 4] = ["target", "version", "profile", "restarts"];

/// … in a row, behind the target's name.
fn facts(row: &Row) -> [String; 3] {
    let version = row.version.clone().unwrap_or_else(|| "–".to_owned());
    [version, row.profile.to_string(), row.restarts.to_string()]
}

/// Whether a cell's word has something behind it that is told below.
fn is_told_below(word: &str) -> bool {
    !matches!(word, "–" | "pass")
}

/// What is said of a target, but for its findings: paragraphs.
fn paragraphs(row: &Row) -> Vec<String> {
    let mut said = vec![format!("{}.", row.title)];
    if row.runs > 0 {
        said[0].push_str(&format!(" {} runs, {} restarts.", row.runs, row.restarts));
    }
    said.extend(row.troubles.iter().map(|trouble| format!("Not judged: {trouble}")));
    if row.runs > 0 && row.findings.is_empty() {
        said.push("Nothing was broken.".to_owned());
    }
    said
}

/// What is said of a finding, behind the clause's id.
fn sum(finding: &Finding, row: &Row) -> String {
    let admitted = if finding.known.is_some() { ", known" } else { "" };
    let times = if finding.times == 1 { "once".to_owned() } else { format!("{} times", finding.times) };
    let (level, kind, runs) = (finding.level, &finding.kind, finding.runs);
    format!("({level}{admitted}), {kind}: in {runs} of {} runs, {times}", row.runs)
}

/// What is said of it besides: lines, each with those that belong below it.
fn details(finding: &Finding) -> Vec<(String, &[String])> {
    let Finding { expected, seen, .. } = finding;
    let mut said: Vec<(String, &[String])> = vec![
        (format!("in {}; {}", joined(&finding.scenarios), in_phases(finding)), &[]),
        (format!("expected {expected}; seen: {seen}"), &[]),
    ];
    said.extend(
        finding.cause.iter().map(|(cause, evidence)| (format!("cause: {cause}"), evidence.as_slice())),
    );
    let admitted = |known: &Known| format!("the target file says: {} ({})", known.reason, known.source);
    said.extend(finding.known.iter().map(|known| (admitted(known), &[][..])));
    said
}

/// In which phases, how often in each, and one instant.
fn in_phases(finding: &Finding) -> String {
    let said = finding.phases.iter().map(|(phase, (times, at))| match (*times, at.as_str()) {
        (_, "") => phase.clone(),
        (1, at) => format!("{phase} ({at})"),
        (times, at) => format!("{phase} ({times} times, once at {at})"),
    });
    said.collect::<Vec<_>>().join(", ")
}

/// A list in words.
fn joined(all: &BTreeSet<String>) -> String {
    all.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::human::sample;

    #[test]
    fn a_terminal_shows_target_and_profile_apart() {
        let run = sample::passing();
        let mut matrix = Matrix::new();
        matrix.rows.push(Row::new("nginx", "nginx, reloaded", run.profile));
        matrix.rows[0].add(&run, "run-1");
        let said = text(&matrix, 80, false);
        assert!(said.contains("  nginx (falcore): pass in 1 runs, 4 restarts\n"), "{said}");
    }

    #[test]
    fn a_phase_is_told_once_with_how_often_and_one_instant() {
        let run = sample::failing();
        let mut row = Row::new("nginx", "nginx, reloaded", run.profile);
        row.add(&run, "run-1");
        let told = |id: &str| {
            let finding = row.findings.iter().find(|finding| finding.clause == id).expect("a finding");
            details(finding).swap_remove(0).0
        };
        assert_eq!(
            told("keep-alive.one-last-request"),
            "in idle-last-request, pooled-client; Td to Tx (3 times, once at T0+212.4 ms)"
        );
        assert_eq!(told("keep-alive.fin-not-reset"), "in idle-last-request; Td to Tx (T0+212.4 ms)");
    }
}
