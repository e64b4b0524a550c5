//! Bodies, half-closed and leaving clients, kinds of listening sockets.

use hotspec::clause::result::Verdict;
use hotspec::declaration::Profile;

use crate::correct::bodies::{BARE, BARE_LAST, CHUNKS};
use crate::correct::kinds::on_port;
use crate::correct::{ARMING, LATE};
use crate::lane::{Answer, LAST, OPEN, Script};
use crate::story::{BORN, CONTROL, NEW, OLD, Story, T0, TD, correct, correct_in, frame};

fn chunked(story: &mut Story) -> Script<'_> {
    story.lane("chunked", ARMING).accepted_by(OLD).begun("upload").armed()
}

#[test]
fn an_upload_in_chunks_that_is_cut_or_answered_otherwise_breaks_chunked_upload() {
    let mut story = correct("chunked-upload");
    chunked(&mut story).at(TD + 10).reset();
    story.breaks("protocol.chunked-upload", &[]);
    let mut story = correct("chunked-upload");
    chunked(&mut story).at(LATE).sent().answered_as(Answer { status: 400, ..LAST }).fin();
    story.breaks("protocol.chunked-upload", &[]);
}

#[test]
fn a_server_that_takes_no_chunks_in_control_rules_chunked_upload_out() {
    let mut story = frame("chunked-upload");
    for at in [CONTROL + 40, ARMING] {
        let lane = story.lane("chunked", at).accepted_by(OLD).begun("upload").armed();
        lane.after(1_200).sent().answered_as(Answer { status: 411, ..LAST }).fin();
    }
    assert_eq!(story.verdict("protocol.chunked-upload"), Verdict::Unsupported);
}

fn expecting(story: &mut Story) -> Script<'_> {
    story.lane("expecting-late", ARMING).accepted_by(OLD).begun("upload").armed()
}

#[test]
fn a_draining_server_that_neither_says_100_nor_answers_breaks_expect_continue() {
    let mut story = correct("expect-continue");
    expecting(&mut story).at(LATE).waited_in_vain(2_000).sent().answered_last().fin();
    story.breaks("protocol.expect-continue", &[]);
    let mut story = correct("expect-continue");
    expecting(&mut story).at(LATE).fin();
    story.breaks("protocol.expect-continue", &[]);
    let mut story = correct("expect-continue");
    expecting(&mut story).at(LATE).continued().sent().after(10).reset();
    story.breaks("protocol.expect-continue", &[]);
}

#[test]
fn a_final_status_that_leaves_the_connection_open_breaks_expect_continue() {
    let mut story = correct("expect-continue");
    expecting(&mut story).at(LATE).answered_as(Answer { status: 417, ..OPEN }).after(5_000).closed();
    story.breaks("protocol.expect-continue", &[]);
}

#[test]
fn what_is_ready_late_or_was_called_off_breaks_no_expect_continue() {
    let mut story = correct("expect-continue");
    // After Td + idle_max/2.
    expecting(&mut story).at(TD + 2_300).waited_in_vain(2_000).sent().fin();
    // A final status, and the close within a second.
    expecting(&mut story).at(LATE).answered_as(Answer { status: 503, ..OPEN }).after(900).fin();
    story.holds("protocol.expect-continue");
}

#[test]
fn a_harness_that_slept_while_100_was_awaited_accuses_nobody() {
    for held_up in [Story::harness_slept, Story::machine_was_crowded] {
        let mut story = correct("expect-continue");
        expecting(&mut story).at(LATE).waited_in_vain(2_000).sent().answered_last().fin();
        held_up(&mut story, LATE + 5, LATE + 1_900);
        assert_eq!(story.verdict("protocol.expect-continue"), Verdict::Inconclusive);
    }
}

#[test]
fn no_100_in_most_of_the_time_that_the_harness_ran_breaks_expect_continue_all_the_same() {
    let mut story = correct("expect-continue");
    expecting(&mut story).at(LATE).waited_in_vain(2_000).sent().answered_last().fin();
    story.harness_slept(LATE + 5, LATE + 600);
    story.breaks("protocol.expect-continue", &[]);
}

#[test]
fn a_server_that_never_says_100_in_control_rules_expect_continue_out() {
    let mut story = frame("expect-continue");
    for (at, then) in [(CONTROL + 40, CONTROL + 1_240), (ARMING, LATE)] {
        let lane = story.lane("expecting", at).accepted_by(OLD).begun("upload").armed();
        lane.at(then).waited_in_vain(2_000).sent().answered_last().fin();
    }
    assert_eq!(story.verdict("protocol.expect-continue"), Verdict::Unsupported);
}

#[test]
fn a_body_where_there_is_none_breaks_no_body() {
    let mut story = correct("no-body");
    let lane = story.lane("head", ARMING).accepted_by(OLD).begun("head").armed();
    lane.at(LATE).sent().answered_as(BARE_LAST).extra(9).fin();
    story.breaks("protocol.no-body", &["keep-alive.close-honoured"]);
}

#[test]
fn a_408_with_a_body_to_a_head_that_was_sent_too_late_breaks_nothing_of_it() {
    // As HAProxy was seen to do: it had half of the request when it gave up, and could not know that it was HEAD.
    let mut story = correct("no-body");
    let lane = story.lane("head", ARMING).accepted_by(OLD).begun("head").armed();
    lane.at(LATE).sent().answered_as(Answer { status: 408, ..BARE_LAST }).extra(110).fin();
    for clause in ["protocol.no-body", "keep-alive.close-honoured"] {
        assert_ne!(story.verdict(clause), Verdict::Fail, "{clause}");
    }
    // Whether it was sent too late is another clause's affair.
    story.breaks("in-flight.partial-head", &[]);
}

#[test]
fn a_400_to_a_head_that_was_never_sent_whole_breaks_nothing_of_it() {
    // As Caddy was seen to do when its time for a head is over.
    let mut story = correct("no-body");
    let lane = story.lane("head", ARMING).accepted_by(OLD).begun("head").armed();
    lane.at(LATE).answered_as(Answer { status: 400, ..BARE_LAST }).extra(15).fin();
    for clause in ["protocol.no-body", "keep-alive.close-honoured"] {
        assert_ne!(story.verdict(clause), Verdict::Fail, "{clause}");
    }
    // One that was sent whole was known for what it is.
    let mut story = correct("no-body");
    let lane = story.lane("head", ARMING).accepted_by(OLD).begun("head").armed();
    lane.at(LATE).sent().answered_as(Answer { status: 400, ..BARE_LAST }).extra(15).fin();
    assert_eq!(story.verdict("protocol.no-body"), Verdict::Fail);
}

#[test]
fn an_announcement_that_is_left_out_breaks_no_body() {
    let mut story = correct("no-body-statuses");
    let lane = story.lane("no-content", ARMING).accepted_by(OLD).begun("no-content").armed();
    lane.at(LATE).sent().answered_as(Answer { status: 204, ..BARE }).fin();
    story.breaks("protocol.no-body", &["in-flight.close-announced"]);
}

#[test]
fn an_error_with_a_body_or_an_answer_of_the_successor_breaks_no_no_body() {
    let mut story = correct("no-body-statuses");
    let lane = story.lane("no-content", ARMING).accepted_by(OLD).begun("no-content").armed();
    lane.at(LATE).sent().answered_as(Answer { status: 503, ..LAST }).fin();
    let lane = story.lane("no-content", BORN).accepted_by(NEW).begun("no-content").armed();
    lane.at(LATE).sent().answered_as(Answer { status: 204, ..BARE }).closed();
    // Another clause's affair.
    story.breaks("in-flight.partial-head", &[]);
}

#[test]
fn a_server_that_sends_such_bodies_in_control_rules_no_body_out_and_breaks_nothing_by_them() {
    let mut story = frame("no-body");
    for (at, then) in [(CONTROL + 40, CONTROL + 1_240), (ARMING, LATE)] {
        let lane = story.lane("head", at).accepted_by(OLD).begun("head").armed();
        lane.at(then).sent().answered_as(BARE_LAST).extra(9).fin();
    }
    assert_eq!(story.verdict("protocol.no-body"), Verdict::Unsupported);
    assert_ne!(story.verdict("keep-alive.close-honoured"), Verdict::Fail);
}

fn events(story: &mut Story) -> Script<'_> {
    story.lane("events", ARMING).accepted_by(OLD).asked_for("stream").head(CHUNKS).armed()
}

#[test]
fn a_stream_without_its_last_chunk_breaks_server_sent_events() {
    let mut story = correct("event-stream");
    events(&mut story).at(TD + 10).fin();
    story.breaks("protocol.server-sent-events", &["in-flight.not-truncated"]);
    let mut story = correct("event-stream");
    events(&mut story).at(TD + 3_000).reset();
    story.breaks("protocol.server-sent-events", &["in-flight.not-truncated"]);
}

#[test]
fn a_stream_that_was_called_off_or_over_before_the_restart_breaks_nothing() {
    let mut story = correct("event-stream");
    events(&mut story).at(TD + 10).closed();
    let over = story.lane("events", ARMING).accepted_by(OLD).asked_for("stream").head(CHUNKS).armed();
    over.at(T0 - 50).fin();
    story.holds("protocol.server-sent-events");
}

#[test]
fn a_server_that_streams_to_the_end_of_the_connection_rules_server_sent_events_out() {
    let mut story = frame("event-stream");
    let to_the_end = Answer { framing: "eof", ..OPEN };
    for at in [CONTROL + 40, ARMING] {
        let lane = story.lane("events", at).accepted_by(OLD).asked_for("stream").head(to_the_end).armed();
        lane.after(4_000).body(to_the_end).fin();
    }
    assert_eq!(story.verdict("protocol.server-sent-events"), Verdict::Unsupported);
}

#[test]
fn a_half_closed_client_that_gets_no_answer_breaks_half_close() {
    let mut story = correct("half-close");
    let lane = story.lane("half-closing", ARMING).accepted_by(OLD).begun("fast").armed();
    lane.at(LATE).sent().half_closed().after(1).fin();
    story.breaks("protocol.half-close", &[]);
    let mut story = correct("half-close-slow");
    let lane = story.lane("half-closing", ARMING).accepted_by(OLD).asked_for("slow").half_closed().armed();
    lane.at(TD + 1).fin();
    story.breaks("protocol.half-close", &[]);
}

#[test]
fn a_client_that_half_closed_late_or_amid_its_request_breaks_no_half_close() {
    let mut story = correct("half-close");
    let lane = story.lane("half-closing", ARMING).accepted_by(OLD).begun("fast").armed();
    lane.at(TD + 2_300).sent().half_closed().after(1).fin();
    let lane = story.lane("half-closing", ARMING).accepted_by(OLD).begun("fast").armed();
    lane.at(LATE).half_closed().after(1).fin();
    story.holds("protocol.half-close");
}

#[test]
fn a_server_that_leaves_half_closed_clients_without_an_answer_in_control_rules_half_close_out() {
    let mut story = frame("half-close");
    for (at, then) in [(CONTROL + 40, CONTROL + 1_240), (ARMING, LATE)] {
        let lane = story.lane("half-closing", at).accepted_by(OLD).begun("fast").armed();
        lane.at(then).sent().half_closed().after(1).closed();
    }
    assert_eq!(story.verdict("protocol.half-close"), Verdict::Unsupported);
}

#[test]
fn others_that_are_cut_when_a_client_leaves_break_client_abort() {
    let mut story = correct("client-abort");
    let steady = story.lane("steady", ARMING).accepted_by(OLD).begun("fast").armed();
    steady.at(LATE + 60).reset();
    story.breaks("protocol.client-abort", &["in-flight.partial-head"]);
}

#[test]
fn an_old_process_that_stays_when_clients_leave_breaks_client_abort() {
    let mut story = correct("client-abort");
    story.server.gone = crate::story::Gone::At(23_000);
    story.breaks("protocol.client-abort", &["drain.exits"]);
}

#[test]
fn where_nobody_leaves_while_the_old_process_drains_nothing_is_said_of_it() {
    let mut story = frame("client-abort");
    for (at, then) in [(CONTROL + 40, CONTROL + 1_240), (ARMING, T0 - 100)] {
        story.lane("aborting-head", at).accepted_by(OLD).begun("fast").armed().at(then).aborted();
    }
    let steady = story.lane("steady", ARMING).accepted_by(OLD).begun("fast").armed();
    steady.at(LATE).reset();
    assert_eq!(story.verdict("protocol.client-abort"), Verdict::Inconclusive);
}

#[test]
fn a_client_that_is_refused_breaks_the_clause_of_its_kind_of_listener() {
    let mut story = correct("traffic-ipv6");
    story.lane("new", BORN).refused();
    story.breaks("protocol.ipv6", &["availability.not-refused"]);
    let mut story = correct("traffic-unix");
    story.lane("new", BORN).refused();
    story.breaks("protocol.unix", &["availability.not-refused"]);
    let mut story = correct("traffic-abstract");
    story.lane("new", BORN).refused();
    story.breaks("protocol.abstract", &["availability.not-refused"]);
}

#[test]
fn an_idle_connection_that_is_closed_breaks_it_where_the_profile_promises_more() {
    for (profile, expected) in [(Profile::Falcore, Verdict::Fail), (Profile::Reload, Verdict::Pass)] {
        let mut story = correct_in(profile, "traffic-ipv6");
        story.lane("idle", ARMING).accepted_by(OLD).asked().answered().armed().at(TD + 10).fin();
        assert_eq!(story.verdict("protocol.ipv6"), expected, "{profile}");
    }
}

#[test]
fn a_listener_of_many_that_refuses_breaks_many_listeners() {
    let mut story = correct("many-listeners");
    on_port(&mut story, 8202);
    story.lane_on("during", BORN, 8202).refused();
    story.breaks("protocol.many-listeners", &["availability.not-refused"]);
}

#[test]
fn a_listener_of_many_that_nobody_was_served_on_afterwards_is_left_open() {
    let mut story = correct("many-listeners");
    story.lane_on("new", BORN, 8202).accepted_by(OLD).asked().answered().closed();
    assert_eq!(story.verdict("protocol.many-listeners"), Verdict::Inconclusive);
}
