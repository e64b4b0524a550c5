//! Why nothing can be said: the target did not start, fails without a restart, or hotspec is at fault.

use super::super::Evidence;
use super::super::page::Page;
use super::super::style::count;
use super::output;
use crate::clause::result::{Problem, RunResult};
use crate::history::event::Stop;

/// Where a scenario can have stopped, and what that says.
pub(in crate::report) const STAGES: [(Stop, &str); 3] = [
    (Stop::Start, "The target did not start as a server"),
    (Stop::Control, "The target fails with no restart at all"),
    (Stop::Harness, "hotspec itself failed"),
];

/// Every problem once, with the scenarios that met it and the tail of the output in one of them.
pub(super) fn write(page: &mut Page, run: &RunResult, evidence: &Evidence<'_>) {
    for (stage, title) in STAGES {
        let groups = grouped(run, stage);
        if groups.is_empty() {
            continue;
        }
        let was_up = run.was_up() && stage == Stop::Start;
        page.heading(if was_up { "The server could not be put through this" } else { title });
        for (message, scenarios) in groups {
            page.blank();
            let style = page.styles.fault;
            let number = count(scenarios.len(), "scenario", "scenarios");
            page.lead(0, 2, style, &number, &format!(": {}", scenarios.join(", ")));
            for line in message.lines() {
                page.text(2, line);
            }
            // What was written is a command's, and told.
            if was_up {
                continue;
            }
            let with_output = scenarios.iter().find(|scenario| output::is_there(evidence, scenario));
            if let Some(scenario) = with_output.or(scenarios.first()) {
                page.blank();
                output::write(page, evidence, scenario, 2);
            }
        }
    }
}

/// Messages of a stage in the order in which they came, each with its scenarios.
pub(in crate::report) fn grouped(run: &RunResult, stage: Stop) -> Vec<(&str, Vec<&str>)> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    let of_stage = |problem: &&Problem| problem.stage == stage;
    for problem in run.problems.iter().filter(of_stage) {
        match groups.iter_mut().find(|(message, _)| *message == problem.message) {
            Some((_, scenarios)) => scenarios.push(&problem.scenario),
            None => groups.push((&problem.message, vec![&problem.scenario])),
        }
    }
    groups
}
