//! What comes first: the verdict in a sentence, and what was lost, when, by which process.

use std::fmt::Write;

use super::super::Evidence;
use super::super::escape::html;
use super::super::human::causes::Cause;
use super::super::human::{clauses, failures, output, problems, verdict};
use super::super::style::count;
use super::book::Book;
use crate::clause::result::{RunResult, RunVerdict};

/// Causes told with all that belongs to them.
const CAUSES: usize = 12;
/// Scenarios with a problem that are named.
const SCENARIOS: usize = 8;
/// The last lines of what the target wrote that are shown.
const LINES: usize = 20;
/// Bytes of such a line.
const BYTES: usize = 480;

/// The class of a run's verdict.
fn class(verdict: RunVerdict) -> &'static str {
    match verdict {
        RunVerdict::Pass => "pass",
        RunVerdict::Fail => "fail",
        RunVerdict::Inconclusive => "inconclusive",
        RunVerdict::Error | RunVerdict::Invalid => "error",
    }
}

/// The verdict.
pub(super) fn write(out: &mut String, run: &RunResult, causes: &[Cause<'_>]) {
    let (class, word) = (class(run.verdict), verdict::word(run.verdict));
    let _ = writeln!(
        out,
        "<header class=\"top {class}\">\n<p class=\"kicker\">Hot restart of <b>{}</b>, judged by profile {}</p>\n\
         <h1><span class=\"verdict\">{word}</span> <span class=\"sentence\">{}</span></h1>",
        html(&run.target),
        html(run.profile.to_string()),
        html(verdict::sentence(run, causes))
    );
    if run.interrupted {
        let _ = writeln!(out, "<p class=\"warning\"><b>Broken off.</b> {}</p>", html(verdict::BROKEN_OFF));
    }
    let _ = writeln!(out, "<p class=\"quiet\">{}</p>", html(verdict::how(run)));
    out.push_str("</header>\n");
}

/// What was lost, by cause.
pub(super) fn losses(out: &mut String, book: &Book<'_>, causes: &[Cause<'_>]) {
    if causes.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "<section id=\"losses\" aria-labelledby=\"losses-title\">\n<h2 id=\"losses-title\">What went wrong: {}</h2>\n<ol class=\"cards\">",
        count(causes.len(), "cause", "causes")
    );
    for cause in causes.iter().take(CAUSES) {
        one(out, book, cause);
    }
    out.push_str("</ol>\n");
    if causes.len() > CAUSES {
        out.push_str("<p>And in short:</p>\n<ul>\n");
        for cause in &causes[CAUSES..] {
            let ids: Vec<String> =
                cause.clauses().iter().map(|(clause, _)| super::clauses::link(&clause.id)).collect();
            let _ = writeln!(
                out,
                "<li>{}: {}; breaks {}</li>",
                html(cause.title()),
                html(failures::often(cause)),
                ids.join(", ")
            );
        }
        out.push_str("</ul>\n");
    }
    out.push_str("</section>\n");
}

fn one(out: &mut String, book: &Book<'_>, cause: &Cause<'_>) {
    let _ = writeln!(out, "<li class=\"card\"><h3>{}</h3>\n<dl>", html(cause.title()));
    let mut field = |label: &str, text: String| {
        let _ = write!(out, "<dt>{label}</dt><dd>{text}</dd>");
    };
    field("how often", html(failures::often(cause)));
    field("when", html(failures::when(cause)));
    field("process", html(failures::processes(cause)));
    if let Some(told) = failures::explanation(cause) {
        let evidence: Vec<String> =
            told.evidence.iter().map(|line| format!("<li>{}</li>", html(line))).collect();
        field("cause", format!("{}<ul>{}</ul>", html(told.text), evidence.concat()));
        if !told.kinds.is_empty() {
            field("causes", html(told.kinds));
        }
    }
    let ids: Vec<String> = cause
        .clauses()
        .iter()
        .map(|(clause, number)| {
            let level = match clause.level {
                crate::clause::Level::Must => "",
                crate::clause::Level::Should => " (SHOULD)",
            };
            format!("{}{level} \u{d7}{number}", super::clauses::link(&clause.id))
        })
        .collect();
    field("breaks", ids.join(", "));
    for limit in failures::assumed(book.run, cause) {
        field("limit", html(limit));
    }
    if let Some(place) = book.mark_of(cause).and_then(|mark| mark.place.as_ref()) {
        let violation = cause.example().violation();
        let name =
            violation.lane.as_deref().map_or("seen from outside, in".to_owned(), |lane| format!("{lane} of"));
        field(
            "example",
            format!("<a href=\"#{}\">{} {}</a>", html(place), html(name), html(&violation.scenario)),
        );
    }
    out.push_str("</dl></li>\n");
}

/// Why nothing can be said, if so.
pub(super) fn problems(out: &mut String, run: &RunResult, evidence: &Evidence<'_>) {
    for (stage, title) in problems::STAGES {
        let groups = problems::grouped(run, stage);
        if groups.is_empty() {
            continue;
        }
        let _ = writeln!(out, "<section class=\"problems\">\n<h2>{title}</h2>");
        for (message, scenarios) in groups {
            let number = count(scenarios.len(), "scenario", "scenarios");
            let more = scenarios.len().saturating_sub(SCENARIOS);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let names = scenarios.iter().take(SCENARIOS).copied().collect::<Vec<_>>().join(", ");
            let _ = writeln!(out, "<div class=\"card\"><p><b>{number}:</b> {}{more}</p>", html(names));
            for line in message.lines() {
                let _ = writeln!(out, "<p>{}</p>", html(line));
            }
            let with_output = scenarios.iter().find(|scenario| output::is_there(evidence, scenario));
            if let Some(scenario) = with_output.or(scenarios.first()) {
                written(out, evidence, scenario);
            }
            out.push_str("</div>\n");
        }
        out.push_str("</section>\n");
    }
}

/// Entries of `[[known]]` that did not show.
pub(super) fn stale(out: &mut String, run: &RunResult) {
    if run.stale.is_empty() {
        return;
    }
    out.push_str("<section class=\"problems\">\n<h2>Out of date: exercised, and not broken as the target file says</h2>\n<ul>\n");
    for entry in &run.stale {
        let _ = writeln!(
            out,
            "<li>{}<br><span class=\"quiet\">{}</span></li>",
            html(entry.describe()),
            html(clauses::reason(entry))
        );
    }
    let _ = writeln!(out, "</ul>\n<p>{}</p>\n</section>", html(clauses::STALE));
}

/// The last of what the target wrote in a scenario.
pub(super) fn written(out: &mut String, evidence: &Evidence<'_>, scenario: &str) {
    let Some(output) = evidence.outputs.get(scenario).filter(|_| output::is_there(evidence, scenario)) else {
        let _ = writeln!(out, "<p class=\"quiet\">The target wrote nothing in {}.</p>", html(scenario));
        return;
    };
    let lines: Vec<&[u8]> = output.trim_ascii_end().split(|byte| *byte == b'\n').collect();
    let shown = &lines[lines.len().saturating_sub(LINES)..];
    let last = if lines.len() > shown.len() { "The last of what" } else { "What" };
    let _ = write!(out, "<p class=\"quiet\">{last} the target wrote in {}:</p>\n<pre>", html(scenario));
    for line in shown {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // A tab aligns and does not steer; all else that does is shown.
        let text: Vec<String> =
            line.get(..BYTES).unwrap_or(line).split(|byte| *byte == b'\t').map(html).collect();
        let more = line.len().saturating_sub(BYTES);
        let more = if more > 0 { format!(" ({more} bytes more in this line)") } else { String::new() };
        let _ = writeln!(out, "{}{more}", text.join("    "));
    }
    out.push_str("</pre>\n");
}
