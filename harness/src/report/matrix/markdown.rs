//! The table as Markdown, one section for each target below it.

use std::fmt::Write;

use super::super::style::clean;
use super::{COLUMNS, LEGEND, TITLE, cells, details, facts, is_told_below, paragraphs, sum};
use crate::clause::matrix::{Matrix, Row};

/// The whole page; `machine` says where the runs were made.
pub fn markdown(matrix: &Matrix, machine: &str) -> String {
    let mut out = format!("# {TITLE}\n\n");
    let _ = writeln!(out, "Made by `hotspec matrix` {} {}.\n", env!("CARGO_PKG_VERSION"), text(machine));
    for (word, meaning) in LEGEND {
        let _ = writeln!(out, "- **{word}**: {meaning}");
    }
    out.push_str("\n`2/3`: in two of three runs.\n\n");
    let groups = matrix.groups.iter().map(|group| text(group));
    table_line(&mut out, COLUMNS.map(ToOwned::to_owned).into_iter().chain(groups));
    let ruled = COLUMNS.map(|column| if column == "restarts" { "---:" } else { "---" });
    let ruled = ruled.into_iter().chain(matrix.groups.iter().map(|_| "---"));
    table_line(&mut out, ruled.map(ToOwned::to_owned));
    for row in &matrix.rows {
        line(&mut out, matrix, row);
    }
    for row in &matrix.rows {
        section(&mut out, row);
    }
    out
}

fn table_line(out: &mut String, cells: impl Iterator<Item = String>) {
    out.push('|');
    for cell in cells {
        let _ = write!(out, " {cell} |");
    }
    out.push('\n');
}

fn line(out: &mut String, matrix: &Matrix, row: &Row) {
    let link = |what: &str| format!("[{what}](#{})", anchor(&row.target));
    let facts = facts(row).map(|fact| text(&fact));
    let cell = |word: String| if is_told_below(&word) { link(&word) } else { word };
    let words = cells(matrix, row).into_iter().map(|(_, _, word)| cell(word));
    table_line(out, std::iter::once(link(&text(&row.target))).chain(facts).chain(words));
}

fn section(out: &mut String, row: &Row) {
    let _ = writeln!(out, "\n## {}", text(&row.target));
    for said in paragraphs(row) {
        let _ = writeln!(out, "\n{}", text(&said));
    }
    if !row.findings.is_empty() {
        out.push('\n');
    }
    for finding in &row.findings {
        let _ = writeln!(out, "- **{}** {}", text(&finding.clause), text(&sum(finding, row)));
        for (said, below) in details(finding) {
            let _ = writeln!(out, "  - {}", text(&said));
            for line in below {
                let _ = writeln!(out, "    - {}", text(line));
            }
        }
    }
}

/// Text that means nothing to Markdown or HTML, whoever wrote it. A web address stays one.
fn text(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for c in clean(raw).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '[' | ']' | '|' | '#' | '~' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// As those who render Markdown make it of a heading.
fn anchor(name: &str) -> String {
    let kept = name.to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clause::matrix::Cell;
    use crate::declaration::Profile;

    #[test]
    fn what_a_target_wrote_is_no_markup() {
        assert_eq!(
            text("a|b <i>`x`</i> [y](z)\n\x1b[1m"),
            "a\\|b &lt;i&gt;\\`x\\`&lt;/i&gt; \\[y\\](z)\\\\n\\\\x1b\\[1m"
        );
        assert_eq!(anchor("Nginx-upgrade <2>"), "nginx-upgrade2");
    }

    #[test]
    fn a_row_has_as_many_cells_as_the_head_and_links_what_is_not_well() {
        let mut matrix = Matrix::new();
        let mut row = Row::new("nginx", "nginx, reloaded", Profile::Reload);
        (row.runs, row.restarts) = (3, 120);
        row.cells.insert("availability".to_owned(), Cell { failed: 1, held: 3, ..Cell::default() });
        row.cells.insert("drain".to_owned(), Cell { held: 3, ..Cell::default() });
        matrix.rows.push(row);
        matrix.rows.push(Row::new("absent", "a server that is not here", Profile::Reload));
        let page = markdown(&matrix, "on a test");
        let lines: Vec<&str> = page.lines().filter(|line| line.starts_with('|')).collect();
        let bars = |line: &&str| line.matches('|').count();
        assert!(lines.iter().all(|line| bars(line) == bars(&lines[0])), "{page}");
        assert!(lines[2].contains("| [fail 1/3](#nginx) |") && lines[2].contains("| pass |"), "{page}");
        assert!(page.contains("## nginx") && page.contains("Nothing was broken."), "{page}");
    }
}
