//! A target that gets next to no processor time.

use hotspec::clause::result::Verdict;
use hotspec::history::event::{ConnectTrouble, What};

use crate::lane::{Answer, OPEN};
use crate::story::{CONTROL, NEW, OLD, Story, T0, TR, correct, frame};

const CLAUSE: &str = "failure.starved";

/// What the correct one sees.
pub(crate) fn lanes(story: &mut Story) {
    starve(story);
    for at in [60, 260, 460, 660, 1_060, 3_060, 8_600, T0 + 10, TR + 10, 10_500, 13_800] {
        let owner = if at > TR { NEW } else { OLD };
        story.lane("new", at).accepted_by(owner).asked().after(20).answered().closed();
    }
}

fn starve(story: &mut Story) {
    story.tell(CONTROL - 5, What::Starved { how: "a quota".to_owned() });
}

#[test]
fn a_refused_connection_breaks_starved() {
    let mut story = correct("starved");
    story.lane("new", T0 + 500).refused();
    story.breaks("failure.starved", &[]);
}

#[test]
fn a_connection_that_is_cut_reset_or_answered_otherwise_breaks_starved() {
    let mut story = correct("starved");
    story.lane("new", T0 + 500).accepted_by(OLD).asked().after(2).fin();
    story.breaks("failure.starved", &[]);
    let mut story = correct("starved");
    let answer = Answer { status: 503, ..OPEN };
    story.lane("new", T0 + 500).accepted_by(OLD).asked().answered_as(answer).closed();
    story.breaks("failure.starved", &[]);
}

#[test]
fn an_answer_that_takes_its_time_breaks_nothing() {
    let mut story = correct("starved");
    story.lane("new", T0 + 500).accepted_by(OLD).asked().after(8_000).answered().closed();
    story.holds(CLAUSE);
}

#[test]
fn a_connection_that_timed_out_unread_or_could_not_be_made_here_accuses_nobody() {
    let mut story = correct("starved");
    story.lane("new", T0 + 500).accepted_by(OLD).asked().after(4_050).fin();
    story.leaves_open(CLAUSE);
    let mut story = correct("starved");
    story.lane("new", T0 + 500).not_connected(ConnectTrouble::Local, 99);
    story.lane("new", T0 + 600).accepted_by(OLD).asked().after(100).closed();
    story.holds(CLAUSE);
}

#[test]
fn what_was_refused_before_the_trigger_is_not_the_restart_s() {
    let mut story = correct("starved");
    story.lane("new", 8_700).refused();
    story.holds(CLAUSE);
}

#[test]
fn without_a_successor_or_without_starving_it_is_left_open() {
    let mut story = correct("starved");
    (story.server.born, story.server.answers) = (None, None);
    story.events.retain(|event| event.t < TR * 1_000);
    story.leaves_open(CLAUSE);
    assert_eq!(frame("starved").verdict(CLAUSE), Verdict::Inconclusive);
}
