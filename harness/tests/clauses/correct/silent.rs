//! Clients that say nothing while the old process drains.

use hotspec::history::What;

use super::ARMING;
use crate::story::{CONTROL, IDLE_MAX, OLD, RESTART, Story, TD};

pub(super) fn lanes(story: &mut Story) {
    match story.scenario.name.as_str() {
        "idle-silent" => {
            story
                .lane("silent", CONTROL + 40)
                .accepted_by(OLD)
                .asked()
                .answered()
                .armed()
                .after(1_200)
                .closed();
            let silent = story.lane("silent", ARMING).accepted_by(OLD).asked().answered().armed();
            silent.at(TD + IDLE_MAX).fin();
            used(story, 0, RESTART, TD + IDLE_MAX);
        }
        "fresh-silent" => {
            story.lane("fresh-silent", CONTROL + 40).accepted_by(OLD).armed().after(1_200).closed();
            story.lane("fresh-silent", ARMING).accepted_by(OLD).armed().at(TD + IDLE_MAX).fin();
            used(story, 0, RESTART, TD + IDLE_MAX);
        }
        "half-sent-silent" => {
            let silent = story.lane("half-sent-silent", CONTROL + 40).accepted_by(OLD).begun("fast").armed();
            silent.after(1_200).closed();
            let silent = story.lane("half-sent-silent", ARMING).accepted_by(OLD).begun("fast").armed();
            silent.at(TD + IDLE_MAX).fin();
            used(story, 0, RESTART, TD + IDLE_MAX);
        }
        _ => half_closed(story),
    }
}

fn half_closed(story: &mut Story) {
    for (at, then) in [(CONTROL + 40, CONTROL + 1_200), (ARMING, TD + 150)] {
        let idle = story.lane("half-closed", at).accepted_by(OLD).asked().answered().armed();
        idle.at(then).half_closed().after(1).fin();
        let head = story.lane("half-closed-head", at).accepted_by(OLD).begun("fast").armed();
        head.at(then).half_closed().after(1).fin();
    }
}

/// Processor time of a process that does next to nothing: a millisecond in every hundred and more.
pub(crate) fn used(story: &mut Story, proc: u32, from: u64, until: u64) {
    for (turn, at) in (0..).zip((from..until).step_by(200)) {
        story.tell(at, What::Used { proc, cpu_us: 40_000 + 2_000 * turn });
    }
}
