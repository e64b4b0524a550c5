//! Restarts that have to fail, told: a plain one first, and after each that fails another one that succeeds.

use hotspec::history::event::{Fault, Interval, What};

use crate::correct::steady_use;
use crate::quiet::{OLD_PID, counted};
use crate::story::{BORN, CONTROL, OLD, RESTART, Story, T0, TD, TR, frame};

/// The process that fails; so far off that no generation has its number.
pub(crate) const FAILED: u32 = 500;
pub(crate) const FAILED_PID: i32 = 500;
/// The attempt is over.
pub(crate) const OVER: u64 = BORN + 350;
/// Who is left is counted.
pub(crate) const COUNTED: u64 = OVER + 1_100;

/// The scenario's lanes, and all restarts after the first.
pub(crate) fn lanes(story: &mut Story) {
    for fault in story.scenario.failing.clone() {
        story.later.push(failing(&story.scenario.name, fault));
        if fault == Fault::DiesWhenReady {
            continue;
        }
        let mut good = frame(&story.scenario.name);
        good_lanes(&mut good);
        story.later.push(good);
    }
    good_lanes(story);
}

fn failing(name: &str, fault: Fault) -> Story {
    let mut story = frame(name);
    if fault == Fault::DiesWhenReady {
        good_lanes(&mut story);
        story.server.fault = Some(fault);
        story.server.killed = Some(TR + 5);
        return story;
    }
    story.server.fault = Some(fault);
    story.server.has_no_successor();
    for at in [8_600, T0 + 10, BORN + 20, TR + 10, 9_600, 10_500] {
        story.lane("new", at).accepted_by(OLD).asked().answered().closed();
    }
    let mut busy = story.lane("busy", 8_600).accepted_by(OLD);
    for at in (8_605..11_000).step_by(50) {
        busy = busy.at(at).asked().answered();
    }
    busy.closed();
    let idle = story.lane("idle", RESTART + 60).accepted_by(OLD).asked().answered().armed();
    idle.at(OVER + 300).asked().answered().closed();
    story
}

fn good_lanes(story: &mut Story) {
    steady_use(story);
    for (at, again, last) in [(CONTROL + 40, 1_300, false), (RESTART + 60, TD + 300, true)] {
        let idle = story.lane("idle", at).accepted_by(OLD).asked().answered().armed().at(again).asked();
        if last { idle.answered_last().fin() } else { idle.answered().closed() }
    }
    story.old_until = (TD + 400) * 1_000;
}

/// What the harness does and sees in such a scenario beside its lanes.
pub(crate) fn tell(story: &mut Story) {
    if story.scenario.failing.is_empty() {
        return;
    }
    let fault = story.server.fault;
    story.tell(RESTART, What::Trial { fault });
    let said = |lines: &[&str]| What::Said {
        file: "server.log".to_owned(),
        lines: lines.iter().map(|line| (*line).to_owned()).collect(),
    };
    story.tell(T0 + 2, said(&["09:00:01 [100] SIGHUP: restarting"]));
    let Some(fault) = fault else {
        if story.server.by_path {
            story.tell(BORN + 5, What::Held { on: true, from: BORN * 1_000 });
            story.tell(BORN + 6, What::Held { on: false, from: (BORN + 5) * 1_000 });
        }
        return;
    };
    story.tell(T0 - 2, What::Fault { fault, on: true, from: (T0 - 3) * 1_000 });
    if let Some(killed) = story.server.killed {
        story.tell(killed, What::Killed { procs: vec![1], from: (killed - 1) * 1_000 });
        story.tell(killed + 20, What::Gone { proc: 1, from: killed * 1_000 });
        if !story.server.silent {
            story.tell(killed + 30, said(&["09:00:02 [100] the successor is gone"]));
        }
        return;
    }
    if fault.at_gate() {
        tell_failed(story);
    }
    if !story.server.silent {
        story.tell(BORN + 30, said(&["09:00:02 [100] the restart failed"]));
    }
    story
        .tell(OVER, What::Attempt { seen: Some(if fault.at_gate() { "gate" } else { "output" }.to_owned()) });
    let mut left = vec![counted(OLD_PID, 1, "server")];
    left.extend(story.left.clone());
    story.tell(COUNTED, What::Census { processes: left });
    story.tell(12_000, What::Fault { fault, on: false, from: 11_999_000 });
}

/// The successor that fails.
fn tell_failed(story: &mut Story) {
    story.tell(
        BORN,
        What::Process {
            proc: FAILED,
            pid: FAILED_PID,
            ppid: OLD_PID,
            start: BORN,
            stack: 77_000,
            born: Interval::new((BORN - 10) * 1_000, BORN * 1_000),
            name: "server".to_owned(),
            program: Some("/bin/sh".to_owned()),
            executed_from: None,
        },
    );
    story.tell(BORN + 5, What::Held { on: true, from: BORN * 1_000 });
    story.tell(BORN + 6, What::Held { on: false, from: (BORN + 5) * 1_000 });
    story.tell(BORN + 20, What::Gone { proc: FAILED, from: (BORN + 7) * 1_000 });
}
