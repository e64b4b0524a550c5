//! Load through many restarts.

use hotspec::clause::result::Verdict;
use hotspec::declaration::Profile;
use hotspec::history::event::{ConnectTrouble, Owner, What};

use crate::lane::{LAST, OPEN, Script};
use crate::story::{self, BORN, IDLE_MAX, NEW, OLD, Story, TD};

const CLOSED: &str = "load.closed-loop";
const NEW_ONES: &str = "load.new-connections";
const LATENCY: &str = "load.latency";

/// Three restarts show as much as twenty.
fn correct_in(profile: Profile, scenario: &str) -> Story {
    let mut story = story::correct_in(profile, scenario);
    story.later.truncate(2);
    story
}

fn correct(scenario: &str) -> Story {
    correct_in(Profile::Falcore, scenario)
}

fn busy(story: &mut Story) -> Script<'_> {
    story.lane("eager", BORN).accepted_by(OLD).asked().answered()
}

#[test]
fn a_server_that_loses_nothing_passes_and_every_restart_counts() {
    for profile in [Profile::Falcore, Profile::Reload] {
        for (scenario, clause) in [("load-closed-loop", CLOSED), ("load-new-connections", NEW_ONES)] {
            let mut story = correct_in(profile, scenario);
            story.holds(clause);
            story.holds(LATENCY);
            let exercised = |story: &Story| {
                let result = story.judged();
                result.clauses.iter().find(|one| one.id == clause).unwrap().exercised
            };
            let all = exercised(&story);
            story.later.clear();
            assert_eq!(all, 3 * exercised(&story));
        }
    }
}

#[test]
fn a_request_that_meets_the_end_of_a_reused_connection_breaks_falcore_and_is_forgiven_elsewhere() {
    let told: [fn(Script<'_>); 3] = [
        |lane| lane.after(20).asked().fin(),
        |lane| lane.after(20).asked().reset(),
        |lane| lane.after(20).begun("fast").send_failed("broken pipe").fin(),
    ];
    for end in told {
        let mut story = correct("load-closed-loop");
        end(busy(&mut story));
        story.breaks("load.closed-loop", &[]);
        let mut story = correct_in(Profile::Reload, "load-closed-loop");
        end(busy(&mut story));
        story.holds(CLOSED);
        let result = story.judged();
        assert_eq!(result.clauses.iter().find(|one| one.id == CLOSED).unwrap().forgiven, 1);
        assert!(result.notes.iter().any(|note| note.contains("1 of ")), "{:?}", result.notes);
    }
}

#[test]
fn an_answer_that_is_cut_short_breaks_closed_loop_in_every_profile() {
    for profile in [Profile::Falcore, Profile::Reload] {
        let mut story = correct_in(profile, "load-closed-loop");
        busy(&mut story).after(20).asked().head(OPEN).fin();
        story.breaks("load.closed-loop", &[]);
        let mut story = correct_in(profile, "load-closed-loop");
        busy(&mut story).after(20).asked().head_begun().reset();
        story.breaks("load.closed-loop", &[]);
    }
}

#[test]
fn a_first_request_that_gets_no_answer_breaks_closed_loop_in_every_profile() {
    for profile in [Profile::Falcore, Profile::Reload] {
        let mut story = correct_in(profile, "load-closed-loop");
        story.lane("thinking", BORN).accepted_by(OLD).asked().fin();
        story.breaks("load.closed-loop", &[]);
    }
}

#[test]
fn a_breach_in_a_later_restart_is_found() {
    let mut story = correct("load-closed-loop");
    busy(&mut story.later[1]).after(20).asked().fin();
    story.breaks("load.closed-loop", &[]);
}

#[test]
fn a_connection_that_was_idle_for_long_as_the_harness_was_late_accuses_nobody() {
    let mut story = correct("load-closed-loop");
    busy(&mut story).after(IDLE_MAX / 2 + 100).asked().fin();
    story.leaves_open(CLOSED);
}

#[test]
fn a_lane_that_was_called_off_accuses_nobody() {
    let mut story = correct("load-closed-loop");
    busy(&mut story).after(20).asked().closed();
    story.holds(CLOSED);
}

#[test]
fn an_answer_that_never_comes_is_held_against_the_server_unless_the_harness_slept() {
    let mut story = correct("load-closed-loop");
    busy(&mut story).asked().after(10_000).gave_up();
    story.breaks("load.closed-loop", &[LATENCY]);
    story.harness_slept(BORN + 200, BORN + 9_700);
    story.leaves_open(CLOSED);
}

#[test]
fn a_connect_that_fails_breaks_either_clause_unless_the_harness_lacked_something() {
    for (scenario, clause) in [("load-closed-loop", CLOSED), ("load-new-connections", NEW_ONES)] {
        for (why, errno) in [(ConnectTrouble::Refused, 111), (ConnectTrouble::TimedOut, 110)] {
            let mut story = correct(scenario);
            story.lane("new", BORN + 5).after(10_000).not_connected(why, errno);
            story.breaks(clause, &[]);
        }
        let mut story = correct(scenario);
        story.lane("new", BORN + 5).not_connected(ConnectTrouble::Local, 99);
        story.leaves_open(clause);
    }
}

#[test]
fn a_new_connection_that_is_dropped_breaks_new_connections_in_every_profile() {
    for profile in [Profile::Falcore, Profile::Reload] {
        let ends: [fn(Script<'_>); 3] =
            [|lane| lane.asked().reset(), |lane| lane.asked().fin(), |lane| lane.asked().head(LAST).fin()];
        for end in ends {
            let mut story = correct_in(profile, "load-new-connections");
            end(story.lane("new", BORN + 7).connected());
            story.breaks("load.new-connections", &[]);
        }
    }
}

#[test]
fn a_request_that_the_harness_sent_late_accuses_nobody() {
    let mut story = correct("load-new-connections");
    story.lane("new", BORN + 7).connected().after(IDLE_MAX / 2 + 100).asked().fin();
    story.leaves_open(NEW_ONES);
}

#[test]
fn where_no_successor_is_seen_nothing_is_said_of_load() {
    for (scenario, clause) in [("load-closed-loop", CLOSED), ("load-new-connections", NEW_ONES)] {
        let mut story = correct(scenario);
        story.later.clear();
        story.server.born = None;
        story.server.answers = None;
        let by_successor = |event: &hotspec::history::Event| {
            matches!(event.what, What::Owner { owner: Owner::Process(1), .. })
        };
        story.events.retain(|event| !by_successor(event));
        assert_eq!(story.verdict(clause), Verdict::Inconclusive);
    }
}

fn slow(story: &mut Story, from: u64, wait: u64) {
    for at in from..from + 10 {
        story.lane("eager", at).accepted_by(NEW).asked().after(wait).answered().closed();
    }
}

#[test]
fn waits_beyond_controls_and_stall_max_break_latency_alone() {
    let mut story = correct("load-closed-loop");
    slow(&mut story, TD - 20, 1_100);
    story.breaks("load.latency", &[]);
}

#[test]
fn waits_within_controls_and_stall_max_are_in_order_and_so_are_later_ones() {
    let mut story = correct("load-closed-loop");
    slow(&mut story, TD - 20, 950);
    // After Tx.
    story.old_until = (TD + 300) * 1_000;
    slow(&mut story, TD + 2_000, 1_500);
    story.holds(LATENCY);
}

#[test]
fn waits_in_which_the_harness_slept_accuse_nobody() {
    let mut story = correct("load-closed-loop");
    slow(&mut story, TD - 20, 1_100);
    story.harness_slept(TD + 100, TD + 700);
    story.leaves_open(LATENCY);
}
