//! The old generation begins to drain, and goes.

use hotspec::clause::result::Verdict;
use hotspec::history::event::Owner;

use crate::correct::ARMING;
use crate::story::{BORN, Gone, NEW, OLD, Story, T0, TD, TR, correct, frame};

#[test]
fn an_old_process_that_serves_on_breaks_drain_starts() {
    let mut story = frame("fresh-first-request");
    story.server.unlistens = None;
    story.server.announces = None;
    story.server.times_out = None;
    story.breaks("drain.starts", &["keep-alive.close-announced", "keep-alive.only-one"]);
}

#[test]
fn an_old_process_that_drains_late_breaks_drain_starts() {
    let mut story = frame("new-connections");
    story.server.unlistens = Some(TR + 1_200);
    story.server.announces = Some(TR + 1_200);
    story.breaks("drain.starts", &[]);
    // Unless it was not its own doing.
    story.machine_was_crowded(TR + 100, TR + 600);
    story.leaves_open("drain.starts");
}

#[test]
fn an_old_process_that_drains_within_the_tolerance_is_in_time() {
    let mut story = frame("new-connections");
    story.server.unlistens = Some(TR + 1_090);
    story.server.announces = Some(TR + 1_090);
    story.holds("drain.starts");
}

#[test]
fn a_drain_that_is_owed_from_a_later_step_of_the_trigger_is_counted_from_there() {
    let mut story = frame("new-connections");
    story.server.drain_step = Some(10_500);
    story.server.unlistens = Some(10_600);
    story.server.announces = Some(10_600);
    story.lane("new", 10_400).accepted_by(OLD).asked().answered().closed();
    story.lane("new", 10_450).accepted_by(NEW).asked().answered().closed();
    story.holds("drain.starts");
}

#[test]
fn a_drain_that_nobody_could_see_leaves_drain_starts_open() {
    let mut story = frame("new-connections");
    story.server.canaries = false;
    story.server.unlistens = None;
    story.server.gone = Gone::At(13_500);
    story.leaves_open("drain.starts");
}

#[test]
fn without_a_successor_no_drain_is_owed() {
    let mut story = frame("half-sent-head");
    story.server.has_no_successor();
    story.leaves_open("drain.starts");
    story.leaves_open("drain.exits");
}

#[test]
fn an_old_process_that_stays_breaks_drain_exits() {
    for scenario in ["new-connections", "zero-traffic"] {
        let mut story = correct(scenario);
        story.server.gone = Gone::Never;
        story.breaks("drain.exits", &[]);
    }
}

#[test]
fn an_old_process_that_goes_late_breaks_drain_exits() {
    let mut story = correct("new-connections");
    // Its last connection ends at 13.25 s, and exit_max is 5 s.
    story.server.gone = Gone::At(18_500);
    story.breaks("drain.exits", &[]);
    story.machine_was_crowded(15_000, 15_500);
    story.leaves_open("drain.exits");
}

#[test]
fn an_old_process_that_goes_within_exit_max_and_the_tolerance_is_in_time() {
    let mut story = correct("new-connections");
    story.server.gone = Gone::At(18_340);
    story.holds("drain.exits");
}

#[test]
fn a_connection_that_may_be_the_old_process_s_or_is_taken_late_defers_its_exit() {
    for (owner, at) in [(Owner::Unknown, BORN), (Owner::Several, BORN), (Owner::Queued, BORN), (OLD, TD + 50)]
    {
        let mut story = correct("new-connections");
        story.lane("new", at).accepted_by(owner).asked().answered().at(15_000).closed();
        story.server.gone = Gone::At(18_500);
        story.holds("drain.exits");
    }
}

#[test]
fn a_connection_of_the_successor_does_not_defer_the_exit_of_the_old_process() {
    let mut story = correct("new-connections");
    story.lane("new", TR + 20).accepted_by(NEW).asked().answered().at(15_000).closed();
    story.server.gone = Gone::At(18_500);
    story.breaks("drain.exits", &[]);
}

#[test]
fn a_connection_whose_end_is_not_recorded_may_be_open_still() {
    let mut story = correct("new-connections");
    story.lane("new", BORN).accepted_by(OLD).asked().answered().and_no_more_is_known();
    story.server.gone = Gone::Never;
    story.leaves_open("drain.exits");
}

#[test]
fn where_processes_are_not_shown_nobody_is_accused_of_staying() {
    let mut story = correct("new-connections");
    story.withheld = true;
    let result = story.judged();
    for clause in &result.clauses {
        assert_ne!(clause.verdict, Verdict::Fail, "{clause:#?}");
    }
    assert!(result.evidence.iter().any(|line| line.starts_with("withheld: ")), "{:?}", result.evidence);
}

/// Here the old process is to be gone though nobody connects: ready_max, drain_start_max and exit_max after the trigger.
const OWED: u64 = T0 + 10_000 + 1_000 + 5_000;

/// Nobody connects until `at`; the old process accepts the first one, and goes when it is served.
fn asked_at(at: u64) -> Story {
    let mut story = frame("zero-traffic");
    story.server.unlistens = None;
    story.lane("before", ARMING).accepted_by(OLD).asked().answered().closed();
    story.lane("probe", at).accepted_by(OLD).asked().answered_last().fin();
    story.lane("probe", at + 5).accepted_by(NEW).asked().answered().closed();
    story.server.gone = Gone::At(at + 50);
    story
}

#[test]
fn an_old_process_that_goes_only_when_somebody_connects_breaks_drain_exits() {
    asked_at(OWED + 1_500).breaks("drain.exits", &[]);
    let mut story = asked_at(OWED + 1_500);
    story.server.gone = Gone::Never;
    story.breaks("drain.exits", &[]);
}

#[test]
fn an_old_process_that_was_not_left_alone_for_long_enough_stays_unaccused() {
    asked_at(OWED - 50).holds("drain.exits");
    asked_at(OWED + 50).leaves_open("drain.exits");
    // Somebody connected in between: what it waited for then is not known.
    let mut story = asked_at(OWED + 1_500);
    story.lane("new", T0 + 5_000).accepted_by(NEW).asked().answered().closed();
    story.holds("drain.exits");
    // So with one that was connected all the time.
    let mut story = asked_at(OWED + 1_500);
    story.lane("idle", ARMING).accepted_by(OLD).asked().answered().at(T0 + 8_000).closed();
    story.holds("drain.exits");
}

#[test]
fn what_the_harness_slept_through_is_no_time_in_which_nobody_connected() {
    let mut story = asked_at(OWED + 1_500);
    story.harness_slept(T0 + 3_000, T0 + 4_450);
    story.leaves_open("drain.exits");
    let mut story = asked_at(OWED + 1_500);
    story.harness_slept(T0 + 3_000, T0 + 4_000);
    story.breaks("drain.exits", &[]);
}

#[test]
fn a_successor_that_nobody_saw_serve_or_listen_in_time_accuses_no_old_process() {
    let mut story = asked_at(OWED + 1_500);
    story.server.born = None;
    story.server.answers = None;
    story.server.gone = Gone::Never;
    story.leaves_open("drain.exits");
    // It listens later than it may.
    let mut story = asked_at(OWED + 1_500);
    story.server.born = Some(T0 + 10_500);
    story.holds("drain.exits");
}

#[test]
fn a_trigger_that_is_not_carried_out_to_its_end_tells_nobody_to_go() {
    let mut story = asked_at(OWED + 1_500);
    story.server.drain_step = Some(T0 + 2_000);
    story.holds("drain.exits");
}
