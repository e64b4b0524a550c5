//! What processes hold, how their listening sockets are kept, and what the target writes of its failures.

use hotspec::clause::result::{RunVerdict, Verdict};
use hotspec::declaration::Profile;
use hotspec::history::Model;
use hotspec::history::event::{ListenerRow, What};

use crate::story::{BORN, LISTENER, Story, T0, TD, TR, common, correct, correct_in};

const SHARED: &str = "descriptors.no-shared-connections";
const STRAYS: &str = "descriptors.no-strays";
const NONBLOCKING: &str = "descriptors.nonblocking-kept";
const BACKLOG: &str = "descriptors.backlog-kept";
const SHUT: &str = "descriptors.not-shut-down";
const PATH: &str = "descriptors.unix-path";
const GROWTH: &str = "descriptors.no-growth";
const MEMORY: &str = "process.memory";
const LOG: &str = "process.clean-log";

fn traffic() -> Story {
    correct("keep-alive-traffic")
}

/// The old process is there for seconds after its successor serves.
fn silent() -> Story {
    correct("idle-silent")
}

/// What fails is a recommendation.
#[track_caller]
fn passes(story: &Story) {
    assert_eq!(story.judged().verdict, RunVerdict::Pass);
}

#[test]
fn a_correct_restart_holds_all_of_them() {
    for clause in [SHARED, STRAYS, LOG] {
        silent().holds(clause);
    }
    for clause in [NONBLOCKING, BACKLOG, SHUT, LOG] {
        traffic().holds(clause);
    }
    for scenario in ["unix-path", "zero-traffic-unix"] {
        correct(scenario).holds(PATH);
    }
    for clause in [GROWTH, MEMORY, NONBLOCKING, LOG] {
        correct("many-generations").holds(clause);
    }
}

#[test]
fn without_a_witness_there_is_no_evidence() {
    let mut story = traffic();
    story.withheld = true;
    for clause in [NONBLOCKING, BACKLOG, SHUT] {
        assert_eq!(story.verdict(clause), Verdict::NoEvidence, "{clause}");
    }
}

#[test]
fn a_connection_that_both_hold_breaks_no_shared_connections() {
    let mut story = silent();
    story.tell(TR + 300, common(&[("connection", "socket:[77]")]));
    story.breaks("descriptors.no-shared-connections", &[]);
}

#[test]
fn one_that_is_closed_at_the_start_is_no_breach() {
    // Right after its execution it holds what it inherited, and closes it before it serves.
    let mut story = silent();
    story.tell(BORN + 61, common(&[("connection", "socket:[77]"), ("file", "/etc/a")]));
    story.tell(BORN + 90, common(&[]));
    story.holds(SHARED);
    story.holds(STRAYS);
}

#[test]
fn a_file_and_a_pipe_in_common_are_strays_and_what_may_be_handed_on_is_not() {
    for (kind, target) in
        [("file", "/var/log/a"), ("pipe", "pipe:[7]"), ("eventpoll", "anon_inode:[eventpoll]")]
    {
        let mut story = silent();
        story.tell(TR + 300, common(&[(kind, target)]));
        story.breaks("descriptors.no-strays", &[]);
        passes(&story);
    }
    let mut story = silent();
    story.tell(TR + 300, common(&[("socket", "socket:[7]"), ("memfd", "/memfd:state (deleted)")]));
    story.holds(STRAYS);
}

#[test]
fn where_files_can_not_be_compared_there_is_no_evidence_of_strays() {
    let mut story = silent();
    story.tell(BORN + 61, incomparable());
    assert_eq!(story.verdict(STRAYS), Verdict::NoEvidence);
    assert_eq!(story.verdict(SHARED), Verdict::Pass);
}

fn incomparable() -> What {
    match common(&[]) {
        What::Common { proc, with, descriptors, from, .. } => {
            What::Common { proc, with, descriptors, compared: false, from }
        }
        _ => unreachable!(),
    }
}

#[test]
fn workers_that_are_forked_only_inherit_nothing() {
    let mut story = correct_in(Profile::Reload, "idle-silent");
    story.model = Model::MasterWorkers;
    assert_ne!(story.verdict(SHARED), Verdict::Fail);
}

#[test]
fn a_changed_flag_of_a_shared_listener_breaks_nonblocking_kept() {
    for at in [T0 + 50, TD + 5, TD + 2_000] {
        let mut story = traffic();
        story.tell(
            at,
            What::Nonblocking { inode: LISTENER.inode, on: false, proc: 0, from: (at - 20) * 1_000 },
        );
        story.breaks("descriptors.nonblocking-kept", &[]);
    }
}

#[test]
fn the_flag_of_a_listener_that_is_not_handed_on_is_its_owners_affair() {
    let mut story = traffic();
    let own = |on, from: u64| What::Nonblocking { inode: 777, on, proc: 0, from: from * 1_000 };
    story.tell(20, own(true, 18));
    story.tell(TD + 5, own(false, TD));
    story.holds(NONBLOCKING);
}

#[test]
fn a_flag_that_was_set_before_the_trigger_is_as_it_is_to_be() {
    let mut story = traffic();
    story.tell(T0 - 500, What::Nonblocking { inode: LISTENER.inode, on: false, proc: 0, from: 17_000 });
    story.holds(NONBLOCKING);
}

#[test]
fn a_smaller_backlog_is_told() {
    let mut story = traffic();
    let rows = vec![ListenerRow { backlog: 5, ..LISTENER }];
    story.tell(TR + 20, What::Listeners { rows, from: TR * 1_000 });
    story.breaks("descriptors.backlog-kept", &[]);
    passes(&story);
}

#[test]
fn a_listener_that_is_shut_down_under_the_successor_breaks_not_shut_down() {
    let shut =
        |procs: &[u32]| What::ShutDown { inode: LISTENER.inode, procs: procs.to_vec(), from: TD * 1_000 };
    let mut story = traffic();
    story.tell(TD + 40, shut(&[0, 1]));
    story.breaks("descriptors.not-shut-down", &[]);
    // Of the old process's alone nobody else has anything.
    let mut story = traffic();
    story.tell(TD + 40, shut(&[0]));
    story.holds(SHUT);
}

#[test]
fn a_path_that_is_gone_for_a_moment_or_for_good_breaks_unix_path() {
    let path = |present, at: u64| What::SocketPath { present, from: (at - 10) * 1_000 };
    let mut story = correct("unix-path");
    story.tell(TR + 10, path(false, TR + 10));
    story.tell(TR + 10, path(true, TR + 10));
    story.breaks("descriptors.unix-path", &[]);
    let mut story = correct("unix-path");
    story.tell(13_000, path(false, 13_000));
    story.breaks("descriptors.unix-path", &[]);
    let mut story = correct("unix-path");
    story.tell(TR + 10, path(true, TR + 10));
    story.holds(PATH);
    // Before the trigger it is the target's affair.
    let mut story = correct("unix-path");
    story.tell(500, path(false, 500));
    story.tell(510, path(true, 510));
    story.holds(PATH);
}

#[test]
fn an_unwatched_path_is_no_evidence() {
    let mut story = correct("unix-path");
    story.scenario.listener = hotspec::target::file::ListenKind::Ipv4;
    assert_eq!(story.verdict(PATH), Verdict::NoEvidence);
}

const DROPPED: &str = "descriptors.removed-listener-closed";

fn dropped(listening: u32, procs: &[u32], from: u64) -> What {
    What::Dropped { listening, procs: procs.to_vec(), from: from * 1_000 }
}

#[test]
fn a_dropped_listener_that_anybody_keeps_breaks_removed_listener_closed() {
    let story = || correct_in(Profile::Reload, "dropped-listener");
    story().holds(DROPPED);
    // It listens on, or is held by somebody who does not listen on it any more.
    for listening in [1, 0] {
        let mut kept = story();
        kept.tell(TD + 110, dropped(listening, &[1], TD));
        kept.breaks("descriptors.removed-listener-closed", &[]);
    }
    // Until the old process is gone it may be held.
    let mut late = story();
    let gone = late.gone().unwrap();
    late.tell(TD + 110, dropped(1, &[0], TD));
    late.tell(gone + 60, dropped(0, &[], gone - 20));
    late.holds(DROPPED);
}

#[test]
fn a_listener_that_was_not_there_leaves_it_open() {
    let mut story = correct_in(Profile::Reload, "dropped-listener");
    story.events.retain(|event| !matches!(event.what, What::Dropped { .. }));
    story.leaves_open(DROPPED);
}

/// Twenty generations, of which each has this many files more than the one before.
fn growing(by: impl Fn(u32) -> u32) -> Story {
    let mut story = correct("many-generations");
    for (n, later) in (1..).zip(&mut story.later) {
        later.quiet.descriptors.insert("file".to_owned(), 3 + by(n));
    }
    story
}

#[test]
fn one_descriptor_more_in_each_generation_breaks_no_growth() {
    growing(|n| n).breaks("descriptors.no-growth", &[]);
    growing(|n| n / 3).breaks("descriptors.no-growth", &[]);
}

#[test]
fn two_more_in_all_or_many_at_one_time_do_not() {
    growing(|n| n / 9).holds(GROWTH);
    growing(|n| if n > 7 { 5 } else { 0 }).holds(GROWTH);
    growing(|n| if n == 20 { 50 } else { 0 }).holds(GROWTH);
    growing(|n| n % 4).holds(GROWTH);
    growing(|n| 40 - n).holds(GROWTH);
}

#[test]
fn connections_of_lanes_and_listeners_do_not_count() {
    let mut story = correct("many-generations");
    for (n, later) in (1..).zip(&mut story.later) {
        later.quiet.descriptors.insert("connection".to_owned(), n);
        later.quiet.descriptors.insert("listener".to_owned(), n);
    }
    story.holds(GROWTH);
}

#[test]
fn fewer_generations_leave_growth_open() {
    let mut story = growing(|n| n);
    story.later.pop();
    assert_eq!(story.verdict(GROWTH), Verdict::Inconclusive);
    assert_eq!(story.verdict(MEMORY), Verdict::Inconclusive);
}

#[test]
fn a_megabyte_more_in_each_generation_is_told() {
    let mut story = correct("many-generations");
    for (n, later) in (1..).zip(&mut story.later) {
        later.quiet.memory_kib = 4_000 + n * 1_024;
    }
    story.breaks("process.memory", &[]);
    passes(&story);
    for (n, later) in (1..).zip(&mut story.later) {
        later.quiet.memory_kib = 4_000 + n * 200;
    }
    story.holds(MEMORY);
}

#[test]
fn a_panic_after_the_trigger_is_told_and_one_that_control_shows_too_is_not() {
    let panic = |at: u64, line: u32| What::Outcry {
        kind: "panic".to_owned(),
        text: format!("thread 'drain' panicked at src/main.rs:{line}:5:"),
        from: at * 1_000,
    };
    let mut story = traffic();
    story.tell(TD + 100, panic(TD, 17));
    story.breaks("process.clean-log", &[]);
    passes(&story);
    let mut story = traffic();
    story.tell(3_000, panic(2_990, 17));
    story.tell(TD + 100, panic(TD, 18));
    story.holds(LOG);
}
