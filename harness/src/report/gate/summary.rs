//! Markdown for the page of a job: the verdict, what failed, and what it rests on.

use std::fmt::Write;

use super::super::style::clean;
use super::{Case, Cases, Outcome, line};
use crate::clause::result::RunVerdict;

/// Rows of a table.
const SHOWN: usize = 30;

/// The page. The same result gives the same bytes.
pub fn summary(cases: &Cases<'_>) -> String {
    let run = cases.run;
    let word = match run.verdict {
        RunVerdict::Pass => "✅ pass",
        RunVerdict::Fail => "❌ fail",
        RunVerdict::Inconclusive => "❔ inconclusive",
        RunVerdict::Error => "❗ error",
        RunVerdict::Invalid => "❗ invalid",
    };
    let mut out = format!("### hotspec: {word}\n\n{}\n", text(&cases.sentence));
    let failing = |case: &&Case<'_>| {
        matches!(case.outcome, Outcome::Broken(_) | Outcome::Failed(..) | Outcome::Open(..))
    };
    let failing: Vec<&Case<'_>> = cases.all.iter().filter(failing).collect();
    table(&mut out, "What keeps it from passing", &failing);
    let forgiven = cases.all.iter().filter(|case| matches!(case.outcome, Outcome::Forgiven(..))).collect();
    table(&mut out, "Known, or recommended only", &forgiven);
    let held = cases.all.iter().filter(|case| matches!(case.outcome, Outcome::Held)).count();
    let _ = writeln!(
        out,
        "\n{held} of {} cases held, in {} restarts; profile {}, seed {}.",
        cases.all.len(),
        run.restarts.len(),
        run.profile,
        run.seed
    );
    for line in &run.evidence {
        let _ = writeln!(out, "- {}", text(&clean(line)));
    }
    out
}

fn table(out: &mut String, title: &str, cases: &Vec<&Case<'_>>) {
    if cases.is_empty() {
        return;
    }
    let _ =
        write!(out, "\n**{title}**\n\n| clause | scenario | how often | what |\n| --- | --- | --- | --- |\n");
    for case in cases.iter().take(SHOWN) {
        let (often, what) = match &case.outcome {
            Outcome::Broken(violations) => (
                violations.len().to_string(),
                violations.first().map(|first| line(first)).unwrap_or_default(),
            ),
            Outcome::Forgiven(why, violations) => (violations.len().to_string(), why.clone()),
            Outcome::Failed(word, why) | Outcome::Open(word, why) => {
                ("–".to_owned(), format!("{word}: {why}"))
            }
            Outcome::Held | Outcome::Left(_) => continue,
        };
        let (name, scenario) = (text(&case.name), text(&clean(case.scenario)));
        let _ = writeln!(out, "| {name} | {scenario} | {often} | {} |", text(&what));
    }
    if cases.len() > SHOWN {
        let _ = writeln!(out, "\nand {} more", cases.len() - SHOWN);
    }
}

/// Clean text in which nothing is markup: every character that Markdown or HTML gives a meaning stands as a reference, as
/// CommonMark (2.4, 2.5) has them mean themselves.
fn text(clean: &str) -> String {
    let mut out = String::with_capacity(clean.len());
    for c in clean.chars() {
        match c {
            '<' | '>' | '&' | '"' | '\'' | '`' | '*' | '_' | '[' | ']' | '|' | '\\' | '#' | '~' | '!'
            | '@' | ':' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}
