//! Connections are accepted and answered throughout.

use hotspec::clause::result::Verdict;
use hotspec::declaration::Profile;
use hotspec::history::event::{ConnectTrouble, ListenerRow, Owner, What};

use crate::lane::{Answer, OPEN};
use crate::story::{
    BORN, CONTROL, IDLE_MAX, LISTENER, NEW, OLD, RESTART, Story, T0, TD, correct, correct_in, frame,
};

fn listeners(story: &mut Story, at: u64, rows: &[ListenerRow]) {
    story.tell(at, What::Listeners { rows: rows.to_vec(), from: (at - 1) * 1_000 });
}

#[test]
fn a_refused_connection_breaks_not_refused() {
    let mut story = correct("new-connections");
    story.lane("new", BORN + 20).refused();
    story.breaks("availability.not-refused", &[]);
}

#[test]
fn a_unix_path_that_is_not_there_counts_as_refused() {
    let mut story = correct("new-connections");
    story.lane("new", BORN + 20).not_connected(ConnectTrouble::Missing, 2);
    story.breaks("availability.not-refused", &[]);
}

#[test]
fn a_pooled_client_that_is_refused_breaks_what_a_client_was_promised() {
    let mut story = correct("pooled-client");
    story.lane("pooled", T0 + 10).fetch_failed("refused").closed();
    story.breaks("availability.not-refused", &["availability.answered", "keep-alive.answered-throughout"]);
}

#[test]
fn a_connection_refused_before_the_trigger_is_no_fault_of_the_restart() {
    let mut story = correct("new-connections");
    story.lane("new", T0 - 50).refused();
    story.holds("availability.not-refused");
}

#[test]
fn a_harness_that_runs_out_of_ports_accuses_nobody_of_refusing() {
    let mut story = correct("new-connections");
    story.lane("new", BORN + 20).not_connected(ConnectTrouble::Local, 99);
    story.leaves_open("availability.not-refused");
}

#[test]
fn a_queued_connection_that_is_reset_breaks_queue_kept() {
    let mut story = correct("queued-at-trigger");
    story.lane("queued", 8_815).connected().owner(Owner::Queued).asked().loaded().at(T0 + 3).reset();
    story.breaks("availability.queue-kept", &[]);
}

#[test]
fn a_queue_that_is_lost_at_the_handover_breaks_answered_too() {
    let mut story = correct("queued-at-handover");
    story.lane("queued", BORN + 12).connected().owner(Owner::Queued).asked().loaded().at(TD).reset();
    story.breaks("availability.queue-kept", &["availability.answered"]);
}

#[test]
fn a_queue_that_is_lost_while_the_harness_held_the_old_one_for_too_long_accuses_nobody() {
    // A successor may wait for the old one's listening sockets for a second, and then make others.
    for (held, open) in [(1_050, true), (950, false)] {
        let mut story = correct("queued-at-trigger");
        let frozen = |on| What::Frozen { procs: vec![0], on, listening: true };
        story.tell(T0 + 2, frozen(true));
        story.tell(T0 + 2 + held, frozen(false));
        let queued = story.lane("queued", T0 + 10).connected().owner(Owner::Queued).asked().loaded();
        queued.at(T0 + 1_100).reset();
        for clause in ["availability.queue-kept", "availability.answered"] {
            let expected = if open { Verdict::Inconclusive } else { Verdict::Fail };
            assert_eq!(story.verdict(clause), expected, "{clause}, held for {held} ms");
        }
    }
}

#[test]
fn a_queued_connection_that_is_called_off_was_not_lost() {
    let mut story = correct("queued-at-trigger");
    story.lane("queued", 8_815).connected().owner(Owner::Queued).asked().loaded().at(T0 + 3).closed();
    story.holds("availability.queue-kept");
}

#[test]
fn a_connection_reset_in_the_middle_of_its_answer_had_left_the_queue() {
    let mut story = correct("queued-at-trigger");
    let queued = story.lane("queued", 8_815).connected().owner(Owner::Queued).asked().loaded();
    queued.at(T0 + 3).owner(OLD).head(OPEN).reset();
    story.breaks("in-flight.not-truncated", &[]);
    assert_eq!(story.verdict("availability.queue-kept"), Verdict::Pass);
}

#[test]
fn an_accepted_connection_that_is_dropped_unread_breaks_accepted_unread() {
    let mut story = correct("accepted-unread");
    let unread = story.lane("unread", RESTART + 60).accepted_by(OLD).armed();
    unread.at(BORN + 12).asked().loaded().at(TD + 5).fin();
    story.breaks("availability.accepted-unread", &[]);
}

#[test]
fn an_unread_connection_that_stood_still_until_it_was_timed_out_leaves_accepted_unread_open() {
    let mut story = frame("accepted-unread");
    let unread = story.lane("unread", RESTART + 60).accepted_by(OLD).armed();
    unread.at(BORN + 12).asked().loaded().at(RESTART + 60 + IDLE_MAX + 5).fin();
    story.leaves_open("availability.accepted-unread");
}

#[test]
fn where_control_shows_none_accepted_before_its_first_byte_accepted_unread_is_ruled_out() {
    // TCP_DEFER_ACCEPT, as nghttpx sets it.
    let mut story = frame("accepted-unread");
    let deferred = story.lane("unread", CONTROL + 40).connected().armed().asked().owner(Owner::Queued);
    deferred.loaded().after(50).owner(OLD).answered().closed();
    let unread = story.lane("unread", RESTART + 60).connected().armed();
    unread.at(BORN + 12).asked().owner(Owner::Queued).loaded().at(TD + 5).owner(NEW).answered().closed();
    assert_eq!(story.verdict("availability.accepted-unread"), Verdict::Unsupported);
}

#[test]
fn an_unread_connection_of_an_unknown_owner_is_not_judged() {
    let mut story = correct("accepted-unread");
    let unread = story.lane("unread", RESTART + 60).accepted_by(Owner::Several).armed();
    unread.at(BORN + 12).asked().loaded().at(TD + 5).fin();
    story.holds("availability.accepted-unread");
}

#[test]
fn a_new_connection_closed_without_an_answer_breaks_answered() {
    let mut story = correct("new-connections");
    story.lane("new", BORN + 20).accepted_by(OLD).asked().at(TD).fin();
    story.breaks("availability.answered", &[]);
}

#[test]
fn a_request_that_could_not_even_be_sent_breaks_answered() {
    let mut story = correct("new-connections");
    story.lane("new", BORN + 20).accepted_by(OLD).begun("fast").send_failed("broken pipe").after(1).fin();
    story.breaks("availability.answered", &[]);
}

#[test]
fn what_is_no_http_at_all_breaks_answered() {
    let mut story = correct("new-connections");
    story.lane("new", BORN + 20).accepted_by(OLD).asked().head_begun().malformed().gave_up();
    story.breaks("availability.answered", &[]);
}

#[test]
fn a_body_unlike_that_of_control_breaks_answered() {
    let mut story = correct("new-connections");
    story.lane("new", BORN + 20).accepted_by(OLD).asked().answered_as(Answer { hash: "0", ..OPEN }).closed();
    story.breaks("availability.answered", &[]);
}

#[test]
fn a_first_request_a_second_after_connecting_is_owed_no_answer() {
    let mut story = correct("new-connections");
    story.lane("new", BORN + 20).accepted_by(OLD).after(1_200).asked().after(5).fin();
    let late = story.lane("new", BORN + 22).accepted_by(OLD).after(1_200).begun("fast");
    late.send_failed("broken pipe").after(1).reset();
    story.holds("availability.answered");
}

#[test]
fn a_request_that_is_called_off_and_one_that_the_record_does_not_finish_accuse_nobody() {
    let mut story = correct("new-connections");
    story.lane("new", 13_900).accepted_by(NEW).asked().closed();
    story.lane("new", 13_900).accepted_by(NEW).asked().and_no_more_is_known();
    story.holds("availability.answered");
}

#[test]
fn a_later_request_on_a_new_connection_is_owed_an_answer_by_falcore_only() {
    for (profile, verdict) in [(Profile::Falcore, Verdict::Fail), (Profile::Reload, Verdict::Pass)] {
        let mut story = correct_in(profile, "new-connections");
        story.lane("new", BORN + 20).accepted_by(OLD).asked().answered().asked().at(TD).fin();
        assert_eq!(story.verdict("availability.answered"), verdict, "{profile}");
    }
}

#[test]
fn a_request_after_an_announced_close_is_owed_no_answer() {
    let mut story = correct("new-connections");
    story.lane("new", BORN + 20).accepted_by(OLD).asked().answered_last().asked().reset_after_fin();
    story.holds("availability.answered");
}

#[test]
fn a_pooled_client_may_meet_an_unannounced_close_outside_falcore() {
    for (profile, verdict) in [(Profile::Falcore, Verdict::Fail), (Profile::Reload, Verdict::Pass)] {
        let mut story = correct_in(profile, "pooled-client");
        story.lane("pooled", T0 + 10).fetch_failed("closed").closed();
        assert_eq!(story.verdict("availability.answered"), verdict, "{profile}");
    }
}

#[test]
fn a_pooled_client_that_runs_out_of_ports_accuses_nobody() {
    let mut story = correct("pooled-client");
    story.lane("pooled", T0 + 10).fetch_failed("local").closed();
    story.leaves_open("availability.answered");
    story.leaves_open("keep-alive.answered-throughout");
}

#[test]
fn a_first_byte_that_is_long_in_coming_breaks_no_stall() {
    let mut story = correct("new-connections");
    story.lane("new", BORN + 20).accepted_by(OLD).asked().after(1_200).answered_last().fin();
    story.breaks("availability.no-stall", &[]);
}

#[test]
fn a_first_byte_that_never_comes_breaks_no_stall_and_answered() {
    let mut story = correct("new-connections");
    story.lane("new", BORN + 20).accepted_by(NEW).asked().after(3_000).gave_up();
    story.breaks("availability.no-stall", &["availability.answered"]);
}

#[test]
fn a_first_byte_within_stall_max_is_no_stall() {
    let mut story = correct("new-connections");
    story.lane("new", BORN + 20).accepted_by(OLD).asked().after(950).answered_last().fin();
    story.holds("availability.no-stall");
}

#[test]
fn a_harness_that_slept_or_a_machine_that_was_crowded_meanwhile_leaves_a_stall_open() {
    for held_up in [Story::harness_slept, Story::machine_was_crowded] {
        let mut story = correct("new-connections");
        story.lane("new", BORN + 20).accepted_by(OLD).asked().after(1_200).answered_last().fin();
        held_up(&mut story, BORN + 30, BORN + 1_100);
        story.leaves_open("availability.no-stall");
    }
}

#[test]
fn a_harness_that_slept_as_the_machine_was_crowded_excuses_that_time_once() {
    let mut story = correct("new-connections");
    story.lane("new", BORN + 20).accepted_by(OLD).asked().after(2_000).answered_last().fin();
    story.harness_slept(BORN + 30, BORN + 600);
    story.machine_was_crowded(BORN + 30, BORN + 600);
    story.breaks("availability.no-stall", &[]);
}

#[test]
fn a_moment_without_any_listening_socket_breaks_listener_present() {
    let mut story = correct("half-sent-head");
    listeners(&mut story, BORN + 10, &[]);
    listeners(&mut story, BORN + 12, &[LISTENER]);
    story.breaks("availability.listener-present", &[]);
}

#[test]
fn a_listening_socket_that_comes_late_at_the_start_is_no_matter() {
    let mut story = correct("half-sent-head");
    listeners(&mut story, 14, &[]);
    story.holds("availability.listener-present");
}

#[test]
fn without_samples_nothing_is_said_of_the_listening_socket() {
    let mut story = correct("half-sent-head");
    story.withheld = true;
    assert_eq!(story.verdict("availability.listener-present"), Verdict::NoEvidence);
}

#[test]
fn another_listening_socket_in_its_place_breaks_same_listener() {
    for other in [ListenerRow { inode: 777, ..LISTENER }, ListenerRow { cookie: 10, ..LISTENER }] {
        let mut story = correct("new-connections");
        listeners(&mut story, BORN + 60, &[LISTENER, other.clone()]);
        story.holds("availability.same-listener");
        listeners(&mut story, TD + 1, &[other]);
        story.breaks("availability.same-listener", &[]);
    }
}

#[test]
fn a_connection_that_the_old_process_still_takes_breaks_successor_serves() {
    let mut story = correct("new-connections");
    story.lane("new", TD + 150).accepted_by(OLD).asked().answered_last().fin();
    story.breaks("availability.successor-serves", &["drain.stops-accepting"]);
}

#[test]
fn a_connection_that_the_old_process_takes_within_the_tolerance_is_no_breach() {
    let mut story = correct("new-connections");
    story.lane("new", TD + 99).accepted_by(OLD).asked().answered_last().fin();
    story.holds("availability.successor-serves");
}

#[test]
fn a_late_connection_of_an_unknown_owner_is_not_held_against_the_old_process() {
    let mut story = correct("new-connections");
    story.lane("new", TD + 150).accepted_by(Owner::Several).asked().answered().closed();
    story.lane("new", TD + 152).connected().asked().answered().closed();
    story.holds("availability.successor-serves");
}

#[test]
fn a_connect_that_times_out_breaks_no_overflow() {
    let mut story = correct("new-connections");
    story.lane("new", BORN + 20).after(3_000).not_connected(ConnectTrouble::TimedOut, 110);
    story.breaks("availability.no-overflow", &[]);
}

#[test]
fn a_syn_that_is_sent_twice_breaks_no_overflow_and_costs_a_second() {
    let mut story = correct("new-connections");
    let slow = story.lane("new", BORN + 20).after(1_030).connected_with(1).owner(NEW);
    slow.asked().answered().closed();
    story.breaks("availability.no-overflow", &["availability.no-stall"]);
}

#[test]
fn a_full_queue_of_a_unix_socket_breaks_no_overflow_and_is_no_refusal() {
    let mut story = correct("new-connections");
    story.lane("new", BORN + 20).not_connected(ConnectTrouble::QueueFull, 11);
    story.breaks("availability.no-overflow", &[]);
}

#[test]
fn a_queue_that_the_lanes_fill_themselves_overflows_by_nobodys_fault() {
    for (waiting, overflows) in [(1, true), (2, false)] {
        let mut story = correct("new-connections");
        listeners(&mut story, RESTART, &[ListenerRow { backlog: 2, ..LISTENER }]);
        for _ in 0..waiting {
            story.lane("new", BORN + 10).connected().after(40).owner(NEW).asked().answered().closed();
        }
        story.lane("new", BORN + 20).not_connected(ConnectTrouble::QueueFull, 11);
        story.lane("new", BORN + 60).accepted_by(NEW).asked().answered().closed();
        if overflows {
            story.breaks("availability.no-overflow", &[]);
        } else {
            story.holds("availability.no-overflow");
        }
    }
}
