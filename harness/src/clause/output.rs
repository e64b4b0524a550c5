//! What the target writes of its own failures.

use std::collections::BTreeSet;

use super::held::Outcry;
use super::{Case, Clause, Tally};

/// The clauses of this file.
pub const CLAUSES: &[Clause] = &[Clause {
    id: "process.clean-log",
    must: "",
    should: "FRI",
    requirement: "From the trigger on the target writes no panic, uncaught exception, report of a sanitizer, failed assertion or crash to its standard output and error (or to the logs that it declares) that it did not write before too.",
    why: "A thread that dies while the old generation drains takes its connections with it, and the exit status may be 0 all the same.",
    source: "hotspec; nginx-tests look for the same",
    judge: Some(clean_log),
}];

fn clean_log(case: &Case<'_>, tally: &mut Tally) {
    let Some(t0) = case.t0() else { return };
    if case.killed.is_some() {
        // What is killed may cry out.
        return;
    }
    // It is read to its end with the last restart.
    if case.held_by.output.is_some() {
        tally.exercise();
    }
    let until = case.observed.first_trigger.unwrap_or(t0.lo);
    let before: BTreeSet<(&str, String)> =
        case.held_by.outcries.iter().filter(|one| one.at < until).map(alike).collect();
    let mut told = BTreeSet::new();
    for one in case.held_by.outcries.iter().filter(|one| one.at >= t0.lo) {
        if before.contains(&alike(one)) || !told.insert(alike(one)) {
            continue;
        }
        let expected = "nothing of the kind, as before the trigger";
        tally.break_by(case, "the target".to_owned(), one.at, &one.kind, expected, format!("`{}`", one.text));
    }
}

/// What two lines that tell the same have in common: all but their numbers.
fn alike(one: &Outcry) -> (&str, String) {
    (&one.kind, one.text.chars().filter(|c| !c.is_ascii_digit()).collect())
}
