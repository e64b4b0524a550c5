//! The scenarios and target files that come with the program.

use std::path::Path;

use super::file::{Scenario, ScenarioError};

/// Names and texts of the scenario files, in the order in which they are run and listed.
const SCENARIOS: &[(&str, &str)] = &[
    ("new-connections", include_str!("../../scenarios/new-connections.toml")),
    ("keep-alive-traffic", include_str!("../../scenarios/keep-alive-traffic.toml")),
    ("idle-last-request", include_str!("../../scenarios/idle-last-request.toml")),
    ("fresh-first-request", include_str!("../../scenarios/fresh-first-request.toml")),
    ("in-flight-slow", include_str!("../../scenarios/in-flight-slow.toml")),
    ("in-flight-streamed", include_str!("../../scenarios/in-flight-streamed.toml")),
    ("in-flight-large", include_str!("../../scenarios/in-flight-large.toml")),
    ("in-flight-upload", include_str!("../../scenarios/in-flight-upload.toml")),
    ("half-sent-head", include_str!("../../scenarios/half-sent-head.toml")),
    ("sent-before-trigger", include_str!("../../scenarios/sent-before-trigger.toml")),
    ("queued-at-trigger", include_str!("../../scenarios/queued-at-trigger.toml")),
    ("queued-at-handover", include_str!("../../scenarios/queued-at-handover.toml")),
    ("accepted-unread", include_str!("../../scenarios/accepted-unread.toml")),
    ("zero-traffic", include_str!("../../scenarios/zero-traffic.toml")),
    ("zero-traffic-ipv6", include_str!("../../scenarios/zero-traffic-ipv6.toml")),
    ("zero-traffic-unix", include_str!("../../scenarios/zero-traffic-unix.toml")),
    ("zero-traffic-abstract", include_str!("../../scenarios/zero-traffic-abstract.toml")),
    ("pid-file", include_str!("../../scenarios/pid-file.toml")),
    ("notify", include_str!("../../scenarios/notify.toml")),
    ("pooled-client", include_str!("../../scenarios/pooled-client.toml")),
    ("idle-silent", include_str!("../../scenarios/idle-silent.toml")),
    ("fresh-silent", include_str!("../../scenarios/fresh-silent.toml")),
    ("half-sent-silent", include_str!("../../scenarios/half-sent-silent.toml")),
    ("half-closed", include_str!("../../scenarios/half-closed.toml")),
    ("hard-limit", include_str!("../../scenarios/hard-limit.toml")),
    ("slow-start", include_str!("../../scenarios/slow-start.toml")),
    ("played-parent", include_str!("../../scenarios/played-parent.toml")),
    ("parent-killed", include_str!("../../scenarios/parent-killed.toml")),
    ("http10", include_str!("../../scenarios/http10.toml")),
    ("http10-keep-alive", include_str!("../../scenarios/http10-keep-alive.toml")),
    ("pipelined", include_str!("../../scenarios/pipelined.toml")),
    ("program-renamed", include_str!("../../scenarios/program-renamed.toml")),
    ("program-switched", include_str!("../../scenarios/program-switched.toml")),
    ("starved", include_str!("../../scenarios/starved.toml")),
    ("first-process", include_str!("../../scenarios/first-process.toml")),
    ("failing-program", include_str!("../../scenarios/failing-program.toml")),
    ("failing-start", include_str!("../../scenarios/failing-start.toml")),
    ("failing-killed", include_str!("../../scenarios/failing-killed.toml")),
    ("failing-hang", include_str!("../../scenarios/failing-hang.toml")),
    ("successor-killed", include_str!("../../scenarios/successor-killed.toml")),
    ("old-killed", include_str!("../../scenarios/old-killed.toml")),
    ("chunked-upload", include_str!("../../scenarios/chunked-upload.toml")),
    ("expect-continue", include_str!("../../scenarios/expect-continue.toml")),
    ("no-body", include_str!("../../scenarios/no-body.toml")),
    ("no-body-statuses", include_str!("../../scenarios/no-body-statuses.toml")),
    ("half-close", include_str!("../../scenarios/half-close.toml")),
    ("half-close-slow", include_str!("../../scenarios/half-close-slow.toml")),
    ("client-abort", include_str!("../../scenarios/client-abort.toml")),
    ("client-abort-reading", include_str!("../../scenarios/client-abort-reading.toml")),
    ("event-stream", include_str!("../../scenarios/event-stream.toml")),
    ("traffic-ipv6", include_str!("../../scenarios/traffic-ipv6.toml")),
    ("traffic-unix", include_str!("../../scenarios/traffic-unix.toml")),
    ("traffic-abstract", include_str!("../../scenarios/traffic-abstract.toml")),
    ("many-listeners", include_str!("../../scenarios/many-listeners.toml")),
    ("many-listeners-256", include_str!("../../scenarios/many-listeners-256.toml")),
    ("failing-configuration", include_str!("../../scenarios/failing-configuration.toml")),
    ("failing-resources", include_str!("../../scenarios/failing-resources.toml")),
    ("five-restarts", include_str!("../../scenarios/five-restarts.toml")),
    ("double-trigger", include_str!("../../scenarios/double-trigger.toml")),
    ("triggered-while-starting", include_str!("../../scenarios/triggered-while-starting.toml")),
    ("double-trigger-sweep", include_str!("../../scenarios/double-trigger-sweep.toml")),
    ("triggered-while-draining", include_str!("../../scenarios/triggered-while-draining.toml")),
    ("successor-triggered", include_str!("../../scenarios/successor-triggered.toml")),
    ("triggered-at-start", include_str!("../../scenarios/triggered-at-start.toml")),
    ("triggered-at-birth", include_str!("../../scenarios/triggered-at-birth.toml")),
    ("process-group", include_str!("../../scenarios/process-group.toml")),
    ("storm", include_str!("../../scenarios/storm.toml")),
    ("stopped-amid", include_str!("../../scenarios/stopped-amid.toml")),
    ("twenty-restarts", include_str!("../../scenarios/twenty-restarts.toml")),
    ("unix-path", include_str!("../../scenarios/unix-path.toml")),
    ("dropped-listener", include_str!("../../scenarios/dropped-listener.toml")),
    ("many-generations", include_str!("../../scenarios/many-generations.toml")),
    ("load-closed-loop", include_str!("../../scenarios/load-closed-loop.toml")),
    ("load-idle-mass", include_str!("../../scenarios/load-idle-mass.toml")),
    ("load-new-connections", include_str!("../../scenarios/load-new-connections.toml")),
];

/// All scenarios.
///
/// # Errors
/// A file that does not parse: a fault of the program's own, which its tests rule out.
pub fn scenarios() -> Result<Vec<Scenario>, ScenarioError> {
    SCENARIOS
        .iter()
        .map(|(name, text)| Scenario::parse(Path::new(&format!("scenarios/{name}.toml")), text))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clause::registry;

    #[test]
    fn every_scenario_parses_and_names_clauses_that_exist() {
        for scenario in scenarios().expect("scenario files parse") {
            assert!(!scenario.clauses.is_empty(), "{}", scenario.name);
            for clause in &scenario.clauses {
                let known = registry::find(clause).unwrap_or_else(|| panic!("{}: {clause}", scenario.name));
                assert!(known.judge.is_some(), "{}: {clause} is planned only", scenario.name);
            }
        }
    }

    #[test]
    fn every_built_clause_is_exercised_by_a_scenario() {
        let scenarios = scenarios().expect("scenario files parse");
        for clause in registry::all().iter().filter(|clause| clause.judge.is_some()) {
            let exercised =
                scenarios.iter().any(|scenario| scenario.clauses.iter().any(|id| id == clause.id));
            assert!(exercised, "{}", clause.id);
        }
    }
}
