//! What is left when the old generation has gone, and how it went.

use hotspec::clause::result::{RunVerdict, Verdict};
use hotspec::declaration::Profile;
use hotspec::history::Model;
use hotspec::history::event::{Counted, Interval, What};

use crate::quiet::{NEW_PID, OLD_PID, counted};
use crate::story::{Gone, Story, T0, TR, correct, correct_in};

const EXIT: &str = "process.exit-zero";
const ONE: &str = "process.one-left";
const ZOMBIES: &str = "process.no-zombies";

fn story() -> Story {
    correct("new-connections")
}

/// A process of the target that is there from then on.
fn appears(story: &mut Story, proc: u32, pid: i32, ppid: i32, name: &str, at: u64) {
    let born = Interval::new((at - 10) * 1_000, at * 1_000);
    let (start, stack) = (at, 9_000 + u64::from(proc));
    let (program, executed_from) = (Some("/opt/server".to_owned()), None);
    let name = name.to_owned();
    story.tell(at, What::Process { proc, pid, ppid, start, stack, born, name, program, executed_from });
}

#[test]
fn an_old_process_that_ends_in_order_and_leaves_nothing_holds_all_of_them() {
    for clause in [EXIT, ONE, ZOMBIES] {
        for scenario in ["new-connections", "keep-alive-traffic", "zero-traffic"] {
            correct(scenario).holds(clause);
        }
    }
}

#[test]
fn a_status_other_than_zero_and_an_end_by_signal_break_exit_zero() {
    for (code, signal) in [(Some(3), None), (None, Some(15)), (None, Some(11)), (None, Some(9))] {
        let mut story = story();
        story.quiet.exit = Some((code, signal));
        story.breaks("process.exit-zero", &[]);
    }
}

#[test]
fn in_the_reload_profile_an_exit_status_is_a_recommendation() {
    let mut story = correct_in(Profile::Reload, "new-connections");
    story.quiet.exit = Some((Some(3), None));
    let result = story.judged();
    assert_eq!(crate::judged::verdict(&result, EXIT), Verdict::Fail);
    assert_eq!(result.verdict, RunVerdict::Pass);
}

#[test]
fn an_exit_that_only_another_parent_knows_is_no_evidence_unless_its_descriptor_tells() {
    let mut story = story();
    story.quiet.exit = None;
    assert_eq!(story.verdict(EXIT), Verdict::NoEvidence);
    story.tell(14_000, What::Ended { proc: 0, code: Some(0), signal: None });
    story.holds(EXIT);
    let mut story = self::story();
    story.quiet.exit = None;
    story.tell(14_000, What::Ended { proc: 0, code: Some(1), signal: None });
    story.breaks("process.exit-zero", &[]);
}

#[test]
fn the_exit_of_another_process_with_the_same_pid_is_not_taken_for_its_own() {
    let mut story = story();
    // One that had the pid before it, and one that had it after.
    story.tell(9, What::Exit { pid: OLD_PID, code: Some(9), signal: None });
    appears(&mut story, 7, OLD_PID, NEW_PID, "helper", 14_500);
    story.tell(14_600, What::Gone { proc: 7, from: 14_590_000 });
    story.tell(14_600, What::Exit { pid: OLD_PID, code: Some(9), signal: None });
    story.holds(EXIT);
    story.quiet.exit = None;
    assert_eq!(story.verdict(EXIT), Verdict::NoEvidence);
}

#[test]
fn a_process_that_the_harness_killed_is_not_judged() {
    let mut story = story();
    story.quiet.exit = Some((None, Some(9)));
    story.tell(12_000, What::Killed { procs: vec![0], from: 11_999_000 });
    assert_ne!(story.verdict(EXIT), Verdict::Fail);
}

#[test]
fn an_old_process_that_stays_leaves_them_open() {
    let mut story = story();
    story.server.gone = Gone::Never;
    for clause in [EXIT, ONE, ZOMBIES] {
        assert_eq!(story.verdict(clause), Verdict::Inconclusive, "{clause}");
    }
}

/// A server with so many workers below its main process in each generation.
fn with_workers(before: i32, after: i32) -> Story {
    let mut story = story();
    for n in 0..before {
        story.quiet.before.push(counted(200 + n, OLD_PID, "worker"));
        appears(&mut story, 20 + n as u32, 200 + n, OLD_PID, "worker", 12);
        story.tell(13_300, What::Gone { proc: 20 + n as u32, from: 13_290_000 });
    }
    for n in 0..after {
        story.quiet.after.push(counted(300 + n, NEW_PID, "worker"));
        appears(&mut story, 30 + n as u32, 300 + n, NEW_PID, "worker", TR);
    }
    story
}

#[test]
fn a_second_tree_that_serves_breaks_one_left() {
    let mut story = story();
    appears(&mut story, 5, 105, NEW_PID, "server", TR + 100);
    story.tell(TR + 101, crate::story::holds(5, &[501], TR + 100));
    story.quiet.after.push(counted(105, 1, "server"));
    story.breaks("process.one-left", &[]);
}

#[test]
fn nobody_left_breaks_one_left() {
    let mut story = story();
    story.quiet.after.clear();
    story.breaks("process.one-left", &[]);
}

#[test]
fn a_role_that_is_missing_breaks_one_left_and_fewer_of_it_do_not() {
    with_workers(4, 0).breaks("process.one-left", &[]);
    with_workers(4, 1).holds(ONE);
}

/// Two workers of the successor's bear another name, and execute this file.
fn with_workers_renamed(program: &str) -> Story {
    let mut story = with_workers(2, 2);
    for one in story.quiet.after.iter_mut().filter(|one| one.name == "worker") {
        one.name = "python3".to_owned();
    }
    for event in &mut story.events {
        if let What::Process { ppid: NEW_PID, program: executed, name, .. } = &mut event.what
            && name == "worker"
        {
            *executed = Some(program.to_owned());
            *name = "python3".to_owned();
        }
    }
    story
}

#[test]
fn another_name_makes_no_other_role_of_whoever_executes_the_same_file() {
    with_workers_renamed("/opt/server").holds(ONE);
    with_workers_renamed("/opt/other").breaks("process.one-left", &[]);
}

#[test]
fn a_pool_may_grow_to_twice_what_control_had_and_no_further() {
    with_workers(2, 4).holds(ONE);
    with_workers(2, 5).breaks("process.one-left", &[]);
}

#[test]
fn a_role_that_was_not_there_throughout_control_may_be_missing() {
    let mut story = story();
    story.quiet.before.push(counted(200, OLD_PID, "on-demand"));
    appears(&mut story, 20, 200, OLD_PID, "on-demand", 5_000);
    story.tell(13_300, What::Gone { proc: 20, from: 13_290_000 });
    story.holds(ONE);
}

#[test]
fn a_number_in_a_name_makes_no_other_role() {
    let mut story = story();
    story.quiet.before[0].name = "server-1".to_owned();
    story.quiet.after[0].name = "server-2".to_owned();
    story.holds(ONE);
}

/// A server with a helper, which lives on after the restart.
fn with_helper_left() -> Story {
    let mut story = story();
    story.quiet.before.push(counted(200, OLD_PID, "logger"));
    appears(&mut story, 20, 200, OLD_PID, "logger", 5_000);
    story.quiet.after.push(counted(200, 1, "logger"));
    story
}

#[test]
fn a_helper_that_is_left_beside_the_successor_s_own_breaks_one_left() {
    let mut story = with_helper_left();
    story.quiet.after.push(counted(201, NEW_PID, "logger"));
    appears(&mut story, 21, 201, NEW_PID, "logger", TR);
    story.breaks("process.one-left", &[]);
}

#[test]
fn a_helper_that_lives_on_alone_is_shared() {
    with_helper_left().holds(ONE);
    with_helper_left().holds(ZOMBIES);
}

fn zombie(pid: i32, ppid: i32) -> Counted {
    Counted { zombie: true, ..counted(pid, ppid, "server") }
}

#[test]
fn a_child_that_the_target_does_not_reap_breaks_no_zombies() {
    let mut story = story();
    story.quiet.after.push(zombie(300, NEW_PID));
    story.breaks("process.no-zombies", &[]);
}

#[test]
fn a_zombie_from_before_the_trigger_or_of_the_harness_s_own_is_no_fault() {
    let mut before = story();
    before.quiet.before.push(zombie(300, OLD_PID));
    before.quiet.after.push(zombie(300, NEW_PID));
    before.holds(ZOMBIES);
    let mut of_warden = story();
    of_warden.quiet.after.push(zombie(300, 1));
    of_warden.holds(ZOMBIES);
}

#[test]
fn a_zombie_below_the_trigger_s_command_is_not_the_target_s() {
    let mut story = story();
    story.tell(
        T0 + 1,
        What::Trigger { step: 1, what: "`restart`".to_owned(), from: T0 * 1_000, drain: false },
    );
    appears(&mut story, 5, 400, 1, "sh", T0 + 5);
    story.quiet.after.push(counted(400, 1, "sh"));
    story.quiet.after.push(zombie(401, 400));
    story.holds(ZOMBIES);
}

#[test]
fn a_new_helper_without_a_parent_that_serves_nobody_is_a_stray() {
    let mut story = story();
    appears(&mut story, 5, 105, OLD_PID, "helper", TR);
    story.quiet.after.push(counted(105, 1, "helper"));
    story.breaks("process.no-zombies", &[]);
}

#[test]
fn a_helper_that_has_a_parent_or_was_born_just_now_or_is_known_is_no_stray() {
    let mut with_parent = story();
    appears(&mut with_parent, 5, 105, NEW_PID, "helper", TR);
    with_parent.quiet.after.push(counted(105, NEW_PID, "helper"));
    with_parent.holds(ZOMBIES);
    let mut newborn = story();
    let at = newborn.gone().unwrap() + 800;
    appears(&mut newborn, 5, 105, NEW_PID, "helper", at);
    newborn.quiet.after.push(counted(105, 1, "helper"));
    newborn.holds(ZOMBIES);
    let mut known = story();
    appears(&mut known, 4, 104, OLD_PID, "helper", 3_000);
    known.tell(3_500, What::Gone { proc: 4, from: 3_490_000 });
    appears(&mut known, 5, 105, OLD_PID, "helper", TR);
    known.quiet.after.push(counted(105, 1, "helper"));
    known.holds(ZOMBIES);
}

#[test]
fn what_the_trigger_s_command_leaves_behind_is_not_the_target_s() {
    let mut story = story();
    story.tell(
        T0 + 1,
        What::Trigger { step: 1, what: "`restart`".to_owned(), from: T0 * 1_000, drain: false },
    );
    appears(&mut story, 5, 105, 1, "helper", TR);
    story.quiet.after.push(counted(105, 1, "helper"));
    story.holds(ZOMBIES);
}

#[test]
fn where_processes_are_not_shown_nobody_is_accused() {
    let mut story = story();
    story.withheld = true;
    story.quiet.exit = None;
    for clause in [EXIT, ONE, ZOMBIES] {
        assert_eq!(story.verdict(clause), Verdict::NoEvidence, "{clause}");
    }
}

#[test]
fn workers_of_a_master_that_stays_are_judged_by_crashes_only() {
    for (code, signal, expected) in
        [(Some(1), None, Verdict::Pass), (None, Some(15), Verdict::Pass), (None, Some(11), Verdict::Fail)]
    {
        let mut story = correct_in(Profile::Reload, "new-connections");
        story.model = Model::MasterWorkers;
        story.server.gone = Gone::Never;
        appears(&mut story, 5, 105, OLD_PID, "worker", 12);
        story.tell(13, crate::story::holds(5, &[501], 12));
        story.tell(12_000, What::Gone { proc: 5, from: 11_990_000 });
        assert_eq!(story.verdict(EXIT), Verdict::NoEvidence);
        story.tell(12_001, What::Ended { proc: 5, code, signal });
        assert_eq!(story.verdict(EXIT), expected);
    }
}
