//! Workflow commands of GitHub Actions: an annotation for each clause that the run fails by, and the marks between which nothing is
//! one.

use std::fmt::Write;

use super::{Cases, Outcome, line};

/// Annotations shown: GitHub keeps ten of each kind from a step.
const SHOWN: usize = 10;

/// One line for each of the worst, errors first; nothing where there is nothing to tell.
pub fn annotations(cases: &Cases<'_>) -> String {
    let mut out = String::new();
    let titled = |scenario: &str, name: &str| format!("hotspec: {name} in {scenario}");
    let mut told = |command: &str, wanted: fn(&Outcome<'_>) -> Option<String>| {
        let found = cases.all.iter().filter_map(|case| Some((case, wanted(&case.outcome)?)));
        for (case, message) in found.take(SHOWN) {
            let title = property(&titled(case.scenario, &case.name));
            let _ = writeln!(out, "::{command} title={title}::{}", data(&message));
        }
    };
    told("error", |outcome| match outcome {
        Outcome::Broken(violations) => violations.first().map(|first| match violations.len() - 1 {
            0 => line(first),
            more => format!("{} (and {more} more)", line(first)),
        }),
        Outcome::Failed(_, why) | Outcome::Open(_, why) => Some(why.clone()),
        _ => None,
    });
    told("warning", |outcome| match outcome {
        Outcome::Forgiven(why, violations) => {
            violations.first().map(|first| format!("{why}: {}", line(first)))
        }
        _ => None,
    });
    out
}

/// Prints text so that no line of it is a command: a target may have written `::set-output`. The token must not be known to
/// whoever wrote the text.
pub fn inert(text: &str, token: &str) -> String {
    format!("::stop-commands::{token}\n{text}\n::{token}::\n")
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
