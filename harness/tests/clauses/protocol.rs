//! Versions and habits of HTTP/1 across a restart.

use hotspec::clause::result::Verdict;
use hotspec::declaration::Profile;
use hotspec::history::Model;
use hotspec::history::event::Owner;

use crate::correct::versions::three;
use crate::correct::{ARMING, LATE};
use crate::lane::{Answer, HTTP10, HTTP10_KEPT, LAST, OPEN};
use crate::story::{BORN, CONTROL, Gone, NEW, OLD, Story, T0, TD, correct, correct_in, frame};

#[test]
fn a_connection_of_http_1_0_that_is_left_open_breaks_http10() {
    for profile in [Profile::Falcore, Profile::Reload, Profile::InPlace] {
        let mut story = correct_in(profile, "http10");
        story.lane("http10", T0 + 30).accepted_by(OLD).asked().answered_as(HTTP10).after(2_000).gave_up();
        story.breaks("protocol.http10", &[]);
    }
}

#[test]
fn a_connection_of_http_1_0_that_gets_no_answer_or_another_breaks_http10() {
    let mut story = correct("http10");
    story.lane("http10", BORN).accepted_by(OLD).asked().after(5).fin();
    story.breaks("protocol.http10", &[]);
    let mut story = correct("http10");
    let cut = story.lane("http10", BORN).accepted_by(OLD).asked().head(Answer { framing: "eof", ..HTTP10 });
    cut.reset();
    story.breaks("protocol.http10", &["in-flight.not-truncated"]);
    let mut story = correct("http10");
    let other = Answer { status: 505, ..HTTP10 };
    story.lane("http10", BORN).accepted_by(OLD).asked().answered_as(other).fin();
    story.breaks("protocol.http10", &[]);
}

#[test]
fn an_end_of_file_within_a_second_and_the_tolerance_is_in_time_for_http10() {
    let mut story = correct("http10");
    story.lane("http10", BORN).accepted_by(OLD).asked().answered_as(HTTP10).after(1_090).fin();
    // From before the trigger, and one that left by itself.
    story.lane("http10", T0 - 20).accepted_by(OLD).asked().answered_as(HTTP10).after(1_990).gave_up();
    story.lane("http10", BORN).accepted_by(OLD).asked().answered_as(HTTP10).closed();
    story.holds("protocol.http10");
}

/// A server that lingers does so without any restart.
#[test]
fn an_end_of_file_that_is_as_late_as_in_control_is_in_time_for_http10() {
    let mut story = correct("http10");
    story.lane("http10", 100).accepted_by(OLD).asked().answered_as(HTTP10).after(1_500).fin();
    story.lane("http10", BORN).accepted_by(OLD).asked().answered_as(HTTP10).after(1_590).fin();
    story.holds("protocol.http10");
    story.lane("http10", BORN).accepted_by(OLD).asked().answered_as(HTTP10).after(1_700).fin();
    story.breaks("protocol.http10", &[]);
}

#[test]
fn a_harness_that_slept_while_the_end_was_awaited_accuses_nobody_and_praises_nobody() {
    for held_up in [Story::harness_slept, Story::machine_was_crowded] {
        let mut story = correct("http10");
        story.lane("http10", BORN).accepted_by(OLD).asked().answered_as(HTTP10).after(1_500).fin();
        held_up(&mut story, BORN + 5, BORN + 1_400);
        story.leaves_open("protocol.http10");
    }
}

#[test]
fn a_server_that_keeps_http_1_0_open_in_control_rules_http10_out() {
    let mut story = frame("http10");
    for at in [60, 1_060, 3_060, BORN] {
        story.lane("http10", at).accepted_by(OLD).asked().answered_as(HTTP10_KEPT).after(2_000).gave_up();
    }
    assert_eq!(story.verdict("protocol.http10"), Verdict::Unsupported);
}

#[test]
fn a_promise_of_keep_alive_while_the_process_drains_breaks_http10_keep_alive() {
    let mut story = correct("http10-keep-alive");
    story
        .lane("http10-fresh", ARMING)
        .accepted_by(OLD)
        .armed()
        .at(LATE)
        .asked()
        .answered_as(HTTP10_KEPT)
        .fin();
    story.breaks("protocol.http10-keep-alive", &[]);
}

#[test]
fn a_connection_that_stays_open_without_a_promise_breaks_http10_keep_alive() {
    let mut story = correct("http10-keep-alive");
    let lane = story.lane("http10-idle", ARMING).accepted_by(OLD).asked().answered_as(HTTP10_KEPT).armed();
    lane.at(LATE).asked().answered_as(HTTP10).after(1_500).gave_up();
    story.breaks("protocol.http10-keep-alive", &[]);
}

#[test]
fn a_promise_within_the_tolerance_or_by_others_breaks_nothing() {
    let mut story = correct("http10-keep-alive");
    let lane = story.lane("http10-fresh", ARMING).accepted_by(OLD).armed();
    lane.at(TD + 99).asked().answered_as(HTTP10_KEPT).after(3_000).fin();
    for owner in [NEW, Owner::Several, Owner::Unknown, Owner::Queued] {
        let lane = story.lane("http10-fresh", ARMING).accepted_by(owner).armed();
        lane.at(LATE).asked().answered_as(HTTP10_KEPT).after(3_000).closed();
    }
    // Closed at once, as nginx does it; left by the lane; and closed within a second.
    story
        .lane("http10-idle", ARMING)
        .accepted_by(OLD)
        .asked()
        .answered_as(HTTP10_KEPT)
        .armed()
        .at(TD + 1)
        .fin();
    story.lane("http10-fresh", ARMING).accepted_by(OLD).armed().at(LATE).asked().answered_as(HTTP10).closed();
    let lane = story.lane("http10-fresh", ARMING).accepted_by(OLD).armed();
    lane.at(LATE).asked().answered_as(HTTP10).after(1_090).fin();
    story.holds("protocol.http10-keep-alive");
}

#[test]
fn a_server_that_promises_nothing_in_control_rules_http10_keep_alive_out() {
    let mut story = frame("http10-keep-alive");
    for (at, then) in [(CONTROL + 40, CONTROL + 100), (ARMING, LATE)] {
        let lane = story.lane("http10-fresh", at).accepted_by(OLD).armed();
        lane.at(then).asked().answered_as(HTTP10).fin();
    }
    assert_eq!(story.verdict("protocol.http10-keep-alive"), Verdict::Unsupported);
}

#[test]
fn a_server_that_restarts_in_place_rules_out_what_its_old_generation_would_owe() {
    for scenario in ["http10-keep-alive", "pipelined"] {
        let mut story = correct_in(Profile::InPlace, scenario);
        story.model = Model::InPlace;
        assert_eq!(story.verdict(&format!("protocol.{scenario}")), Verdict::Unsupported);
    }
}

#[test]
fn where_owners_are_not_shown_nothing_is_said_of_what_a_draining_process_owes() {
    for scenario in ["http10-keep-alive", "pipelined"] {
        let mut story = correct(scenario);
        story.withheld = true;
        assert_eq!(story.verdict(&format!("protocol.{scenario}")), Verdict::NoEvidence);
    }
}

/// Requests that wait behind a large answer, when the old process has begun to drain.
fn waiting(story: &mut Story) -> crate::lane::Script<'_> {
    three(story.lane("pipelined", ARMING)).at(TD + 900)
}

#[test]
fn a_pipeline_that_is_cut_breaks_pipelined() {
    let mut story = correct("pipelined");
    waiting(&mut story).reset();
    story.breaks("protocol.pipelined", &["in-flight.not-truncated"]);
    let mut story = correct("pipelined");
    waiting(&mut story).body(OPEN).head(LAST).fin();
    story.breaks("protocol.pipelined", &["in-flight.not-truncated"]);
}

/// The client was not quick enough, as in-flight says too.
#[test]
fn a_pipeline_whose_answer_is_cut_after_drain_max_leaves_it_open() {
    for (cut, verdict) in [(29_000, Verdict::Fail), (30_100, Verdict::Inconclusive)] {
        let mut story = frame("pipelined");
        three(story.lane("pipelined", ARMING)).at(TD + cut).reset();
        story.server.gone = Gone::At(TD + cut + 5);
        assert_eq!(story.verdict("protocol.pipelined"), verdict, "{cut} ms");
    }
}

#[test]
fn another_answer_than_control_s_breaks_pipelined() {
    // Answers in the wrong order look so.
    for answer in [Answer { status: 404, ..OPEN }, Answer { hash: "0", ..OPEN }] {
        let mut story = correct("pipelined");
        waiting(&mut story).body(OPEN).answered_as(answer).answered_as(LAST).fin();
        story.breaks("protocol.pipelined", &[]);
    }
}

#[test]
fn requests_that_are_dropped_without_a_word_break_pipelined() {
    for profile in [Profile::Falcore, Profile::Reload] {
        let mut story = correct_in(profile, "pipelined");
        waiting(&mut story).body(OPEN).answered().after(1).fin();
        story.breaks("protocol.pipelined", &[]);
    }
}

/// With nothing unanswered a clean end is what most servers owe; falcore promises to announce it.
#[test]
fn a_pipeline_that_is_answered_whole_without_the_announcement_breaks_pipelined_in_falcore_only() {
    for (profile, expected) in [(Profile::Falcore, Verdict::Fail), (Profile::Reload, Verdict::Pass)] {
        let mut story = correct_in(profile, "pipelined");
        waiting(&mut story).body(OPEN).answered().answered().after(1).fin();
        assert_eq!(story.verdict("protocol.pipelined"), expected, "{profile}");
    }
}

/// As nginx does it: the answer that was under way was begun before there was anything to announce.
#[test]
fn a_pipeline_that_ends_after_the_answer_under_way_is_in_order() {
    let mut story = correct("pipelined");
    waiting(&mut story).body(OPEN).after(1).fin();
    waiting(&mut story).body(OPEN).after(1).reset();
    story.holds("protocol.pipelined");
}

#[test]
fn a_pipeline_that_is_called_off_or_answered_before_the_drain_says_nothing() {
    let mut story = correct("pipelined");
    waiting(&mut story).body(OPEN).answered().closed();
    waiting(&mut story).closed();
    waiting(&mut story).body(OPEN).answered().head(OPEN).gave_up();
    three(story.lane("pipelined", ARMING)).at(TD - 50).body(OPEN).answered().answered().fin();
    story.holds("protocol.pipelined");
    let mut alone = frame("pipelined");
    three(alone.lane("pipelined", ARMING)).at(TD - 50).body(OPEN).answered().answered().after(500).fin();
    assert_eq!(alone.verdict("protocol.pipelined"), Verdict::Inconclusive);
}
