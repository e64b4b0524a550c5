//! The table as one HTML file that needs no network.

use std::fmt::Write;

use super::super::style::clean;
use super::{LEGEND, cells, joined, often};
use crate::clause::matrix::{Finding, Matrix, Row};
use crate::clause::result::Verdict;

const STYLE: &str = include_str!("matrix.css");

/// The whole page; `machine` says where the runs were made.
pub fn html(matrix: &Matrix, machine: &str) -> String {
    let mut out = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>What real servers do when they are restarted</title>\n<style>\n",
    );
    out.push_str(STYLE);
    let version = env!("CARGO_PKG_VERSION");
    let _ = write!(
        out,
        "</style>\n<h1>What real servers do when they are restarted</h1>\n\
         <p>Made by <code>hotspec matrix</code> {version} {}.</p>\n<dl>\n",
        text(machine)
    );
    for (word, meaning) in LEGEND {
        let _ = writeln!(out, "<dt class=\"{}\">{word}</dt><dd>{meaning}</dd>", class_of_word(word));
    }
    out.push_str("</dl>\n<div class=\"table\"><table>\n<thead><tr><th scope=\"col\">target</th>");
    out.push_str(
        "<th scope=\"col\">version</th><th scope=\"col\">profile</th><th scope=\"col\">restarts</th>",
    );
    for group in &matrix.groups {
        let _ = write!(out, "<th scope=\"col\">{}</th>", text(group));
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
    let version = row.version.as_deref().map_or_else(|| "–".to_owned(), text);
    let _ = write!(
        out,
        "<tr><th scope=\"row\"><a href=\"#t{number}\">{}</a></th><td>{version}</td><td>{}</td><td>{}</td>",
        text(&row.target),
        row.profile,
        row.restarts
    );
    for (_, verdict, word) in cells(matrix, row) {
        let class = if word.starts_with("should") { "should" } else { class(verdict) };
        let _ = match word.as_str() {
            "–" | "pass" => write!(out, "<td class=\"{class}\">{word}</td>"),
            _ => write!(out, "<td class=\"{class}\"><a href=\"#t{number}\">{word}</a></td>"),
        };
    }
    out.push_str("</tr>\n");
}

fn section(out: &mut String, row: &Row, number: usize) {
    let _ =
        writeln!(out, "<section id=\"t{number}\">\n<h2>{}</h2>\n<p>{}.", text(&row.target), text(&row.title));
    if row.runs > 0 {
        let _ = writeln!(out, "{} runs, {} restarts.", row.runs, row.restarts);
    }
    out.push_str("</p>\n");
    for trouble in &row.troubles {
        let _ = writeln!(out, "<p>Not judged: {}</p>", text(trouble));
    }
    if row.runs > 0 && row.findings.is_empty() {
        out.push_str("<p>Nothing was broken.</p>\n");
    }
    for finding in &row.findings {
        one(out, row, finding);
    }
    out.push_str("</section>\n");
}

fn one(out: &mut String, row: &Row, finding: &Finding) {
    let admitted = if finding.known.is_some() { ", known" } else { "" };
    let _ = writeln!(
        out,
        "<details><summary><b>{}</b> ({}{admitted}), {}: {}</summary>\n<ul>\n<li>in {}; {}</li>\n\
         <li>expected {}; seen: {}</li>",
        text(&finding.clause),
        finding.level,
        text(&finding.kind),
        often(finding, row),
        text(&joined(&finding.scenarios)),
        text(&joined(&finding.phases)),
        text(&finding.expected),
        text(&finding.seen),
    );
    if let Some((cause, evidence)) = &finding.cause {
        let _ = write!(out, "<li>cause: {}<ul>", text(cause));
        for line in evidence {
            let _ = write!(out, "<li>{}</li>", text(line));
        }
        out.push_str("</ul></li>\n");
    }
    if let Some(known) = &finding.known {
        let _ =
            writeln!(out, "<li>the target file says: {} ({})</li>", text(&known.reason), text(&known.source));
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

/// Text that means nothing to HTML, whoever wrote it.
fn text(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for c in clean(raw).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
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
