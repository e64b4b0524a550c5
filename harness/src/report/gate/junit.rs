//! JUnit XML, as Jenkins, GitLab, GitHub's actions and their like read it: a suite for each scenario, a case for each clause that
//! it put to the test. What is inconclusive is an error, as it keeps the run from passing; what is known, recommended only, or
//! could not be looked at is skipped, with the reason.

use std::fmt::Write;

use super::super::style::clean;
use super::{Case, Cases, Outcome, told};
use crate::clause::Level;

/// The whole file, in UTF-8. The same result gives the same bytes.
pub fn junit(cases: &Cases<'_>) -> String {
    let run = cases.run;
    let mut out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    let _ = writeln!(
        out,
        "<testsuites name=\"hotspec {}\" {} time=\"{}\">",
        attribute(&clean(&run.target)),
        counts(&cases.all, false),
        seconds(run.took_us)
    );
    for (scenario, of_scenario) in cases.by_scenario() {
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" {} time=\"{}\">",
            attribute(&clean(scenario)),
            counts(of_scenario, true),
            seconds(cases.took(scenario))
        );
        properties(&mut out, cases);
        for case in of_scenario {
            one(&mut out, case);
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

/// The common schema has no place for those that were skipped at the root.
fn counts(cases: &[Case<'_>], with_skipped: bool) -> String {
    let number = |wanted: fn(&Outcome<'_>) -> bool| cases.iter().filter(|case| wanted(&case.outcome)).count();
    let mut out = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\"",
        cases.len(),
        number(|outcome| matches!(outcome, Outcome::Broken(_) | Outcome::Failed(..))),
        number(|outcome| matches!(outcome, Outcome::Open(..))),
    );
    if with_skipped {
        let skipped = number(|outcome| matches!(outcome, Outcome::Forgiven(..) | Outcome::Left(_)));
        let _ = write!(out, " skipped=\"{skipped}\"");
    }
    out
}

/// What the verdict rests on.
fn properties(out: &mut String, cases: &Cases<'_>) {
    let run = cases.run;
    let level = if cases.level == Level::Should { "should" } else { "must" };
    let facts = [
        ("verdict", cases.sentence.clone()),
        ("hotspec", run.hotspec.clone()),
        ("profile", run.profile.to_string()),
        ("level", level.to_owned()),
        ("seed", run.seed.to_string()),
        ("isolation", run.isolation.clone()),
        ("evidence", run.evidence.join("; ")),
        ("command", run.command.join(" ")),
    ];
    out.push_str("    <properties>\n");
    for (name, value) in facts {
        let _ = writeln!(out, "      <property name=\"{name}\" value=\"{}\"/>", attribute(&clean(value)));
    }
    out.push_str("    </properties>\n");
}

fn one(out: &mut String, case: &Case<'_>) {
    let (name, scenario) = (attribute(&case.name), attribute(&clean(case.scenario)));
    let _ = write!(out, "    <testcase name=\"{name}\" classname=\"{scenario}\"");
    match &case.outcome {
        Outcome::Held => out.push_str("/>\n"),
        Outcome::Broken(violations) => {
            let first = violations.first().map(|violation| (clean(&violation.kind), clean(&violation.seen)));
            let (kind, seen) = first.unwrap_or_default();
            element(out, "failure", &kind, &seen, &told(violations));
        }
        Outcome::Failed(word, why) => element(out, "failure", word, why, &[]),
        Outcome::Open(word, why) => element(out, "error", word, why, &[]),
        Outcome::Forgiven(why, violations) => {
            let _ = write!(out, ">\n      <skipped message=\"{}\"/>\n", attribute(why));
            let _ =
                write!(out, "      <system-out>{}</system-out>\n    </testcase>\n", body(&told(violations)));
        }
        Outcome::Left(why) => {
            let _ = write!(out, ">\n      <skipped message=\"{}\"/>\n    </testcase>\n", attribute(why));
        }
    }
}

fn element(out: &mut String, element: &str, kind: &str, message: &str, lines: &[String]) {
    let _ = write!(
        out,
        ">\n      <{element} type=\"{}\" message=\"{}\">{}</{element}>\n    </testcase>\n",
        attribute(kind),
        attribute(message),
        body(lines)
    );
}

fn body(lines: &[String]) -> String {
    attribute(&lines.join("\n"))
}

/// Text that is clean, for an attribute's value or between tags. What XML 1.0 (2.2, Char) has no place for is replaced; control
/// characters are not left by `clean`.
fn attribute(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Seconds, with the milliseconds.
fn seconds(micros: u64) -> String {
    format!("{}.{:03}", micros / 1_000_000, micros / 1000 % 1000)
}
