//! Deviations that a target file admits.

use hotspec::clause::judge::{Recorded, judge};
use hotspec::clause::result::{RunResult, RunVerdict, Verdict};
use hotspec::declaration::{Frequency, Known};

use crate::judged::{failing, manifest, verdict};
use crate::story::{BORN, Story, correct};

const CLAUSE: &str = "availability.not-refused";

fn refusing(scenario: &str) -> Story {
    let mut story = correct(scenario);
    story.lane("new", BORN + 20).refused();
    story
}

fn admitted(clause: &str, scenario: &str, kind: &str, frequency: Frequency) -> Known {
    Known {
        clause: clause.to_owned(),
        scenario: scenario.to_owned(),
        kind: kind.to_owned(),
        reason: "it closes its listener first".to_owned(),
        source: "its manual".to_owned(),
        frequency,
    }
}

fn judged(stories: &[&Story], known: Known) -> RunResult {
    let mut manifest = manifest(stories);
    manifest.known = vec![known];
    let histories = stories.iter().map(|story| story.history());
    let recorded: Vec<Recorded<'_>> =
        manifest.scenarios.iter().zip(histories).map(|(entry, events)| Recorded { entry, events }).collect();
    judge(&manifest, &recorded)
}

#[test]
fn a_deviation_that_is_known_is_shown_and_fails_nothing() {
    for frequency in [Frequency::Always, Frequency::Rare] {
        let story = refusing("new-connections");
        let result = judged(&[&story], admitted(CLAUSE, "new-connections", "refused", frequency));
        assert_eq!(verdict(&result, CLAUSE), Verdict::Known);
        assert_eq!((result.verdict, result.stale.len()), (RunVerdict::Pass, 0));
        let clause = result.clauses.iter().find(|clause| clause.id == CLAUSE).unwrap();
        assert_eq!((clause.known.len(), clause.violations.len()), (1, 0));
    }
}

#[test]
fn a_deviation_is_known_by_its_clause_its_scenario_and_its_kind_together() {
    let story = refusing("new-connections");
    for known in [
        admitted(CLAUSE, "new-connections", "reset", Frequency::Rare),
        admitted(CLAUSE, "half-sent-head", "refused", Frequency::Rare),
        admitted("availability.answered", "new-connections", "refused", Frequency::Rare),
        admitted("availability.*", "new-connections", "refused", Frequency::Rare),
    ] {
        let result = judged(&[&story], known.clone());
        assert_eq!(verdict(&result, CLAUSE), Verdict::Fail, "{known:?}");
        assert_eq!(result.verdict, RunVerdict::Fail, "{known:?}");
    }
}

#[test]
fn what_is_known_in_one_scenario_still_fails_in_another() {
    let (known, unknown) = (refusing("new-connections"), refusing("half-sent-head"));
    let entry = admitted(CLAUSE, "new-connections", "refused", Frequency::Always);
    let result = judged(&[&known, &unknown], entry);
    assert_eq!(failing(&result).into_iter().collect::<Vec<_>>(), [CLAUSE]);
    let clause = result.clauses.iter().find(|clause| clause.id == CLAUSE).unwrap();
    assert_eq!((clause.known.len(), clause.violations.len()), (1, 1));
}

#[test]
fn a_deviation_that_always_shows_and_did_not_fails_the_run_as_stale() {
    let story = correct("new-connections");
    let result = judged(&[&story], admitted(CLAUSE, "new-connections", "refused", Frequency::Always));
    assert_eq!((result.verdict, result.stale.len()), (RunVerdict::Fail, 1));
    assert_eq!(verdict(&result, CLAUSE), Verdict::Pass);
}

#[test]
fn a_rare_deviation_that_did_not_show_is_in_order() {
    let story = correct("new-connections");
    let result = judged(&[&story], admitted(CLAUSE, "new-connections", "refused", Frequency::Rare));
    assert_eq!((result.verdict, result.stale.len()), (RunVerdict::Pass, 0));
}

#[test]
fn a_deviation_whose_scenario_did_not_put_it_to_the_test_is_not_stale() {
    const FRESH: &str = "keep-alive.fin-not-reset";
    let (other, mut broken_off) = (correct("idle-last-request"), correct("half-sent-head"));
    broken_off.tell(19_999, hotspec::history::What::Interrupted);
    let result =
        judged(&[&other, &broken_off], admitted(FRESH, "half-sent-head", "reset", Frequency::Always));
    assert!(result.stale.is_empty(), "{:?}", result.stale);
}

#[test]
fn a_deviation_in_a_scenario_that_the_target_was_spared_is_not_stale() {
    let (story, mut spared) = (correct("new-connections"), correct("in-flight-upload"));
    spared.lane("upload", 60).refused();
    let mut manifest = manifest(&[&story, &spared]);
    manifest.scenarios[1].assumed = Some("a path for uploads".to_owned());
    manifest.known = vec![admitted(CLAUSE, "in-flight-upload", "refused", Frequency::Always)];
    let recorded = [
        Recorded { entry: &manifest.scenarios[0], events: story.history() },
        Recorded { entry: &manifest.scenarios[1], events: spared.history() },
    ];
    let result = judge(&manifest, &recorded);
    assert_eq!((result.verdict, result.stale.len()), (RunVerdict::Pass, 0), "{:#?}", result.clauses);
}
