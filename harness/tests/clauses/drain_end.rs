//! While the old process drains, and its end.

use hotspec::clause::Level;
use hotspec::clause::result::{RunVerdict, Verdict};
use hotspec::declaration::Profile;
use hotspec::history::What;
use hotspec::history::event::{ConnectTrouble, Owner};

use crate::correct::handover::HARD_LIMIT;
use crate::correct::silent::used;
use crate::correct::{ARMING, LATE};
use crate::lane::{Answer, LAST, OPEN, Script};
use crate::story::{Gone, IDLE_MAX, NEW, OLD, RESTART, Story, TD, correct, correct_in, frame};

/// The old process goes here, in the stories of this file where it goes too soon.
const EXIT: u64 = TD + 700;

fn slow(story: &mut Story) -> Script<'_> {
    story.lane("slow", ARMING).accepted_by(OLD).asked_for("slow").armed()
}

/// Every connection of the old process is over by its exit, but for what a test adds.
fn exits_early(scenario: &str) -> Story {
    let mut story = correct(scenario);
    let own = story.scenario.lanes.iter().map(|lane| lane.role.clone()).collect::<Vec<_>>();
    drop_lanes(&mut story, &own);
    story.server.times_out = Some(TD + 400);
    story.server.gone = Gone::At(EXIT);
    story
}

/// Takes away what lanes of these roles saw of the restart.
fn drop_lanes(story: &mut Story, roles: &[String]) {
    let opened = story.events.iter().filter(|event| event.t >= RESTART * 1_000);
    let lanes: Vec<_> = opened
        .filter_map(|event| match &event.what {
            What::Open { lane, role, .. } if roles.contains(role) => Some(*lane),
            _ => None,
        })
        .collect();
    story.events.retain(|event| event.what.lane().is_none_or(|lane| !lanes.contains(&lane)));
}

#[test]
fn a_response_that_is_lost_with_the_process_breaks_waits() {
    let mut story = exits_early("in-flight-slow");
    slow(&mut story).at(EXIT - 5).fin();
    story.breaks("drain.waits", &["in-flight.completes", "in-flight.slow-response"]);
    let mut story = exits_early("in-flight-streamed");
    let stream = story.lane("stream", ARMING).accepted_by(OLD).asked_for("stream").head(OPEN).armed();
    stream.at(EXIT + 5).reset();
    story.breaks(
        "drain.waits",
        &["in-flight.completes", "in-flight.slow-response", "in-flight.not-truncated"],
    );
}

#[test]
fn a_response_that_the_kernel_delivers_after_the_exit_is_not_lost() {
    let mut story = exits_early("in-flight-large");
    let large = story.lane("slow-reader", ARMING).accepted_by(OLD).asked_for("large").head(OPEN).armed();
    large.at(EXIT + 1_500).body(OPEN).after(10).fin();
    story.holds("drain.waits");
}

/// As Node does it: what the kernel had not taken yet is gone, and the client comes to that place when it has read all else.
#[test]
fn a_response_that_an_exit_left_unfinished_is_lost_however_late_the_client_reads_so() {
    for clause in ["in-flight.completes", "in-flight.slow-reader", "in-flight.not-truncated"] {
        let mut story = exits_early("in-flight-large");
        let large = story.lane("slow-reader", ARMING).accepted_by(OLD).asked_for("large").head(OPEN).armed();
        large.at(TD + 31_000).fin();
        assert_eq!(story.verdict(clause), Verdict::Fail, "{clause}");
    }
}

#[test]
fn a_response_that_is_cut_long_before_the_exit_was_not_lost_by_it() {
    let mut story = correct("in-flight-slow");
    slow(&mut story).at(TD + 500).fin();
    story.breaks("in-flight.completes", &["in-flight.slow-response"]);
}

#[test]
fn a_response_that_is_cut_at_the_exit_after_drain_max_or_the_hard_limit_is_not_owed() {
    let mut story = correct("in-flight-slow");
    slow(&mut story).at(TD + 30_000).fin();
    story.server.gone = Gone::At(TD + 30_005);
    assert_eq!(story.verdict("drain.waits"), Verdict::Pass);
    let mut story = correct("in-flight-slow");
    story.hard_limit = Some(6_000);
    slow(&mut story).at(TD + 6_000).fin();
    story.server.gone = Gone::At(TD + 6_005);
    assert_eq!(story.verdict("drain.waits"), Verdict::Pass);
}

#[test]
fn a_response_of_nobody_known_or_called_off_at_the_exit_does_not_break_waits() {
    for owner in [Owner::Unknown, Owner::Several, NEW] {
        let mut story = exits_early("in-flight-slow");
        let lane = story.lane("slow", ARMING).accepted_by(owner).asked_for("slow").armed();
        lane.at(EXIT).fin();
        let lane = slow(&mut story);
        lane.at(EXIT).closed();
        assert_ne!(story.verdict("drain.waits"), Verdict::Fail);
    }
}

/// Whoever may close an idle connection may do so by exiting.
#[test]
fn a_request_that_crosses_the_exit_on_an_idle_connection_is_lost_by_falcore_only() {
    for (profile, expected) in [(Profile::Falcore, Verdict::Fail), (Profile::Reload, Verdict::Pass)] {
        let mut story = correct_in(profile, "keep-alive-traffic");
        story.server.times_out = Some(TD + 500);
        story.server.gone = Gone::At(TD + 560);
        // Sent before the latest sign that the process did not drain yet.
        story.lane("busy", 8_600).accepted_by(OLD).asked().answered().at(TD - 30).asked().at(TD + 555).fin();
        assert_eq!(story.verdict("drain.waits"), expected, "{profile}");
    }
}

#[test]
fn an_old_process_that_outlives_its_hard_limit_breaks_hard_limit() {
    for gone in [Gone::At(TD + HARD_LIMIT + 1_250), Gone::Never] {
        let mut story = correct("hard-limit");
        story.lane("endless", ARMING).accepted_by(OLD).begun("upload").armed().at(20_000).closed();
        story.server.gone = gone;
        story.breaks("drain.hard-limit", &[]);
        // What held it up before does not matter: its own clock ran.
        story.machine_was_crowded(TD + 100, TD + HARD_LIMIT - 100);
        story.breaks("drain.hard-limit", &[]);
    }
}

#[test]
fn an_old_process_that_had_no_processor_at_its_hard_limit_is_not_accused() {
    let mut story = correct("hard-limit");
    story.lane("endless", ARMING).accepted_by(OLD).begun("upload").armed().at(20_000).closed();
    story.server.gone = Gone::At(TD + HARD_LIMIT + 1_250);
    story.machine_was_crowded(TD + HARD_LIMIT + 50, TD + HARD_LIMIT + 550);
    story.leaves_open("drain.hard-limit");
}

#[test]
fn an_old_process_that_goes_within_a_second_of_its_hard_limit_is_in_time() {
    let mut story = correct("hard-limit");
    story.server.gone = Gone::At(TD + HARD_LIMIT + 1_090);
    story.holds("drain.hard-limit");
}

#[test]
fn without_work_at_the_hard_limit_it_is_not_put_to_the_test() {
    let mut story = frame("hard-limit");
    story.hard_limit = Some(HARD_LIMIT);
    story.lane("endless", ARMING).accepted_by(OLD).begun("upload").armed().at(TD + 3_000).reset();
    story.lane("endless", ARMING).accepted_by(Owner::Several).begun("upload").armed().at(18_000).reset();
    story.server.gone = Gone::Never;
    story.leaves_open("drain.hard-limit");
}

#[test]
fn an_old_process_that_was_not_watched_until_its_hard_limit_leaves_it_open() {
    let mut story = correct("hard-limit");
    story.hard_limit = Some(15_000);
    story.lane("endless", ARMING).accepted_by(OLD).begun("upload").armed().at(TD + 15_000).closed();
    story.server.gone = Gone::Never;
    story.leaves_open("drain.hard-limit");
}

#[test]
fn whoever_declares_no_hard_limit_is_asked_for_none() {
    let mut story = correct("hard-limit");
    story.hard_limit = None;
    assert_eq!(story.verdict("drain.hard-limit"), Verdict::Unsupported);
}

#[test]
fn an_old_process_that_goes_on_accepting_breaks_stops_accepting() {
    let mut story = correct("new-connections");
    story.lane("new", TD + 150).accepted_by(OLD).asked().answered_last().fin();
    story.breaks("drain.stops-accepting", &["availability.successor-serves"]);
}

#[test]
fn a_connection_accepted_within_the_tolerance_or_by_nobody_known_does_not_break_stops_accepting() {
    let mut story = correct("new-connections");
    story.lane("new", TD + 99).accepted_by(OLD).asked().answered_last().fin();
    for owner in [Owner::Several, Owner::Queued, Owner::Unknown, NEW] {
        story.lane("new", TD + 150).accepted_by(owner).asked().answered().closed();
    }
    story.holds("drain.stops-accepting");
}

#[test]
fn an_old_process_that_spins_breaks_quiet_as_a_recommendation() {
    let mut story = busy(30_000);
    story.breaks("drain.quiet", &[]);
    assert_eq!(story.judged().verdict, RunVerdict::Pass);
    let mut manifest = story.manifest();
    manifest.level = Level::Should;
    assert_eq!(story.judged_by(&manifest).verdict, RunVerdict::Fail);
    story.withheld = true;
    assert_ne!(story.verdict("drain.quiet"), Verdict::Fail);
}

/// The old process uses so much in every 200 ms of its drain, in microseconds.
fn busy(each: u64) -> Story {
    let mut story = correct("idle-silent");
    story.events.retain(|event| !matches!(event.what, What::Used { .. }));
    for (turn, at) in (0..).zip((TD..TD + IDLE_MAX).step_by(200)) {
        story.tell(at, What::Used { proc: 0, cpu_us: 40_000 + each * turn });
    }
    story
}

#[test]
fn an_old_process_that_uses_less_than_a_twentieth_is_quiet() {
    busy(9_900).holds("drain.quiet");
    busy(10_100).breaks("drain.quiet", &[]);
}

#[test]
fn processor_time_before_the_drain_or_for_an_answer_or_of_the_successor_is_no_noise() {
    let mut story = busy(1_000);
    for (turn, at) in (0..).zip((RESTART..TD + 1_000).step_by(200)) {
        story.tell(at + 1, What::Used { proc: 0, cpu_us: 100_000 * turn });
    }
    for (turn, at) in (0..).zip((TD..TD + IDLE_MAX).step_by(200)) {
        story.tell(at + 1, What::Used { proc: 1, cpu_us: 100_000 * turn });
    }
    story.holds("drain.quiet");
    // While an answer is awaited there may be much to do, and not enough is seen of the rest.
    let mut story = busy(100_000);
    slow(&mut story).at(TD + IDLE_MAX - 300).answered_last().fin();
    assert_eq!(story.verdict("drain.quiet"), Verdict::Inconclusive);
    let mut story = busy(100_000);
    slow(&mut story).at(TD + IDLE_MAX - 300).fin();
    assert_eq!(story.verdict("drain.quiet"), Verdict::Inconclusive);
}

#[test]
fn a_short_stretch_says_nothing_of_noise() {
    let mut story = correct("idle-silent");
    story.events.retain(|event| !matches!(event.what, What::Used { .. }));
    for (turn, at) in (0..4).zip((TD + 2_000..).step_by(200)) {
        story.tell(at, What::Used { proc: 0, cpu_us: 200_000 * turn });
    }
    assert_eq!(story.verdict("drain.quiet"), Verdict::Inconclusive);
    used(&mut story, 0, TD + 2_700, TD + 2_701);
    assert_ne!(story.verdict("drain.quiet"), Verdict::Fail);
}

/// The old process goes at 13.5 s in these.
const AFTER: u64 = 13_600;

#[test]
fn a_successor_that_is_disturbed_by_the_exit_breaks_exit_undisturbing() {
    let mut story = correct("new-connections");
    story.lane("new", AFTER).accepted_by(NEW).asked().after(5).reset();
    story.breaks("drain.exit-undisturbing", &[]);
    let mut story = correct("keep-alive-traffic");
    let busy = story.lane("busy", AFTER).accepted_by(NEW).asked().answered();
    busy.after(100).asked().head(OPEN).after(5).reset();
    story.breaks("drain.exit-undisturbing", &["in-flight.not-truncated"]);
}

#[test]
fn a_connection_that_is_refused_after_the_exit_breaks_exit_undisturbing() {
    let mut story = correct("new-connections");
    story.lane("new", AFTER).refused();
    story.breaks("drain.exit-undisturbing", &["availability.not-refused"]);
    let mut story = correct("new-connections");
    story.lane("new", AFTER).after(3_000).not_connected(ConnectTrouble::TimedOut, 110);
    story.breaks("drain.exit-undisturbing", &["availability.no-overflow"]);
}

#[test]
fn an_error_after_the_exit_breaks_exit_undisturbing() {
    let mut story = correct("new-connections");
    story.lane("new", AFTER).accepted_by(NEW).asked().answered_as(Answer { status: 404, ..OPEN }).closed();
    story.breaks("drain.exit-undisturbing", &[]);
}

#[test]
fn what_the_exit_can_t_have_caused_does_not_break_exit_undisturbing() {
    let mut story = correct("keep-alive-traffic");
    // Over before the exit, of the old process itself, or of whoever may be it.
    story.lane("busy", 13_000).accepted_by(NEW).asked().answered_as(Answer { status: 404, ..OPEN }).closed();
    story.lane("busy", 9_000).accepted_by(OLD).asked().at(13_499).reset();
    story.lane("busy", 13_000).connected().asked().at(13_600).reset();
    assert_eq!(story.verdict("drain.exit-undisturbing"), Verdict::Pass);
    // The harness's own trouble, a lane that was called off, and a close that a request crossed.
    let mut story = correct("keep-alive-traffic");
    story.lane("busy", AFTER).not_connected(ConnectTrouble::Local, 99);
    story.lane("busy", AFTER).accepted_by(NEW).asked().after(10).closed();
    story.lane("busy", AFTER).accepted_by(NEW).asked().answered().after(5_000).asked().reset_after_fin();
    let closing = story.lane("busy-closing", AFTER).accepted_by(NEW).begun("fast").begun("fast").sent();
    closing.answered_as(LAST).fin();
    assert_eq!(story.verdict("drain.exit-undisturbing"), Verdict::Pass);
}

#[test]
fn a_request_that_the_harness_sent_too_late_accuses_nobody() {
    let waits = |slept: u64| {
        let mut story = correct("new-connections");
        let late = story.lane("new", AFTER).accepted_by(NEW).begun("fast");
        late.after(IDLE_MAX + 100).fin();
        story.harness_slept(AFTER + 10, AFTER + 10 + slept);
        story.verdict("drain.exit-undisturbing")
    };
    assert_eq!(waits(IDLE_MAX / 2), Verdict::Inconclusive);
    assert_eq!(waits(IDLE_MAX / 8), Verdict::Fail);
}

#[test]
fn an_exit_that_nobody_saw_leaves_exit_undisturbing_open() {
    let mut story = correct("new-connections");
    story.server.gone = Gone::Never;
    assert_eq!(story.verdict("drain.exit-undisturbing"), Verdict::Inconclusive);
    let mut story = correct("new-connections");
    story.server.gone = Gone::At(LATE);
    assert_eq!(story.verdict("drain.exit-undisturbing"), Verdict::Pass);
}
