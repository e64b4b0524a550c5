//! What is broken: by clause, then by kind, with examples and what led to them.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Evidence;
use super::super::lane_log::{Kind, LaneLog};
use super::super::page::Page;
use super::super::style::{count, width};
use super::{flag_of, known_clause, limits, output, with};
use crate::clause::result::{ClauseResult, RunResult, Verdict};
use crate::clause::tally::Violation;
use crate::declaration::Span;
use crate::history::LaneId;

/// Examples shown of each kind.
const EXAMPLES: usize = 3;
/// The width of labels.
const LABEL: usize = 11;

/// Every clause that is broken.
pub(super) fn write(page: &mut Page, run: &RunResult, evidence: &Evidence<'_>) {
    let broken = with(run, Verdict::Fail);
    if broken.is_empty() {
        return;
    }
    page.heading("Failures");
    let mut failures =
        Failures { run, evidence, logs: BTreeMap::new(), shown: BTreeMap::new(), tails: BTreeSet::new() };
    for clause in broken {
        failures.clause(page, clause);
    }
}

struct Failures<'a> {
    run: &'a RunResult,
    evidence: &'a Evidence<'a>,
    /// Histories that were folded.
    logs: BTreeMap<&'a str, LaneLog<'a>>,
    /// Lanes whose log is on the page, with the clause under which it stands.
    shown: BTreeMap<(&'a str, LaneId), &'a str>,
    /// Scenarios whose output is on the page.
    tails: BTreeSet<&'a str>,
}

impl<'a> Failures<'a> {
    fn clause(&mut self, page: &mut Page, result: &'a ClauseResult) {
        page.blank();
        let style = page.styles.bad;
        page.lead(0, 2, style, &result.id, &format!(" ({})", result.level));
        if let Some(clause) = known_clause(result) {
            page.field(2, "requirement", LABEL, clause.requirement);
            self.assumed(page, result, clause.requirement);
        }
        let kinds = by_kind(result);
        let mut scenarios = Vec::new();
        for (kind, violations) in &kinds {
            page.blank();
            let style = page.styles.name;
            page.lead(2, 2, style, kind, &format!(": {}", often(violations)));
            let examples = examples(violations);
            for (number, violation) in examples.iter().enumerate() {
                if number > 0 {
                    page.blank();
                }
                self.example(page, result, violation);
                scenarios.push(violation.scenario.as_str());
            }
            let more = violations.len() - examples.len();
            if more > 0 {
                let quiet = page.styles.quiet;
                page.blank();
                page.styled(4, quiet, &format!("and {more} more of this kind"));
            }
        }
        for scenario in scenarios {
            if output::is_there(self.evidence, scenario) && self.tails.insert(scenario) {
                page.blank();
                output::write(page, self.evidence, scenario, 2);
            }
        }
    }

    /// A failure against a limit that nobody declared says so.
    fn assumed(&self, page: &mut Page, result: &ClauseResult, requirement: &str) {
        let names = |limit: &str| {
            let in_text = |text: &str| {
                text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == limit)
            };
            in_text(requirement) || result.violations.iter().any(|violation| in_text(&violation.expected))
        };
        for (name, value) in limits(self.run) {
            if let Some(value) = value
                && self.run.limits.assumed.iter().any(|assumed| assumed == name)
                && names(name)
            {
                let text =
                    format!("{name} = {}, which was assumed; set it with {}", Span(value), flag_of(name));
                page.field(2, "limit", LABEL, &text);
            }
        }
    }

    fn example(&mut self, page: &mut Page, result: &'a ClauseResult, violation: &'a Violation) {
        let lane = violation.lane.as_deref().unwrap_or("none; seen from outside");
        for (label, text) in [
            ("expected", violation.expected.as_str()),
            ("seen", &violation.seen),
            ("scenario", &violation.scenario),
            ("lane", lane),
            ("phase", &violation.phase),
            ("process", &violation.process),
        ] {
            page.field(4, label, LABEL - 2, text);
        }
        self.log(page, result, violation);
    }

    fn log(&mut self, page: &mut Page, result: &'a ClauseResult, violation: &'a Violation) {
        let Some(lane) = lane_id(violation) else { return };
        let scenario = violation.scenario.as_str();
        if let Some(above) = self.shown.get(&(scenario, lane)) {
            page.field(4, "log", LABEL - 2, &format!("above, under {above}"));
            return;
        }
        let Some(events) = self.evidence.histories.get(scenario) else { return };
        let drain_start_max = self.run.limits.drain_start_max_ms.saturating_mul(1000);
        let model = self.run.model;
        let log = self.logs.entry(scenario).or_insert_with(|| LaneLog::new(events, model, drain_start_max));
        let lines = log.lines(lane, violation.at_us);
        if lines.is_empty() {
            return;
        }
        self.shown.insert((scenario, lane), &result.id);
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
            page.log_line(4, &time, style, &line.text);
        }
    }
}

/// The number in `role#number`.
fn lane_id(violation: &Violation) -> Option<LaneId> {
    violation.lane.as_deref()?.rsplit_once('#')?.1.parse().ok()
}

/// Kinds in the order in which they first showed.
fn by_kind(result: &ClauseResult) -> Vec<(&str, Vec<&Violation>)> {
    let mut kinds: Vec<(&str, Vec<&Violation>)> = Vec::new();
    for violation in &result.violations {
        match kinds.iter_mut().find(|(kind, _)| *kind == violation.kind) {
            Some((_, same)) => same.push(violation),
            None => kinds.push((&violation.kind, vec![violation])),
        }
    }
    kinds
}

/// `12 times in 2 scenarios (idle-last-request 9, pooled-client 3)`
fn often(violations: &[&Violation]) -> String {
    let mut scenarios: Vec<(&str, usize)> = Vec::new();
    for violation in violations {
        match scenarios.iter_mut().find(|(name, _)| *name == violation.scenario) {
            Some((_, number)) => *number += 1,
            None => scenarios.push((&violation.scenario, 1)),
        }
    }
    let times = if violations.len() == 1 { "once".to_owned() } else { format!("{} times", violations.len()) };
    if let [(only, _)] = scenarios.as_slice() {
        return format!("{times} in {only}");
    }
    let each: Vec<String> = scenarios.iter().map(|(name, number)| format!("{name} {number}")).collect();
    format!("{times} in {} ({})", count(scenarios.len(), "scenario", "scenarios"), each.join(", "))
}

/// A few examples: one of each scenario first, as they differ most.
fn examples<'a>(violations: &[&'a Violation]) -> Vec<&'a Violation> {
    let mut seen = BTreeSet::new();
    let (first, others): (Vec<&Violation>, Vec<&Violation>) =
        violations.iter().partition(|violation| seen.insert(violation.scenario.as_str()));
    first.into_iter().chain(others).take(EXAMPLES).collect()
}
