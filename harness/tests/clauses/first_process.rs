//! The target as process 1 of a PID namespace.

use hotspec::clause::result::Verdict;
use hotspec::history::event::What;

use crate::story::{CONTROL, NEW, OLD, Story, T0, TR, correct, frame};

const CLAUSE: &str = "process.pid-1";

/// What the correct one sees.
pub(crate) fn lanes(story: &mut Story) {
    is_first(story, None);
    for at in [60, 260, 460, T0 + 10, TR + 10, 10_500, 13_800] {
        let owner = if at > TR { NEW } else { OLD };
        story.lane("new", at).accepted_by(owner).asked().after(20).answered().closed();
    }
}

fn is_first(story: &mut Story, why: Option<&str>) {
    story.tell(CONTROL - 5, What::FirstProcess { why: why.map(str::to_owned) });
}

#[test]
fn a_target_of_which_nobody_is_left_breaks_pid_1() {
    let mut story = correct("first-process");
    story.tell(13_000, What::Gone { proc: 1, from: 12_999_000 });
    story.breaks("process.pid-1", &[]);
}

#[test]
fn a_target_that_ignores_the_trigger_breaks_pid_1() {
    let mut story = frame("first-process");
    is_first(&mut story, None);
    story.server.has_no_successor();
    story.breaks("process.new-generation", &[CLAUSE]);
}

#[test]
fn a_target_that_could_not_be_process_1_shows_nothing() {
    let mut story = frame("first-process");
    is_first(&mut story, Some("no PID namespace"));
    assert_eq!(story.verdict(CLAUSE), Verdict::NoEvidence);
    assert_eq!(frame("first-process").verdict(CLAUSE), Verdict::Inconclusive);
}
