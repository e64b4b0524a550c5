//! The one last request that falcore promises to idle and to fresh connections, and what those are spared.

use hotspec::clause::result::Verdict;
use hotspec::declaration::Profile;
use hotspec::history::event::Owner;

use crate::correct::LATE;
use crate::lane::{Answer, LAST, OPEN};
use crate::story::{Gone, IDLE_MAX, OLD, RESTART, Story, TD, correct, correct_in, frame};

const ARMING: u64 = RESTART + 60;

#[test]
fn a_last_request_that_is_dropped_breaks_one_last_request() {
    let mut story = correct("idle-last-request");
    story.lane("idle", ARMING).accepted_by(OLD).asked().answered().armed().at(LATE).asked().after(5).reset();
    story.breaks("keep-alive.one-last-request", &[]);
}

#[test]
fn an_idle_connection_closed_at_once_breaks_idle_not_early_and_one_last_request() {
    let mut story = correct("idle-last-request");
    story.lane("idle", ARMING).accepted_by(OLD).asked().answered().armed().at(TD + 20).fin();
    story.breaks("idle.not-early", &["keep-alive.one-last-request"]);
}

#[test]
fn a_harness_that_slept_leaves_a_close_open_only_when_most_of_idle_max_is_over() {
    let story = |idle_for: u64| {
        let mut story = correct("idle-last-request");
        let idle = story.lane("idle", ARMING).accepted_by(OLD).asked().answered().armed();
        idle.at(ARMING + idle_for).fin();
        story.harness_slept(ARMING + 50, ARMING + 50 + IDLE_MAX / 3);
        story
    };
    story(IDLE_MAX / 4 * 3 - 200).breaks("idle.not-early", &["keep-alive.one-last-request"]);
    story(IDLE_MAX / 4 * 3 + 70).leaves_open("idle.not-early");
}

#[test]
fn an_idle_connection_may_be_closed_at_once_outside_falcore() {
    let mut story = correct_in(Profile::Reload, "idle-last-request");
    story.lane("idle", ARMING).accepted_by(OLD).asked().answered().armed().at(TD + 20).fin();
    story.holds("keep-alive.fin-not-reset");
}

#[test]
fn an_idle_connection_may_be_closed_after_half_of_idle_max() {
    let mut story = correct("idle-last-request");
    let idle = story.lane("idle", ARMING).accepted_by(OLD).asked().answered().armed();
    idle.at(TD + IDLE_MAX / 2 + 1).fin();
    story.holds("keep-alive.one-last-request");
    story.holds("idle.not-early");
}

#[test]
fn a_close_after_an_announcement_is_not_early() {
    let mut story = correct("idle-last-request");
    story
        .lane("idle", ARMING)
        .accepted_by(OLD)
        .asked()
        .answered()
        .armed()
        .at(TD)
        .asked()
        .answered_last()
        .fin();
    story.holds("idle.not-early");
}

#[test]
fn a_lane_that_was_called_off_or_failed_was_not_closed_early() {
    let mut story = correct("idle-last-request");
    story.lane("idle", ARMING).accepted_by(OLD).asked().answered().armed().at(TD + 20).closed();
    story.lane("idle", ARMING).accepted_by(OLD).asked().answered().armed().at(TD + 20).gave_up();
    story.holds("idle.not-early");
}

#[test]
fn an_idle_connection_of_an_unknown_owner_is_owed_no_last_request() {
    let mut story = correct("idle-last-request");
    story.lane("idle", ARMING).accepted_by(Owner::Several).asked().answered().armed().at(TD + 20).fin();
    story.holds("keep-alive.one-last-request");
    story.holds("idle.not-early");
}

#[test]
fn a_connection_idle_for_longer_than_control_shows_to_be_kept_leaves_both_open() {
    let mut story = correct("idle-last-request");
    // Control keeps connections for 8 s; these were idle for more than a quarter of that at Td.
    story.server.unlistens = Some(10_900);
    story.server.announces = Some(10_900);
    story.server.answers = Some(10_800);
    story.lane("idle", ARMING).accepted_by(OLD).asked().answered().armed().at(11_000).fin();
    story.leaves_open("keep-alive.one-last-request");
    story.leaves_open("idle.not-early");
}

/// A drain of which only the latest possible beginning is known, a second after the earliest.
fn uncertain_drain(mut story: Story) -> Story {
    story.server.canaries = false;
    story.server.unlistens = None;
    story.server.gone = Gone::At(13_500);
    story
}

#[test]
fn an_uncertain_drain_leaves_one_last_request_open() {
    let mut story = uncertain_drain(correct("idle-last-request"));
    let idle = story.lane("idle", ARMING + 400).accepted_by(OLD).asked().answered().armed();
    idle.at(11_800).asked().after(5).fin();
    story.leaves_open("keep-alive.one-last-request");
}

#[test]
fn a_fresh_connection_that_is_closed_before_it_could_ask_breaks_fresh_request() {
    let mut story = correct("fresh-first-request");
    story.lane("fresh", ARMING).accepted_by(OLD).armed().at(TD + 20).fin();
    story.breaks("keep-alive.fresh-request", &[]);
}

#[test]
fn a_fresh_connection_that_is_timed_out_before_it_could_ask_leaves_fresh_request_open() {
    // The successor takes so long to come up that the old process times it out meanwhile, as it always would.
    for (closed, open) in [(ARMING + IDLE_MAX + 5, true), (ARMING + IDLE_MAX - 600, false)] {
        let mut story = frame("fresh-first-request");
        story.server.answers = Some(11_400);
        (story.server.unlistens, story.server.announces) = (Some(11_450), Some(11_450));
        story.server.times_out = Some(11_450 + IDLE_MAX);
        story.old_until = 15_450_000;
        story.lane("fresh", ARMING).accepted_by(OLD).armed().at(closed).fin();
        if open {
            story.leaves_open("keep-alive.fresh-request");
        } else {
            story.breaks("keep-alive.fresh-request", &[]);
        }
    }
}

#[test]
fn a_408_that_crosses_the_first_request_of_a_fresh_connection_leaves_fresh_request_open() {
    // As HAProxy was seen to do on a busy machine: the client was late, and the server had waited for as long as it always does.
    for (asked, open) in [(ARMING + IDLE_MAX + 5, true), (ARMING + IDLE_MAX - 600, false)] {
        let mut story = frame("fresh-first-request");
        story.server.answers = Some(11_400);
        (story.server.unlistens, story.server.announces) = (Some(11_450), Some(11_450));
        story.server.times_out = Some(11_450 + IDLE_MAX);
        story.old_until = 15_450_000;
        let fresh = story.lane("fresh", ARMING).accepted_by(OLD).armed().at(asked).begun("fast");
        fresh.send_failed("broken pipe").answered_as(Answer { status: 408, ..LAST }).fin();
        if open {
            story.leaves_open("keep-alive.fresh-request");
        } else {
            story.breaks("keep-alive.fresh-request", &[]);
        }
    }
}

#[test]
fn a_first_request_that_is_dropped_breaks_fresh_request() {
    let mut story = correct("fresh-first-request");
    story.lane("fresh", ARMING).accepted_by(OLD).armed().at(LATE).asked().after(5).fin();
    story.breaks("keep-alive.fresh-request", &[]);
}

#[test]
fn a_fresh_connection_may_be_closed_after_half_of_idle_max() {
    let mut story = correct("fresh-first-request");
    story.lane("fresh", ARMING).accepted_by(OLD).armed().at(TD + IDLE_MAX / 2 + 1).fin();
    story.holds("keep-alive.fresh-request");
}

#[test]
fn a_fresh_connection_that_was_not_seen_to_be_accepted_is_owed_nothing() {
    for owner in [Owner::Queued, Owner::Several, Owner::Unknown] {
        let mut story = correct("fresh-first-request");
        story.lane("fresh", ARMING).accepted_by(owner).armed().at(TD + 20).fin();
        story.holds("keep-alive.fresh-request");
    }
}

#[test]
fn an_uncertain_drain_leaves_fresh_request_open() {
    let mut story = uncertain_drain(correct("fresh-first-request"));
    story.lane("fresh", ARMING).accepted_by(OLD).armed().at(11_800).fin();
    story.leaves_open("keep-alive.fresh-request");
}

#[test]
fn a_part_of_a_response_to_a_crossing_request_breaks_crossing_request() {
    let mut story = correct_in(Profile::Reload, "idle-last-request");
    let idle = story.lane("idle", ARMING).accepted_by(OLD).asked().answered().armed().at(LATE).asked();
    idle.head_begun().after(2).fin();
    story.breaks("keep-alive.crossing-request", &["in-flight.not-truncated"]);
    let mut story = correct("idle-last-request");
    let idle = story.lane("idle", ARMING).accepted_by(OLD).asked().answered().armed().at(LATE).asked();
    idle.head(OPEN).after(2).reset();
    story.breaks("keep-alive.crossing-request", &["in-flight.not-truncated", "keep-alive.one-last-request"]);
}

#[test]
fn a_crossing_request_that_meets_the_end_with_no_byte_is_in_order() {
    let mut story = correct_in(Profile::Reload, "idle-last-request");
    story.lane("idle", ARMING).accepted_by(OLD).asked().answered().armed().at(LATE).asked().reset_after_fin();
    story.holds("keep-alive.crossing-request");
    assert_eq!(story.verdict("keep-alive.fin-not-reset"), Verdict::Pass);
}
