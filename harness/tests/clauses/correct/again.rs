//! Restarts amid which something is triggered again.

use hotspec::history::event::{ProcId, What};

use super::{ARMING, CONTROL, NEW, OLD, RESTART, Story, T0, TD, TR};
use crate::story::{BORN, frame};

impl Story {
    /// A further trigger was sent.
    pub(crate) fn again(&mut self, at: u64, proc: ProcId) {
        self.further(at, Some(proc), false, None);
    }

    pub(crate) fn further(&mut self, at: u64, proc: Option<ProcId>, stop: bool, failed: Option<&str>) {
        self.tell(
            at,
            What::Again {
                number: 1,
                what: "SIGHUP to the main process".to_owned(),
                proc,
                from: at * 1_000,
                stop,
                failed: failed.map(str::to_owned),
            },
        );
    }

    /// Descriptors of a process while no lane is open.
    pub(crate) fn size(&mut self, at: u64, proc: ProcId, count: u32) {
        self.tell(at, What::Sizes { descriptors: vec![(proc, count)] });
    }
}

pub(crate) fn lanes(story: &mut Story) {
    if story.scenario.name == "twenty-restarts" {
        for _ in 1..story.scenario.restarts {
            let mut later = frame("twenty-restarts");
            one(&mut later);
            story.later.push(later);
        }
    }
    one(story);
}

fn one(story: &mut Story) {
    let serves = story.server.answers.unwrap_or(TR);
    let asked =
        [60, 1_060, 3_060, 8_600, T0 + 10, BORN + 20, TR + 10, 9_600, 10_500, 11_500, 13_800, serves + 500];
    for at in asked {
        let owner = if at > serves { NEW } else { OLD };
        story.lane("new", at).accepted_by(owner).asked().answered().closed();
    }
    match story.scenario.name.as_str() {
        "double-trigger" | "double-trigger-sweep" => story.again(T0 + 2, 0),
        "triggered-while-starting" => {
            story.again(BORN + 20, 0);
            story.old_until = story.server.times_out.expect("it drains") * 1_000;
        }
        "triggered-while-draining" => {
            uploads(story);
            story.again(TD + 300, 0);
        }
        "successor-triggered" => {
            uploads(story);
            story.again(TD + 300, 1);
        }
        "stopped-amid" => {
            uploads(story);
            story.further(TD + 50, Some(0), true, None);
        }
        "triggered-at-birth" => story.again(BORN + 1, 1),
        "storm" => {
            story.size(RESTART + 1, 0, 12);
            (1..100).for_each(|number| story.again(T0 + number, 0));
            story.size(16_000, 1, 14);
        }
        _ => {}
    }
}

fn uploads(story: &mut Story) {
    let upload = story.lane("upload", CONTROL + 20).accepted_by(OLD).begun("upload").armed();
    upload.after(2_000).sent().answered().closed();
    let upload = story.lane("upload", ARMING).accepted_by(OLD).begun("upload").armed();
    upload.at(TD + 1_500).sent().answered_last().fin();
}
