//! The table of many targets: on a terminal, as Markdown and as HTML.

mod html;
mod markdown;

pub use html::html;
pub use markdown::markdown;

use super::page::Page;
use crate::clause::matrix::{Finding, Matrix, Row};
use crate::clause::result::Verdict;

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
        page.lead(2, 4, page.styles.of(verdict), &row.target, &format!("{}: {said}", row.profile));
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

/// How often a finding showed: `in 2 of 3 runs, 17 times`.
fn often(finding: &Finding, row: &Row) -> String {
    let times = if finding.times == 1 { "once".to_owned() } else { format!("{} times", finding.times) };
    format!("in {} of {} runs, {times}", finding.runs, row.runs)
}

/// A list in words.
fn joined(all: &std::collections::BTreeSet<String>) -> String {
    all.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}
