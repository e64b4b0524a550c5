//! The verdict on a whole run, and that a correct server passes.

use std::collections::BTreeSet;

use hotspec::clause::judge::{Recorded, judge};
use hotspec::clause::registry;
use hotspec::clause::result::{RunVerdict, Verdict};
use hotspec::declaration::{Frequency, Known, Profile};
use hotspec::history::What;
use hotspec::history::event::{ConnectTrouble, Event, Fault, Stop};
use hotspec::manifest::Waits;
use hotspec::scenario::file::SuccessorStart;

use crate::judged::verdict;
use crate::lane::{Answer, LAST};
use crate::story::{BORN, OLD, Story, T0, correct, correct_in, scenarios};

#[test]
fn a_correct_restart_passes_every_clause_of_every_scenario() {
    for profile in [Profile::Falcore, Profile::Reload] {
        for scenario in scenarios() {
            // What a successor owes before it serves is promised in falcore only.
            if profile == Profile::Reload && scenario.name == "triggered-at-birth" {
                continue;
            }
            let result = correct_in(profile, &scenario.name).judged();
            let others = result.clauses.iter().filter(|clause| clause.verdict != Verdict::Pass);
            let others: Vec<_> = others.map(|clause| (&clause.id, clause.verdict, &clause.reasons)).collect();
            assert!(others.is_empty(), "{profile} {}: {others:#?}", scenario.name);
            assert_eq!(result.verdict, RunVerdict::Pass);
            let after = scenario.failing.iter().filter(|fault| **fault != Fault::DiesWhenReady).count();
            let wanted = scenario.restarts + after as u32;
            // One that the harness itself starts has no restart.
            let adopted = scenario.successor == Some(SuccessorStart::Adopted);
            assert_eq!(result.restarts.len() as u32, if adopted { 0 } else { wanted });
            for restart in &result.restarts {
                assert!(restart.t0_us.is_some() && restart.td_us.is_some() && restart.tx_us.is_some());
            }
        }
    }
}

#[test]
fn every_built_clause_is_broken_by_a_story_here() {
    let told = [
        include_str!("availability.rs"),
        include_str!("in_flight.rs"),
        include_str!("last_request.rs"),
        include_str!("keep_alive.rs"),
        include_str!("load.rs"),
        include_str!("drain.rs"),
        include_str!("process.rs"),
        include_str!("told.rs"),
        include_str!("aftermath.rs"),
        include_str!("identity.rs"),
        include_str!("idle.rs"),
        include_str!("drain_end.rs"),
        include_str!("handover.rs"),
        include_str!("protocol.rs"),
        include_str!("wire.rs"),
        include_str!("failure.rs"),
        include_str!("repeat.rs"),
        include_str!("descriptors.rs"),
        include_str!("protocol_http.rs"),
        include_str!("program_replaced.rs"),
        include_str!("starved.rs"),
        include_str!("first_process.rs"),
        include_str!("idle_mass.rs"),
    ];
    let told: String = told.concat().split_whitespace().collect();
    for clause in registry::all().into_iter().filter(|clause| clause.judge.is_some()) {
        let broken = ["breaks", "breaks_by"].map(|how| format!(".{how}(\"{}\",", clause.id));
        assert!(broken.iter().any(|broken| told.contains(broken)), "{}", clause.id);
    }
}

#[test]
fn every_violation_names_its_scenario_its_moment_and_what_was_expected() {
    let mut story = correct("new-connections");
    story.lane("new", BORN + 20).refused();
    story.lane("new", BORN + 21).accepted_by(OLD).asked().after(2).fin();
    let result = story.judged();
    let violations: Vec<_> = result.clauses.iter().flat_map(|clause| &clause.violations).collect();
    assert_eq!(violations.len(), 2);
    for violation in violations {
        assert_eq!(violation.scenario, "new-connections");
        assert!(violation.phase.starts_with("T0 to Tr, T0+"), "{}", violation.phase);
        assert!(!violation.expected.is_empty() && !violation.seen.is_empty() && !violation.kind.is_empty());
    }
}

fn failed(story: &mut Story, stage: Stop) {
    story.tell(T0 + 1, What::Failed { stage, message: "expected this, found that".to_owned() });
}

/// One stage worse than the last: each is added to all before.
#[test]
fn an_error_weighs_more_than_an_invalid_run_that_more_than_a_breach_that_more_than_a_doubt() {
    let mut story = correct("new-connections");
    assert_eq!(story.judged().verdict, RunVerdict::Pass);
    story.lane("new", BORN + 20).accepted_by(OLD).asked().after(1_300).answered_last().fin();
    story.harness_slept(BORN + 30, BORN + 1_100);
    assert_eq!(story.judged().verdict, RunVerdict::Inconclusive);
    story.lane("new", BORN + 20).refused();
    assert_eq!(story.judged().verdict, RunVerdict::Fail);
    let mut invalid = story.clone();
    failed(&mut invalid, Stop::Start);
    assert_eq!(invalid.judged().verdict, RunVerdict::Invalid);
    story.lane("new", 500).refused();
    assert_eq!(story.judged().verdict, RunVerdict::Invalid);
    let other = correct("half-sent-head");
    let mut manifest = crate::judged::manifest(&[&story, &other]);
    manifest.scenarios.reverse();
    let mut faulty = other;
    failed(&mut faulty, Stop::Harness);
    let recorded = [
        hotspec::clause::judge::Recorded { entry: &manifest.scenarios[0], events: faulty.history() },
        hotspec::clause::judge::Recorded { entry: &manifest.scenarios[1], events: story.history() },
    ];
    assert_eq!(hotspec::clause::judge::judge(&manifest, &recorded).verdict, RunVerdict::Error);
}

#[test]
fn a_control_phase_that_fails_makes_the_run_invalid_and_accuses_nobody() {
    let troubles: [fn(&mut Story); 4] = [
        |story| story.lane("new", 500).refused(),
        |story| story.lane("new", 500).accepted_by(OLD).asked().after(5).fin(),
        |story| story.lane("new", 500).accepted_by(OLD).asked().head(LAST).reset(),
        |story| story.lane("new", 500).fetch_failed("reset").closed(),
    ];
    for trouble in troubles {
        let mut story = correct("new-connections");
        trouble(&mut story);
        story.lane("new", BORN + 20).refused();
        let result = story.judged();
        assert_eq!(result.verdict, RunVerdict::Invalid);
        assert_eq!(result.problems[0].stage, Stop::Control);
        assert!(result.clauses.iter().all(|clause| clause.verdict != Verdict::Fail));
    }
}

#[test]
fn an_idle_connection_that_control_loses_in_order_does_not_make_the_run_invalid() {
    let mut story = correct("new-connections");
    story.lane("busy", 500).accepted_by(OLD).asked().answered().after(100).asked().reset_after_fin();
    story.lane("busy", 500).accepted_by(OLD).asked().answered_last().asked().reset();
    story.lane("busy", 500).accepted_by(OLD).asked().closed();
    assert_eq!(story.judged().verdict, RunVerdict::Pass);
}

#[test]
fn an_endpoint_that_was_only_assumed_and_fails_in_control_rules_the_scenario_out() {
    let mut story = correct("in-flight-upload");
    story.lane("upload", 60).accepted_by(OLD).begun("upload").sent().after(5).fin();
    assert_eq!(story.judged().verdict, RunVerdict::Invalid);
    let mut manifest = story.manifest();
    manifest.scenarios[0].assumed = Some("a path for uploads".to_owned());
    let result = story.judged_by(&manifest);
    assert_eq!(verdict(&result, "in-flight.upload"), Verdict::Unsupported);
    assert_eq!(result.verdict, RunVerdict::Pass);
    assert!(result.problems.is_empty());
}

#[test]
fn an_endpoint_that_was_only_assumed_and_works_in_control_is_judged() {
    let mut story = correct("in-flight-upload");
    let mut manifest = story.manifest();
    manifest.scenarios[0].assumed = Some("a path for uploads".to_owned());
    assert_eq!(verdict(&story.judged_by(&manifest), "in-flight.upload"), Verdict::Pass);
    story.lane("upload", 8_200).accepted_by(OLD).begun("upload").armed().at(12_000).reset();
    assert_eq!(verdict(&story.judged_by(&manifest), "in-flight.upload"), Verdict::Fail);
}

#[test]
fn a_scenario_that_the_target_does_not_support_says_why() {
    let story = correct("in-flight-upload");
    let mut manifest = story.manifest();
    manifest.scenarios[0].unsupported = Some("it has no endpoint `upload`".to_owned());
    let result = hotspec::clause::judge::judge(&manifest, &[]);
    for clause in &result.clauses {
        assert_eq!(clause.verdict, Verdict::Unsupported, "{}", clause.id);
        assert_eq!(clause.reasons, ["it has no endpoint `upload`"]);
    }
}

#[test]
fn a_run_that_is_broken_off_passes_nothing_and_still_fails_what_was_broken() {
    let mut story = correct("new-connections");
    story.tell(13_900, What::Interrupted);
    let result = story.judged();
    assert!(result.interrupted);
    assert!(result.clauses.iter().all(|clause| clause.verdict == Verdict::Inconclusive));
    assert_eq!(result.verdict, RunVerdict::Inconclusive);
    story.lane("new", BORN + 20).accepted_by(OLD).asked().answered_as(Answer { status: 404, ..LAST }).fin();
    let result = story.judged();
    assert_eq!(verdict(&result, "availability.answered"), Verdict::Fail);
    assert_eq!(result.verdict, RunVerdict::Fail);
}

#[test]
fn a_planned_clause_is_shown_and_weighs_nothing() {
    let story = correct("new-connections");
    let mut manifest = story.manifest();
    let planned = registry::all().into_iter().filter(|clause| clause.judge.is_none());
    let planned: BTreeSet<&str> =
        planned.filter(|clause| clause.level(story.profile).is_some()).map(|clause| clause.id).collect();
    manifest.clauses.extend(planned.iter().map(|id| (*id).to_owned()));
    let result = story.judged_by(&manifest);
    assert!(planned.iter().all(|id| verdict(&result, id) == Verdict::Planned));
    assert_eq!(result.verdict, RunVerdict::Pass);
}

#[test]
fn a_scenario_takes_as_long_as_its_histories_and_at_least_what_its_waits_and_its_restart_come_to() {
    let story = correct("idle-last-request");
    let history = story.history();
    let took = history.last().unwrap().t - history.first().unwrap().t;
    let mut manifest = story.manifest();
    assert_eq!(story.judged_by(&manifest).scenarios[0].least_us, None);
    // Waits that are shorter than the server's own restart don't make it shorter; longer ones are what counts.
    for restart_us in [0, 60_000_000] {
        let waits =
            Waits { control_us: 4_000_000, lead_us: 500_000, restart_us, after_tx_us: 7_000, settle_us: 1 };
        manifest.scenarios[0].waits = Some(waits);
        let result = story.judged_by(&manifest);
        let restart = &result.restarts[0];
        let own = restart.tx_us.unwrap().lo - restart.t0_us.unwrap().hi;
        let time = &result.scenarios[0];
        assert_eq!((time.name.as_str(), time.took_us, result.took_us), ("idle-last-request", took, took));
        assert_eq!(time.least_us, Some(4_000_000 + restart_us.max(500_000 + own + 7_000)));
    }
}

/// `availability.not-refused` after these attempts at one scenario, in their order.
fn attempted(attempts: &[&Story]) -> (Verdict, Vec<String>) {
    let mut manifest = attempts[0].manifest();
    manifest.clauses = vec!["availability.not-refused".to_owned()];
    let recorded: Vec<Recorded<'_>> = attempts
        .iter()
        .map(|story| Recorded { entry: &manifest.scenarios[0], events: story.history() })
        .collect();
    let clause = judge(&manifest, &recorded).clauses.remove(0);
    assert_eq!(clause.id, "availability.not-refused");
    (clause.verdict, clause.undecided_in)
}

#[test]
fn an_attempt_decides_what_another_one_left_open_and_no_breach_is_forgotten() {
    let decided = correct("new-connections");
    let mut open = correct("new-connections");
    open.lane("new", BORN + 20).not_connected(ConnectTrouble::Local, 99);
    let mut broken = correct("new-connections");
    broken.lane("new", BORN + 20).refused();
    let still_open = (Verdict::Inconclusive, vec!["new-connections".to_owned()]);
    assert_eq!(attempted(&[&open]), still_open);
    assert_eq!(attempted(&[&open, &decided]), (Verdict::Pass, vec![]));
    assert_eq!(attempted(&[&open, &open, &decided]).0, Verdict::Pass);
    assert_eq!(attempted(&[&open, &open]), still_open);
    // Nor does it matter which came first.
    assert_eq!(attempted(&[&decided, &open]), (Verdict::Pass, vec![]));
    for attempts in [[&broken, &decided], [&open, &broken], [&broken, &open]] {
        assert_eq!(attempted(&attempts).0, Verdict::Fail);
    }
    // Broken off before it came to anything.
    let mut cut = decided.history();
    cut.truncate(3);
    let manifest = decided.manifest();
    let entry = &manifest.scenarios[0];
    let recorded = [Recorded { entry, events: open.history() }, Recorded { entry, events: cut }];
    let result = judge(&manifest, &recorded);
    assert_eq!(verdict(&result, "availability.not-refused"), Verdict::Inconclusive);
    assert!(result.interrupted);
}

#[test]
fn an_attempt_that_fails_without_any_restart_is_left_out_where_another_one_did_not() {
    let mut open = correct("new-connections");
    open.lane("new", BORN + 20).not_connected(ConnectTrouble::Local, 99);
    let manifest = open.manifest();
    let entry = &manifest.scenarios[0];
    let mut failed = correct("new-connections").history();
    failed.insert(1, Event { t: 0, what: What::Failed { stage: Stop::Start, message: "no".to_owned() } });
    let recorded = [Recorded { entry, events: open.history() }, Recorded { entry, events: failed.clone() }];
    let result = judge(&manifest, &recorded);
    assert_eq!(result.verdict, RunVerdict::Inconclusive, "the doubt stands: {:?}", result.problems);
    assert!(result.notes.iter().any(|note| note.contains("left out")), "{:?}", result.notes);
    let alone = judge(&manifest, &[Recorded { entry, events: failed }]);
    assert_eq!(alone.verdict, RunVerdict::Invalid);
}

#[test]
fn a_doubt_weighs_more_than_a_known_deviation_of_the_same_clause() {
    let mut story = correct("new-connections");
    story.lane("new", BORN + 20).refused();
    story.lane("new", BORN + 20).not_connected(ConnectTrouble::Local, 99);
    let mut manifest = story.manifest();
    manifest.known.push(Known {
        clause: "availability.not-refused".to_owned(),
        scenario: "new-connections".to_owned(),
        kind: "refused".to_owned(),
        reason: "it is known".to_owned(),
        source: "its manual".to_owned(),
        frequency: Frequency::Always,
        seen: None,
        versions: None,
    });
    let result = story.judged_by(&manifest);
    assert_eq!(verdict(&result, "availability.not-refused"), Verdict::Inconclusive);
}

#[test]
fn attempts_add_up_and_of_what_was_broken_off_no_least_is_known() {
    let story = correct("idle-last-request");
    let mut manifest = story.manifest();
    manifest.scenarios[0].waits = Some(Waits { control_us: 4_000_000, ..Waits::default() });
    let entry = &manifest.scenarios[0];
    let once = Recorded { entry, events: story.history() };
    let again = Recorded { entry, events: story.history() };
    let one = judge(&manifest, &[Recorded { entry, events: story.history() }]).scenarios.remove(0);
    let two = judge(&manifest, &[once, again]).scenarios.remove(0);
    assert_eq!(two.took_us, 2 * one.took_us);
    assert_eq!(two.least_us, one.least_us.map(|least| 2 * least));
    let mut cut = story.history();
    cut.pop();
    let cut = judge(&manifest, &[Recorded { entry, events: cut }]).scenarios.remove(0);
    assert_eq!(cut.least_us, None);
}
