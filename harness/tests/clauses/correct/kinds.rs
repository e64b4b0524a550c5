//! Traffic on each kind of listening socket, and on several at a time.

use super::{ARMING, LATE};
use crate::story::{BORN, CONTROL, NEW, OLD, Story, T0, TD, TR};

pub(super) fn traffic(story: &mut Story) {
    for at in [60, 1_060, 3_060, 8_600, T0 + 10, BORN + 20, TR + 10, 9_600, 10_500, 11_500, 13_800] {
        let owner = if at > TR { NEW } else { OLD };
        story.lane("new", at).accepted_by(owner).asked().answered().closed();
        story.lane("new-closing", at + 2).accepted_by(owner).asked().answered_last().fin();
    }
    story.lane("busy", 40).accepted_by(OLD).asked().answered().at(1_000).asked().answered().closed();
    let busy = story.lane("busy", 8_600).accepted_by(OLD).at(TD - 20).asked().answered();
    busy.at(TD + 120).asked().answered_last().fin();
    for (at, then) in [(CONTROL + 40, CONTROL + 1_240), (ARMING, LATE)] {
        let idle = story.lane("idle", at).accepted_by(OLD).asked().answered().armed().at(then).asked();
        let fresh = |idle: crate::lane::Script<'_>| match then {
            LATE => idle.answered_last().fin(),
            _ => idle.answered().closed(),
        };
        fresh(idle);
        fresh(story.lane("fresh", at).accepted_by(OLD).armed().at(then).asked());
    }
}

/// Ports of the listening sockets beside the first.
pub(crate) const PORTS: [u16; 2] = [8200, 8201];

pub(super) fn many(story: &mut Story) {
    for port in PORTS {
        on_port(story, port);
    }
    on_port(story, 8080);
}

/// What is seen on one of them.
pub(crate) fn on_port(story: &mut Story, port: u16) {
    let idle = story.lane_on("idle", CONTROL + 40, port).accepted_by(OLD).asked().answered().armed();
    idle.after(1_200).asked().answered().closed();
    let idle = story.lane_on("idle", ARMING, port).accepted_by(OLD).asked().answered().armed();
    idle.at(LATE).asked().answered_last().fin();
    for at in [60, 1_060, 3_060, 8_600, T0 + 10, BORN + 20, 9_600] {
        let owner = if at > TR { NEW } else { OLD };
        story.lane_on("new", at, port).accepted_by(owner).asked().answered().closed();
    }
    story.lane_on("after", 13_900, port).accepted_by(NEW).asked().answered().closed();
}
