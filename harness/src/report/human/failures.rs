//! What is broken, by cause: in a plain line, with the requirements, one example, and what led to it.

use std::collections::BTreeSet;

use super::super::Evidence;
use super::super::lane_log::Kind;
use super::super::page::Page;
use super::super::style::{count, width};
use super::causes::{Cause, Loss};
use super::recordings::{Recordings, lane_id};
use super::{flag_of, known_clause, limits, output};
use crate::clause::result::{ClauseResult, RunResult};
use crate::declaration::Span;

/// Causes shown with all that belongs to them; of the others there is a line.
const CAUSES: usize = 10;
/// Clauses of one cause shown with their requirements.
const CLAUSES: usize = 3;
/// The width of labels.
const LABEL: usize = 11;

/// Every cause.
pub(super) fn write<'a>(
    page: &mut Page,
    run: &'a RunResult,
    causes: &[Cause<'a>],
    recordings: &Recordings<'a>,
    evidence: &Evidence<'a>,
) {
    if causes.is_empty() {
        return;
    }
    page.heading(&format!("Failures: {}", count(causes.len(), "cause", "causes")));
    let mut failures =
        Failures { run, recordings, evidence, required: BTreeSet::new(), tails: BTreeSet::new() };
    for (number, cause) in causes.iter().take(CAUSES).enumerate() {
        failures.cause(page, number + 1, cause);
    }
    if causes.len() > CAUSES {
        page.blank();
        page.text(0, "And in short:");
        for (number, cause) in causes.iter().enumerate().skip(CAUSES) {
            let ids: Vec<&str> = cause.clauses().iter().map(|(clause, _)| clause.id.as_str()).collect();
            let text = format!(". {}: {}; breaks {}", cause.title(), often(cause), ids.join(", "));
            page.lead(0, 3, page.styles.bad, &(number + 1).to_string(), &text);
        }
    }
}

struct Failures<'a, 'b> {
    run: &'a RunResult,
    recordings: &'b Recordings<'a>,
    evidence: &'b Evidence<'a>,
    /// Clauses whose requirement is on the page.
    required: BTreeSet<&'a str>,
    /// Scenarios whose output is on the page.
    tails: BTreeSet<&'a str>,
}

impl<'a> Failures<'a, '_> {
    fn cause(&mut self, page: &mut Page, number: usize, cause: &Cause<'a>) {
        page.blank();
        let style = page.styles.bad;
        page.lead(0, 3, style, &format!("{number}. {}", cause.title()), "");
        page.field(3, "how often", LABEL, &often(cause));
        page.field(3, "when", LABEL, &when(cause));
        page.field(3, "process", LABEL, &processes(cause));
        explained(page, cause);
        let example = cause.example();
        let clauses = cause.clauses();
        for (clause, number) in clauses.iter().take(CLAUSES) {
            self.clause(page, clause, *number, example);
        }
        if clauses.len() > CLAUSES {
            let others: Vec<String> = clauses[CLAUSES..]
                .iter()
                .map(|(clause, number)| format!("{} ×{number}", name(clause)))
                .collect();
            page.blank();
            page.field(3, "also breaks", LABEL, &others.join(", "));
        }
        for limit in assumed(self.run, cause) {
            page.blank();
            page.field(3, "limit", LABEL, &limit);
        }
        self.example(page, example);
    }

    /// A clause, and what it expected and saw in the example; or in the first that broke it, if the example did not.
    fn clause(&mut self, page: &mut Page, clause: &'a ClauseResult, number: usize, example: &Loss<'a>) {
        let own = example.breaches.iter().find(|(other, _)| other.id == clause.id);
        let shown = own.map(|(_, violation)| *violation).or_else(|| clause.violations.first());
        // The kind is what an entry of [[known]] names.
        let kind = shown.map_or("", |violation| violation.kind.as_str());
        page.blank();
        let style = page.styles.name;
        page.lead(3, 2, style, &clause.id, &format!(" ({}): {kind} ×{number}", clause.level));
        if self.required.insert(&clause.id)
            && let Some(known) = known_clause(clause)
        {
            page.field(5, "requirement", LABEL, known.requirement);
        }
        if let Some(violation) = shown {
            page.field(5, "expected", LABEL, &violation.expected);
            page.field(5, "seen", LABEL, &violation.seen);
        }
    }

    fn example(&mut self, page: &mut Page, loss: &Loss<'a>) {
        let violation = loss.violation();
        let scenario = violation.scenario.as_str();
        page.blank();
        let lane = violation.lane.as_deref().unwrap_or("no connection: seen from outside");
        let which = self.recordings.which(scenario, loss.history);
        let text = format!("{lane} of {scenario}{which}; {}, {}", violation.process, violation.phase);
        page.field(3, "example", LABEL, &text);
        self.packets(page, loss);
        self.log(page, loss);
        if output::is_there(self.evidence, scenario) && self.tails.insert(scenario) {
            page.blank();
            output::write(page, self.evidence, scenario, 3);
        }
    }

    /// Where its packets are, and how to find them there.
    fn packets(&self, page: &mut Page, loss: &Loss<'a>) {
        let violation = loss.violation();
        let attempt = self.recordings.attempt(&violation.scenario, loss.history);
        let files = self.evidence.packets.get(&violation.scenario);
        let Some((lane, (_, log))) = lane_id(violation).zip(self.recordings.find(violation)) else { return };
        let Some(Some(file)) = files.zip(attempt).and_then(|(files, attempt)| files.get(attempt)) else {
            return;
        };
        let port = log.port(lane);
        let filter = port.map(|port| format!(" (tcp.port == {port})")).unwrap_or_default();
        page.field(3, "packets", LABEL, &format!("{}{filter}", file.display()));
    }

    fn log(&self, page: &mut Page, loss: &Loss<'a>) {
        let violation = loss.violation();
        let Some((lane, (_, log))) = lane_id(violation).zip(self.recordings.find(violation)) else { return };
        let lines = log.lines(lane, violation.at_us);
        if lines.is_empty() {
            return;
        }
        page.blank();
        let times = lines.iter().map(|line| width(&line.time)).max().unwrap_or_default();
        for line in lines {
            let styles = page.styles;
            let (mark, style) = match line.kind {
                Kind::Lane => (' ', anstyle::Style::new()),
                Kind::Breach => ('>', styles.bad),
                Kind::Restart | Kind::Left => (' ', styles.quiet),
            };
            let time = format!("{mark} {:>times$}", line.time);
            page.log_line(3, &time, style, &line.text);
        }
    }
}

/// Why something happened, as far as the evidence tells.
pub(in crate::report) struct Explained {
    /// A sentence.
    pub(in crate::report) text: String,
    /// What was seen that supports it.
    pub(in crate::report) evidence: Vec<String>,
    /// Which kinds of causes there were and how often each, if more than one.
    pub(in crate::report) kinds: String,
}

/// Why it happened, where the evidence tells it, and the evidence.
pub(in crate::report) fn explanation(cause: &Cause<'_>) -> Option<Explained> {
    let of_loss = |loss: &Loss<'_>| loss.breaches.iter().find_map(|(_, violation)| violation.cause.clone());
    let told: Vec<_> = cause.losses.iter().filter_map(of_loss).collect();
    let shown = of_loss(cause.example()).or_else(|| told.first().cloned())?;
    let mut kinds: Vec<(String, usize)> = Vec::new();
    for one in &told {
        let names: Vec<&str> = one.kinds.iter().map(|kind| kind.as_str()).collect();
        let name = names.join(" or ");
        match kinds.iter_mut().find(|(other, _)| *other == name) {
            Some((_, number)) => *number += 1,
            None => kinds.push((name, 1)),
        }
    }
    let untold = cause.losses.len() - told.len();
    if untold > 0 {
        kinds.push(("not told by the evidence".to_owned(), untold));
    }
    let several = if let [_, _, ..] = kinds.as_slice() {
        let kinds: Vec<(&str, usize)> = kinds.iter().map(|(name, number)| (name.as_str(), *number)).collect();
        listed(&kinds)
    } else {
        String::new()
    };
    Some(Explained { text: shown.text, evidence: shown.evidence, kinds: several })
}

fn explained(page: &mut Page, cause: &Cause<'_>) {
    let Some(told) = explanation(cause) else { return };
    page.field(3, "cause", LABEL, &told.text);
    for line in &told.evidence {
        page.field(3 + LABEL + 2, "-", 0, line);
    }
    if !told.kinds.is_empty() {
        page.field(3, "causes", LABEL, &told.kinds);
    }
}

/// Limits that were assumed and that what is broken is about: each failure against them says so.
pub(in crate::report) fn assumed(run: &RunResult, cause: &Cause<'_>) -> Vec<String> {
    let breaches = || cause.losses.iter().flat_map(|loss| &loss.breaches);
    let mut clauses = cause.clauses();
    clauses.dedup_by_key(|(clause, _)| clause.id.as_str());
    let requirements: Vec<&str> = clauses
        .iter()
        .filter_map(|(clause, _)| known_clause(clause))
        .map(|known| known.requirement)
        .collect();
    let named = |limit: &str, text: &str| {
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == limit)
    };
    let mut told = Vec::new();
    for (name, value) in limits(run) {
        let Some(value) = value.filter(|_| run.limits.assumed.iter().any(|assumed| assumed == name)) else {
            continue;
        };
        if requirements.iter().any(|text| named(name, text))
            || breaches().any(|(_, violation)| named(name, &violation.expected))
        {
            told.push(format!("{name} = {}, which was assumed; set it with {}", Span(value), flag_of(name)));
        }
    }
    told
}

/// SHOULD is said; MUST is the rule.
pub(super) fn name(clause: &ClauseResult) -> String {
    match clause.level {
        crate::clause::Level::Must => clause.id.clone(),
        crate::clause::Level::Should => format!("{} (SHOULD)", clause.id),
    }
}

/// `once`, `12 times`.
pub(super) fn times(number: usize) -> String {
    if number == 1 { "once".to_owned() } else { format!("{number} times") }
}

/// `12 times in 2 scenarios (idle-last-request 9, pooled-client 3)`
pub(in crate::report) fn often(cause: &Cause<'_>) -> String {
    let scenarios = cause.scenarios();
    let times = times(cause.losses.len());
    if let [(only, _)] = scenarios.as_slice() {
        return format!("{times}, in {only}");
    }
    format!("{times}, in {} ({})", count(scenarios.len(), "scenario", "scenarios"), listed(&scenarios))
}

/// From the earliest to the latest, and in which phases.
pub(in crate::report) fn when(cause: &Cause<'_>) -> String {
    let mut phases: Vec<&str> = Vec::new();
    for loss in &cause.losses {
        let phase = loss.violation().phase.split(',').next().unwrap_or_default();
        if !phases.contains(&phase) {
            phases.push(phase);
        }
    }
    let phases = phases.join(", ");
    let since = || cause.losses.iter().filter_map(|loss| loss.since_t0);
    let Some((first, last)) = since().min().zip(since().max()) else { return phases };
    let (first, last) = (Span(first).to_string(), Span(last).to_string());
    if first == last { format!("T0+{first}; {phases}") } else { format!("T0+{first} to T0+{last}; {phases}") }
}

/// Which processes, and how often each.
pub(in crate::report) fn processes(cause: &Cause<'_>) -> String {
    let processes = cause.processes();
    match processes.as_slice() {
        [(only, _)] => (*only).to_owned(),
        _ => listed(&processes),
    }
}

/// Names with numbers, not too many of them.
fn listed(names: &[(&str, usize)]) -> String {
    const NAMES: usize = 5;
    let mut texts: Vec<String> =
        names.iter().take(NAMES).map(|(name, number)| format!("{name} ×{number}")).collect();
    if names.len() > NAMES {
        texts.push(format!("{} more", names.len() - NAMES));
    }
    texts.join(", ")
}
