//! Clients of HTTP/1.0, and clients that send requests behind one another.

use super::{ARMING, LATE};
use crate::lane::{HTTP10, HTTP10_KEPT, LAST, OPEN, Script};
use crate::story::{BORN, CONTROL, NEW, OLD, Story, T0, TD, TR};

pub(super) fn lanes(story: &mut Story) {
    match story.scenario.name.as_str() {
        "http10" => {
            for at in [60, 1_060, 3_060, 8_600, T0 + 10, BORN + 20, TR + 10, 9_600, 11_500] {
                let owner = if at > TR { NEW } else { OLD };
                story.lane("http10", at).accepted_by(owner).asked().answered_as(HTTP10).after(1).fin();
            }
        }
        "http10-keep-alive" => http10_keep_alive(story),
        _ => pipelined(story),
    }
}

fn http10_keep_alive(story: &mut Story) {
    for (at, then, answer) in [(CONTROL + 40, CONTROL + 1_240, HTTP10_KEPT), (ARMING, LATE, HTTP10)] {
        let idle = story.lane("http10-idle", at).accepted_by(OLD).asked().answered_as(HTTP10_KEPT).armed();
        end(idle.at(then).asked().answered_as(answer), answer.close);
        end(
            story.lane("http10-fresh", at).accepted_by(OLD).armed().at(then).asked().answered_as(answer),
            answer.close,
        );
        let half_sent = story.lane("http10-half-sent", at).accepted_by(OLD).begun("fast").armed().at(then);
        end(half_sent.sent().answered_as(answer), answer.close);
    }
}

fn end(lane: Script<'_>, by_server: bool) {
    if by_server { lane.fin() } else { lane.closed() }
}

fn pipelined(story: &mut Story) {
    let control = three(story.lane("pipelined", CONTROL + 40));
    control.after(1_500).body(OPEN).answered().answered().closed();
    three(story.lane("pipelined", ARMING)).at(TD + 900).body(OPEN).answered_as(LAST).fin();
    three(story.lane("pipelined", ARMING)).at(TD + 900).body(OPEN).answered().answered_as(LAST).fin();
}

/// A large answer was begun, and two more requests wait behind it.
pub(crate) fn three(lane: Script<'_>) -> Script<'_> {
    lane.accepted_by(OLD).begun("large").begun("fast").begun("fast").sent().head(OPEN).armed()
}
