//! What packets show.

use hotspec::clause::result::Verdict;
use hotspec::history::event::{LaneId, What};

use crate::lane::{port_of, reset_by_target};
use crate::story::{BORN, OLD, RESTART, Story, T0, TD, correct};

const CLAUSE: &str = "availability.no-wire-reset";

/// A connection that was answered, is idle, and is closed by its lane at the end; its number.
fn idle(story: &mut Story) -> LaneId {
    let lane = story.next;
    story.lane("idle", RESTART + 50).accepted_by(OLD).asked().answered().at(TD + 900).closed();
    lane
}

#[test]
fn a_reset_that_an_idle_lane_did_not_notice_breaks_it() {
    let mut story = correct("idle-last-request");
    let lane = idle(&mut story);
    story.tell(TD + 500, reset_by_target(lane));
    story.breaks("availability.no-wire-reset", &[]);
}

#[test]
fn one_that_the_lane_noticed_breaks_both_clauses() {
    let mut story = correct("idle-last-request");
    let lane = story.next;
    story.lane("idle", RESTART + 50).accepted_by(OLD).asked().answered().at(TD + 500).reset();
    story.tell(TD + 499, reset_by_target(lane));
    story.breaks(CLAUSE, &["keep-alive.fin-not-reset"]);
}

#[test]
fn what_the_kernel_says_to_late_bytes_accuses_nobody() {
    for what in [
        // No acknowledgement: the answer to a segment for a connection that is no more.
        |lane| What::Reset {
            port: port_of(lane),
            by_target: true,
            ack: false,
            lane_ended: false,
            target_ended: false,
            refused: false,
        },
        |lane| What::Reset {
            port: port_of(lane),
            by_target: true,
            ack: true,
            lane_ended: false,
            target_ended: true,
            refused: false,
        },
        |lane| What::Reset {
            port: port_of(lane),
            by_target: true,
            ack: true,
            lane_ended: true,
            target_ended: false,
            refused: false,
        },
        // The lane's own.
        |lane| What::Reset {
            port: port_of(lane),
            by_target: false,
            ack: true,
            lane_ended: false,
            target_ended: false,
            refused: false,
        },
    ] {
        let mut story = correct("idle-last-request");
        let lane = idle(&mut story);
        story.tell(TD + 500, what(lane));
        story.holds(CLAUSE);
    }
}

#[test]
fn a_request_that_is_owed_an_answer_is_another_clauses_affair() {
    let mut story = correct("new-connections");
    let lane = story.next;
    story.lane("new", BORN + 20).accepted_by(OLD).asked().at(BORN + 60).reset();
    story.tell(BORN + 59, reset_by_target(lane));
    assert_eq!(story.verdict(CLAUSE), Verdict::Pass);
}

#[test]
fn one_before_the_trigger_and_one_to_a_port_that_no_lane_has_accuse_nobody() {
    let mut story = correct("idle-last-request");
    let lane = idle(&mut story);
    story.tell(T0 - 50, reset_by_target(lane));
    story.tell(TD + 500, reset_by_target(9_999));
    story.holds(CLAUSE);
}

#[test]
fn a_port_that_another_connection_had_before_is_not_that_ones() {
    let mut story = correct("new-connections");
    let lane = story.next;
    story.lane("new", BORN + 20).accepted_by(OLD).asked().answered().closed();
    story.tell(BORN + 900, reset_by_target(lane));
    story.holds(CLAUSE);
}

#[test]
fn at_the_declared_limit_what_is_left_may_be_cut() {
    let mut story = correct("idle-last-request");
    story.hard_limit = Some(400);
    let lane = idle(&mut story);
    story.tell(TD + 500, reset_by_target(lane));
    story.holds(CLAUSE);
}

#[test]
fn segments_that_were_lost_leave_it_open_and_no_ears_withhold_it() {
    let mut story = correct("idle-last-request");
    story.tell(TD + 2_000, What::Heard { segments: 5, lost: 1 });
    story.leaves_open(CLAUSE);
    let mut story = correct("idle-last-request");
    story.tell(CONTROL_BEGINS, What::Deaf { why: "packets: EPERM".to_owned() });
    assert_eq!(story.verdict(CLAUSE), Verdict::NoEvidence);
}

/// Somewhere before the restart.
const CONTROL_BEGINS: u64 = 12;
