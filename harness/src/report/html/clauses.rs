//! The clauses: what is said of each, what it asks for, and what broke it.

use std::fmt::Write;

use super::super::escape::html;
use super::super::human::{
    clauses::{VERDICTS, told_once},
    known_clause, with,
};
use super::super::style::count;
use super::book::{Book, Mark};
use crate::clause::Level;
use crate::clause::result::{ClauseResult, Verdict};

/// Breaches listed of one clause.
const BREACHES: usize = 50;
/// Reasons told of one clause.
const REASONS: usize = 12;

/// The place of a clause on the page.
pub(super) fn anchor(id: &str) -> String {
    format!("clause-{id}")
}

/// A clause's id as a link to it.
pub(super) fn link(id: &str) -> String {
    let id = html(id);
    format!("<a class=\"id\" href=\"#clause-{id}\">{id}</a>")
}

/// The section.
pub(super) fn write(out: &mut String, book: &Book<'_>) {
    let total = book.run.clauses.len();
    if total == 0 {
        return;
    }
    out.push_str(
        "<section id=\"clauses\" aria-labelledby=\"clauses-title\">\n<h2 id=\"clauses-title\">Clauses</h2>\n",
    );
    filter(out, book, total);
    out.push_str(
        "<table class=\"clauses\"><thead><tr><th scope=\"col\">clause</th><th scope=\"col\">verdict</th>\
         <th scope=\"col\">level</th><th scope=\"col\" class=\"number\">put to the test</th>\
         <th scope=\"col\" class=\"number\">broken</th></tr></thead>\n<tbody id=\"rows\">\n",
    );
    for clause in VERDICTS.into_iter().flat_map(|verdict| with(book.run, verdict)) {
        one(out, book, clause);
    }
    out.push_str("</tbody></table>\n<p id=\"none\" hidden>No clause is like that.</p>\n</section>\n");
}

/// Controls that only a script can obey are shown by it.
fn filter(out: &mut String, book: &Book<'_>, total: usize) {
    out.push_str(
        "<form id=\"filter\" role=\"search\" aria-label=\"Filter the clauses\" hidden>\n<label class=\"search\">Words \
         <input type=\"search\" id=\"words\" autocomplete=\"off\" spellcheck=\"false\" placeholder=\"id, requirement, scenario\"></label>\n\
         <fieldset><legend>Verdict</legend>\n",
    );
    for verdict in VERDICTS {
        let number = with(book.run, verdict).len();
        if number > 0 {
            let word = verdict.as_str();
            let _ = writeln!(
                out,
                "<label class=\"chip\"><input type=\"checkbox\" name=\"verdict\" value=\"{word}\" checked> {word} <small>{number}</small></label>"
            );
        }
    }
    let _ = writeln!(
        out,
        "</fieldset>\n<output id=\"shown\" aria-live=\"polite\">{total} of {total} shown</output>\n</form>"
    );
}

fn one(out: &mut String, book: &Book<'_>, clause: &ClauseResult) {
    let (id, verdict) = (html(&clause.id), clause.verdict.as_str());
    let broken = clause.violations.len() + clause.known.len();
    let level = match clause.level {
        Level::Must => "MUST",
        Level::Should => "SHOULD",
    };
    let tested =
        if clause.verdict == Verdict::Planned { "-".to_owned() } else { clause.exercised.to_string() };
    let open = if clause.verdict == Verdict::Fail { " open" } else { "" };
    let _ = writeln!(
        out,
        "<tr data-verdict=\"{verdict}\"><th scope=\"row\"><details{open}><summary><span class=\"id\">{id}</span></summary>\n\
         <div class=\"told\" id=\"{}\" tabindex=\"-1\">",
        html(anchor(&clause.id))
    );
    told(out, book, clause);
    let _ = writeln!(
        out,
        "</div></details></th><td><span class=\"word {verdict}\">{verdict}</span></td><td>{level}</td>\
         <td class=\"number\" data-label=\"put to the test\">{tested}</td><td class=\"number\" data-label=\"broken\">{broken}</td></tr>"
    );
}

/// What it asks for, why it is no pass, and what broke it.
fn told(out: &mut String, book: &Book<'_>, clause: &ClauseResult) {
    if let Some(known) = known_clause(clause) {
        let _ = writeln!(
            out,
            "<p>{}</p>\n<p class=\"quiet\">{}</p>\n<p class=\"quiet\">Source: {}</p>",
            html(known.requirement),
            html(known.why),
            html(known.source)
        );
    }
    if clause.forgiven > 0 {
        let times = count(clause.forgiven as usize, "time", "times");
        let _ = writeln!(
            out,
            "<p class=\"quiet\">{times} a client met what this profile allows and others do not.</p>"
        );
    }
    let reasons = told_once(book.run, clause);
    if !reasons.is_empty() {
        out.push_str("<ul>");
        for reason in reasons.iter().take(REASONS) {
            let _ = write!(out, "<li>{}</li>", html(reason.text()));
        }
        if reasons.len() > REASONS {
            let _ =
                write!(out, "<li>and {}</li>", count(reasons.len() - REASONS, "more reason", "more reasons"));
        }
        out.push_str("</ul>\n");
    }
    let marks: Vec<&Mark<'_>> = book.marks.iter().filter(|mark| std::ptr::eq(mark.clause, clause)).collect();
    if marks.is_empty() {
        return;
    }
    out.push_str("<ol class=\"breaches\">\n");
    for mark in marks.iter().take(BREACHES) {
        listed(out, book, mark);
    }
    out.push_str("</ol>\n");
    if marks.len() > BREACHES {
        let _ = writeln!(
            out,
            "<p class=\"quiet\">and {} more, which are drawn on their connections</p>",
            marks.len() - BREACHES
        );
    }
}

fn listed(out: &mut String, book: &Book<'_>, mark: &Mark<'_>) {
    let violation = mark.violation;
    let scene = mark.scene.and_then(|scene| book.scenes.get(scene));
    let name = violation.lane.as_deref().unwrap_or("no connection");
    let name = match &mark.place {
        Some(place) => format!("<a href=\"#{}\">{}</a>", html(place), html(name)),
        None => html(name),
    };
    let scenario = scene.map_or_else(|| violation.scenario.clone(), super::book::Scene::name);
    let known = if mark.known { " <span class=\"word known\">known</span>" } else { "" };
    let _ = writeln!(
        out,
        "<li>{name} of {}{known}: {} <span class=\"quiet\">({}; {})</span></li>",
        html(scenario),
        html(&violation.seen),
        html(&violation.phase),
        html(&violation.process)
    );
}
