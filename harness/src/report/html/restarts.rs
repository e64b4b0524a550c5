//! The restarts, one drawing each: the one that shows the worst first, and open.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::super::escape::html;
use super::super::human::causes::Cause;
use super::super::human::phases::lengths;
use super::super::style::count;
use super::book::{Book, Scene};
use super::data::Data;
use super::draw::{self, Budget};
use crate::scenario::builtin;

/// The scenes in the order in which they are shown: the one with the worst, and then by how much is broken.
pub(super) fn order(book: &Book<'_>, causes: &[Cause<'_>]) -> Vec<usize> {
    let worst = causes.first().and_then(|cause| book.mark_of(cause)?.scene);
    let mut order: Vec<usize> = (0..book.scenes.len()).collect();
    order.sort_by_key(|scene| (Some(*scene) != worst, std::cmp::Reverse(broken(book, &book.scenes[*scene]))));
    order
}

/// How many breaches there are that count, and how many that are known.
fn broken(book: &Book<'_>, scene: &Scene<'_>) -> (usize, usize) {
    let known = scene.marks.iter().filter(|at| book.marks.get(**at).is_some_and(|mark| mark.known)).count();
    (scene.marks.len() - known, known)
}

/// The drawings under way.
pub(super) struct Restarts<'b, 'a> {
    book: &'b Book<'a>,
    order: Vec<&'b Scene<'a>>,
    titles: BTreeMap<String, String>,
    budget: Budget,
}

impl<'b, 'a> Restarts<'b, 'a> {
    pub(super) fn new(book: &'b Book<'a>, order: &[usize]) -> Self {
        // A file that can't be parsed fails a test, and no report.
        let scenarios = builtin::scenarios().unwrap_or_default();
        Self {
            book,
            order: order.iter().filter_map(|scene| book.scenes.get(*scene)).collect(),
            titles: scenarios.into_iter().map(|scenario| (scenario.name, scenario.title)).collect(),
            budget: Budget::new(),
        }
    }

    /// The one that shows the worst, beneath the verdict.
    pub(super) fn first(&mut self, out: &mut String, data: &mut Data) {
        let Some(scene) = self.order.first().copied() else { return };
        out.push_str("<section id=\"restart\" aria-labelledby=\"restart-title\">\n<h2 id=\"restart-title\">The restart</h2>\n");
        self.one(out, scene, data, true);
        legend(out);
        out.push_str("</section>\n");
    }

    /// The others, folded.
    pub(super) fn others(&mut self, out: &mut String, data: &mut Data) {
        if self.order.len() < 2 {
            return;
        }
        let restarts = count(self.order.len() - 1, "more restart", "more restarts");
        let _ = writeln!(
            out,
            "<section id=\"restarts\" aria-labelledby=\"restarts-title\">\n<h2 id=\"restarts-title\">{restarts}</h2>"
        );
        for place in 1..self.order.len() {
            self.one(out, self.order[place], data, false);
        }
        out.push_str("</section>\n");
    }

    fn one(&mut self, out: &mut String, scene: &Scene<'_>, data: &mut Data, open: bool) {
        let [ready, drain, gone] = lengths(scene.restart);
        let _ = writeln!(
            out,
            "<details class=\"card scene\" id=\"s{}\"{}><summary><h3>{}</h3> {} <small>T0\u{2192}Tr {ready}, Tr\u{2192}Td {drain}, \
             Td\u{2192}Tx {gone}</small></summary>",
            scene.number,
            if open { " open" } else { "" },
            html(scene.name()),
            said(self.book, scene)
        );
        if let Some(title) = self.titles.get(scene.scenario) {
            let _ = writeln!(out, "<p class=\"title\">{}</p>", html(title));
        }
        let _ = writeln!(out, "<p class=\"quiet\">Trigger: {}</p>", html(scene.log.trigger()));
        draw::scene(out, self.book, scene, data, &mut self.budget);
        out.push_str("</details>\n");
    }
}

/// How much is broken in it.
fn said(book: &Book<'_>, scene: &Scene<'_>) -> String {
    let (bad, known) = broken(book, scene);
    let mut words = Vec::new();
    if bad > 0 {
        words.push(format!("<span class=\"word fail\">{}</span>", count(bad, "breach", "breaches")));
    }
    if known > 0 {
        words.push(format!("<span class=\"word known\">{known} known</span>"));
    }
    if words.is_empty() && scene.instants[0].is_none() {
        words.push("<span class=\"word unsupported\">no restart</span>".to_owned());
    } else if words.is_empty() {
        words.push("<span class=\"word pass\">nothing broken</span>".to_owned());
    }
    words.join(" ")
}

/// What the shapes mean.
fn legend(out: &mut String) {
    let shape = |name: &str| {
        format!(
            "<svg class=\"key\" width=\"18\" height=\"18\" aria-hidden=\"true\"><use class=\"{name}\" href=\"#g-{name}\" x=\"9\" y=\"9\"/></svg>"
        )
    };
    let swatch = |class: &str| {
        format!(
            "<svg class=\"key\" width=\"18\" height=\"18\" aria-hidden=\"true\"><rect class=\"{class}\" y=\"4\" width=\"18\" height=\"10\"/></svg>"
        )
    };
    let keys = [
        (shape("broken"), "a clause is broken here"),
        (shape("known"), "the same, known"),
        (shape("rst"), "RST from the server"),
        (shape("fin"), "FIN from the server"),
        (shape("own"), "closed by the client"),
        (shape("gave-up"), "given up by the client"),
        (shape("refused"), "could not connect"),
        (swatch("req"), "request, answered"),
        (swatch("req lost"), "request, not answered"),
        (swatch("life old"), "old process"),
        (swatch("life successor"), "successor"),
        (swatch("life permanent"), "process that stays"),
        (swatch("frozen"), "process stopped by hotspec"),
        (swatch("unsure"), "when an instant may have been"),
        (swatch("phase starting"), "the successor starts"),
        (swatch("phase both"), "the successor serves as well"),
        (swatch("phase draining"), "the old generation drains"),
        (swatch("phase nobody"), "the old one is gone, and no successor serves"),
    ];
    out.push_str(
        "<details class=\"legend\"><summary>How to read the drawings</summary>\n<ul class=\"keys\">",
    );
    for (key, what) in keys {
        let _ = write!(out, "<li>{key} {what}</li>");
    }
    out.push_str(
        "</ul>\n<p>One row is one process or one connection, from left to right. Behind them are the phases: T0, the trigger; Tr, the \
         successor serves; Td, the last old process drains; Tx, the old generation is gone. Long stretches are drawn shorter than they \
         are, so that microseconds can be seen beside seconds; the scale below each drawing has the times. Connections of the control \
         phase, with no restart, are not drawn.</p></details>\n",
    );
}
