//! Bodies that are sent in chunks, asked for, left out, streamed.

use super::{ARMING, LATE};
use crate::lane::{Answer, LAST, OPEN};
use crate::story::{CONTROL, OLD, Story, TD};

/// An answer that ends with its head.
pub(crate) const BARE: Answer = Answer { framing: "none", ..OPEN };
/// The same with the announced close.
pub(crate) const BARE_LAST: Answer = Answer { close: true, ..BARE };
/// A stream.
pub(crate) const CHUNKS: Answer = Answer { framing: "chunked", ..OPEN };

pub(super) fn lanes(story: &mut Story) {
    match story.scenario.name.as_str() {
        "chunked-upload" => chunked_upload(story),
        "expect-continue" => expect_continue(story),
        "no-body" => {
            bare(story, "head", 200);
            idle_head(story);
        }
        "no-body-statuses" => {
            bare(story, "no-content", 204);
            bare(story, "not-modified", 304);
        }
        _ => event_stream(story),
    }
}

fn chunked_upload(story: &mut Story) {
    let upload = story.lane("chunked", CONTROL + 40).accepted_by(OLD).begun("upload").armed();
    upload.after(2_300).sent().answered().closed();
    let upload = story.lane("chunked", ARMING).accepted_by(OLD).begun("upload").armed();
    upload.at(LATE).sent().answered_last().fin();
}

fn expect_continue(story: &mut Story) {
    for (at, then, answer) in [(CONTROL + 40, CONTROL + 1_240, OPEN), (ARMING, LATE, LAST)] {
        let early = story.lane("expecting", at).accepted_by(OLD).begun("upload").armed().continued();
        early.at(then).sent().answered_as(answer).closed();
        let late = story.lane("expecting-late", at).accepted_by(OLD).begun("upload").armed();
        late.at(then).continued().sent().answered_as(answer).closed();
    }
    // One that is not wanted: a final status, and the close.
    let refused = story.lane("expecting-late", ARMING).accepted_by(OLD).begun("upload").armed();
    refused.at(LATE).answered_as(Answer { status: 417, ..LAST }).fin();
}

fn bare(story: &mut Story, endpoint: &str, status: u16) {
    let control = story.lane(endpoint, CONTROL + 40).accepted_by(OLD).begun(endpoint).armed();
    control.after(1_200).sent().answered_as(Answer { status, ..BARE }).closed();
    let late = story.lane(endpoint, ARMING).accepted_by(OLD).begun(endpoint).armed();
    late.at(LATE).sent().answered_as(Answer { status, ..BARE_LAST }).fin();
}

fn idle_head(story: &mut Story) {
    let control = story.lane("head-idle", CONTROL + 40).accepted_by(OLD).asked().answered().armed();
    control.after(1_200).asked_for("head").answered_as(BARE).closed();
    let late = story.lane("head-idle", ARMING).accepted_by(OLD).asked().answered().armed();
    late.at(LATE).asked_for("head").answered_as(BARE_LAST).fin();
    // Most servers close what is idle.
    story.lane("head-idle", ARMING).accepted_by(OLD).asked().answered().armed().at(TD + 3_900).fin();
}

fn event_stream(story: &mut Story) {
    for at in [CONTROL + 40, ARMING] {
        let stream = story.lane("events", at).accepted_by(OLD).asked_for("stream").head(CHUNKS).armed();
        stream.after(5_500).body(CHUNKS).after(10).fin();
    }
    // Ended early, and in order.
    let stream = story.lane("events", ARMING).accepted_by(OLD).asked_for("stream").head(CHUNKS).armed();
    stream.at(TD + 10).body(Answer { hash: "0", ..CHUNKS }).after(10).fin();
}
