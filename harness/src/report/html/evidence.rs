//! By what it was judged, how sure it is, and what to type next.

use std::fmt::Write;

use super::super::Evidence;
use super::super::escape::html;
use super::super::human::causes::Cause;
use super::super::human::{clauses, flag_of, limits, next, output, sure};
use super::super::style::count;
use super::book::Book;
use super::head;
use crate::clause::result::RunResult;
use crate::declaration::Span;

/// Notes told.
const NOTES: usize = 40;

/// The section on evidence, and the one with commands.
pub(super) fn write(out: &mut String, book: &Book<'_>, causes: &[Cause<'_>], evidence: &Evidence<'_>) {
    let run = book.run;
    out.push_str("<section id=\"evidence\" aria-labelledby=\"evidence-title\">\n<h2 id=\"evidence-title\">Evidence</h2>\n<div class=\"columns\">\n");
    witnesses(out, run);
    limits_held(out, run);
    out.push_str("</div>\n");
    list(out, "How sure this is", &certainty(run));
    admitted(out, run);
    let mut notes: Vec<String> = run.notes.iter().take(NOTES).cloned().collect();
    if run.notes.len() > NOTES {
        notes.push(format!("and {} more", run.notes.len() - NOTES));
    }
    notes.extend(clauses::slow(run));
    list(out, "Notes", &notes);
    files(out, book, evidence);
    outputs(out, book, evidence);
    out.push_str("</section>\n");
    commands(out, run, causes, evidence);
}

fn list(out: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(out, "<h3>{title}</h3>\n<ul>");
    for line in lines {
        let _ = writeln!(out, "<li>{}</li>", html(line));
    }
    out.push_str("</ul>\n");
}

fn witnesses(out: &mut String, run: &RunResult) {
    out.push_str("<div>\n");
    list(out, "Witnesses, and what is missing", &run.evidence);
    let mut made = vec![
        ("command", run.command.join(" ")),
        ("isolation", run.isolation.clone()),
        ("seed", run.seed.to_string()),
        ("hotspec", run.hotspec.clone()),
        ("restarts", run.restarts.len().to_string()),
        ("took", Span(run.took_us).to_string()),
    ];
    made.extend(run.version.clone().map(|version| ("version", version)));
    out.push_str("<h3>The run</h3>\n<dl>");
    for (label, text) in made.iter().filter(|(_, text)| !text.is_empty()) {
        let _ = write!(out, "<dt>{label}</dt><dd>{}</dd>", html(text));
    }
    out.push_str("</dl>\n</div>\n");
}

/// A failure against a limit that nobody declared may be a matter of declaring it.
fn limits_held(out: &mut String, run: &RunResult) {
    out.push_str(
        "<div>\n<h3>Limits</h3>\n<table><thead><tr><th scope=\"col\">limit</th><th scope=\"col\" class=\"number\">value</th>\
         <th scope=\"col\">whence</th></tr></thead><tbody>\n",
    );
    for (name, value) in limits(run) {
        let whence = if value.is_none() {
            "not declared"
        } else if run.limits.assumed.iter().any(|assumed| assumed == name) {
            "<span class=\"word inconclusive\">assumed</span>"
        } else {
            "declared"
        };
        let value = value.map_or_else(|| "never".to_owned(), |value| Span(value).to_string());
        let _ = writeln!(
            out,
            "<tr><td><code>{}</code></td><td class=\"number\">{value}</td><td>{whence}</td></tr>",
            html(flag_of(name))
        );
    }
    out.push_str("</tbody></table>\n</div>\n");
}

fn certainty(run: &RunResult) -> Vec<String> {
    let told = sure::told(run);
    if told.is_empty() { sure::gaps(run) } else { told }
}

/// Deviations that the target file admits, and that showed.
fn admitted(out: &mut String, run: &RunResult) {
    let told: Vec<String> = run
        .admitted
        .iter()
        .map(|entry| format!("{}: {}", entry.describe(), clauses::reason(entry)))
        .collect();
    list(out, "Known deviations that showed", &told);
}

fn files(out: &mut String, book: &Book<'_>, evidence: &Evidence<'_>) {
    let mut files: Vec<String> = evidence
        .packets
        .values()
        .flatten()
        .flatten()
        .map(|file| format!("{}: packets of connections that failed, for Wireshark", file.display()))
        .collect();
    files.push(format!("{}: the run, for hotspec check", evidence.run_dir.display()));
    let lanes: usize = book.scenes.iter().map(|scene| scene.lanes.len()).sum();
    files.push(format!(
        "{} in {}",
        count(lanes, "connection", "connections"),
        count(book.scenes.len(), "history", "histories")
    ));
    list(out, "What is stored", &files);
}

/// What the target wrote where something is broken.
fn outputs(out: &mut String, book: &Book<'_>, evidence: &Evidence<'_>) {
    let mut scenarios: Vec<&str> = book
        .scenes
        .iter()
        .filter(|scene| !scene.marks.is_empty() && output::is_there(evidence, scene.scenario))
        .map(|scene| scene.scenario)
        .collect();
    scenarios.dedup();
    if scenarios.is_empty() {
        return;
    }
    out.push_str("<h3>What the target wrote</h3>\n");
    for scenario in scenarios {
        let _ = writeln!(out, "<details class=\"card\"><summary>{}</summary>", html(scenario));
        head::written(out, evidence, scenario);
        out.push_str("</details>\n");
    }
}

fn commands(out: &mut String, run: &RunResult, causes: &[Cause<'_>], evidence: &Evidence<'_>) {
    let dir = String::from_utf8_lossy(evidence.run_dir.as_os_str().as_encoded_bytes()).into_owned();
    let commands = next::commands(run, causes, &dir);
    out.push_str("<section id=\"next\" aria-labelledby=\"next-title\">\n<h2 id=\"next-title\">Next</h2>\n");
    for (words, what) in commands {
        let _ = writeln!(
            out,
            "<p class=\"quiet\">{}</p>\n<pre class=\"command\">{}</pre>",
            html(what),
            html(words.join(" "))
        );
    }
    let _ = writeln!(
        out,
        "<p class=\"quiet\">run directory</p>\n<pre>{}</pre>\n</section>",
        html(next::quoted(&dir))
    );
}
