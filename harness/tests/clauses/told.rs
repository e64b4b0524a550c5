//! What the operator and the service manager are told: pid file and notify socket.

use hotspec::clause::Level;
use hotspec::clause::result::Verdict;
use hotspec::declaration::Profile;
use hotspec::history::Model;
use hotspec::history::event::{Event, PidFileState, What};

use crate::story::{BORN, Gone, OLD, RESTART, Story, T0, TD, TR, correct, frame, holds};

/// The process from before the trigger.
pub(crate) const OLD_PID: i32 = 100;
/// Its successor.
pub(crate) const NEW_PID: i32 = 101;
/// The old process is gone, seen within 10 ms, if its connections end as they should.
const TX: u64 = TD + 400 + 250;

impl Story {
    /// The pid file names this process, which is alive, or is not there; it may be so for up to 5 ms.
    pub(crate) fn pid_file(&mut self, at: u64, pid: Option<i32>) {
        let state = if pid.is_some() { PidFileState::Pid } else { PidFileState::Missing };
        self.pid_file_is(at, state, pid, pid.map(|_| true));
    }

    fn pid_file_is(&mut self, at: u64, state: PidFileState, pid: Option<i32>, alive: Option<bool>) {
        let from = (at - 5) * 1_000;
        self.tell(at, What::PidFile { state, pid, alive, former_alive: None, from });
    }

    /// A message of this process, with spaces between its lines. It names nobody who is dead.
    pub(crate) fn notified(&mut self, at: u64, pid: i32, message: &str) {
        self.notified_of(at, pid, message, true);
    }

    fn notified_of(&mut self, at: u64, pid: i32, message: &str, alive: bool) {
        let says = |text| message.split(' ').any(|line| line == text);
        let main_pid = message.split(' ').find_map(|line| line.strip_prefix("MAINPID=")?.parse().ok());
        let what = What::Notified {
            pid: Some(pid),
            ready: says("READY=1"),
            reloading: says("RELOADING=1"),
            stopping: says("STOPPING=1"),
            main_pid,
            alive: main_pid.map(|_| alive),
        };
        self.tell(at, what);
    }

    /// Forgets what was told so far from `at` on.
    fn without_what_was_told_from(mut self, at: u64) -> Self {
        let told = |event: &Event| matches!(event.what, What::PidFile { .. } | What::Notified { .. });
        self.events.retain(|event| !told(event) || event.t < at * 1_000);
        self
    }

    /// This clause fails by this kind alone, and no other clause does.
    #[track_caller]
    fn breaks_by(&self, clause: &str, kind: &str) {
        self.breaks(clause, &[]);
        let result = self.judged();
        let found = result.clauses.iter().find(|one| one.id == clause).unwrap();
        let kinds: Vec<&str> = found.violations.iter().map(|one| one.kind.as_str()).collect();
        assert_eq!(kinds, [kind], "{:#?}", found.violations);
    }
}

/// The pid file names the old process before the trigger, and then what the test says.
fn told_of_old() -> Story {
    correct("pid-file").without_what_was_told_from(T0)
}

#[test]
fn a_pid_file_replaced_in_time_holds() {
    let story = correct("pid-file");
    story.holds("process.pid-file");
    assert_eq!(story.verdict("process.pid-file-present"), Verdict::Pass);
}

#[test]
fn a_pid_file_that_is_empty_for_a_moment_breaks_it() {
    for at in [TR - 20, TX + 1_000] {
        let mut story = correct("pid-file");
        story.pid_file_is(at, PidFileState::Empty, None, None);
        story.pid_file(at + 1, Some(NEW_PID));
        story.breaks_by("process.pid-file", "empty");
    }
}

#[test]
fn a_pid_file_that_is_never_written_again_breaks_it_once() {
    let mut story = told_of_old();
    story.pid_file_is(19_000, PidFileState::Pid, Some(OLD_PID), Some(false));
    story.breaks_by("process.pid-file", "old-pid");
}

#[test]
fn a_pid_file_written_after_the_old_process_is_gone_breaks_it() {
    let mut story = told_of_old();
    story.pid_file(TX + 6, Some(NEW_PID));
    story.pid_file(19_000, Some(NEW_PID));
    story.breaks_by("process.pid-file", "late");
}

#[test]
fn a_pid_file_written_in_the_moment_of_the_exit_leaves_it_open() {
    for at in [TX - 5, TX + 5] {
        let mut story = told_of_old();
        story.pid_file(at, Some(NEW_PID));
        story.pid_file(19_000, Some(NEW_PID));
        story.leaves_open("process.pid-file");
    }
}

#[test]
fn a_pid_file_written_just_before_the_exit_holds() {
    let mut story = told_of_old();
    story.pid_file(TX - 10, Some(NEW_PID));
    story.pid_file(19_000, Some(NEW_PID));
    story.holds("process.pid-file");
    let mut story = told_of_old();
    // In the moment of the exit; but the old process was seen alive after the change.
    let what = What::PidFile {
        state: PidFileState::Pid,
        pid: Some(NEW_PID),
        alive: Some(true),
        former_alive: Some(true),
        from: (TX - 12) * 1_000,
    };
    story.tell(TX - 3, what);
    story.pid_file(19_000, Some(NEW_PID));
    story.holds("process.pid-file");
}

#[test]
fn a_pid_file_that_names_the_dead_breaks_it() {
    let mut story = correct("pid-file");
    story.pid_file_is(TR + 100, PidFileState::Pid, Some(4_711), Some(false));
    story.pid_file(TR + 110, Some(NEW_PID));
    story.breaks_by("process.pid-file", "dead");
    // The old process takes it back, and goes.
    let mut story = correct("pid-file");
    story.pid_file(TX - 20, Some(OLD_PID));
    story.pid_file(TX + 20, Some(NEW_PID));
    story.breaks_by("process.pid-file", "dead");
}

#[test]
fn a_pid_file_that_may_have_changed_before_the_one_it_named_ended_holds() {
    let mut story = correct("pid-file");
    story.pid_file(TX - 20, Some(OLD_PID));
    story.pid_file(TX + 4, Some(NEW_PID));
    story.holds("process.pid-file");
}

#[test]
fn a_pid_file_that_is_lost_or_names_the_old_in_the_end_breaks_it() {
    let mut story = correct("pid-file").without_what_was_told_from(19_000);
    story.pid_file(TX - 4, None);
    story.breaks("process.pid-file", &["process.pid-file-present"]);
    let mut story = correct("pid-file");
    story.pid_file_is(19_100, PidFileState::Other, None, None);
    story.breaks_by("process.pid-file", "other-pid");
}

#[test]
fn a_pid_file_that_is_away_for_a_moment_breaks_what_should_be_only() {
    let mut story = correct("pid-file");
    story.pid_file(TR - 12, None);
    story.breaks_by("process.pid-file-present", "missing");
    let mut manifest = story.manifest();
    for (level, expected) in [
        (Level::Must, hotspec::clause::result::RunVerdict::Pass),
        (Level::Should, hotspec::clause::result::RunVerdict::Fail),
    ] {
        manifest.level = level;
        assert_eq!(story.judged_by(&manifest).verdict, expected);
    }
}

#[test]
fn a_pid_file_that_was_not_there_before_or_not_watched_leaves_it_open() {
    let mut story = told_of_old().without_what_was_told_from(0);
    story.leaves_open("process.pid-file");
    assert_eq!(story.verdict("process.pid-file-present"), Verdict::Inconclusive);
    story.pid_file(RESTART - 1, None);
    story.pid_file(TR, Some(NEW_PID));
    story.leaves_open("process.pid-file");
}

/// A server whose process stays, and shows a new marker.
fn that_stays(scenario: &str) -> Story {
    let mut story = frame(scenario);
    story.profile = Profile::InPlace;
    story.model = Model::InPlace;
    story.server.born = None;
    story.server.answers = None;
    story.server.unlistens = None;
    story.server.announces = None;
    story.server.gone = Gone::Never;
    story.tell(T0 - 1, What::Marker { value: "v2".to_owned() });
    let shown = crate::lane::Answer { marker: Some("v2"), ..crate::lane::OPEN };
    story.lane("holding", T0 + 200).accepted_by(OLD).asked().answered_as(shown).closed();
    story
}

#[test]
fn who_stays_needs_no_new_pid_in_the_file() {
    let mut story = that_stays("pid-file");
    for at in [RESTART - 1, 19_000] {
        story.pid_file(at, Some(OLD_PID));
    }
    story.holds("process.pid-file");
    let mut story = that_stays("pid-file");
    story.pid_file(RESTART - 1, Some(NEW_PID));
    story.breaks_by("process.pid-file", "other-pid");
}

#[test]
fn workers_come_and_go_below_a_master_that_the_file_names() {
    let mut story = frame("pid-file");
    story.profile = Profile::Reload;
    story.model = Model::MasterWorkers;
    // The process 0 of the story is the worker; the master was there first.
    story.pid_file(RESTART - 1, Some(OLD_PID));
    story.server.gone = Gone::Never;
    story.tell(19_000, holds(0, &[501], 18_000));
    story.pid_file(19_000, Some(OLD_PID));
    assert_eq!(story.verdict("process.pid-file"), Verdict::Pass);
}

#[test]
fn where_no_new_generation_came_nothing_is_said_of_the_file() {
    let mut story = told_of_old();
    story.server.born = None;
    story.server.answers = None;
    story.server.unlistens = None;
    story.server.gone = Gone::Never;
    story.pid_file(19_000, Some(OLD_PID));
    assert_eq!(story.verdict("process.pid-file"), Verdict::Inconclusive);
    assert_eq!(story.verdict("process.new-generation"), Verdict::Fail);
}

/// READY from the old process at its start, and then what the test says.
fn said_by_old() -> Story {
    correct("notify").without_what_was_told_from(T0)
}

#[test]
fn a_service_manager_that_is_told_in_time_holds() {
    correct("notify").holds("process.notify");
    // The old process speaks for its successor.
    let mut story = said_by_old();
    story.notified(TR, OLD_PID, "MAINPID=101 READY=1");
    story.holds("process.notify");
}

#[test]
fn no_ready_breaks_it() {
    let mut story = said_by_old();
    story.notified(TR, NEW_PID, "MAINPID=101");
    story.breaks_by("process.notify", "no-ready");
    // Told before there was anybody who could be ready.
    story.notified(T0 + 5, OLD_PID, "READY=1");
    story.breaks_by("process.notify", "no-ready");
}

#[test]
fn ready_before_the_last_reloading_breaks_it() {
    let mut story = correct("notify");
    story.notified(TR + 50, NEW_PID, "RELOADING=1");
    story.breaks_by("process.notify", "no-ready");
    story.notified(TR + 60, NEW_PID, "READY=1");
    story.holds("process.notify");
}

#[test]
fn ready_for_a_successor_that_was_just_born_holds() {
    let mut story = said_by_old();
    story.notified(BORN - 10, OLD_PID, "READY=1");
    story.notified(TR, NEW_PID, "MAINPID=101");
    story.holds("process.notify");
}

#[test]
fn no_new_main_pid_breaks_it() {
    let mut story = said_by_old();
    story.notified(TR, NEW_PID, "READY=1");
    story.breaks_by("process.notify", "no-main-pid");
}

#[test]
fn a_main_pid_told_after_the_old_process_is_gone_breaks_it() {
    let mut story = said_by_old();
    story.notified(TR, NEW_PID, "READY=1");
    let told_at = |at| {
        let mut story = story.clone();
        story.notified(at, NEW_PID, "MAINPID=101");
        story
    };
    told_at(TX + 1).breaks_by("process.notify", "late-main-pid");
    told_at(TX - 5).leaves_open("process.notify");
    told_at(TX - 10).holds("process.notify");
}

#[test]
fn a_dead_main_pid_breaks_it() {
    let mut story = correct("notify");
    story.notified_of(TR + 20, NEW_PID, "MAINPID=4711", false);
    story.notified(TR + 30, NEW_PID, "MAINPID=101");
    story.breaks_by("process.notify", "dead");
    // The old process calls itself the main one again, and goes.
    let mut story = correct("notify");
    story.notified(TR + 20, OLD_PID, "MAINPID=100");
    story.breaks_by("process.notify", "dead");
    story.notified(TX - 1, NEW_PID, "MAINPID=101");
    story.holds("process.notify");
}

#[test]
fn who_stays_says_ready_once_or_after_reloading() {
    let mut story = that_stays("notify");
    story.breaks_by("process.notify", "no-ready");
    story.notified(12, OLD_PID, "READY=1");
    story.holds("process.notify");
    story.notified(T0 + 10, OLD_PID, "RELOADING=1");
    story.breaks_by("process.notify", "no-ready");
    story.notified(T0 + 90, OLD_PID, "READY=1");
    story.holds("process.notify");
}

#[test]
fn an_old_process_that_stays_on_leaves_the_new_main_pid_open() {
    let mut story = said_by_old();
    story.server.gone = Gone::Never;
    story.notified(TR, NEW_PID, "READY=1");
    assert_eq!(story.verdict("process.notify"), Verdict::Inconclusive);
}
