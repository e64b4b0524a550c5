//! What a story comes to.

use std::collections::BTreeSet;

use hotspec::clause::Level;
use hotspec::clause::judge::{Recorded, judge};
use hotspec::clause::result::{RunResult, Verdict};
use hotspec::declaration::{DeclaredLimits, Span};
use hotspec::manifest::{Manifest, SCHEMA, ScenarioEntry};

use crate::story::{IDLE_MAX, Story};

impl Story {
    /// The story as the only scenario of a run.
    pub(crate) fn entry(&self) -> ScenarioEntry {
        ScenarioEntry {
            name: self.scenario.name.clone(),
            title: self.scenario.title.clone(),
            clauses: self.scenario.clauses.clone(),
            unsupported: None,
            assumed: None,
            by_link: false,
            waits: None,
        }
    }

    /// A run of this story alone, with no known deviation, judged by what MUST hold.
    pub(crate) fn manifest(&self) -> Manifest {
        manifest(&[self])
    }

    pub(crate) fn judged_by(&self, manifest: &Manifest) -> RunResult {
        let recorded: Vec<Recorded<'_>> =
            manifest.scenarios.iter().map(|entry| Recorded { entry, events: self.history() }).collect();
        judge(manifest, &recorded)
    }

    pub(crate) fn judged(&self) -> RunResult {
        self.judged_by(&self.manifest())
    }

    /// What is said of one clause.
    pub(crate) fn verdict(&self, clause: &str) -> Verdict {
        verdict(&self.judged(), clause)
    }

    /// This clause fails, with all of `with`, and no other.
    #[track_caller]
    pub(crate) fn breaks(&self, clause: &str, with: &[&str]) {
        let expected: BTreeSet<&str> = with.iter().copied().chain([clause]).collect();
        let result = self.judged();
        assert_eq!(failing(&result), expected, "{:#?}", result.clauses);
    }

    /// No clause fails, and this one was put to the test.
    #[track_caller]
    pub(crate) fn holds(&self, clause: &str) {
        let result = self.judged();
        assert_eq!(failing(&result), BTreeSet::new(), "{:#?}", result.clauses);
        assert_eq!(verdict(&result, clause), Verdict::Pass, "{:#?}", result.clauses);
    }

    /// No clause fails, and this one can't be decided.
    #[track_caller]
    pub(crate) fn leaves_open(&self, clause: &str) {
        let result = self.judged();
        assert_eq!(failing(&result), BTreeSet::new(), "{:#?}", result.clauses);
        assert_eq!(verdict(&result, clause), Verdict::Inconclusive, "{:#?}", result.clauses);
    }
}

/// A run of these stories, which share a profile and a model.
pub(crate) fn manifest(stories: &[&Story]) -> Manifest {
    let scenarios: Vec<ScenarioEntry> = stories.iter().map(|story| story.entry()).collect();
    let clauses: BTreeSet<String> = scenarios.iter().flat_map(|entry| entry.clauses.clone()).collect();
    Manifest {
        schema: SCHEMA,
        hotspec: "0.0.0".to_owned(),
        target: "story".to_owned(),
        command: vec!["server".to_owned()],
        restart: vec!["SIGHUP to the main process".to_owned()],
        profile: stories[0].profile,
        model: stories[0].model,
        seed: 1,
        isolation: "none".to_owned(),
        isolation_why: None,
        migrate_req: None,
        limits: DeclaredLimits {
            idle_max: Some(Span(IDLE_MAX * 1_000)),
            hard_limit: stories.iter().find_map(|story| story.hard_limit).map(|ms| Span(ms * 1_000)),
            ..DeclaredLimits::default()
        },
        level: Level::Must,
        clauses: clauses.into_iter().collect(),
        scenarios,
        slow: Vec::new(),
        known: Vec::new(),
        version: None,
        successor: stories[0].documented.clone(),
        kernel: "6.12".to_owned(),
        typed: None,
        found: None,
        shard: None,
    }
}

/// Clauses that fail.
pub(crate) fn failing(result: &RunResult) -> BTreeSet<&str> {
    let failed = result.clauses.iter().filter(|clause| clause.verdict == Verdict::Fail);
    failed.map(|clause| clause.id.as_str()).collect()
}

/// What is said of one clause of a run.
#[track_caller]
pub(crate) fn verdict(result: &RunResult, clause: &str) -> Verdict {
    let found = result.clauses.iter().find(|one| one.id == clause);
    found.unwrap_or_else(|| panic!("{clause} was not judged")).verdict
}
