//! Connections that could be used again: told of their end, given it in order, and left alone otherwise.

use hotspec::clause::judge::{Recorded, judge};
use hotspec::clause::result::Verdict;
use hotspec::declaration::Profile;
use hotspec::history::What;
use hotspec::history::event::Owner;

use crate::correct::LATE;
use crate::judged::verdict;
use crate::lane::{LAST, Script};
use crate::story::{BORN, IDLE_MAX, NEW, OLD, RESTART, Story, T0, TD, TR, correct, correct_in};

/// A connection that was used and is idle.
fn idle(story: &mut Story) -> Script<'_> {
    story.lane("idle", RESTART + 60).accepted_by(OLD).asked().answered().armed()
}

/// A connection in use until shortly before Td.
fn busy(story: &mut Story) -> Script<'_> {
    story.lane("busy", 8_600).accepted_by(OLD).at(T0 - 20).asked().answered()
}

#[test]
fn an_answer_of_a_draining_process_without_the_announcement_breaks_close_announced() {
    let mut story = correct("idle-last-request");
    idle(&mut story).at(LATE).asked().answered().at(TD + IDLE_MAX).fin();
    story.breaks("keep-alive.close-announced", &[]);
}

#[test]
fn an_answer_to_a_request_sent_within_the_tolerance_need_not_announce_the_close() {
    let mut story = correct("idle-last-request");
    idle(&mut story).at(TD + 99).asked().answered().at(TD + IDLE_MAX).fin();
    story.holds("keep-alive.close-announced");
}

#[test]
fn an_answer_of_the_successor_or_of_nobody_known_need_not_announce_the_close() {
    let mut story = correct("idle-last-request");
    story.lane("idle", TR + 5).accepted_by(NEW).at(LATE).asked().answered().closed();
    story.lane("idle", TR + 5).accepted_by(Owner::Several).at(LATE).asked().answered().closed();
    story.lane("idle", TR + 5).connected().at(LATE).asked().answered().closed();
    story.holds("keep-alive.close-announced");
}

#[test]
fn an_announced_close_that_does_not_come_breaks_close_honoured() {
    for profile in [Profile::Falcore, Profile::Reload] {
        let mut story = correct_in(profile, "idle-last-request");
        idle(&mut story).at(LATE).asked().answered_last().after(5_000).gave_up();
        story.breaks("keep-alive.close-honoured", &[]);
        let mut story = correct_in(profile, "idle-last-request");
        idle(&mut story).at(LATE).asked().answered_last().after(1_150).fin();
        story.breaks("keep-alive.close-honoured", &[]);
    }
}

#[test]
fn bytes_after_an_announced_close_break_close_honoured() {
    let mut story = correct_in(Profile::Reload, "idle-last-request");
    idle(&mut story).at(LATE).asked().answered_last().extra(12).fin();
    story.breaks("keep-alive.close-honoured", &[]);
}

#[test]
fn a_second_answer_after_an_announced_close_breaks_close_honoured_and_only_one() {
    let mut story = correct("idle-last-request");
    idle(&mut story).at(LATE).begun("fast").begun("fast").sent().answered_last().answered_last().fin();
    story.breaks("keep-alive.close-honoured", &["keep-alive.only-one"]);
    story.profile = Profile::Reload;
    story.breaks("keep-alive.close-honoured", &[]);
}

#[test]
fn an_announced_close_within_a_second_and_the_tolerance_is_honoured() {
    let mut story = correct("idle-last-request");
    idle(&mut story).at(LATE).asked().answered_last().after(1_090).fin();
    story.holds("keep-alive.close-honoured");
}

#[test]
fn a_harness_that_slept_leaves_close_honoured_open() {
    for held_up in [Story::harness_slept, Story::machine_was_crowded] {
        let mut story = correct("idle-last-request");
        idle(&mut story).at(LATE).asked().answered_last().after(1_500).fin();
        held_up(&mut story, LATE + 100, LATE + 1_000);
        story.leaves_open("keep-alive.close-honoured");
    }
}

#[test]
fn a_request_in_steady_use_that_is_dropped_breaks_answered_throughout() {
    let mut story = correct("keep-alive-traffic");
    busy(&mut story).at(TD + 10).asked().after(5).fin();
    story.breaks("keep-alive.answered-throughout", &[]);
}

#[test]
fn a_pooled_client_that_notices_breaks_answered_throughout() {
    let mut story = correct("pooled-client");
    story.lane("pooled", T0 + 10).fetch_failed("reset").closed();
    story.breaks("keep-alive.answered-throughout", &["availability.answered"]);
}

#[test]
fn a_pooled_client_that_stood_still_itself_leaves_answered_throughout_open() {
    let mut story = correct("pooled-client");
    story.lane("pooled", T0 + 10).fetch_failed("reset").closed();
    story.harness_slept(T0 - IDLE_MAX / 2, T0 - 100);
    for clause in ["keep-alive.answered-throughout", "availability.answered"] {
        assert_eq!(story.verdict(clause), Verdict::Inconclusive, "{clause}");
    }
}

#[test]
fn a_request_near_the_earliest_permitted_timeout_of_its_owner_is_owed_no_answer() {
    for owner in [OLD, Owner::Unknown, Owner::Several] {
        let mut story = correct("keep-alive-traffic");
        let late = story.lane("busy", 8_600).accepted_by(owner).at(T0 - 20).asked().answered();
        late.at(TD + IDLE_MAX / 2).asked().after(5).fin();
        story.holds("keep-alive.answered-throughout");
    }
}

#[test]
fn an_early_request_on_a_connection_of_an_unknown_owner_is_owed_an_answer_all_the_same() {
    let mut story = correct("keep-alive-traffic");
    let early = story.lane("busy", 8_600).connected().at(T0 - 20).asked().answered();
    early.at(TD + 10).asked().after(5).fin();
    story.breaks("keep-alive.answered-throughout", &[]);
}

#[test]
fn a_request_after_an_announced_close_is_owed_no_answer() {
    let mut story = correct("keep-alive-traffic");
    busy(&mut story).at(TD + 10).asked().answered_last().asked().reset_after_fin();
    story.holds("keep-alive.answered-throughout");
}

#[test]
fn a_connection_that_is_served_on_and_on_breaks_only_one() {
    let mut story = correct("idle-last-request");
    idle(&mut story).at(LATE).asked().answered().after(100).asked().answered_last().fin();
    story.breaks("keep-alive.only-one", &["keep-alive.close-announced"]);
}

#[test]
fn a_pipelined_request_that_is_not_answered_after_the_last_is_in_order() {
    let mut story = correct("idle-last-request");
    idle(&mut story).at(LATE).begun("fast").begun("fast").begun("fast").sent().answered_last().reset();
    story.holds("keep-alive.only-one");
}

/// As Starlet does: it reads both, and is at its end with the second.
#[test]
fn of_two_requests_in_one_segment_the_last_answer_announces_the_close() {
    let mut story = correct_in(Profile::Reload, "idle-last-request");
    let lane = idle(&mut story).at(LATE).begun("fast").begun("fast").sent();
    lane.answered().answered_last().fin();
    story.holds("keep-alive.close-announced");
    story.holds("drain.starts");
    // One that came when the answer had begun is another matter.
    let mut story = correct_in(Profile::Reload, "idle-last-request");
    idle(&mut story).at(LATE).asked().answered().after(100).asked().answered_last().fin();
    story.breaks("keep-alive.close-announced", &[]);
}

#[test]
fn two_answers_to_requests_within_the_tolerance_are_in_order() {
    let mut story = correct("idle-last-request");
    idle(&mut story).at(TD + 50).asked().answered().at(TD + 150).asked().answered_last().fin();
    story.holds("keep-alive.only-one");
}

#[test]
fn a_close_announced_before_the_successor_is_born_breaks_not_before_ready() {
    let mut story = correct("keep-alive-traffic");
    busy(&mut story).at(T0 + 20).asked().answered_last().fin();
    story.breaks("keep-alive.not-before-ready", &[]);
}

#[test]
fn a_close_between_the_birth_and_the_first_answer_of_the_successor_may_be_in_order() {
    let mut story = correct("keep-alive-traffic");
    busy(&mut story).at(BORN - 5).asked().answered_last().fin();
    story.holds("keep-alive.not-before-ready");
}

#[test]
fn a_close_that_the_client_asked_for_may_come_at_any_time() {
    let mut story = correct("keep-alive-traffic");
    story.lane("busy-closing", T0 + 20).accepted_by(OLD).asked().answered_last().fin();
    story.lane("busy-closing", TR + 20).accepted_by(NEW).asked().answered_last().fin();
    story.holds("keep-alive.not-before-ready");
    story.holds("keep-alive.normal-otherwise");
}

#[test]
fn a_reset_with_nothing_unanswered_breaks_fin_not_reset() {
    for profile in [Profile::Falcore, Profile::Reload] {
        let mut story = correct_in(profile, "idle-last-request");
        idle(&mut story).at(TD + IDLE_MAX).reset();
        story.breaks("keep-alive.fin-not-reset", &[]);
    }
}

#[test]
fn a_reset_that_the_client_s_own_bytes_caused_is_in_order() {
    let mut story = correct("idle-last-request");
    idle(&mut story).at(TD + IDLE_MAX).reset_after_fin();
    story.lane("idle", RESTART + 60).accepted_by(OLD).asked().answered().at(T0 - 10).reset();
    story.holds("keep-alive.fin-not-reset");
}

#[test]
fn a_successor_that_closes_every_connection_breaks_normal_otherwise() {
    let mut story = correct("keep-alive-traffic");
    story.lane("busy", 10_000).accepted_by(NEW).asked().answered_as(LAST).fin();
    story.breaks("keep-alive.normal-otherwise", &[]);
}

#[test]
fn a_server_that_closes_before_the_trigger_breaks_normal_otherwise() {
    let mut story = correct("keep-alive-traffic");
    story.lane("busy", 8_700).accepted_by(OLD).asked().answered_last().fin();
    story.breaks("keep-alive.normal-otherwise", &[]);
}

#[test]
fn a_successor_that_closes_idle_connections_early_breaks_normal_otherwise() {
    let mut story = correct("keep-alive-traffic");
    story.lane("busy", 10_000).accepted_by(NEW).asked().answered().after(500).fin();
    story.breaks("keep-alive.normal-otherwise", &[]);
}

#[test]
fn an_idle_close_after_an_answer_that_was_read_late_leaves_normal_otherwise_open() {
    // As nginx was seen to do on a busy machine: what looked like half a second of silence was its whole keep-alive timeout.
    let mut story = correct("keep-alive-traffic");
    story.lane("busy", 10_000).accepted_by(NEW).asked().after(4_400).answered().after(500).fin();
    story.harness_slept(10_010, 14_390);
    assert_eq!(story.verdict("keep-alive.normal-otherwise"), Verdict::Inconclusive);
}

#[test]
fn a_successor_that_closes_idle_connections_when_control_might_have_is_in_order() {
    let mut story = correct("keep-alive-traffic");
    // Control shows 8 s; half of that is no proof.
    story.lane("busy", 10_000).accepted_by(NEW).asked().answered().after(4_100).fin();
    story.holds("keep-alive.normal-otherwise");
}

#[test]
fn a_close_at_an_ordinal_that_control_never_reached_is_in_order() {
    let mut story = correct("keep-alive-traffic");
    let mut busy = story.lane("busy", 9_600).accepted_by(NEW);
    for _ in 0..60 {
        busy = busy.after(20).asked().answered();
    }
    busy.asked().answered_last().fin();
    story.holds("keep-alive.normal-otherwise");
    assert_eq!(story.verdict("keep-alive.close-honoured"), Verdict::Pass);
}

/// Others may never promise to keep a connection.
#[test]
fn a_server_that_closes_every_connection_in_control_too_breaks_normal_otherwise_in_falcore() {
    for (profile, expected) in [
        (Profile::Falcore, Verdict::Fail),
        (Profile::Reload, Verdict::Unsupported),
        (Profile::InPlace, Verdict::Unsupported),
    ] {
        let story = correct_in(profile, "keep-alive-traffic");
        let mut events = story.history();
        for event in &mut events {
            if let What::Head { close, last, .. } = &mut event.what {
                (*close, *last) = (true, true);
            }
        }
        let manifest = story.manifest();
        let recorded = Recorded { entry: &manifest.scenarios[0], events };
        let result = judge(&manifest, &[recorded]);
        assert_eq!(verdict(&result, "keep-alive.normal-otherwise"), expected, "{profile:?}");
    }
}
