//! The table as one HTML file that needs no network.

use std::fmt::Write;

use super::super::escape::html as text;
use super::{COLUMNS, LEGEND, TITLE, cells, details, facts, is_told_below, paragraphs, sum};
use crate::clause::matrix::{Finding, Matrix, Row};
use crate::clause::result::Verdict;

const STYLE: &str = include_str!("matrix.css");

/// The whole page; `machine` says where the runs were made.
pub fn html(matrix: &Matrix, machine: &str) -> String {
    let (version, machine) = (env!("CARGO_PKG_VERSION"), text(machine));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{TITLE}</title>\n<style>\n{STYLE}</style>\n<h1>{TITLE}</h1>\n\
         <p>Made by <code>hotspec matrix</code> {version} {machine}.</p>\n<dl>\n",
    );
    for (word, meaning) in LEGEND {
        let _ = writeln!(out, "<dt class=\"{}\">{word}</dt><dd>{meaning}</dd>", class_of_word(word));
    }
    out.push_str("</dl>\n<div class=\"table\"><table>\n<thead><tr>");
    for column in COLUMNS.into_iter().chain(matrix.groups.iter().map(String::as_str)) {
        let _ = write!(out, "<th scope=\"col\">{}</th>", text(column));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for (number, row) in matrix.rows.iter().enumerate() {
        line(&mut out, matrix, row, number);
    }
    out.push_str("</tbody></table></div>\n");
    for (number, row) in matrix.rows.iter().enumerate() {
        section(&mut out, row, number);
    }
    out.push_str("</html>\n");
    out
}

fn line(out: &mut String, matrix: &Matrix, row: &Row, number: usize) {
    let link = |what: &str| format!("<a href=\"#t{number}\">{what}</a>");
    let _ = write!(out, "<tr><th scope=\"row\">{}</th>", link(&text(&row.target)));
    for fact in facts(row) {
        let _ = write!(out, "<td>{}</td>", text(&fact));
    }
    for (_, verdict, word) in cells(matrix, row) {
        let class = if word.starts_with("should") { "should" } else { class(verdict) };
        let word = if is_told_below(&word) { link(&word) } else { word };
        let _ = write!(out, "<td class=\"{class}\">{word}</td>");
    }
    out.push_str("</tr>\n");
}

fn section(out: &mut String, row: &Row, number: usize) {
    let _ = writeln!(out, "<section id=\"t{number}\">\n<h2>{}</h2>", text(&row.target));
    for said in paragraphs(row) {
        let _ = writeln!(out, "<p>{}</p>", text(&said));
    }
    for finding in &row.findings {
        one(out, row, finding);
    }
    out.push_str("</section>\n");
}

fn one(out: &mut String, row: &Row, finding: &Finding) {
    let (clause, sum) = (text(&finding.clause), text(sum(finding, row)));
    let _ = writeln!(out, "<details><summary><b>{clause}</b> {sum}</summary>\n<ul>");
    for (said, below) in details(finding) {
        let _ = write!(out, "<li>{}", text(&said));
        if !below.is_empty() {
            let lines: Vec<String> = below.iter().map(|line| format!("<li>{}</li>", text(line))).collect();
            let _ = write!(out, "<ul>{}</ul>", lines.concat());
        }
        out.push_str("</li>\n");
    }
    let _ = writeln!(out, "<li>an example is in <code>{}</code></li>\n</ul></details>", text(&finding.run));
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Fail | Verdict::Error => "fail",
        Verdict::Known => "known",
        Verdict::Inconclusive => "open",
        Verdict::Pass => "pass",
        Verdict::NoEvidence | Verdict::Unsupported | Verdict::Planned => "none",
    }
}

fn class_of_word(word: &str) -> &str {
    if word == "–" { "none" } else { word }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::declaration::Profile;

    #[test]
    fn what_a_target_wrote_is_no_markup() {
        let mut matrix = Matrix::new();
        let mut row = Row::new("<script>alert(1)</script>", "a \"title\" & more", Profile::Reload);
        row.troubles.push("<img src=x onerror=alert(1)>\u{202e}".to_owned());
        matrix.rows.push(row);
        let page = html(&matrix, "on <b>a test</b>");
        assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("<b>a"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{page}");
        assert!(!page.contains('\u{202e}'), "{page}");
    }
}
