//! Clients that say nothing: each is timed out, and none holds the old process for ever.

use hotspec::clause::result::Verdict;
use hotspec::declaration::Profile;
use hotspec::history::Model;
use hotspec::history::event::Owner;

use crate::correct::ARMING;
use crate::lane::{Answer, LAST, Script};
use crate::story::{Gone, IDLE_MAX, NEW, OLD, Story, T0, TD, TR, correct, correct_in, frame};

/// The longest that a silent connection may be kept: `idle_max` and a second.
const LIMIT: u64 = TD + IDLE_MAX + 1_000;
/// Nothing may hold the old process for longer: `drain_max`.
const BOUND: u64 = TD + 30_000;

fn silent(story: &mut Story) -> Script<'_> {
    story.lane("silent", ARMING).accepted_by(OLD).asked().answered().armed()
}

fn fresh(story: &mut Story) -> Script<'_> {
    story.lane("fresh-silent", ARMING).accepted_by(OLD).armed()
}

fn half_sent(story: &mut Story) -> Script<'_> {
    story.lane("half-sent-silent", ARMING).accepted_by(OLD).begun("fast").armed()
}

/// A scenario whose own lanes are yet to be told.
fn only(scenario: &str) -> Story {
    let mut story = frame(scenario);
    story.server.gone = Gone::InTime;
    story
}

#[test]
fn a_silent_connection_that_is_closed_late_breaks_timed_out() {
    let mut story = correct("idle-silent");
    silent(&mut story).at(LIMIT + 150).fin();
    story.breaks("idle.timed-out", &[]);
}

#[test]
fn a_silent_connection_that_is_never_closed_breaks_timed_out() {
    for profile in [Profile::Falcore, Profile::Reload] {
        let mut story = correct_in(profile, "idle-silent");
        silent(&mut story).at(20_000).closed();
        silent(&mut story).at(20_000).gave_up();
        story.server.gone = Gone::At(20_100);
        story.breaks("idle.timed-out", &[]);
    }
}

#[test]
fn a_silent_connection_that_is_reset_late_breaks_what_asks_for_a_fin_too() {
    let mut story = correct("idle-silent");
    silent(&mut story).at(LIMIT + 150).reset();
    story.breaks("idle.timed-out", &["keep-alive.fin-not-reset"]);
}

#[test]
fn a_silent_connection_that_is_closed_within_the_limit_and_the_tolerance_is_in_time() {
    let mut story = correct("idle-silent");
    silent(&mut story).at(LIMIT + 99).fin();
    story.holds("idle.timed-out");
}

/// As nginx and most others do it.
#[test]
fn a_silent_connection_that_is_closed_at_once_is_in_time() {
    let mut story = correct_in(Profile::Reload, "idle-silent");
    story.server.times_out = Some(TD + 1);
    silent(&mut story).at(TD).fin();
    story.holds("idle.timed-out");
}

#[test]
fn a_late_close_is_counted_from_the_latest_moment_at_which_the_drain_may_have_begun() {
    let mut story = only("idle-silent");
    story.server.unlistens = None;
    story.server.announces = None;
    story.server.canaries = false;
    // Td is known by the limit alone: a second after the successor's first answer.
    silent(&mut story).at(TR + 1_000 + IDLE_MAX + 1_050).fin();
    story.server.gone = Gone::InTime;
    assert_eq!(story.verdict("idle.timed-out"), Verdict::Pass);
}

#[test]
fn a_silent_connection_of_nobody_known_or_of_the_successor_is_not_judged() {
    for owner in [NEW, Owner::Unknown, Owner::Several, Owner::Queued] {
        let mut story = correct("idle-silent");
        let other = story.lane("silent", ARMING).accepted_by(owner).asked().answered().armed();
        other.at(LIMIT + 3_000).closed();
        story.holds("idle.timed-out");
    }
}

#[test]
fn connections_that_spoke_again_or_left_by_themselves_or_were_told_say_nothing_of_the_limit() {
    let mut story = correct("idle-silent");
    silent(&mut story).at(TD + 50).asked().answered().at(LIMIT + 1_000).fin();
    silent(&mut story).at(TD + 2_000).closed();
    story.lane("silent", ARMING).accepted_by(OLD).asked().answered_last().armed().at(LIMIT + 500).fin();
    story.holds("idle.timed-out");
    let mut alone = only("idle-silent");
    alone.server.canaries = false;
    silent(&mut alone).at(TD + 2_000).closed();
    // Timed out before the restart was triggered.
    silent(&mut alone).at(T0 - 100).fin();
    alone.leaves_open("idle.timed-out");
}

#[test]
fn a_harness_that_slept_leaves_timed_out_open() {
    let mut story = correct("idle-silent");
    silent(&mut story).at(LIMIT + 600).fin();
    story.harness_slept(LIMIT - 200, LIMIT + 590);
    story.leaves_open("idle.timed-out");
}

#[test]
fn where_owners_are_not_shown_nothing_is_said_of_silent_connections() {
    for (scenario, clause) in [
        ("idle-silent", "idle.timed-out"),
        ("fresh-silent", "idle.fresh-timed-out"),
        ("half-sent-silent", "idle.partial-head-bounded"),
        ("half-closed", "idle.half-closed-bounded"),
    ] {
        let mut story = correct(scenario);
        story.withheld = true;
        assert_eq!(story.verdict(clause), Verdict::NoEvidence, "{clause}");
    }
}

/// There is no old generation at all.
#[test]
fn a_server_that_restarts_in_place_rules_the_limits_of_silent_connections_out() {
    for (scenario, clause) in [
        ("idle-silent", "idle.timed-out"),
        ("fresh-silent", "idle.fresh-timed-out"),
        ("half-sent-silent", "idle.partial-head-bounded"),
        ("half-closed", "idle.half-closed-bounded"),
    ] {
        let mut story = correct_in(Profile::InPlace, scenario);
        story.model = Model::InPlace;
        assert_eq!(story.verdict(clause), Verdict::Unsupported, "{clause}");
    }
}

#[test]
fn a_fresh_connection_that_is_kept_breaks_fresh_timed_out() {
    let mut story = correct("fresh-silent");
    fresh(&mut story).at(LIMIT + 150).fin();
    story.breaks("idle.fresh-timed-out", &[]);
    let mut story = correct("fresh-silent");
    fresh(&mut story).at(20_000).closed();
    story.server.gone = Gone::At(20_100);
    story.breaks("idle.fresh-timed-out", &[]);
}

#[test]
fn a_fresh_connection_that_is_closed_in_time_with_or_without_a_word_is_in_order() {
    let mut story = correct("fresh-silent");
    fresh(&mut story).at(LIMIT + 99).fin();
    fresh(&mut story).at(TD + 3_000).extra(107).fin();
    story.holds("idle.fresh-timed-out");
}

/// The kernel of a server with TCP_DEFER_ACCEPT hands a connection over with its first byte: until then it is nobody's.
#[test]
fn fresh_connections_that_nobody_accepted_are_not_judged() {
    for owner in [Owner::Queued, Owner::Unknown] {
        let mut story = only("fresh-silent");
        story.profile = Profile::Reload;
        story.lane("fresh-silent", ARMING).accepted_by(owner).armed().at(18_000).closed();
        story.server.gone = Gone::At(18_200);
        story.leaves_open("idle.fresh-timed-out");
    }
}

#[test]
fn a_half_sent_head_that_holds_the_old_process_breaks_partial_head_bounded() {
    for profile in [Profile::Falcore, Profile::Reload] {
        let mut story = correct_in(profile, "half-sent-silent");
        half_sent(&mut story).at(BOUND + 1_000).closed();
        story.server.gone = Gone::At(BOUND + 1_100);
        story.breaks("idle.partial-head-bounded", &[]);
    }
}

#[test]
fn a_half_sent_head_that_ends_late_breaks_partial_head_bounded() {
    let mut story = correct("half-sent-silent");
    half_sent(&mut story).at(BOUND + 150).fin();
    story.server.gone = Gone::At(BOUND + 400);
    story.breaks("idle.partial-head-bounded", &[]);
}

#[test]
fn a_half_sent_head_whose_connection_or_whose_owner_ends_in_time_is_bounded() {
    let mut story = correct("half-sent-silent");
    half_sent(&mut story).at(BOUND + 99).fin();
    story.holds("idle.partial-head-bounded");
    let mut story = correct("half-sent-silent");
    half_sent(&mut story).at(BOUND + 300).closed();
    story.server.gone = Gone::At(BOUND + 50);
    story.holds("idle.partial-head-bounded");
    let mut story = correct("half-sent-silent");
    half_sent(&mut story).at(TD + 2_000).closed();
    story.holds("idle.partial-head-bounded");
}

/// Where every one of them is answered so, the clause is put to the test all the same.
#[test]
fn a_half_sent_head_that_is_answered_by_408_and_the_close_is_bounded() {
    let mut story = only("half-sent-silent");
    half_sent(&mut story).at(TD + 3_000).answered_as(Answer { status: 408, ..LAST }).fin();
    story.holds("idle.partial-head-bounded");
}

#[test]
fn a_head_that_is_sent_whole_after_all_and_an_upload_are_other_clauses_affair() {
    let mut story = only("half-sent-silent");
    half_sent(&mut story).at(BOUND).sent().after(2_000).closed();
    story.lane("upload", ARMING).accepted_by(OLD).begun("upload").armed().at(BOUND + 2_000).closed();
    story.server.gone = Gone::At(BOUND + 2_100);
    story.leaves_open("idle.partial-head-bounded");
}

#[test]
fn a_harness_that_slept_leaves_partial_head_bounded_open() {
    let mut story = correct("half-sent-silent");
    half_sent(&mut story).at(BOUND + 600).fin();
    story.server.gone = Gone::At(BOUND + 900);
    story.harness_slept(BOUND - 300, BOUND + 590);
    story.leaves_open("idle.partial-head-bounded");
}

#[test]
fn a_client_that_closed_its_sending_side_and_is_kept_breaks_half_closed_bounded() {
    for endpoint in [None, Some("fast")] {
        let mut story = correct("half-closed");
        let lane = story.lane("half-closed", ARMING).accepted_by(OLD);
        let lane = match endpoint {
            Some(endpoint) => lane.begun(endpoint),
            None => lane.asked().answered(),
        };
        lane.armed().at(TD + 150).half_closed().at(BOUND + 1_000).closed();
        story.server.gone = Gone::At(BOUND + 1_100);
        story.breaks("idle.half-closed-bounded", &[]);
    }
}

#[test]
fn a_client_that_closed_its_sending_side_may_get_an_end_or_an_error_in_time() {
    let mut story = only("half-closed");
    let kept = story.lane("half-closed", ARMING).accepted_by(OLD).asked().answered().armed();
    kept.at(TD + 150).half_closed().at(BOUND + 99).fin();
    story.holds("idle.half-closed-bounded");
    let mut story = only("half-closed");
    let head = story.lane("half-closed-head", ARMING).accepted_by(OLD).begun("fast").armed();
    head.at(TD + 150).half_closed().answered_as(Answer { status: 400, ..LAST }).fin();
    story.holds("idle.half-closed-bounded");
}

/// As nginx and most others do it: there is nobody left who could close its sending side.
#[test]
fn a_connection_that_was_closed_first_says_nothing_of_half_closed_clients() {
    let mut story = only("half-closed");
    story.lane("half-closed", ARMING).accepted_by(OLD).asked().answered().armed().at(TD + 1).fin();
    story.leaves_open("idle.half-closed-bounded");
}
