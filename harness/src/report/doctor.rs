//! Which witnesses work on this machine: for people, and for programs.

use serde::Serialize;

use super::page::Page;
use super::style::count;
use super::table::{Cell, Set, Table};
use crate::clause::result::Verdict;
use crate::doctor::{Diagnosis, Finding, Lack};

/// The schema of the JSON.
const SCHEMA: u32 = 1;
/// The width of labels.
const LABEL: usize = 9;

/// A table of all witnesses, and below it, of each that is missing, why, what is lost, and what would help.
pub fn page(found: &Diagnosis, width: usize, colour: bool) -> String {
    let mut page = Page::new(width, colour);
    let user = if found.root { "root" } else { "an ordinary user" };
    page.text(
        0,
        &format!("What hotspec {} can see on this machine, called by {user}", env!("CARGO_PKG_VERSION")),
    );
    page.blank();
    let mut table =
        Table::new(&[("here", Set::Left), ("witness", Set::Left), ("what it shows", Set::Wrapped)]);
    for finding in &found.findings {
        let (word, verdict) = word(finding);
        table.row(vec![
            Cell::styled(word, page.styles.of(verdict)),
            finding.name.into(),
            shows(finding).into(),
        ]);
    }
    if !page.table(0, &table) {
        for finding in &found.findings {
            page.text(0, &format!("{}: {}: {}", word(finding).0, finding.name, shows(finding)));
        }
    }
    for finding in &found.findings {
        let Err(lack) = &finding.outcome else { continue };
        page.blank();
        page.lead(0, 2, page.styles.name, finding.name, &format!(": {}", lack.why));
        page.field(2, "lost", LABEL, finding.without);
        page.field(2, "to enable", LABEL, lack.command.as_deref().unwrap_or("another kernel"));
    }
    page.blank();
    let works = found.findings.iter().filter(|finding| finding.outcome.is_ok()).count();
    page.text(0, &format!("{works} of {} work here.", count(found.findings.len(), "witness", "witnesses")));
    page.finish()
}

fn word(finding: &Finding) -> (&'static str, Verdict) {
    if finding.outcome.is_ok() { ("works", Verdict::Pass) } else { ("missing", Verdict::NoEvidence) }
}

fn shows(finding: &Finding) -> String {
    match &finding.outcome {
        Ok(how) => format!("{}: {how}", finding.shows),
        Err(_) => finding.shows.to_owned(),
    }
}

/// The same as JSON: `schema`, `hotspec`, `root`, and `witnesses`, each with `name`, `shows`, `works`, and either `how` or
/// `why`, `without` and `command`; the last is null where no command helps.
///
/// # Errors
/// As serde_json; a diagnosis gives none.
pub fn json(found: &Diagnosis) -> Result<String, serde_json::Error> {
    let witnesses = found.findings.iter().map(Witness::of).collect();
    super::json::printable(&Document {
        schema: SCHEMA,
        hotspec: env!("CARGO_PKG_VERSION"),
        root: found.root,
        witnesses,
    })
}

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    hotspec: &'static str,
    root: bool,
    witnesses: Vec<Witness<'a>>,
}

#[derive(Serialize)]
struct Witness<'a> {
    name: &'static str,
    shows: &'static str,
    works: bool,
    #[serde(flatten)]
    outcome: Outcome<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Outcome<'a> {
    Works { how: &'a str },
    Lacks { why: &'a str, without: &'static str, command: Option<&'a str> },
}

impl<'a> Witness<'a> {
    fn of(finding: &'a Finding) -> Self {
        let outcome = match &finding.outcome {
            Ok(how) => Outcome::Works { how },
            Err(Lack { why, command }) => {
                Outcome::Lacks { why, without: finding.without, command: command.as_deref() }
            }
        };
        Self { name: finding.name, shows: finding.shows, works: finding.outcome.is_ok(), outcome }
    }
}

#[cfg(test)]
mod tests {
    use super::super::style::width;
    use super::*;

    fn sample() -> Diagnosis {
        let finding =
            |name, outcome| Finding { name, shows: "what is there", without: "it is not seen", outcome };
        let lack = |why: &str, command: Option<&str>| {
            Err(Lack { why: why.to_owned(), command: command.map(str::to_owned) })
        };
        Diagnosis {
            root: false,
            findings: vec![
                finding("sockets", Ok("by sock_diag".to_owned())),
                finding("packets", lack("it is \x1b[2J denied", Some("sudo sysctl -w a.b=1"))),
                finding("exits", lack("the kernel is too old", None)),
            ],
        }
    }

    #[test]
    fn what_is_missing_is_told_with_why_and_what_to_type() {
        for columns in [40, 80, 120] {
            let text = page(&sample(), columns, false);
            assert!(text.lines().all(|line| width(line) <= columns), "{text}");
            let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
            for part in [
                "packets: it is \\x1b[2J denied lost it is not seen to enable sudo sysctl -w a.b=1",
                "exits: the kernel is too old lost it is not seen to enable another kernel",
                "what is there: by sock_diag",
                "1 of 3 witnesses work here.",
            ] {
                assert!(joined.contains(part), "{part}: {text}");
            }
            assert!(!text.contains('\x1b'));
        }
    }

    #[test]
    fn programs_get_the_same() {
        let value: serde_json::Value = serde_json::from_str(&json(&sample()).expect("JSON")).expect("JSON");
        assert_eq!(value["schema"], 1);
        assert_eq!(value["witnesses"][0]["how"], "by sock_diag");
        assert_eq!(value["witnesses"][1]["works"], false);
        assert_eq!(value["witnesses"][1]["command"], "sudo sysctl -w a.b=1");
        assert!(value["witnesses"][2]["command"].is_null());
        assert!(value["witnesses"][0].get("why").is_none());
    }
}
