//! A new generation comes up, and it is the new one that serves.

use hotspec::clause::result::Verdict;
use hotspec::declaration::Profile;
use hotspec::history::Model;
use hotspec::history::event::{Interval, Owner, What};

use crate::lane::{Answer, OPEN};
use crate::story::{
    CONTROL, Gone, LISTENER, NEW, OLD, Story, T0, TR, correct, correct_in, frame, holds, process,
};

/// A server that ignores the trigger.
fn ignored(scenario: &str) -> Story {
    let mut story = frame(scenario);
    story.server.has_no_successor();
    story
}

#[test]
fn a_trigger_that_is_ignored_breaks_new_generation_and_leaves_the_rest_open() {
    let story = ignored("new-connections");
    story.breaks("process.new-generation", &[]);
    for clause in ["process.effective", "drain.starts", "drain.exits", "availability.successor-serves"] {
        assert_eq!(story.verdict(clause), Verdict::Inconclusive, "{clause}");
    }
}

#[test]
fn nobody_is_accused_of_serving_late_on_a_machine_without_a_free_processor() {
    let mut story = ignored("new-connections");
    story.machine_was_crowded(T0 + 1_000, T0 + 9_000);
    assert_eq!(story.verdict("process.new-generation"), Verdict::Inconclusive);
    // Whoever is gone is late for another reason.
    story.server.gone = Gone::At(T0 + 30);
    story.server.canaries = false;
    story.scenario.probes = false;
    story.breaks("process.new-generation", &["process.one-left"]);
}

#[test]
fn a_crowd_before_the_trigger_excuses_nobody() {
    let mut story = ignored("new-connections");
    story.machine_was_crowded(T0 - 3_000, T0);
    story.breaks("process.new-generation", &[]);
}

#[test]
fn a_server_that_dies_of_the_trigger_breaks_new_generation() {
    let mut story = ignored("new-connections");
    story.server.gone = Gone::At(T0 + 30);
    story.server.canaries = false;
    story.scenario.probes = false;
    story.breaks("process.new-generation", &["process.one-left"]);
}

/// Later than `ready_max` allows.
const SERVES_LATE: u64 = T0 + 10_300;

/// A server whose successor serves then.
fn serves_late() -> Story {
    let mut story = frame("new-connections");
    story.server.answers = Some(SERVES_LATE);
    story.server.unlistens = Some(SERVES_LATE + 50);
    story.server.announces = Some(SERVES_LATE + 50);
    story.server.times_out = Some(SERVES_LATE + 4_000);
    story.old_until = (SERVES_LATE + 4_000) * 1_000;
    story
}

#[test]
fn a_successor_that_serves_late_breaks_new_generation() {
    serves_late().breaks("process.new-generation", &[]);
}

#[test]
fn a_successor_that_serves_late_by_what_the_harness_slept_is_in_time() {
    let mut story = serves_late();
    story.harness_slept(SERVES_LATE - 400, SERVES_LATE - 100);
    story.holds("process.new-generation");
}

#[test]
fn a_successor_that_serves_late_by_what_the_machine_was_crowded_is_doubtful() {
    let mut story = serves_late();
    story.machine_was_crowded(SERVES_LATE - 400, SERVES_LATE - 100);
    assert_eq!(story.verdict("process.new-generation"), Verdict::Inconclusive);
}

#[test]
fn another_program_in_its_place_breaks_new_generation_in_falcore_only() {
    for (profile, expected) in [(Profile::Falcore, Verdict::Fail), (Profile::Reload, Verdict::Pass)] {
        let mut story = correct_in(profile, "new-connections");
        story.server.program = "/opt/other";
        assert_eq!(story.verdict("process.new-generation"), expected, "{profile}");
    }
}

/// Envoy under its supervisor, which is a script: the first process executes the interpreter.
#[test]
fn the_program_of_any_old_process_is_the_same_program() {
    let mut story = correct("new-connections");
    story.tell(CONTROL, process(7, "/opt/other", CONTROL));
    story.tell(CONTROL + 1, holds(7, &[LISTENER.inode], CONTROL));
    story.server.program = "/opt/other";
    assert_eq!(story.verdict("process.new-generation"), Verdict::Pass);
}

#[test]
fn where_processes_are_not_shown_nothing_is_said_of_generations() {
    let mut story = correct("new-connections");
    story.withheld = true;
    assert_eq!(story.verdict("process.new-generation"), Verdict::NoEvidence);
    assert_eq!(story.verdict("process.effective"), Verdict::NoEvidence);
}

#[test]
fn an_old_process_that_takes_connections_long_after_breaks_effective() {
    let mut story = correct("keep-alive-traffic");
    story.lane("busy", TR + 1_500).accepted_by(OLD).asked().answered_last().fin();
    story.breaks("process.effective", &["drain.stops-accepting"]);
    story.machine_was_crowded(TR + 100, TR + 800);
    assert_eq!(story.verdict("process.effective"), Verdict::Inconclusive);
}

#[test]
fn an_old_process_that_takes_a_connection_within_the_tolerance_is_no_breach_of_effective() {
    let mut story = frame("keep-alive-traffic");
    story.server.unlistens = Some(TR + 1_085);
    story.server.announces = Some(TR + 1_085);
    story.lane("busy", TR + 1_080).accepted_by(OLD).asked().answered_last().fin();
    story.holds("process.effective");
}

#[test]
fn effective_is_owed_from_the_step_that_drains() {
    let mut story = frame("keep-alive-traffic");
    story.server.drain_step = Some(12_000);
    story.server.unlistens = Some(12_100);
    story.server.announces = Some(12_100);
    story.server.times_out = Some(14_000);
    story.lane("busy", 11_500).accepted_by(OLD).asked().answered().closed();
    story.lane("busy", 13_500).accepted_by(NEW).asked().answered().closed();
    story.holds("process.effective");
    story.lane("busy", 13_500).accepted_by(OLD).asked().answered_last().fin();
    story.breaks("process.effective", &["drain.stops-accepting"]);
}

const BEFORE: Answer = Answer { marker: Some("v1"), ..OPEN };
const AFTER: Answer = Answer { marker: Some("v2"), ..OPEN };

/// One process that restarts inside itself, and shows it by its answers.
fn in_place(shows: Answer) -> Story {
    let mut story = ignored("keep-alive-traffic");
    story.profile = Profile::InPlace;
    story.model = Model::InPlace;
    story.tell(T0 - 1, What::Marker { value: "v2".to_owned() });
    story.lane("busy", 100).accepted_by(OLD).asked().answered_as(BEFORE).closed();
    story.lane("busy", T0 + 200).accepted_by(OLD).asked().answered_as(AFTER).closed();
    story.lane("busy", T0 + 2_000).accepted_by(OLD).asked().answered_as(shows).closed();
    story
}

#[test]
fn an_old_marker_long_after_the_trigger_breaks_effective() {
    in_place(BEFORE).breaks("process.effective", &[]);
    let mut story = in_place(BEFORE);
    story.machine_was_crowded(T0 + 300, T0 + 1_900);
    assert_eq!(story.verdict("process.effective"), Verdict::Inconclusive);
}

#[test]
fn a_new_marker_shows_that_the_trigger_took_effect_in_place() {
    in_place(AFTER).holds("process.effective");
}

#[test]
fn neither_a_marker_nor_a_new_process_leaves_effective_open() {
    let mut story = ignored("keep-alive-traffic");
    story.profile = Profile::InPlace;
    story.model = Model::InPlace;
    story.leaves_open("process.effective");
}

#[test]
fn the_same_pid_that_executed_again_shows_that_the_trigger_took_effect_in_place() {
    let mut story = ignored("keep-alive-traffic");
    story.profile = Profile::InPlace;
    story.model = Model::InPlace;
    story.server.canaries = false;
    story.scenario.probes = false;
    let What::Process { program, .. } = process(1, "/opt/server", T0 + 100) else { unreachable!() };
    story.tell(
        T0 + 100,
        What::Process {
            proc: 1,
            pid: 100,
            ppid: 1,
            start: 10,
            stack: 9_999,
            born: Interval::new((T0 + 90) * 1_000, (T0 + 100) * 1_000),
            name: "server".to_owned(),
            program,
            executed_from: Some(0),
        },
    );
    story.tell(T0 + 101, holds(1, &[501], T0 + 100));
    for at in [T0 + 200, T0 + 2_000] {
        story.lane("busy", at).accepted_by(Owner::Process(1)).asked().answered().closed();
    }
    story.holds("process.effective");
}
