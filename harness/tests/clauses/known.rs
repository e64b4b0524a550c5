//! Deviations that a target file admits.

use hotspec::clause::judge::{Recorded, judge};
use hotspec::clause::result::{RunResult, RunVerdict, Verdict};
use hotspec::declaration::known::Seen;
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
        seen: (frequency == Frequency::Rare).then_some(Seen { times: 1, runs: 20 }),
        versions: None,
    }
}

fn judged(stories: &[&Story], known: Known) -> RunResult {
    judged_of_version(stories, known, None)
}

fn judged_of_version(stories: &[&Story], known: Known, version: Option<&str>) -> RunResult {
    let mut manifest = manifest(stories);
    manifest.known = vec![known];
    manifest.version = version.map(str::to_owned);
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

fn of_versions(versions: &str) -> Known {
    let entry = admitted(CLAUSE, "new-connections", "refused", Frequency::Always);
    Known { versions: Some(versions.parse().unwrap()), ..entry }
}

#[test]
fn a_deviation_of_some_versions_is_known_of_those_alone() {
    let story = refusing("new-connections");
    for (version, verdict_then, run_then) in [
        ("server 2.6.12", Verdict::Known, RunVerdict::Pass),
        ("server 2.8.0", Verdict::Fail, RunVerdict::Fail),
    ] {
        let result = judged_of_version(&[&story], of_versions(">=2.4, <2.8"), Some(version));
        assert_eq!((verdict(&result, CLAUSE), result.verdict), (verdict_then, run_then), "{version}");
        assert_eq!(result.admitted.len(), usize::from(verdict_then == Verdict::Known));
    }
}

#[test]
fn a_deviation_of_some_versions_is_stale_in_those_alone() {
    let story = correct("new-connections");
    let stale = |version| judged_of_version(&[&story], of_versions("2.6"), version).stale.len();
    assert_eq!((stale(Some("server 2.6.12")), stale(Some("server 2.8.0"))), (1, 0));
}

#[test]
fn where_the_version_cannot_be_told_a_deviation_of_some_is_admitted_and_not_missed_and_that_is_told() {
    for version in [None, Some("server of mine")] {
        let seen = judged_of_version(&[&refusing("new-connections")], of_versions("2.6"), version);
        assert_eq!((verdict(&seen, CLAUSE), seen.verdict), (Verdict::Known, RunVerdict::Pass));
        let unseen = judged_of_version(&[&correct("new-connections")], of_versions("2.6"), version);
        assert_eq!((unseen.verdict, unseen.stale.len()), (RunVerdict::Pass, 0));
        for result in [seen, unseen] {
            assert!(
                result.notes.iter().any(|note| note.contains("version could not be told")),
                "{:?}",
                result.notes
            );
        }
    }
}

#[test]
fn an_entry_that_showed_is_told_and_one_that_did_not_is_not() {
    let entry = admitted(CLAUSE, "new-connections", "refused", Frequency::Rare);
    let seen = judged(&[&refusing("new-connections")], entry.clone());
    assert_eq!(seen.admitted, std::slice::from_ref(&entry));
    assert!(judged(&[&correct("new-connections")], entry).admitted.is_empty());
}
