//! By what it was judged: limits, evidence, notes.

use super::super::page::Page;
use super::{flag_of, limits};
use crate::clause::result::RunResult;
use crate::declaration::Span;

/// Notes shown.
const NOTES: usize = 8;

/// Limits, evidence, notes.
pub(super) fn write(page: &mut Page, run: &RunResult) {
    page.heading("Judged by");
    let assumed = |name: &str| run.limits.assumed.iter().any(|assumed| assumed == name);
    let (mut declared, mut taken) = (Vec::new(), Vec::new());
    for (name, value) in limits(run) {
        let Some(value) = value else { continue };
        // As it would be typed.
        let value = Span(value).to_string().replace(' ', "");
        if assumed(name) {
            taken.push(format!("{}={value}", flag_of(name)));
        } else {
            declared.push(format!("{}={value}", flag_of(name)));
        }
    }
    for (label, limits) in [("declared", declared), ("assumed", taken)] {
        if !limits.is_empty() {
            page.field(2, label, 8, &limits.join(", "));
        }
    }
    page.field(2, "evidence", 8, &run.evidence.join("; "));
    for (number, note) in run.notes.iter().take(NOTES).enumerate() {
        page.field(2, if number == 0 { "notes" } else { "" }, 8, note);
    }
    if run.notes.len() > NOTES {
        page.field(2, "", 8, &format!("and {} more", run.notes.len() - NOTES));
    }
}
