//! All clauses: how many have which verdict, what was not exercised and why, and what holds.

use super::super::page::Page;
use super::super::style::{clean, count, wrap};
use super::super::table::{Cell, Set, Table};
use super::failures::name;
use super::with;
use crate::clause::Level;
use crate::clause::result::{ClauseResult, RunResult, Verdict};
use crate::declaration::Known;

/// In the order in which they are told.
pub(in crate::report) const VERDICTS: [Verdict; 8] = [
    Verdict::Fail,
    Verdict::Error,
    Verdict::Inconclusive,
    Verdict::Known,
    Verdict::NoEvidence,
    Verdict::Unsupported,
    Verdict::Pass,
    Verdict::Planned,
];
/// Reasons shown of each clause.
const REASONS: usize = 4;

/// The counts, and the lists.
pub(super) fn write(page: &mut Page, run: &RunResult) {
    if run.clauses.is_empty() {
        return;
    }
    page.heading("Clauses");
    counts(page, run);
    reasons(page, run, Verdict::Error, "Not judged, by hotspec's own fault");
    reasons(page, run, Verdict::Inconclusive, "Inconclusive: not exercised, or not certain, and why");
    reasons(page, run, Verdict::NoEvidence, "No evidence: what this machine withholds");
    reasons(page, run, Verdict::Unsupported, "Unsupported: what the target rules out");
    known(page, run);
    stale(page, run);
    held(page, run);
    planned(page, run);
    left_out(page, run);
}

fn counts(page: &mut Page, run: &RunResult) {
    let mut table = Table::new(&[("verdict", Set::Left), ("MUST", Set::Right), ("SHOULD", Set::Right)]);
    for verdict in VERDICTS.into_iter().filter(|verdict| *verdict != Verdict::Planned) {
        let of = |level: Level| with(run, verdict).iter().filter(|clause| clause.level == level).count();
        let (must, should) = (of(Level::Must), of(Level::Should));
        if must + should > 0 {
            let word = Cell::styled(verdict.as_str(), page.styles.of(verdict));
            table.row(vec![word, must.to_string().into(), should.to_string().into()]);
        }
    }
    page.table(2, &table);
}

/// Clauses that are no pass and no failure, by reason: often the same one rules out many.
fn reasons(page: &mut Page, run: &RunResult, verdict: Verdict, title: &str) {
    let groups = by_reasons(run, &with(run, verdict));
    if groups.is_empty() {
        return;
    }
    page.blank();
    let style = page.styles.of(verdict);
    page.styled(2, style, title);
    for (reasons, names) in groups {
        page.text(4, &names.join(", "));
        for reason in reasons.iter().take(REASONS) {
            page.text(6, &reason.text());
        }
        if reasons.len() > REASONS {
            page.text(6, &format!("and {} more", count(reasons.len() - REASONS, "reason", "reasons")));
        }
    }
}

/// A reason, and the scenarios that met it; none if it is not about one.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::report) struct Reason<'a> {
    scenarios: Vec<&'a str>,
    why: &'a str,
}

impl Reason<'_> {
    /// The reason, and whom it is about.
    pub(in crate::report) fn text(&self) -> String {
        const NAMES: usize = 3;
        match self.scenarios.len() {
            0 => self.why.to_owned(),
            number if number > NAMES => {
                let more = number - NAMES;
                format!("{} and {more} more scenarios: {}", self.scenarios[..NAMES].join(", "), self.why)
            }
            _ => format!("{}: {}", self.scenarios.join(", "), self.why),
        }
    }
}

/// The reasons of a clause; what several scenarios met is one reason.
pub(in crate::report) fn told_once<'a>(run: &'a RunResult, clause: &'a ClauseResult) -> Vec<Reason<'a>> {
    let known = |name: &str| {
        run.scenarios.iter().any(|time| time.name == name)
            || run.restarts.iter().any(|restart| restart.scenario == name)
    };
    let mut reasons: Vec<Reason<'_>> = Vec::new();
    for reason in &clause.reasons {
        let (scenario, why) = match reason.split_once(": ") {
            Some((name, why)) if known(name) => (Some(name), why),
            _ => (None, reason.as_str()),
        };
        match reasons
            .iter_mut()
            .find(|other| other.why == why && other.scenarios.is_empty() == scenario.is_none())
        {
            Some(other) => other.scenarios.extend(scenario),
            None => reasons.push(Reason { scenarios: scenario.into_iter().collect(), why }),
        }
    }
    reasons
}

fn by_reasons<'a>(run: &'a RunResult, clauses: &[&'a ClauseResult]) -> Vec<(Vec<Reason<'a>>, Vec<String>)> {
    let mut groups: Vec<(Vec<Reason<'_>>, Vec<String>)> = Vec::new();
    for clause in clauses {
        let reasons = told_once(run, clause);
        match groups.iter_mut().find(|(other, _)| *other == reasons) {
            Some((_, names)) => names.push(name(clause)),
            None => groups.push((reasons, vec![name(clause)])),
        }
    }
    groups
}

fn known(page: &mut Page, run: &RunResult) {
    let clauses: Vec<&ClauseResult> = run.clauses.iter().filter(|clause| !clause.known.is_empty()).collect();
    if clauses.is_empty() {
        return;
    }
    page.blank();
    let style = page.styles.doubt;
    page.styled(2, style, "Known: broken as the target file says");
    for clause in clauses {
        let mut kinds: Vec<(String, usize)> = Vec::new();
        for violation in &clause.known {
            let kind = format!("{} in {}", violation.kind, violation.scenario);
            match kinds.iter_mut().find(|(other, _)| *other == kind) {
                Some((_, number)) => *number += 1,
                None => kinds.push((kind, 1)),
            }
        }
        let kinds: Vec<String> = kinds.iter().map(|(kind, number)| format!("{kind} ×{number}")).collect();
        page.text(4, &format!("{}: {}", name(clause), kinds.join(", ")));
        let mut said: Vec<String> = Vec::new();
        for entry in run.admitted.iter().filter(|entry| entry.clause == clause.id) {
            let reason = reason(entry);
            if !said.contains(&reason) {
                page.text(6, &reason);
                said.push(reason);
            }
        }
    }
}

/// Why, where that can be read about, and how rare it is.
pub(in crate::report) fn reason(entry: &Known) -> String {
    let rare = entry.seen.map(|seen| format!("; seen in {seen}")).unwrap_or_default();
    format!("{} ({}{rare})", entry.reason, entry.source)
}

/// What to do with entries that are out of date.
pub(in crate::report) const STALE: &str = "Remove these entries of [[known]], say which versions they are about, or, if they show now and then, frequency = \"rare\" and how rare.";

fn stale(page: &mut Page, run: &RunResult) {
    if run.stale.is_empty() {
        return;
    }
    page.blank();
    let style = page.styles.bad;
    page.styled(2, style, "Out of date: exercised, and not broken as the target file says");
    for entry in &run.stale {
        page.text(4, &entry.describe());
        page.text(6, &reason(entry));
    }
    page.text(4, STALE);
}

/// What holds, by group, and how often it was put to the test: those least often tested first, as they say least.
fn held(page: &mut Page, run: &RunResult) {
    let mut groups: Vec<(&str, Vec<(&str, u64)>)> = Vec::new();
    for clause in run.clauses.iter().filter(|clause| clause.verdict == Verdict::Pass) {
        let (group, short) = clause.id.split_once('.').unwrap_or(("", &clause.id));
        match groups.iter_mut().find(|(other, _)| *other == group) {
            Some((_, names)) => names.push((short, clause.exercised)),
            None => groups.push((group, vec![(short, clause.exercised)])),
        }
    }
    if groups.is_empty() {
        return;
    }
    page.blank();
    let style = page.styles.good;
    page.styled(2, style, "Pass, and how often each was put to the test");
    let label = groups.iter().map(|(group, _)| group.len()).max().unwrap_or_default();
    for (group, mut names) in groups {
        names.sort_by_key(|(_, number)| *number);
        let columns = page.columns().saturating_sub(4 + label + 2);
        page.field(4, group, label, &folded(&names, columns));
    }
}

/// All of them in two lines, or those least often tested and what the others lie between.
fn folded(names: &[(&str, u64)], columns: usize) -> String {
    const SHOWN: usize = 3;
    let text = |names: &[(&str, u64)]| {
        names.iter().map(|(name, number)| format!("{name} ×{number}")).collect::<Vec<_>>().join(", ")
    };
    let all = text(names);
    let (few, rest) = names.split_at(SHOWN.min(names.len()));
    match rest {
        [(_, least), .., (_, most)] if wrap(&clean(&all), columns).len() > 2 => {
            format!("{}, and {} more ×{least} to ×{most}", text(few), rest.len())
        }
        _ => all,
    }
}

/// What nobody can fail yet.
fn planned(page: &mut Page, run: &RunResult) {
    let number = with(run, Verdict::Planned).len();
    if number == 0 {
        return;
    }
    page.blank();
    let style = page.styles.of(Verdict::Planned);
    let clauses = count(number, "clause", "clauses");
    let text = format!(
        "Planned: {clauses} of profile {} that hotspec does not judge yet and does not count; see hotspec list clauses --profile {}",
        run.profile, run.profile
    );
    page.styled(2, style, &text);
}

fn left_out(page: &mut Page, run: &RunResult) {
    if let Some(text) = slow(run) {
        page.blank();
        page.text(2, &text);
    }
}

/// What takes long, and was not asked for.
pub(in crate::report) fn slow(run: &RunResult) -> Option<String> {
    let names = run.slow.join(", ");
    match run.slow.len() {
        0 => None,
        1 => Some(format!("1 scenario that takes long was left out: {names}; --all runs it")),
        number => Some(format!("{number} scenarios that take long were left out: {names}; --all runs them")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn section(run: &RunResult) -> String {
        let mut page = Page::new(100, false);
        write(&mut page, run);
        page.finish()
    }

    #[test]
    fn what_takes_long_and_was_left_out_is_told_in_a_line() {
        let mut run = sample::passing();
        assert!(!section(&run).contains("--all"));
        run.slow = vec!["idle-mass".to_owned()];
        assert!(
            section(&run).contains("\n  1 scenario that takes long was left out: idle-mass; --all runs it\n")
        );
        run.slow.push("storm".to_owned());
        let said = "\n  2 scenarios that take long were left out: idle-mass, storm; --all runs them\n";
        assert!(section(&run).contains(said));
    }

    #[test]
    fn what_is_known_is_told_with_its_reason_and_how_rare_it_is() {
        let mut run = sample::failing();
        run.admitted = sample::stale().stale;
        run.admitted[0].clause = "in-flight.no-drain-errors".to_owned();
        run.admitted[0].frequency = crate::declaration::Frequency::Rare;
        run.admitted[0].seen = "3 of 41 runs".parse().ok();
        let text = section(&run);
        let said =
            "it notices only with the next connection (https://example.org/issue/1; seen in 3 of 41 runs)";
        assert!(text.contains(said), "{text}");
    }

    #[test]
    fn what_several_scenarios_met_is_one_reason() {
        let mut run = sample::inconclusive();
        let open = |clause: &&mut ClauseResult| clause.verdict == Verdict::Inconclusive;
        let clause = run.clauses.iter_mut().find(open).expect("one");
        clause.reasons = ["idle-last-request", "new-connections"]
            .map(|scenario| format!("{scenario}: no drain was seen"))
            .to_vec();
        clause.reasons.push("nobody: knows".to_owned());
        let clause = with(&run, Verdict::Inconclusive)[0];
        let texts: Vec<String> = told_once(&run, clause).iter().map(Reason::text).collect();
        assert_eq!(texts, ["idle-last-request, new-connections: no drain was seen", "nobody: knows"]);
    }

    #[test]
    fn a_long_list_names_what_was_least_often_tested_and_a_short_one_all() {
        let names = [
            ("same-listener", 1),
            ("queue-kept", 188),
            ("not-refused", 3477),
            ("no-stall", 3500),
            ("answered", 3645),
        ];
        assert_eq!(
            folded(&names, 40),
            "same-listener ×1, queue-kept ×188, not-refused ×3477, and 2 more ×3500 to ×3645"
        );
        assert_eq!(
            folded(&names, 80),
            "same-listener ×1, queue-kept ×188, not-refused ×3477, no-stall ×3500, answered ×3645"
        );
        assert_eq!(folded(&names[..1], 5), "same-listener ×1");
    }
}
