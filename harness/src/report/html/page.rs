//! The frame of the page: its policy, its style and script, and the ways through it.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::super::escape::html;
use super::super::human::verdict;
use super::book::Book;
use crate::clause::result::RunResult;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// The shapes that drawings use, each around its own zero.
const SHAPES: &str = "<svg class=\"shapes\" width=\"0\" height=\"0\" aria-hidden=\"true\"><defs>\
<pattern id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><rect width=\"2\" height=\"6\"/></pattern>\
<g id=\"g-broken\"><path d=\"M0 -8 L7 5 L-7 5 Z\"/><path class=\"in\" d=\"M0 -3.5 V1 M0 2.4 V3.8\"/></g>\
<g id=\"g-known\"><path d=\"M0 -7 L6 0 L0 7 L-6 0 Z\"/></g>\
<g id=\"g-rst\"><path d=\"M-4 -4 L4 4 M4 -4 L-4 4\"/></g>\
<g id=\"g-fin\"><path d=\"M0 -5 V5 M0 -5 H-4 M0 5 H-4\"/></g>\
<g id=\"g-own\"><circle r=\"2.5\"/></g>\
<g id=\"g-gave-up\"><circle r=\"3.5\"/><path d=\"M-2.5 2.5 L2.5 -2.5\"/></g>\
<g id=\"g-refused\"><circle r=\"5\"/><path d=\"M-3.5 -3.5 L3.5 3.5\"/></g>\
</defs></svg>\n";

/// The whole page around what is in it.
pub(super) fn frame(run: &RunResult, main: &str, data: &str) -> String {
    let title = html(format!("{}: {}", verdict::word(run.verdict), run.target));
    let (style, script) = (source(STYLE), source(SCRIPT));
    let version = html(&run.hotspec);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src '{style}'; script-src '{script}'; \
         base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{title}</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#main\">To the report</a>\n{SHAPES}{main}\
         <footer class=\"quiet\">Made by hotspec {version}.</footer>\n{data}<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )
}

/// What stands for a text in the policy (Content Security Policy 3, 2.3.1, hash-source).
fn source(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

/// Links to the sections that there are.
pub(super) fn navigation(out: &mut String, book: &Book<'_>, latency: bool) {
    let run = book.run;
    let failed = run.clauses.iter().any(|clause| !clause.violations.is_empty());
    let links = [
        (!book.scenes.is_empty(), "restart", "The restart"),
        (failed, "losses", "What went wrong"),
        (book.scenes.len() > 1, "restarts", "More restarts"),
        (!run.clauses.is_empty(), "clauses", "Clauses"),
        (latency, "latency", "Latency"),
        (true, "evidence", "Evidence"),
        (true, "next", "Next"),
    ];
    out.push_str("<nav aria-label=\"Sections\"><ul>");
    for (_, to, text) in links.iter().filter(|(there, _, _)| *there) {
        let _ = write!(out, "<li><a href=\"#{to}\">{text}</a></li>");
    }
    out.push_str("</ul></nav>\n");
}
