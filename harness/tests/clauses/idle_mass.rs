//! Very many idle connections.

use hotspec::clause::result::Verdict;
use hotspec::declaration::Profile;
use hotspec::history::Model;

use crate::correct::ARMING;
use crate::lane::{Answer, OPEN, Script};
use crate::story::{Gone, IDLE_MAX, Story, TD, correct, correct_in};

const CLAUSE: &str = "load.idle-mass";
const SCENARIO: &str = "load-idle-mass";

/// One that is idle at the trigger.
fn idle<'s>(story: &'s mut Story, role: &str) -> Script<'s> {
    story.lane(role, ARMING).connected().asked().answered().armed()
}

#[test]
fn a_server_that_serves_some_once_more_and_closes_the_others_in_time_passes() {
    for profile in [Profile::Falcore, Profile::Reload] {
        correct_in(profile, SCENARIO).holds(CLAUSE);
    }
}

#[test]
fn one_that_is_forgotten_breaks_it() {
    let mut story = correct(SCENARIO);
    idle(&mut story, "mass-silent").at(TD + 32_000).closed();
    story.old_until = (TD + 32_000) * 1_000;
    story.breaks("load.idle-mass", &[]);
    let mut story = correct(SCENARIO);
    idle(&mut story, "mass-silent").at(TD + IDLE_MAX + 1_200).fin();
    story.breaks(CLAUSE, &[]);
}

#[test]
fn one_that_is_closed_early_or_within_the_tolerance_is_in_order() {
    let mut story = correct(SCENARIO);
    idle(&mut story, "mass-silent").at(TD + IDLE_MAX + 1_050).fin();
    idle(&mut story, "mass-silent").at(TD + 5).fin();
    idle(&mut story, "mass").at(TD + 5).fin();
    // The request and the close have crossed.
    idle(&mut story, "mass").at(TD + 150).asked().fin();
    idle(&mut story, "mass").at(TD + 150).asked().reset_after_fin();
    story.old_until = (TD + IDLE_MAX + 1_050) * 1_000;
    story.holds(CLAUSE);
}

#[test]
fn one_that_is_reset_with_nothing_unanswered_breaks_it() {
    for profile in [Profile::Falcore, Profile::Reload] {
        let mut story = correct_in(profile, SCENARIO);
        idle(&mut story, "mass-silent").at(TD + 50).reset();
        story.breaks(CLAUSE, &[]);
    }
}

#[test]
fn a_reset_that_a_request_crosses_breaks_falcore_and_is_forgiven_elsewhere() {
    let mut story = correct(SCENARIO);
    idle(&mut story, "mass").at(TD + 150).asked().reset();
    story.breaks(CLAUSE, &[]);
    let mut story = correct_in(Profile::Reload, SCENARIO);
    idle(&mut story, "mass").at(TD + 150).asked().reset();
    story.holds(CLAUSE);
    let result = story.judged();
    assert_eq!(result.clauses.iter().find(|one| one.id == CLAUSE).unwrap().forgiven, 1);
}

#[test]
fn an_answer_that_is_cut_wrong_or_missing_breaks_it_in_every_profile() {
    let wrong: [fn(Script<'_>); 4] = [
        |lane| lane.head(OPEN).after(5).fin(),
        |lane| lane.head(OPEN).after(5).reset(),
        |lane| lane.answered_as(Answer { status: 503, ..OPEN }).fin(),
        |lane| lane.after(31_000).gave_up(),
    ];
    for profile in [Profile::Falcore, Profile::Reload] {
        for one in wrong {
            let mut story = correct_in(profile, SCENARIO);
            one(idle(&mut story, "mass").at(TD + 150).asked());
            story.old_until = story.old_until.max((TD + 31_200) * 1_000);
            story.breaks(CLAUSE, &[]);
        }
    }
}

#[test]
fn an_old_process_that_stays_when_all_are_closed_breaks_it() {
    let mut story = correct(SCENARIO);
    story.server.gone = Gone::At(TD + IDLE_MAX + 40 + 5_500);
    story.breaks(CLAUSE, &[]);
}

#[test]
fn what_the_harness_slept_through_accuses_nobody() {
    let mut story = correct(SCENARIO);
    idle(&mut story, "mass-silent").at(TD + IDLE_MAX + 1_200).fin();
    story.old_until = (TD + IDLE_MAX + 1_200) * 1_000;
    story.harness_slept(TD + IDLE_MAX + 500, TD + IDLE_MAX + 1_150);
    story.leaves_open(CLAUSE);
    let mut story = correct(SCENARIO);
    idle(&mut story, "mass").at(TD + 150).asked().after(31_000).gave_up();
    story.harness_slept(TD + 1_000, TD + 20_000);
    story.old_until = (TD + 31_200) * 1_000;
    story.leaves_open(CLAUSE);
}

#[test]
fn connections_that_did_not_stand_at_the_trigger_show_nothing() {
    let mut story = correct(SCENARIO);
    for _ in 0..4 {
        story.lane("mass-silent", ARMING).connected().asked().at(TD + 50).reset();
    }
    story.leaves_open(CLAUSE);
}

#[test]
fn a_server_without_room_for_so_many_is_not_asked_for_it() {
    let mut story = correct(SCENARIO);
    for _ in 0..3 {
        story.lane("mass", 50).connected().asked().answered().armed().after(5).fin();
    }
    assert_eq!(story.verdict(CLAUSE), Verdict::Unsupported);
    // The harness itself was slow to open them.
    story.harness_slept(60, 700);
    story.leaves_open(CLAUSE);
}

#[test]
fn whoever_restarts_in_place_may_keep_the_silent_ones() {
    let mut story = correct_in(Profile::InPlace, SCENARIO);
    story.model = Model::InPlace;
    idle(&mut story, "mass-silent").at(TD + 32_000).closed();
    assert_ne!(story.verdict(CLAUSE), Verdict::Fail);
}
