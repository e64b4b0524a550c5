//! The table as Markdown, one section for each target below it: a page, or a part of one.

use std::fmt::Write;

use super::super::style::clean;
use super::{COLUMNS, LEGEND, TITLE, cells, details, facts, is_told_below, paragraphs, sum};
use crate::clause::matrix::{Matrix, Row};

/// Lines of a page between which the table is replaced.
pub const BEGIN: &str = "<!-- hotspec matrix -->";
/// The second of them.
pub const END: &str = "<!-- end of hotspec matrix -->";

/// The whole page; `machine` says where the runs were made.
pub fn markdown(matrix: &Matrix, machine: &str) -> String {
    section_of(matrix, machine, "#")
}

/// The page with the table in place of what stands between [`BEGIN`] and [`END`], or of all that is on a page made by
/// [`markdown`]; none if it is somebody's own page without these lines.
pub fn into_markdown(page: &str, matrix: &Matrix, machine: &str) -> Option<String> {
    if page.trim().is_empty() || page.starts_with(&format!("# {TITLE}\n")) {
        return Some(markdown(matrix, machine));
    }
    let (begin, end) = (format!("\n{BEGIN}\n"), format!("\n{END}\n"));
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end).or_else(|| Some(("", rest.strip_prefix(&end[1..])?)))?;
    Some(format!("{before}{begin}\n{}{end}{after}", section_of(matrix, machine, "##")))
}

/// With headings of this depth.
fn section_of(matrix: &Matrix, machine: &str, heading: &str) -> String {
    let mut out = format!("{heading} {TITLE}\n\n");
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
        section(&mut out, row, heading);
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

fn section(out: &mut String, row: &Row, heading: &str) {
    let _ = writeln!(out, "\n{heading}# {}", text(&row.target));
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
    fn the_table_takes_the_place_of_what_stands_between_the_marks_and_of_nothing_else() {
        let mut matrix = Matrix::new();
        matrix.rows.push(Row::new("nginx", "nginx, reloaded", Profile::Reload));
        for old in ["", "| old |\n"] {
            let page = format!("# Mine\n{BEGIN}\n{old}{END}\nMy words\n");
            let new = into_markdown(&page, &matrix, "on a test").expect("a page with marks");
            let section = section_of(&matrix, "on a test", "##");
            assert_eq!(new, format!("# Mine\n{BEGIN}\n\n{section}\n{END}\nMy words\n"));
            assert_eq!(into_markdown(&new, &matrix, "on a test"), Some(new.clone()));
        }
        let whole = markdown(&matrix, "on a test");
        for page in ["", "\n", whole.as_str()] {
            assert_eq!(into_markdown(page, &matrix, "on a test").as_ref(), Some(&whole));
        }
        for page in ["# Mine\n", &format!("Mine\n{BEGIN}\n"), &format!("Mine\n{END}\n{BEGIN}\n")] {
            assert_eq!(into_markdown(page, &matrix, "on a test"), None, "{page:?}");
        }
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
