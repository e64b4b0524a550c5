//! Restarts that fail.

use hotspec::clause::result::Verdict;
use hotspec::history::What;
use hotspec::history::event::{Counted, Fault};

use crate::lane::{Answer, OPEN};
use crate::quiet::{OLD_PID, counted};
use crate::story::{BORN, Gone, NEW, OLD, Story, T0, TR, correct};
use crate::trials::{FAILED_PID, OVER};

/// The restart of this story that fails by this fault.
fn failed(story: &mut Story, fault: Fault) -> &mut Story {
    story.later.iter_mut().find(|later| later.server.fault == Some(fault)).unwrap()
}

/// The one after it.
fn after(story: &mut Story, fault: Fault) -> &mut Story {
    let at = story.later.iter().position(|later| later.server.fault == Some(fault)).unwrap();
    &mut story.later[at + 1]
}

#[test]
fn a_refused_connection_while_the_program_is_missing_breaks_it() {
    for fault in [Fault::Missing, Fault::NotExecutable, Fault::Truncated] {
        let mut story = correct("failing-program");
        failed(&mut story, fault).lane("new", BORN + 30).refused();
        story.breaks("failure.no-program", &[]);
    }
}

#[test]
fn a_request_that_is_lost_and_a_connection_that_is_closed_break_it() {
    let mut story = correct("failing-program");
    failed(&mut story, Fault::Missing).lane("new", BORN + 30).accepted_by(OLD).asked().reset();
    story.breaks("failure.no-program", &[]);
    let mut story = correct("failing-program");
    let idle = failed(&mut story, Fault::Missing).lane("idle", T0 - 200).accepted_by(OLD).asked().answered();
    idle.at(T0 + 50).fin();
    story.breaks("failure.no-program", &[]);
    let mut story = correct("failing-program");
    let idle = failed(&mut story, Fault::Missing).lane("idle", T0 - 200).accepted_by(OLD).asked().answered();
    idle.at(T0 + 50).asked().gave_up();
    story.breaks("failure.no-program", &[]);
    // Before the trigger it is no affair of a restart.
    let mut story = correct("failing-program");
    let idle = failed(&mut story, Fault::Missing).lane("idle", T0 - 200).accepted_by(OLD).asked().answered();
    idle.at(T0 - 50).fin();
    story.holds("failure.no-program");
}

#[test]
fn no_successor_in_the_restart_after_it_breaks_it() {
    let mut story = correct("failing-program");
    let next = after(&mut story, Fault::Truncated);
    (next.server.born, next.server.answers) = (None, None);
    assert_eq!(story.verdict("failure.no-program"), Verdict::Fail);
    let mut story = correct("failing-program");
    story.later.truncate(1);
    story.breaks("failure.no-program", &[]);
}

#[test]
fn whoever_goes_another_way_to_its_program_is_not_judged() {
    let mut story = correct("failing-program");
    story.later.clear();
    story.server.by_path = false;
    for clause in ["failure.no-program", "keep-alive.kept-on-failed-restart"] {
        assert_eq!(story.verdict(clause), Verdict::Unsupported);
    }
}

#[test]
fn a_restart_that_goes_on_all_the_same_is_no_failed_one() {
    let mut story = correct("failing-program");
    for later in story.later.iter_mut().filter(|later| later.server.fault.is_some()) {
        (later.server.born, later.server.answers) = (Some(BORN), Some(BORN + 100));
        later.server.fault = Some(Fault::Missing);
    }
    assert_ne!(story.verdict("failure.no-program"), Verdict::Fail);
    // As uWSGI does with an application that can't be loaded.
    let goes_on = failed(&mut story, Fault::Missing);
    let asked = goes_on.lane("new", TR + 200).accepted_by(NEW).asked();
    asked.answered_as(Answer { status: 500, ..OPEN }).closed();
    assert_eq!(story.verdict("failure.no-program"), Verdict::Fail);
}

#[test]
fn a_close_that_is_announced_when_the_restart_is_given_up_breaks_it() {
    let mut story = correct("failing-program");
    let lane = failed(&mut story, Fault::Missing).lane("busy", T0 - 200).accepted_by(OLD).asked().answered();
    lane.at(OVER + 100).asked().answered_last().fin();
    story.breaks("keep-alive.kept-on-failed-restart", &[]);
    // While it is tried that is another clause's affair.
    let mut story = correct("failing-program");
    let lane = failed(&mut story, Fault::Missing).lane("busy", T0 - 200).accepted_by(OLD).asked().answered();
    lane.at(OVER - 100).asked().answered_last().fin();
    story.holds("keep-alive.kept-on-failed-restart");
}

#[test]
fn a_loss_that_a_plain_restart_shows_too_is_not_laid_at_the_door_of_the_one_after() {
    let mut story = correct("failing-program");
    after(&mut story, Fault::Missing).lane("new", BORN + 30).refused();
    story.breaks("failure.no-program", &[]);
    story.lane("new", BORN + 30).refused();
    story.holds("failure.no-program");
}

#[test]
fn a_history_that_breaks_off_shows_nothing() {
    let mut story = correct("failing-program");
    story.later.truncate(1);
    let mut events = story.history();
    events.pop();
    events.push(hotspec::history::Event { t: events.last().unwrap().t + 1, what: What::Interrupted });
    let manifest = story.manifest();
    let recorded = [hotspec::clause::judge::Recorded { entry: &manifest.scenarios[0], events }];
    let result = hotspec::clause::judge::judge(&manifest, &recorded);
    assert!(result.clauses.iter().all(|clause| clause.verdict != Verdict::Fail), "{:#?}", result.clauses);
}

#[test]
fn each_way_to_end_early_is_a_clause_of_its_own() {
    let lost = |fault: Fault| {
        let early = if fault == Fault::Exits { "failing-start" } else { "failing-killed" };
        let mut story = correct(early);
        failed(&mut story, fault).lane("new", BORN + 30).refused();
        story
    };
    lost(Fault::Exits).breaks("failure.exits-early", &[]);
    lost(Fault::Crashes).breaks("failure.killed-early", &[]);
    lost(Fault::Killed).breaks("failure.killed-early", &[]);
}

#[test]
fn whoever_can_not_restart_after_a_successor_that_hung_breaks_it() {
    let mut story = correct("failing-hang");
    story.later.truncate(1);
    story.breaks("failure.hangs-early", &[]);
    let mut story = correct("failing-hang");
    failed(&mut story, Fault::Hangs).lane("new", BORN + 30).accepted_by(OLD).asked().after(2_500).answered();
    story.breaks("failure.hangs-early", &[]);
}

#[test]
fn a_successor_that_stays_a_zombie_is_told() {
    let mut story = correct("failing-start");
    let later = failed(&mut story, Fault::Exits);
    later.left.push(Counted { zombie: true, ..counted(FAILED_PID, OLD_PID, "server") });
    story.breaks("failure.reaped", &[]);
    // One that was there before is not this one's.
    let mut story = correct("failing-start");
    let zombie = Counted { zombie: true, ..counted(FAILED_PID, OLD_PID, "server") };
    let later = failed(&mut story, Fault::Exits);
    later.left.push(zombie.clone());
    later.quiet.before.push(zombie);
    story.holds("failure.reaped");
}

#[test]
fn a_failure_of_which_nothing_is_said_is_invisible() {
    let mut story = correct("failing-killed");
    failed(&mut story, Fault::Killed).server.silent = true;
    story.breaks("failure.visible", &[]);
}

#[test]
fn a_successor_that_dies_unnoticed_is_told() {
    let mut story = correct("successor-killed");
    failed(&mut story, Fault::DiesWhenReady).server.silent = true;
    // A connection is answered after its end.
    story.holds("failure.dies-when-ready");
    let killed = TR + 5;
    let later = failed(&mut story, Fault::DiesWhenReady);
    later.events.retain(|event| event.t < killed * 1_000);
    later.scenario.probes = false;
    later.lane("new", TR).accepted_by(NEW).asked().answered().closed();
    story.breaks("failure.dies-when-ready", &[]);
}

#[test]
fn a_successor_that_does_not_serve_without_its_parent_breaks_it() {
    let mut story = correct("old-killed");
    story.server.answers = None;
    story.breaks("failure.old-dies", &[]);
}

#[test]
fn an_old_generation_that_does_not_survive_is_told_once() {
    let mut story = correct("failing-killed");
    let later = failed(&mut story, Fault::Crashes);
    later.server.gone = Gone::At(BORN + 40);
    later.lane("new", BORN + 60).refused();
    story.later.truncate(1);
    let result = story.judged();
    let clause = result.clauses.iter().find(|one| one.id == "failure.killed-early").unwrap();
    let kinds: Vec<_> = clause.violations.iter().map(|one| one.kind.as_str()).collect();
    assert_eq!(kinds, ["gone"]);
}

#[test]
fn a_refused_connection_while_the_configuration_is_invalid_breaks_bad_config() {
    let mut story = correct("failing-configuration");
    failed(&mut story, Fault::BadConfig).lane("new", BORN + 30).refused();
    story.breaks("failure.bad-config", &[]);
}

#[test]
fn a_lost_request_while_nothing_can_be_forked_or_executed_breaks_no_resources() {
    for fault in [Fault::NoFork, Fault::NoExec] {
        let mut story = correct("failing-resources");
        failed(&mut story, fault).lane("new", BORN + 30).accepted_by(OLD).asked().reset();
        story.breaks("failure.no-resources", &[]);
    }
}

#[test]
fn no_successor_after_the_mistake_was_mended_breaks_bad_config() {
    let mut story = correct("failing-configuration");
    let next = after(&mut story, Fault::BadConfig);
    (next.server.born, next.server.answers) = (None, None);
    assert_eq!(story.verdict("failure.bad-config"), Verdict::Fail);
}

#[test]
fn a_request_that_waits_until_it_is_called_off_breaks_it_if_that_is_long() {
    let mut story = correct("failing-resources");
    failed(&mut story, Fault::NoFork).lane("new", BORN + 30).connected().asked().after(5_000).closed();
    story.breaks("failure.no-resources", &[]);
    let mut story = correct("failing-resources");
    failed(&mut story, Fault::NoFork).lane("new", BORN + 30).connected().asked().after(900).closed();
    story.holds("failure.no-resources");
    for held_up in [Story::harness_slept, Story::machine_was_crowded] {
        let mut story = correct("failing-resources");
        let asleep = failed(&mut story, Fault::NoFork);
        asleep.lane("new", BORN + 30).connected().asked().after(5_000).closed();
        held_up(asleep, BORN + 40, BORN + 4_800);
        story.leaves_open("failure.no-resources");
    }
}

#[test]
fn where_nothing_was_refused_no_resources_is_ruled_out() {
    let mut story = correct("failing-resources");
    for later in story.later.iter_mut().filter(|later| later.server.fault.is_some()) {
        // The last word counts.
        later.tell(OVER + 1, What::Attempt { seen: None });
    }
    assert_eq!(story.verdict("failure.no-resources"), Verdict::Unsupported);
}

#[test]
fn where_the_kernel_does_not_ask_there_is_no_evidence() {
    let mut story = correct("failing-resources");
    story.later.clear();
    let why = "another seccomp supervisor stands above hotspec".to_owned();
    story.tell(12_000, What::Unable { fault: Fault::NoFork, why });
    assert_eq!(story.verdict("failure.no-resources"), Verdict::NoEvidence);
}
