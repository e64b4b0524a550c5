//! Queues of listening sockets: one that nobody accepts from, and one that is full.

use hotspec::clause::result::Verdict;
use hotspec::declaration::Profile;
use hotspec::history::What;
use hotspec::history::event::{ConnectTrouble, ListenerRow, Owner};

use crate::lane::OPEN;
use crate::story::{BORN, LISTENER, NEW, OLD, Story, T0, TD, correct, correct_in};

/// A second listening socket on the same address (SO_REUSEPORT).
const OTHER: ListenerRow = ListenerRow { inode: 502, cookie: 10, backlog: 128 };

fn queue(story: &mut Story, at: u64, inode: u64, length: u32) {
    story.tell(at, What::Queue { inode, length, from: (at - 20) * 1_000 });
}

fn rows(story: &mut Story, at: u64, rows: &[ListenerRow]) {
    story.tell(at, What::Listeners { rows: rows.to_vec(), from: (at - 20) * 1_000 });
}

/// The old process's own socket stays when nobody accepts from it any more.
fn two_sockets() -> Story {
    let mut story = correct("new-connections");
    rows(&mut story, BORN, &[LISTENER, OTHER]);
    story
}

#[test]
fn a_socket_that_nobody_accepts_from_breaks_same_listener() {
    let mut story = two_sockets();
    for (at, length) in [(TD + 100, 1), (TD + 400, 2), (TD + 900, 5), (TD + 1_500, 6)] {
        queue(&mut story, at, LISTENER.inode, length);
    }
    queue(&mut story, TD + 2_000, LISTENER.inode, 0);
    story.breaks("availability.same-listener", &[]);
}

#[test]
fn one_connection_that_waits_to_the_end_breaks_same_listener() {
    let mut story = two_sockets();
    queue(&mut story, TD + 100, LISTENER.inode, 1);
    story.breaks("availability.same-listener", &[]);
    // It is a recommendation elsewhere.
    let mut story = correct_in(Profile::Reload, "new-connections");
    rows(&mut story, BORN, &[LISTENER, OTHER]);
    queue(&mut story, TD + 100, LISTENER.inode, 1);
    story.breaks("availability.same-listener", &[]);
    assert_eq!(story.judged().verdict, hotspec::clause::result::RunVerdict::Pass);
}

#[test]
fn a_queue_that_waits_until_its_socket_is_closed_breaks_same_listener() {
    let mut story = two_sockets();
    queue(&mut story, TD + 100, OTHER.inode, 3);
    rows(&mut story, TD + 1_500, &[LISTENER]);
    story.breaks("availability.same-listener", &[]);
}

#[test]
fn a_queue_that_is_emptied_within_a_second_is_accepted_from() {
    let mut story = two_sockets();
    for (at, length) in [(TD + 100, 3), (TD + 1_110, 0), (TD + 1_300, 1), (TD + 1_500, 0)] {
        queue(&mut story, at, LISTENER.inode, length);
    }
    queue(&mut story, TD + 100, OTHER.inode, 3);
    rows(&mut story, TD + 1_000, &[LISTENER]);
    story.holds("availability.same-listener");
}

/// On a slow machine somebody waits at every look, and never the same one.
#[test]
fn a_queue_that_gets_shorter_now_and_then_is_accepted_from() {
    let mut story = two_sockets();
    for turn in 0..20 {
        queue(&mut story, TD + 100 + 200 * turn, LISTENER.inode, 1 + u32::from(turn % 2 == 0));
    }
    queue(&mut story, TD + 4_300, LISTENER.inode, 0);
    story.holds("availability.same-listener");
}

#[test]
fn the_only_socket_is_accepted_from_if_a_later_connection_is_answered() {
    let mut story = correct("new-connections");
    queue(&mut story, TD + 100, LISTENER.inode, 1);
    queue(&mut story, TD + 2_400, LISTENER.inode, 0);
    story.holds("availability.same-listener");
}

#[test]
fn whoever_was_stopped_by_the_harness_need_not_accept() {
    let mut story = two_sockets();
    queue(&mut story, TD + 100, LISTENER.inode, 2);
    queue(&mut story, TD + 1_500, LISTENER.inode, 0);
    story.tell(TD + 90, What::Frozen { procs: vec![1], on: true, listening: true });
    story.tell(TD + 1_490, What::Frozen { procs: vec![1], on: false, listening: false });
    story.holds("availability.same-listener");
}

#[test]
fn a_queue_that_waited_while_the_harness_slept_or_the_machine_was_crowded_accuses_nobody() {
    for held_up in [Story::harness_slept, Story::machine_was_crowded] {
        let mut story = two_sockets();
        queue(&mut story, TD + 100, LISTENER.inode, 2);
        queue(&mut story, TD + 1_500, LISTENER.inode, 0);
        held_up(&mut story, TD + 200, TD + 1_400);
        story.holds("availability.same-listener");
    }
}

#[test]
fn a_queue_that_waited_before_the_trigger_is_no_fault_of_the_restart() {
    let mut story = two_sockets();
    queue(&mut story, T0 - 3_000, LISTENER.inode, 2);
    queue(&mut story, T0 + 50, LISTENER.inode, 0);
    story.holds("availability.same-listener");
}

fn dropped(story: &mut Story, at: u64) {
    story.lane("new", at).after(900).connected_with(1).owner(NEW).asked().answered_as(OPEN).closed();
}

#[test]
fn a_syn_that_a_full_queue_drops_does_not_break_no_overflow() {
    let mut story = correct("new-connections");
    queue(&mut story, BORN + 60, LISTENER.inode, LISTENER.backlog);
    queue(&mut story, BORN + 150, LISTENER.inode, 0);
    dropped(&mut story, BORN + 70);
    // It was seen to be full only a little later.
    dropped(&mut story, BORN + 20);
    story.lane("new", BORN + 80).after(3_000).not_connected(ConnectTrouble::TimedOut, 110);
    assert_ne!(story.verdict("availability.no-overflow"), Verdict::Fail);
}

#[test]
fn a_syn_that_is_dropped_though_there_was_room_breaks_no_overflow() {
    let mut story = correct("new-connections");
    queue(&mut story, BORN + 60, LISTENER.inode, LISTENER.backlog - 1);
    queue(&mut story, BORN + 350, LISTENER.inode, LISTENER.backlog);
    queue(&mut story, BORN + 450, LISTENER.inode, 0);
    dropped(&mut story, BORN + 70);
    story.breaks("availability.no-overflow", &[]);
    let mut story = correct("new-connections");
    // Another socket's queue was full, and it was gone by then.
    rows(&mut story, BORN, &[LISTENER, OTHER]);
    queue(&mut story, BORN + 30, OTHER.inode, 500);
    rows(&mut story, BORN + 50, &[LISTENER]);
    dropped(&mut story, BORN + 250);
    story.breaks("availability.no-overflow", &[]);
}

#[test]
fn a_lane_that_was_called_off_after_it_had_waited_in_vain_breaks_no_stall() {
    let mut story = correct("new-connections");
    story.lane("new", BORN + 20).connected().owner(Owner::Queued).asked().after(1_200).closed();
    story.breaks("availability.no-stall", &[]);
}

#[test]
fn a_lane_that_was_called_off_before_its_time_or_that_did_not_ask_is_no_stall() {
    let mut story = correct("new-connections");
    story.lane("new", BORN + 20).accepted_by(OLD).asked().after(900).closed();
    story.lane("new", BORN + 20).accepted_by(OLD).begun("fast").after(3_000).closed();
    story.lane("new", BORN + 20).accepted_by(OLD).asked_for("slow").after(3_000).closed();
    story.lane("new", BORN + 20).accepted_by(OLD).asked().and_no_more_is_known();
    story.lane("new", T0 - 20).accepted_by(OLD).asked().after(3_000).closed();
    story.holds("availability.no-stall");
}

#[test]
fn a_wait_while_the_harness_stopped_the_target_is_no_stall() {
    let mut story = correct("new-connections");
    story.tell(BORN + 10, What::Frozen { procs: vec![0], on: true, listening: true });
    story.tell(BORN + 60, What::Frozen { procs: vec![0], on: false, listening: false });
    story.lane("new", BORN + 20).accepted_by(OLD).asked().after(1_020).answered().closed();
    story.holds("availability.no-stall");
}

#[test]
fn a_socket_that_gave_way_to_another_while_nobody_could_look_leaves_open_whether_anybody_was_refused() {
    // As was seen of a server that closes its listener and binds it anew, on a machine that let nobody look meanwhile.
    for (overlaps, apart, verdict) in [
        (true, 200, Verdict::Pass),
        (false, 200, Verdict::Inconclusive),
        // HAProxy's IPv6 listener, between two ordinary looks; the lookout sees what is shorter.
        (false, 20, Verdict::Pass),
    ] {
        let mut story = correct_in(Profile::Reload, "new-connections");
        if overlaps {
            rows(&mut story, BORN - 20, &[LISTENER, OTHER]);
        }
        story.tell(BORN, What::Listeners { rows: vec![OTHER], from: (BORN - apart) * 1_000 });
        for clause in ["availability.not-refused", "availability.listener-present"] {
            let result = story.judged().clauses.into_iter().find(|result| result.id == clause).unwrap();
            assert_eq!(result.verdict, verdict, "{clause}, {overlaps}, {apart} ms");
            // By the machine's doing.
            let disturbed = if verdict == Verdict::Inconclusive { &["new-connections"][..] } else { &[] };
            assert_eq!(result.disturbed_in, disturbed, "{clause}");
        }
    }
}
