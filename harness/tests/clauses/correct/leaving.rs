//! Clients that close their sending side, or leave by RST.

use super::{ARMING, LATE};
use crate::lane::{LAST, OPEN};
use crate::story::{CONTROL, OLD, Story, TD};

pub(super) fn lanes(story: &mut Story) {
    match story.scenario.name.as_str() {
        "half-close" => {
            for (at, then, answer) in [(CONTROL + 40, CONTROL + 1_240, OPEN), (ARMING, LATE, LAST)] {
                let lane = story.lane("half-closing", at).accepted_by(OLD).begun("fast").armed();
                lane.at(then).sent().half_closed().answered_as(answer).fin();
            }
        }
        "half-close-slow" => {
            for (at, answer) in [(CONTROL + 40, OPEN), (ARMING, LAST)] {
                let lane = story.lane("half-closing", at).accepted_by(OLD).asked_for("slow");
                lane.half_closed().armed().after(2_000).answered_as(answer).fin();
            }
        }
        "client-abort" => client_abort(story),
        _ => client_abort_reading(story),
    }
}

fn client_abort(story: &mut Story) {
    for (at, then, answer) in [(CONTROL + 40, CONTROL + 1_240, OPEN), (ARMING, LATE, LAST)] {
        let upload = story.lane("aborting-upload", at).accepted_by(OLD).begun("upload").armed();
        upload.at(then).aborted();
        let head = story.lane("aborting-head", at).accepted_by(OLD).begun("fast").armed();
        head.at(then + 50).aborted();
        let steady = story.lane("steady", at).accepted_by(OLD).begun("fast").armed();
        steady.at(then + 400).sent().answered_as(answer).fin();
    }
}

fn client_abort_reading(story: &mut Story) {
    for (at, then) in [(CONTROL + 40, CONTROL + 1_240), (ARMING, TD + 200)] {
        let leaving =
            story.lane("aborting-response", at).accepted_by(OLD).asked_for("large").head(OPEN).armed();
        leaving.at(then).aborted();
        let steady = story.lane("steady", at).accepted_by(OLD).asked_for("large").head(OPEN).armed();
        steady.at(then + 900).body(OPEN).after(10).fin();
    }
}
