//! The table as Markdown, one section for each target below it.

use std::fmt::Write;

use super::super::style::clean;
use super::{LEGEND, cells, joined, often};
use crate::clause::matrix::{Finding, Matrix, Row};

/// The whole page; `machine` says where the runs were made.
pub fn markdown(matrix: &Matrix, machine: &str) -> String {
    let mut out = String::from("# What real servers do when they are restarted\n\n");
    let _ = writeln!(out, "Made by `hotspec matrix` {} {}.\n", env!("CARGO_PKG_VERSION"), text(machine));
    for (word, meaning) in LEGEND {
        let _ = writeln!(out, "- **{word}**: {meaning}");
    }
    out.push_str("\n`2/3`: in two of three runs.\n\n| target | version | profile | restarts |");
    for group in &matrix.groups {
        let _ = write!(out, " {} |", text(group));
    }
    out.push_str("\n| --- | --- | --- | ---: |");
    out.push_str(&" --- |".repeat(matrix.groups.len()));
    out.push('\n');
    for row in &matrix.rows {
        line(&mut out, matrix, row);
    }
    for row in &matrix.rows {
        section(&mut out, row);
    }
    out
}

fn line(out: &mut String, matrix: &Matrix, row: &Row) {
    let name = text(&row.target);
    let version = row.version.as_deref().map_or_else(|| "–".to_owned(), text);
    let _ = write!(
        out,
        "| [{name}](#{}) | {version} | {} | {} |",
        anchor(&row.target),
        row.profile,
        row.restarts
    );
    for (_, _, word) in cells(matrix, row) {
        let _ = match word.as_str() {
            "–" | "pass" => write!(out, " {word} |"),
            _ => write!(out, " [{word}](#{}) |", anchor(&row.target)),
        };
    }
    out.push('\n');
}

fn section(out: &mut String, row: &Row) {
    let _ = write!(out, "\n## {}\n\n{}.", text(&row.target), text(&row.title));
    if row.runs > 0 {
        let _ = write!(out, " {} runs, {} restarts.", row.runs, row.restarts);
    }
    out.push('\n');
    for trouble in &row.troubles {
        let _ = writeln!(out, "\nNot judged: {}", text(trouble));
    }
    if row.runs > 0 && row.findings.is_empty() {
        out.push_str("\nNothing was broken.\n");
    }
    if !row.findings.is_empty() {
        out.push('\n');
    }
    for finding in &row.findings {
        one(out, row, finding);
    }
}

fn one(out: &mut String, row: &Row, finding: &Finding) {
    let Finding { clause, level, kind, seen, expected, .. } = finding;
    let admitted = if finding.known.is_some() { ", known" } else { "" };
    let _ = writeln!(
        out,
        "- **{}** ({level}{admitted}), {}: {}\n  - in {}; {}\n  - expected {}; seen: {}",
        text(clause),
        text(kind),
        often(finding, row),
        text(&joined(&finding.scenarios)),
        text(&joined(&finding.phases)),
        text(expected),
        text(seen),
    );
    if let Some((cause, evidence)) = &finding.cause {
        let _ = writeln!(out, "  - cause: {}", text(cause));
        for line in evidence {
            let _ = writeln!(out, "    - {}", text(line));
        }
    }
    if let Some(known) = &finding.known {
        let _ = writeln!(out, "  - the target file says: {} ({})", text(&known.reason), text(&known.source));
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
