//! What is done to the successor's start, and to the old process.

use super::ARMING;
use crate::rounds::ADOPTED;
use crate::story::{CONTROL, Gone, NEW, OLD, Story, T0, TD};

/// The hard limit that the target of the scenario `hard-limit` declares.
pub(crate) const HARD_LIMIT: u64 = 6_000;

pub(super) fn lanes(story: &mut Story) {
    match story.scenario.name.as_str() {
        "hard-limit" => hard_limit(story),
        "slow-start" => slow_start(story),
        "played-parent" => played_parent(story),
        // The old process is killed: nothing but the signal matters.
        _ => {}
    }
}

fn hard_limit(story: &mut Story) {
    story.hard_limit = Some(HARD_LIMIT);
    let endless = story.lane("endless", CONTROL + 20).accepted_by(OLD).begun("upload").armed();
    endless.after(1_400).sent().answered().closed();
    story.lane("endless", ARMING).accepted_by(OLD).begun("upload").armed().at(TD + HARD_LIMIT).reset();
    story.server.gone = Gone::At(TD + HARD_LIMIT + 200);
}

fn slow_start(story: &mut Story) {
    let (answers, announces) = (story.server.answers.unwrap(), story.server.announces.unwrap());
    for at in [60, 1_060, 3_060, 8_600].into_iter().chain((T0 + 50..answers + 2_000).step_by(425)) {
        let owner = if at > answers { NEW } else { OLD };
        story.lane("new", at).accepted_by(owner).asked().answered().closed();
    }
    for (from, until) in [(40, 2_500), (8_600, announces)] {
        let mut busy = story.lane("busy", from).accepted_by(OLD);
        for at in (from + 5..until).step_by(250) {
            busy = busy.at(at).asked().answered();
        }
        if until == announces {
            busy.at(announces + 20).asked().answered_last().fin();
        } else {
            busy.closed();
        }
    }
    story.old_until = story.server.times_out.unwrap() * 1_000;
}

fn played_parent(story: &mut Story) {
    story.signalled(ADOPTED + 60, 100);
    for at in [ADOPTED + 5, ADOPTED + 40, ADOPTED + 500] {
        let probe = story.lane("probe", at).connected();
        probe.at((at + 1).max(ADOPTED + 61)).owner(OLD).asked().answered().closed();
    }
}
