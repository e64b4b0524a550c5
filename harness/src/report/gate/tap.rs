//! TAP 14 (testanything.org): a line for each clause and scenario. What is known, or recommended only, is a `TODO`; what could not
//! be looked at is skipped.

use std::fmt::Write;

use super::super::style::clean;
use super::{Case, Cases, Outcome, told};

/// The whole document. The same result gives the same bytes.
pub fn tap(cases: &Cases<'_>) -> String {
    let mut out = format!("TAP version 14\n1..{}\n", cases.all.len());
    let _ = writeln!(out, "# {}", cases.sentence);
    for line in cases.run.evidence.iter().chain(&cases.run.notes) {
        let _ = writeln!(out, "# {}", clean(line));
    }
    for (number, case) in cases.all.iter().enumerate() {
        one(&mut out, number + 1, case);
    }
    out
}

fn one(out: &mut String, number: usize, case: &Case<'_>) {
    let name = plain(&format!("{}: {}", clean(case.scenario), case.name));
    match &case.outcome {
        Outcome::Held => drop(writeln!(out, "ok {number} - {name}")),
        Outcome::Broken(violations) => {
            let _ = writeln!(out, "not ok {number} - {name}");
            diagnosis(out, "fail", &told(violations));
        }
        Outcome::Failed(word, why) | Outcome::Open(word, why) => {
            let _ = writeln!(out, "not ok {number} - {name}");
            diagnosis(out, word, std::slice::from_ref(why));
        }
        Outcome::Forgiven(why, violations) => {
            let _ = writeln!(out, "not ok {number} - {name} # TODO {}", plain(why));
            diagnosis(out, "todo", &told(violations));
        }
        Outcome::Left(why) => drop(writeln!(out, "ok {number} - {name} # SKIP {}", plain(why))),
    }
}

/// A YAML block. Each line is a string in double quotes, so that nothing in it means anything.
fn diagnosis(out: &mut String, severity: &str, lines: &[String]) {
    let _ = write!(out, "  ---\n  severity: {severity}\n  message:\n");
    for line in lines {
        // A string of JSON is one of YAML (1.2.2, 5.7).
        let _ = writeln!(out, "    - {}", serde_json::Value::from(line.as_str()));
    }
    out.push_str("  ...\n");
}

/// Within a test's line `#` begins a directive, and `\` escapes.
fn plain(text: &str) -> String {
    text.replace('\\', "\\\\").replace('#', "\\#")
}
