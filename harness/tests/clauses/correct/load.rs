//! Load that goes through several restarts.

use super::ARMING;
use crate::story::{IDLE_MAX, NEW, OLD, Story, TD, frame};

pub(super) fn lanes(story: &mut Story) {
    let one = if story.scenario.name == "load-closed-loop" { closed_loop } else { new_connections };
    for _ in 1..story.scenario.restarts {
        let mut later = frame(&story.scenario.name);
        one(&mut later);
        story.later.push(later);
    }
    one(story);
}

fn closed_loop(story: &mut Story) {
    for (role, step) in [("eager", 20), ("thinking", 270)] {
        for (from, until) in [(40, 4_000), (8_600, TD)] {
            let mut lane = story.lane(role, from).accepted_by(OLD);
            let mut at = from;
            while at + step < until {
                at += step;
                lane = lane.at(at).asked().answered();
            }
            match until {
                TD => lane.at((at + step).max(TD + 1)).asked().answered_last().fin(),
                _ => lane.closed(),
            }
        }
        let mut lane = story.lane(role, TD + 300).accepted_by(NEW);
        for at in (TD + 301..12_000).step_by(step as usize) {
            lane = lane.at(at).asked().answered();
        }
        lane.closed();
    }
}

fn new_connections(story: &mut Story) {
    for at in (60..4_000).chain(8_600..12_000).step_by(100) {
        story.lane("new", at).connected().asked().answered().closed();
        story.lane("new-closing", at + 2).connected().asked().answered_last().fin();
    }
    for (from, until) in [(50, 1_000), (ARMING, TD + 1_000)] {
        let holding = story.lane("holding", from).accepted_by(OLD).asked().answered().armed();
        holding.at(until).asked().answered_last().fin();
    }
}

/// Of each kind as many as a story needs.
pub(crate) fn idle_mass(story: &mut Story) {
    for at in (40..340).step_by(30) {
        let mass = story.lane("mass", at).connected().asked().answered().armed();
        mass.at(700 + at).asked().answered().closed();
        story.lane("mass-silent", at).connected().asked().answered().armed().at(700 + at).closed();
    }
    for at in (0..300).step_by(30) {
        let mass = story.lane("mass", ARMING + at).connected().asked().answered().armed();
        mass.at(TD + 150 + 10 * at).asked().answered_last().fin();
        let silent = story.lane("mass-silent", ARMING + at).connected().asked().answered().armed();
        silent.at(TD + IDLE_MAX + at / 10).fin();
    }
    story.old_until = story.old_until.max((TD + IDLE_MAX + 40) * 1_000);
}
