//! Why a connection was lost: named where the evidence leaves one explanation, and nothing where it leaves more.

use std::collections::BTreeMap;

use hotspec::clause::cause::{Cause, CauseKind};
use hotspec::history::event::{ConnectTrouble, LaneId, ListenerRow, Owner, Scope, What};

use crate::lane::{port_of, reset_by_target};
use crate::story::{BORN, LISTENER, NEW, OLD, Story, T0, TD, correct, holds};

/// The old process's own listening socket closes between these two looks.
const CLOSES: (u64, u64) = (BORN + 55, BORN + 75);
/// A reset in between.
const LOST: u64 = BORN + 60;
/// The successor's.
const OTHER: ListenerRow = ListenerRow { inode: 777, cookie: 10, backlog: 128 };

/// Each generation has a listening socket of its own, and the old one's closes.
fn closes_its_own(story: &mut Story) {
    story.tell(BORN + 20, What::Listeners { rows: vec![LISTENER, OTHER], from: BORN * 1_000 });
    story.tell(BORN + 51, holds(1, &[OTHER.inode], BORN + 50));
    story.tell(BORN + 52, What::Queue { inode: LISTENER.inode, length: 2, from: (BORN + 32) * 1_000 });
    story.tell(CLOSES.1, What::Listeners { rows: vec![OTHER], from: CLOSES.0 * 1_000 });
    story.tell(CLOSES.1 + 1, holds(0, &[], CLOSES.0));
}

/// What was counted from the trigger until shortly after the loss.
fn counted(story: &mut Story, growth: &[(&str, u64)]) {
    counted_by(story, Scope::Both, growth);
}

fn counted_by(story: &mut Story, scope: Scope, growth: &[(&str, u64)]) {
    let growth: BTreeMap<String, u64> = growth.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
    story.tell(T0 - 100, What::Counters { scope, from: (T0 - 200) * 1_000, growth: BTreeMap::new() });
    story.tell(LOST + 20, What::Counters { scope, from: (T0 - 100) * 1_000, growth });
}

/// A connection that waits, is reset before any answer, and is heard to be; its number.
fn lost(story: &mut Story, owner: Owner) -> LaneId {
    let lane = story.next;
    story.lane("new", BORN + 20).connected().owner(owner).asked().at(LOST + 1).reset();
    story.tell(LOST, reset_by_target(lane));
    lane
}

/// The cause of the first violation on this lane.
fn cause(story: &Story, lane: LaneId) -> Option<Cause> {
    let name = format!("#{lane}");
    let result = story.judged();
    let mut violations = result.clauses.iter().flat_map(|clause| &clause.violations);
    let on_lane = violations.find(|one| one.lane.as_deref().is_some_and(|lane| lane.ends_with(&name)));
    on_lane.unwrap_or_else(|| panic!("nothing was broken on {lane}")).cause.clone()
}

#[track_caller]
fn is(cause: Option<Cause>, kinds: &[CauseKind], text: &str) {
    let cause = cause.expect("a cause");
    assert_eq!(cause.kinds, kinds, "{cause:?}");
    assert!(cause.text.contains(text), "{cause:?}");
    assert!(!cause.evidence.is_empty(), "{cause:?}");
}

/// Two that wait in the old process's queue, which it closes.
fn queue_destroyed() -> (Story, LaneId) {
    let mut story = correct("new-connections");
    closes_its_own(&mut story);
    let lane = lost(&mut story, Owner::Queued);
    lost(&mut story, Owner::Queued);
    (story, lane)
}

#[test]
fn a_queue_that_went_with_its_listening_socket_is_told_with_who_closed_it_and_how_many_waited() {
    let (mut story, lane) = queue_destroyed();
    counted(&mut story, &[("OutRsts", 2), ("EstabResets", 4)]);
    let text = "reset by the kernel when server 100 (old) closed the listening socket 501 at T0+160 ms, with 2 connections in its queue";
    is(cause(&story, lane), &[CauseKind::AcceptQueueDestroyed], text);
}

#[test]
fn on_a_network_that_others_use_counters_name_nothing() {
    let (mut story, lane) = queue_destroyed();
    counted_by(&mut story, Scope::Shared, &[("OutRsts", 2)]);
    assert_eq!(cause(&story, lane), None);
}

#[test]
fn without_counters_nothing_is_named() {
    let (story, lane) = queue_destroyed();
    assert_eq!(cause(&story, lane), None);
}

#[test]
fn where_no_listening_socket_closed_no_queue_was_destroyed() {
    let mut story = correct("new-connections");
    let lane = lost(&mut story, Owner::Queued);
    counted(&mut story, &[("OutRsts", 1)]);
    assert_eq!(cause(&story, lane), None, "it was in no counter, and no queue went");
}

#[test]
fn bytes_left_unread_are_told_with_who_left_them() {
    let mut story = correct("new-connections");
    let lane = lost(&mut story, OLD);
    counted(&mut story, &[("OutRsts", 1), ("TCPAbortOnClose", 1)]);
    let text = "when server 100 (old) closed the connection with bytes from the client unread at T0+160 ms";
    is(cause(&story, lane), &[CauseKind::ClosedUnread], text);
}

#[test]
fn a_linger_time_of_zero_is_told_by_the_other_counter() {
    let mut story = correct("new-connections");
    let lane = lost(&mut story, OLD);
    counted(&mut story, &[("OutRsts", 1), ("TCPAbortOnData", 1)]);
    is(cause(&story, lane), &[CauseKind::LingerZero], "with a linger time of zero");
}

#[test]
fn of_two_that_remain_it_is_said_that_it_is_either() {
    let mut story = correct("new-connections");
    let lane = lost(&mut story, OLD);
    lost(&mut story, OLD);
    counted(&mut story, &[("OutRsts", 2), ("TCPAbortOnData", 1), ("TCPAbortOnClose", 1)]);
    is(cause(&story, lane), &[CauseKind::ClosedUnread, CauseKind::LingerZero], "either when");
}

#[test]
fn of_three_that_remain_nothing_is_said() {
    let mut story = correct("new-connections");
    closes_its_own(&mut story);
    let lane = lost(&mut story, Owner::Queued);
    lost(&mut story, OLD);
    lost(&mut story, OLD);
    counted(&mut story, &[("OutRsts", 3), ("TCPAbortOnData", 1), ("TCPAbortOnClose", 1)]);
    assert_eq!(cause(&story, lane), None);
}

#[test]
fn one_that_was_accepted_is_of_no_queue_and_one_that_asked_nothing_left_nothing_unread() {
    let mut story = correct("new-connections");
    closes_its_own(&mut story);
    let queued = lost(&mut story, Owner::Queued);
    let accepted = lost(&mut story, OLD);
    counted(&mut story, &[("OutRsts", 2), ("TCPAbortOnClose", 1)]);
    is(cause(&story, accepted), &[CauseKind::ClosedUnread], "server 100 (old)");
    let either = [CauseKind::AcceptQueueDestroyed, CauseKind::ClosedUnread];
    is(cause(&story, queued), &either, "either when server 100 (old) closed the listening socket 501");

    let mut story = correct("idle-last-request");
    let silent = story.next;
    story.lane("idle", BORN + 20).connected().at(LOST + 1).reset();
    story.tell(LOST, reset_by_target(silent));
    lost(&mut story, OLD);
    counted(&mut story, &[("OutRsts", 2), ("TCPAbortOnData", 1), ("TCPAbortOnClose", 1)]);
    is(cause(&story, silent), &[CauseKind::LingerZero], "the target closed the connection");
}

#[test]
fn resets_that_nobody_heard_leave_open_which_of_them_the_counters_are_about() {
    let mut story = correct("new-connections");
    closes_its_own(&mut story);
    let lane = lost(&mut story, Owner::Queued);
    counted(&mut story, &[("OutRsts", 3), ("TCPAbortOnClose", 1)]);
    let either = [CauseKind::AcceptQueueDestroyed, CauseKind::ClosedUnread];
    is(cause(&story, lane), &either, "either");
    // In none of the counters: whoever else was reset, it was not for these.
    let mut story = correct("new-connections");
    closes_its_own(&mut story);
    let lane = lost(&mut story, Owner::Queued);
    counted(&mut story, &[("OutRsts", 3)]);
    is(
        cause(&story, lane),
        &[CauseKind::AcceptQueueDestroyed],
        "closed the listening socket 501 at T0+160 ms",
    );
}

#[test]
fn less_counted_than_heard_says_nothing_and_rare_reasons_do_not_either() {
    for growth in [[("OutRsts", 1), ("TCPAbortOnClose", 1)], [("OutRsts", 2), ("TCPAbortOnTimeout", 1)]] {
        let mut story = correct("new-connections");
        let lane = lost(&mut story, OLD);
        lost(&mut story, OLD);
        counted(&mut story, &growth);
        assert_eq!(cause(&story, lane), None, "{growth:?}");
    }
}

#[test]
fn a_reset_that_was_sent_while_the_counters_were_read_is_found_in_the_next_reading() {
    let mut story = correct("new-connections");
    let lane = lost(&mut story, OLD);
    counted(&mut story, &[]);
    let growth = BTreeMap::from([("OutRsts".to_owned(), 1), ("TCPAbortOnClose".to_owned(), 1)]);
    story.tell(LOST + 40, What::Counters { scope: Scope::Both, from: (LOST + 20) * 1_000, growth });
    is(cause(&story, lane), &[CauseKind::ClosedUnread], "unread");
}

#[test]
fn what_the_lanes_themselves_reset_is_not_taken_for_the_target_s() {
    let mut story = correct("new-connections");
    let lane = lost(&mut story, OLD);
    // A lane that leaves by RST has a linger time of zero, and is in the same counter.
    let own = What::Reset {
        port: 9_999,
        by_target: false,
        ack: true,
        lane_ended: false,
        target_ended: false,
        refused: false,
    };
    story.tell(LOST + 5, own);
    counted(&mut story, &[("OutRsts", 2), ("TCPAbortOnClose", 1), ("TCPAbortOnData", 1)]);
    is(cause(&story, lane), &[CauseKind::ClosedUnread, CauseKind::LingerZero], "either");
}

#[test]
fn shutdown_on_the_shared_socket_is_told_by_who_still_holds_it() {
    let mut story = correct("new-connections");
    story.tell(CLOSES.1, What::Listeners { rows: vec![], from: CLOSES.0 * 1_000 });
    story.tell(CLOSES.1, What::ShutDown { inode: LISTENER.inode, procs: vec![1], from: CLOSES.0 * 1_000 });
    let lane = lost(&mut story, Owner::Queued);
    let late = story.next;
    story.lane("new", BORN + 90).refused();
    counted(&mut story, &[("OutRsts", 1)]);
    let text = "when the listening socket 501, which server 101 (successor) still held, was shut down";
    is(cause(&story, lane), &[CauseKind::ListenerShutDown], text);
    is(
        cause(&story, late),
        &[CauseKind::ListenerShutDown],
        "had been shut down between T0+155 ms and T0+175 ms",
    );
}

#[test]
fn a_refusal_is_told_with_who_had_closed_the_last_socket() {
    let mut story = correct("new-connections");
    story.tell(BORN + 51, holds(1, &[], BORN + 50));
    story.tell(CLOSES.1, What::Listeners { rows: vec![], from: CLOSES.0 * 1_000 });
    story.tell(CLOSES.1 + 1, holds(0, &[], CLOSES.0));
    story.tell(CLOSES.1 + 40, What::Listeners { rows: vec![OTHER], from: (CLOSES.1 + 20) * 1_000 });
    let lane = story.next;
    story.lane("new", BORN + 80).refused();
    let text = "refused by the kernel, as nobody listened: server 100 (old) had closed the listening socket 501 between T0+155 ms and T0+175 ms";
    is(cause(&story, lane), &[CauseKind::Refused], text);
}

#[test]
fn a_refusal_while_somebody_was_seen_to_listen_needs_the_answer_on_the_wire() {
    let mut story = correct("new-connections");
    let lane = story.next;
    story.lane("new", BORN + 80).at(BORN + 82).refused();
    assert_eq!(cause(&story, lane), None, "a packet filter may have said so");
    let refused = What::Reset {
        port: 9_998,
        by_target: true,
        ack: true,
        lane_ended: false,
        target_ended: false,
        refused: true,
    };
    story.tell(BORN + 81, refused);
    is(cause(&story, lane), &[CauseKind::Refused], "nobody listened on 127.0.0.1:8080 in that moment");
}

#[test]
fn of_an_address_that_no_witness_watches_nothing_is_said() {
    let mut story = correct("new-connections");
    story.tell(CLOSES.1, What::Listeners { rows: vec![], from: CLOSES.0 * 1_000 });
    let lane = story.next;
    story.lane_on("new", BORN + 80, 8_090).refused();
    assert_eq!(cause(&story, lane), None);
}

#[test]
fn trouble_of_our_own_has_no_cause() {
    let mut story = correct("new-connections");
    let lane = story.next;
    story.lane("new", BORN + 80).at(BORN + 82).not_connected(ConnectTrouble::Missing, 2);
    assert_eq!(cause(&story, lane), None);
}

/// A connection whose SYN had to be sent again; its number.
fn sent_again(story: &mut Story) -> LaneId {
    let lane = story.next;
    story.lane("new", BORN + 20).at(BORN + 1_040).connected_with(1).owner(NEW).asked().answered().closed();
    lane
}

fn counted_long(story: &mut Story, overflows: u64) {
    let growth = BTreeMap::from([("ListenOverflows".to_owned(), overflows)]);
    story.tell(TD + 3_000, What::Counters { scope: Scope::Both, from: (T0 - 500) * 1_000, growth });
}

#[test]
fn a_dropped_syn_is_told_by_the_full_queue_or_by_none_that_was_full() {
    let full = |story: &mut Story, length| {
        let changes = |length, from| What::Queue { inode: LISTENER.inode, length, from: from * 1_000 };
        story.tell(BORN + 15, changes(length, BORN));
        story.tell(BORN + 900, changes(0, BORN + 880));
    };
    let mut story = correct("new-connections");
    let lane = sent_again(&mut story);
    full(&mut story, 129);
    let text = "as the queue of the listening socket 501, held by server 100 (old), was full: 129 waited, with a backlog of 128";
    is(cause(&story, lane), &[CauseKind::AcceptQueueFull], text);

    let mut story = correct("new-connections");
    let lane = sent_again(&mut story);
    full(&mut story, 3);
    assert_eq!(cause(&story, lane), None, "nothing was counted");
    counted_long(&mut story, 0);
    is(cause(&story, lane), &[CauseKind::SynDropped], "no queue of a listening socket was full");

    let mut story = correct("new-connections");
    let lane = sent_again(&mut story);
    counted_long(&mut story, 1);
    assert_eq!(
        cause(&story, lane),
        None,
        "a queue was full, and it was not seen which, or whether it was for this one"
    );
}

#[test]
fn a_harness_that_stood_still_says_nothing_of_a_dropped_syn() {
    let mut story = correct("new-connections");
    let lane = sent_again(&mut story);
    counted_long(&mut story, 0);
    story.harness_slept(BORN + 100, BORN + 900);
    assert_eq!(cause(&story, lane), None);
}

#[test]
fn bytes_after_the_close_are_told_as_such_and_counted_one_by_one() {
    let mut story = correct("keep-alive-traffic");
    let lane = story.next;
    story
        .lane("steady", BORN + 20)
        .accepted_by(OLD)
        .asked()
        .answered()
        .at(LOST)
        .asked()
        .after(1)
        .reset_after_fin();
    let late = |port| What::Reset {
        port,
        by_target: true,
        ack: false,
        lane_ended: false,
        target_ended: true,
        refused: false,
    };
    story.tell(LOST + 1, late(port_of(lane)));
    counted(&mut story, &[("OutRsts", 1), ("TCPAbortOnData", 1)]);
    is(cause(&story, lane), &[CauseKind::DataAfterClose], "bytes came after server 100 (old) had closed");
    let told = |story: &Story, line: &str| {
        let result = story.judged();
        assert!(result.evidence.iter().any(|one| one == line), "{:?}", result.evidence);
    };
    told(&story, "1 reset answered bytes that came after the close, matched with its connection");
    told(&story, "counters: both sides sent 1 reset, all of them heard");
    story.tell(LOST + 2, late(9_999));
    told(&story, "2 resets answered bytes that came after the close, 1 matched with their connections");
}

#[test]
fn that_nothing_was_sent_is_told_as_proof() {
    let mut story = correct("new-connections");
    counted_by(&mut story, Scope::Target, &[]);
    let result = story.judged();
    let line = "counters: proof that the target's side sent no reset (OutRsts +0)";
    assert!(result.evidence.iter().any(|one| one == line), "{:?}", result.evidence);
}

#[test]
fn what_is_no_loss_has_no_cause() {
    let mut story = correct("new-connections");
    counted(&mut story, &[("OutRsts", 1), ("TCPAbortOnClose", 1)]);
    let lane = story.next;
    story.lane("new", BORN + 20).accepted_by(OLD).asked().at(LOST).fin();
    assert_eq!(cause(&story, lane), None);
}
