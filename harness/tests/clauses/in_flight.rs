//! What is under way when the restart comes is finished.

use hotspec::clause::Level;
use hotspec::clause::result::{RunVerdict, Verdict};
use hotspec::declaration::Profile;
use hotspec::history::event::{Owner, What};

use crate::lane::{Answer, LAST, OPEN};
use crate::story::{Gone, IDLE_MAX, OLD, RESTART, Story, T0, TD, correct, correct_in, frame};

const ARMING: u64 = RESTART + 60;

#[test]
fn a_request_sent_before_the_trigger_and_dropped_breaks_completes() {
    let mut story = correct("sent-before-trigger");
    let sent =
        story.lane("just-sent", ARMING).accepted_by(OLD).begun("fast").armed().at(8_810).sent().loaded();
    sent.at(T0 + 30).reset();
    story.breaks("in-flight.completes", &[]);
}

#[test]
fn a_request_that_the_trigger_itself_cuts_breaks_completes() {
    let mut story = correct("sent-before-trigger");
    // The call that sends the trigger takes ten milliseconds, and takes effect before it is over.
    let again = What::Trigger { step: 0, what: "reload".to_owned(), from: (T0 - 10) * 1_000, drain: true };
    story.tell(T0 - 1, again);
    story
        .lane("just-sent", ARMING)
        .accepted_by(OLD)
        .begun("fast")
        .armed()
        .at(8_810)
        .sent()
        .at(T0 - 5)
        .reset();
    story.breaks("in-flight.completes", &[]);
}

#[test]
fn a_request_sent_after_the_trigger_is_not_in_flight_at_it() {
    let mut story = correct("sent-before-trigger");
    story
        .lane("just-sent", ARMING)
        .accepted_by(OLD)
        .begun("fast")
        .armed()
        .at(T0 + 1)
        .sent()
        .at(T0 + 30)
        .fin();
    story.holds("in-flight.completes");
}

#[test]
fn a_connection_that_was_over_before_the_trigger_is_not_in_flight_at_it() {
    let mut story = correct("sent-before-trigger");
    story.lane("just-sent", ARMING).accepted_by(OLD).asked().at(T0 - 10).fin();
    story.holds("in-flight.completes");
}

#[test]
fn another_status_than_control_shows_breaks_completes() {
    let mut story = correct("sent-before-trigger");
    let sent =
        story.lane("just-sent", ARMING).accepted_by(OLD).begun("fast").armed().at(8_810).sent().loaded();
    sent.at(T0 + 30).answered_as(Answer { status: 404, ..LAST }).fin();
    story.breaks("in-flight.completes", &[]);
}

#[test]
fn an_idle_limit_that_counts_working_connections_breaks_slow_response() {
    let mut story = correct("in-flight-slow");
    story.lane("slow", ARMING).accepted_by(OLD).asked_for("slow").armed().at(TD + IDLE_MAX).fin();
    story.breaks("in-flight.slow-response", &["in-flight.completes"]);
}

#[test]
fn a_streamed_response_that_is_cut_breaks_slow_response() {
    let mut story = correct("in-flight-streamed");
    story
        .lane("stream", ARMING)
        .accepted_by(OLD)
        .asked_for("stream")
        .head(OPEN)
        .armed()
        .at(TD + IDLE_MAX)
        .fin();
    story.breaks("in-flight.slow-response", &["in-flight.completes", "in-flight.not-truncated"]);
}

#[test]
fn a_slow_response_that_is_cut_after_drain_max_is_not_slow_response_s_affair() {
    let mut story = correct("in-flight-slow");
    story.lane("slow", ARMING).accepted_by(OLD).asked_for("slow").armed().at(TD + 30_500).fin();
    assert_eq!(story.verdict("in-flight.slow-response"), Verdict::Pass);
}

#[test]
fn an_upload_that_is_cut_breaks_upload() {
    let mut story = correct("in-flight-upload");
    story.lane("upload", ARMING).accepted_by(OLD).begun("upload").armed().at(TD + 3_000).reset();
    story.breaks("in-flight.upload", &[]);
}

#[test]
fn an_upload_that_is_refused_half_way_breaks_upload() {
    let mut story = correct("in-flight-upload");
    let upload = story.lane("upload", ARMING).accepted_by(OLD).begun("upload").armed().at(TD + 3_000);
    upload.answered_as(Answer { status: 408, ..LAST }).fin();
    story.breaks("in-flight.upload", &[]);
}

#[test]
fn an_upload_answered_as_ever_before_it_was_sent_whole_leaves_upload_open() {
    let mut story = correct("in-flight-upload");
    let upload = story.lane("upload", ARMING).accepted_by(OLD).begun("upload").armed().at(TD + 3_000);
    upload.answered_last().fin();
    story.leaves_open("in-flight.upload");
}

#[test]
fn an_upload_that_the_harness_itself_let_fall_silent_leaves_upload_open() {
    let mut story = correct("in-flight-upload");
    story.lane("upload", ARMING).accepted_by(OLD).begun("upload").armed().at(TD + 3_000).reset();
    story.harness_slept(TD + 500, TD + 1_600);
    story.leaves_open("in-flight.upload");
}

#[test]
fn a_half_sent_head_that_is_closed_early_breaks_partial_head() {
    let mut story = correct("half-sent-head");
    story.lane("half-sent", ARMING).accepted_by(OLD).begun("fast").armed().at(TD + 50).fin();
    story.breaks("in-flight.partial-head", &[]);
}

#[test]
fn a_half_sent_head_that_is_finished_in_time_and_dropped_breaks_partial_head() {
    let mut story = correct("half-sent-head");
    story
        .lane("half-sent", ARMING)
        .accepted_by(OLD)
        .begun("fast")
        .armed()
        .at(TD + 1_900)
        .sent()
        .after(5)
        .fin();
    story.breaks("in-flight.partial-head", &[]);
}

#[test]
fn a_half_sent_head_that_is_given_up_after_half_of_idle_max_is_not_owed() {
    let mut story = correct("half-sent-head");
    story.lane("half-sent", ARMING).accepted_by(OLD).begun("fast").armed().at(TD + IDLE_MAX / 2 + 1).fin();
    story.holds("in-flight.partial-head");
}

#[test]
fn a_half_sent_head_that_is_timed_out_before_the_drain_leaves_partial_head_open() {
    // The successor takes so long to come up that the old process times the head out meanwhile, as it always would.
    let slow = || {
        let mut story = frame("half-sent-head");
        story.server.answers = Some(12_000);
        (story.server.unlistens, story.server.announces) = (Some(12_050), Some(12_050));
        story.server.times_out = Some(12_050 + IDLE_MAX);
        story.old_until = 16_050_000;
        story
    };
    let mut story = slow();
    story.lane("half-sent", ARMING).accepted_by(OLD).begun("fast").armed().at(ARMING + IDLE_MAX + 5).fin();
    story.leaves_open("in-flight.partial-head");
    let mut story = slow();
    let late = story.lane("half-sent", ARMING).accepted_by(OLD).begun("fast").armed();
    late.at(ARMING + IDLE_MAX + 5).sent().answered_as(Answer { status: 408, ..LAST }).fin();
    story.leaves_open("in-flight.partial-head");
    let mut story = slow();
    story.lane("half-sent", ARMING).accepted_by(OLD).begun("fast").armed().at(ARMING + IDLE_MAX - 600).fin();
    story.breaks("in-flight.partial-head", &[]);
}

/// A drain of which only the latest possible beginning is known, a second after the earliest.
fn uncertain_drain(mut story: Story) -> Story {
    story.server.canaries = false;
    story.server.unlistens = None;
    story.server.gone = Gone::At(13_500);
    let td = story.timeline().td(0, 1_000_000).unwrap();
    assert!(td.hi - td.lo > 1_000_000, "{td:?}");
    story
}

#[test]
fn an_uncertain_drain_leaves_a_half_sent_head_open() {
    let mut story = uncertain_drain(correct("half-sent-head"));
    story.lane("half-sent", ARMING).accepted_by(OLD).begun("fast").armed().at(11_800).fin();
    story.leaves_open("in-flight.partial-head");
}

#[test]
fn a_large_response_that_is_not_delivered_whole_breaks_slow_reader() {
    let mut story = correct("in-flight-large");
    story
        .lane("slow-reader", ARMING)
        .accepted_by(OLD)
        .asked_for("large")
        .head(OPEN)
        .armed()
        .at(TD + 500)
        .reset();
    story.breaks("in-flight.slow-reader", &["in-flight.completes", "in-flight.not-truncated"]);
}

#[test]
fn a_large_response_that_is_cut_after_drain_max_leaves_it_open() {
    // As was seen on a busy machine: the client could not read all of it in that time.
    for (cut, verdict) in [(29_000, Verdict::Fail), (30_000, Verdict::Inconclusive)] {
        let mut story = correct("in-flight-large");
        let large = story.lane("slow-reader", ARMING).accepted_by(OLD).asked_for("large").head(OPEN).armed();
        large.at(TD + cut).reset();
        story.server.gone = Gone::At(TD + cut + 5);
        for clause in ["in-flight.slow-reader", "in-flight.completes", "in-flight.not-truncated"] {
            assert_eq!(story.verdict(clause), verdict, "{clause}, {cut} ms");
        }
    }
}

#[test]
fn a_response_that_is_cut_breaks_not_truncated() {
    for after_head in [true, false] {
        let mut story = correct("sent-before-trigger");
        let cut = story.lane("probe", TD - 20).accepted_by(OLD).asked();
        let cut = if after_head { cut.head(OPEN) } else { cut.head_begun() };
        cut.at(TD).fin();
        story.breaks("in-flight.not-truncated", &[]);
    }
}

#[test]
fn a_shorter_body_framed_by_the_end_of_the_connection_breaks_not_truncated() {
    let mut story = correct("sent-before-trigger");
    let framed = Answer { framing: "eof", ..OPEN };
    story.lane("probe", T0 + 20).accepted_by(OLD).asked().answered_as(framed).fin();
    story.holds("in-flight.not-truncated");
    story.lane("probe", T0 + 21).accepted_by(OLD).asked().answered_as(Answer { hash: "0", ..framed }).fin();
    story.breaks("in-flight.not-truncated", &[]);
}

#[test]
fn what_is_no_http_or_was_not_awaited_to_its_end_is_not_truncated() {
    let mut story = correct("sent-before-trigger");
    story.lane("probe", TD - 20).accepted_by(OLD).asked().head_begun().malformed().gave_up();
    story.lane("probe", TD - 20).accepted_by(OLD).asked().head(OPEN).after(3_000).gave_up();
    story.lane("probe", TD - 20).accepted_by(OLD).asked().head(OPEN).closed();
    story.lane("probe", T0 - 50).accepted_by(OLD).asked().head(OPEN).fin();
    story.holds("in-flight.not-truncated");
}

/// An upload that is finished at `at` and answered as `answer`.
fn upload_finished(profile: Profile, at: u64, answer: Answer) -> Story {
    let mut story = correct_in(profile, "in-flight-upload");
    let upload = story.lane("upload", ARMING).accepted_by(OLD).begun("upload").armed().at(at).sent();
    upload.answered_as(answer).at(16_000).fin();
    story
}

#[test]
fn an_answer_released_while_draining_and_not_announced_as_the_last_breaks_close_announced() {
    upload_finished(Profile::Falcore, TD + 500, OPEN).breaks("in-flight.close-announced", &[]);
}

#[test]
fn a_head_finished_while_draining_and_answered_as_ever_breaks_close_announced() {
    let mut story = correct("half-sent-head");
    let half = story.lane("half-sent", ARMING).accepted_by(OLD).begun("fast").armed().at(TD + 300).sent();
    half.answered().at(TD + IDLE_MAX).fin();
    story.breaks("in-flight.close-announced", &[]);
}

#[test]
fn what_is_no_more_than_recommended_fails_a_run_only_where_that_counts() {
    let story = upload_finished(Profile::Reload, TD + 500, OPEN);
    story.breaks("in-flight.close-announced", &[]);
    assert_eq!(story.judged().verdict, RunVerdict::Pass);
    let mut manifest = story.manifest();
    manifest.level = Level::Should;
    assert_eq!(story.judged_by(&manifest).verdict, RunVerdict::Fail);
}

#[test]
fn an_answer_released_within_the_tolerance_need_not_announce_the_close() {
    upload_finished(Profile::Falcore, TD + 99, OPEN).holds("in-flight.close-announced");
}

#[test]
fn an_answer_on_a_connection_of_an_unknown_owner_need_not_announce_the_close() {
    let mut story = correct("in-flight-upload");
    let upload = story.lane("upload", ARMING).accepted_by(Owner::Several).begun("upload").armed();
    upload.at(TD + 500).sent().answered().at(16_000).fin();
    story.holds("in-flight.close-announced");
}

fn executed(story: &mut Story, at: u64, id: &str) {
    story.tell(at, What::Executed { id: id.to_owned() });
}

#[test]
fn a_post_that_is_executed_again_after_the_trigger_breaks_executed_once() {
    let mut story = correct("in-flight-upload");
    executed(&mut story, T0 - 10, "7-0");
    executed(&mut story, TD, "7-0");
    story.breaks("in-flight.executed-once", &[]);
}

#[test]
fn a_post_that_was_repeated_before_the_trigger_was_not_repeated_because_of_it() {
    let mut story = correct("in-flight-upload");
    executed(&mut story, 1_000, "7-0");
    executed(&mut story, 1_050, "7-0");
    story.holds("in-flight.executed-once");
}

#[test]
fn where_nothing_counts_what_is_executed_executed_once_is_unsupported() {
    let mut story = frame("in-flight-upload");
    story
        .lane("upload", ARMING)
        .accepted_by(OLD)
        .begun("upload")
        .armed()
        .at(TD + 500)
        .sent()
        .answered_last()
        .fin();
    assert_eq!(story.verdict("in-flight.executed-once"), Verdict::Unsupported);
}

#[test]
fn an_unavailable_while_draining_breaks_no_drain_errors() {
    let mut story = correct("half-sent-head");
    story.lane("probe", TD - 50).accepted_by(OLD).asked().answered_as(Answer { status: 503, ..LAST }).fin();
    story.breaks("in-flight.no-drain-errors", &[]);
    assert_eq!(story.judged().verdict, RunVerdict::Pass, "it is no more than recommended");
}

#[test]
fn an_unavailable_that_control_shows_too_is_not_because_of_the_drain() {
    let mut story = correct("half-sent-head");
    for at in [3_500, TD - 50] {
        story.lane("probe", at).accepted_by(OLD).asked().answered_as(Answer { status: 503, ..LAST }).fin();
    }
    story.holds("in-flight.no-drain-errors");
}
