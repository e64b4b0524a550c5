//! What a successor is handed, and when it says that it is ready.

use hotspec::clause::result::Verdict;
use hotspec::declaration::Profile;
use hotspec::history::event::{ConnectTrouble, Owner};
use hotspec::history::{Model, What};

use crate::lane::{Answer, OPEN};
use crate::rounds::{ADOPTED, SUCCESSOR};
use crate::story::{BORN, NEW, OLD, Story, T0, correct, correct_in, frame, process};

/// In the middle of the time for which the successor is held.
const AMID: u64 = T0 + 2_000;
/// From then on the successor may say that it is ready: the old process is killed.
const KILLED: u64 = BORN + 40;

#[test]
fn a_server_that_is_away_while_its_successor_starts_breaks_ready_before_drain() {
    let mut story = correct("slow-start");
    story.lane("new", AMID).refused();
    story.breaks("process.ready-before-drain", &["availability.not-refused"]);
    let mut story = correct("slow-start");
    story.lane("new", AMID).after(3_000).not_connected(ConnectTrouble::TimedOut, 110);
    story.breaks("process.ready-before-drain", &["availability.no-overflow"]);
}

#[test]
fn a_server_that_accepts_nobody_while_its_successor_starts_breaks_ready_before_drain() {
    let mut story = correct("slow-start");
    let waits = story.lane("new", AMID).connected().owner(Owner::Queued).asked();
    waits.at(T0 + 5_120).owner(NEW).answered().closed();
    // It was called off after two seconds in vain.
    story.lane("new", AMID).connected().owner(Owner::Queued).asked().after(2_000).closed();
    story.breaks("process.ready-before-drain", &[]);
}

#[test]
fn an_error_while_the_successor_starts_breaks_ready_before_drain() {
    for answer in [Answer { status: 503, ..OPEN }, Answer { hash: "0", ..OPEN }] {
        let mut story = correct("slow-start");
        story.lane("new", AMID).accepted_by(OLD).asked().answered_as(answer).closed();
        story.breaks("process.ready-before-drain", &[]);
    }
    let mut story = correct("slow-start");
    story.lane("new", AMID).accepted_by(OLD).asked().after(2).fin();
    story.breaks("process.ready-before-drain", &[]);
}

#[test]
fn connections_at_the_borders_of_the_slow_start_are_not_judged_by_it() {
    let mut story = correct("slow-start");
    for at in [T0 + 490, T0 + 4_510] {
        story.lane("new", at).accepted_by(OLD).asked().after(1_500).answered().closed();
    }
    story.holds("process.ready-before-drain");
}

#[test]
fn a_first_byte_within_stall_max_is_at_control_s_latency() {
    let mut story = correct("slow-start");
    story.lane("new", AMID).accepted_by(OLD).asked().after(950).answered().closed();
    story.holds("process.ready-before-drain");
}

#[test]
fn a_wait_that_the_harness_slept_through_accuses_nobody_and_praises_nobody() {
    for held_up in [Story::harness_slept, Story::machine_was_crowded] {
        let mut story = correct("slow-start");
        story.lane("new", AMID).accepted_by(OLD).asked().after(1_500).answered().closed();
        held_up(&mut story, AMID + 100, AMID + 1_400);
        story.leaves_open("process.ready-before-drain");
    }
}

#[test]
fn a_wait_that_the_record_does_not_end_accuses_nobody() {
    let mut story = correct("slow-start");
    story.lane("new", T0 + 4_000).accepted_by(OLD).asked().and_no_more_is_known();
    story.lane("new", T0 + 4_000).accepted_by(OLD).asked().after(100).closed();
    story.lane("new", T0 + 4_000).not_connected(ConnectTrouble::Local, 99);
    story.holds("process.ready-before-drain");
}

/// A server that forks for each connection, or whose workers are replaced now and then.
#[test]
fn whoever_answers_while_the_successor_stands_at_the_gate_is_the_old_generation() {
    let mut story = correct("slow-start");
    story.tell(AMID, process(7, "/opt/server", AMID));
    story.lane("new", AMID + 5).accepted_by(Owner::Process(7)).asked().answered().closed();
    story.lane("new", AMID + 5).accepted_by(Owner::Several).asked().answered().closed();
    assert_eq!(story.verdict("process.ready-before-drain"), Verdict::Pass);
}

#[test]
fn a_server_that_drains_while_its_successor_starts_breaks_not_before_ready() {
    let mut story = correct("slow-start");
    // Before anything of the new generation is there.
    story.lane("busy", 8_600).accepted_by(OLD).asked().answered().at(T0 + 20).asked().answered_last().fin();
    story.breaks("keep-alive.not-before-ready", &[]);
}

#[test]
fn where_no_program_is_executed_the_clauses_of_a_held_start_are_ruled_out() {
    for model in [Model::MasterWorkers, Model::InPlace] {
        let mut story = correct_in(Profile::Falcore, "slow-start");
        never_held(&mut story);
        story.model = model;
        for clause in ["process.ready-before-drain", "process.descriptor-flag"] {
            assert_eq!(story.verdict(clause), Verdict::Unsupported, "{model:?} {clause}");
        }
        let mut story = correct("parent-killed");
        never_held(&mut story);
        story.model = model;
        assert_eq!(story.verdict("process.readiness-signal"), Verdict::Unsupported, "{model:?}");
    }
}

/// The successor came up by another way than the path on which the gate stands.
fn never_held(story: &mut Story) {
    story.server.let_through = None;
    story.server.killed = None;
}

#[test]
fn a_successor_that_does_not_come_by_the_gate_rules_the_clauses_out() {
    let mut story = correct("slow-start");
    never_held(&mut story);
    for clause in ["process.ready-before-drain", "process.descriptor-flag"] {
        assert_eq!(story.verdict(clause), Verdict::Unsupported, "{clause}");
    }
}

#[test]
fn a_successor_that_does_not_come_at_all_leaves_the_clauses_open() {
    for (scenario, clause) in
        [("slow-start", "process.ready-before-drain"), ("parent-killed", "process.readiness-signal")]
    {
        let mut story = frame(scenario);
        never_held(&mut story);
        story.server.born = None;
        story.server.answers = None;
        assert_eq!(story.verdict(clause), Verdict::Inconclusive, "{clause}");
        story.withheld = true;
        assert_eq!(story.verdict(clause), Verdict::NoEvidence, "{clause}");
    }
}

#[test]
fn a_flag_that_names_no_listening_socket_breaks_descriptor_flag() {
    let mut story = correct("slow-start");
    story.server.names = Some(0);
    story.breaks("process.descriptor-flag", &[]);
}

#[test]
fn a_flag_that_names_other_sockets_too_is_in_order() {
    let mut story = correct("slow-start");
    // Another address's, which is not watched; and a copy of the old process, amid moving its descriptors.
    story.named(BORN + 6, 2, 0);
    story.named(BORN + 1, 2, 0);
    story.holds("process.descriptor-flag");
}

#[test]
fn what_is_named_after_the_start_or_by_others_does_not_break_descriptor_flag() {
    let mut story = correct("slow-start");
    story.named(T0 + 5_500, 1, 0);
    story.named(BORN, 0, 0);
    story.holds("process.descriptor-flag");
    // Then it is as if nothing had been named.
    story.server.names = None;
    assert_eq!(story.verdict("process.descriptor-flag"), Verdict::Unsupported);
}

#[test]
fn a_target_without_a_flag_rules_descriptor_flag_out() {
    let mut story = correct("slow-start");
    story.server.names = None;
    assert_eq!(story.verdict("process.descriptor-flag"), Verdict::Unsupported);
    story.withheld = true;
    assert_eq!(story.verdict("process.descriptor-flag"), Verdict::NoEvidence);
}

#[test]
fn a_successor_that_signals_a_stranger_breaks_readiness_signal() {
    let mut story = correct("parent-killed");
    story.signalled(KILLED + 80, SUCCESSOR);
    story.breaks("process.readiness-signal", &[]);
}

#[test]
fn signals_of_others_or_before_the_parent_died_or_of_another_kind_break_nothing() {
    let mut story = correct("parent-killed");
    story.signalled(KILLED - 10, SUCCESSOR);
    story.signalled(KILLED + 80, 4_242);
    story.tell(KILLED + 80, What::Signalled { signo: 17, pid: SUCCESSOR });
    story.holds("process.readiness-signal");
}

#[test]
fn a_successor_that_was_not_let_through_leaves_readiness_signal_open() {
    let mut story = correct("parent-killed");
    story.server.let_through = Some(25_000);
    story.server.answers = None;
    let mut cut = story.history();
    cut.retain(|event| event.t < 25_000_000);
    let manifest = story.manifest();
    let recorded = hotspec::clause::judge::Recorded { entry: &manifest.scenarios[0], events: cut };
    let result = hotspec::clause::judge::judge(&manifest, &[recorded]);
    assert_eq!(crate::judged::verdict(&result, "process.readiness-signal"), Verdict::Inconclusive);
}

#[test]
fn where_processes_are_not_shown_nobody_is_known_to_have_kept_silent() {
    let mut story = correct("parent-killed");
    story.withheld = true;
    assert_eq!(story.verdict("process.readiness-signal"), Verdict::NoEvidence);
}

/// A target that the harness started on its own socket: what it answers, and when it says that it is ready.
fn adopted(answers: Option<u64>, signals: &[u64]) -> Story {
    let mut story = frame("played-parent");
    for at in signals {
        story.signalled(*at, 100);
    }
    let probe = story.lane("probe", ADOPTED + 5).connected().asked();
    match answers {
        Some(at) => probe.at(at).owner(OLD).answered().closed(),
        None => probe.at(19_000).closed(),
    }
    story
}

#[test]
fn a_target_that_never_says_that_it_is_ready_breaks_readiness_signal() {
    adopted(Some(ADOPTED + 60), &[]).breaks("process.readiness-signal", &[]);
    adopted(None, &[]).breaks("process.readiness-signal", &[]);
}

#[test]
fn a_target_that_says_it_twice_breaks_readiness_signal() {
    adopted(Some(ADOPTED + 60), &[ADOPTED + 50, ADOPTED + 55]).breaks("process.readiness-signal", &[]);
}

#[test]
fn a_target_that_says_it_and_serves_nobody_breaks_readiness_signal() {
    adopted(None, &[ADOPTED + 50]).breaks("process.readiness-signal", &[]);
    adopted(Some(ADOPTED + 1_200), &[ADOPTED + 50]).breaks("process.readiness-signal", &[]);
}

#[test]
fn a_target_that_serves_within_stall_max_and_the_tolerance_of_its_word_is_in_order() {
    adopted(Some(ADOPTED + 1_140), &[ADOPTED + 50]).holds("process.readiness-signal");
    adopted(Some(ADOPTED + 20), &[ADOPTED + 50]).holds("process.readiness-signal");
}

#[test]
fn a_harness_that_slept_leaves_the_service_after_the_word_open() {
    let mut story = adopted(Some(ADOPTED + 1_500), &[ADOPTED + 50]);
    story.harness_slept(ADOPTED + 60, ADOPTED + 1_400);
    story.leaves_open("process.readiness-signal");
}

#[test]
fn signals_of_another_process_are_not_the_target_s_word() {
    let mut story = adopted(Some(ADOPTED + 60), &[ADOPTED + 50]);
    story.signalled(ADOPTED + 52, 4_242);
    story.holds("process.readiness-signal");
}

#[test]
fn a_target_that_was_not_watched_for_long_enough_leaves_readiness_signal_open() {
    let story = adopted(None, &[]);
    let mut events = story.history();
    events.retain(|event| event.t < 5_000_000);
    events.push(hotspec::history::Event {
        t: 5_000_000,
        what: What::Phase { phase: hotspec::history::event::Phase::End },
    });
    let manifest = story.manifest();
    let recorded = hotspec::clause::judge::Recorded { entry: &manifest.scenarios[0], events };
    let result = hotspec::clause::judge::judge(&manifest, &[recorded]);
    assert_eq!(crate::judged::verdict(&result, "process.readiness-signal"), Verdict::Inconclusive);
}
