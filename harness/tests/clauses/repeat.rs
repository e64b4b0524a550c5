//! What is triggered again breaks nothing, loses nobody, and leaves one generation.

use hotspec::clause::result::Verdict;
use hotspec::declaration::Profile;
use hotspec::history::Model;
use hotspec::history::event::{Owner, What};

use crate::quiet::counted;
use crate::story::{
    BORN, Gone, LISTENER, OLD, RESTART, Story, T0, TD, TR, correct, correct_in, holds, process,
};

/// Each clause, and a scenario that puts it to the test.
const EACH: [(&str, &str); 8] = [
    ("repeat.many", "twenty-restarts"),
    ("repeat.double-trigger", "double-trigger"),
    ("repeat.while-draining", "triggered-while-draining"),
    ("repeat.at-start", "triggered-at-start"),
    ("repeat.successor-triggered", "successor-triggered"),
    ("repeat.process-group", "process-group"),
    ("repeat.storm", "storm"),
    ("repeat.terminate-amid", "stopped-amid"),
];

#[test]
fn a_server_that_takes_further_triggers_well_passes_in_every_profile() {
    for (clause, scenario) in EACH {
        correct(scenario).holds(clause);
        correct_in(Profile::Reload, scenario).holds(clause);
    }
}

#[test]
fn a_client_that_is_refused_breaks_each_of_them() {
    let refused = |scenario| {
        let mut story = correct_in(Profile::Reload, scenario);
        story.lane("new", TD + 400).refused();
        story
    };
    refused("twenty-restarts").breaks("repeat.many", &[]);
    refused("double-trigger").breaks("repeat.double-trigger", &[]);
    refused("triggered-while-draining").breaks("repeat.while-draining", &[]);
    refused("triggered-at-start").breaks("repeat.at-start", &[]);
    refused("successor-triggered").breaks("repeat.successor-triggered", &[]);
    refused("process-group").breaks("repeat.process-group", &[]);
    refused("storm").breaks("repeat.storm", &[]);
    refused("stopped-amid").breaks("repeat.terminate-amid", &[]);
}

#[test]
fn an_answer_that_is_cut_breaks_each_of_them() {
    for (clause, scenario) in EACH {
        let mut story = correct_in(Profile::Reload, scenario);
        story.lane("new", TD + 400).accepted_by(Owner::Process(1)).asked().head(crate::lane::OPEN).reset();
        story.breaks(clause, &[]);
    }
}

#[test]
fn a_request_that_crosses_the_close_of_a_used_connection_is_nobodys_loss_in_reload() {
    for (clause, scenario) in EACH {
        let mut story = correct_in(Profile::Reload, scenario);
        story.lane("busy", 8_700).accepted_by(OLD).asked().answered().at(TD + 1).asked().fin();
        story.holds(clause);
    }
    let mut story = correct("double-trigger");
    story.lane("busy", 8_700).accepted_by(OLD).asked().answered().at(TD + 1).asked().fin();
    story.breaks("repeat.double-trigger", &[]);
}

#[test]
fn a_crash_of_the_old_process_breaks_all_but_the_one_in_which_it_is_told_to_stop() {
    for (clause, scenario) in EACH {
        let mut story = correct_in(Profile::Reload, scenario);
        story.quiet.exit = Some((None, Some(11)));
        if clause == "repeat.terminate-amid" {
            story.holds(clause);
        } else {
            story.breaks(clause, &[]);
        }
    }
}

#[test]
fn a_hangup_that_ends_the_old_process_amid_its_drain_is_a_death() {
    let mut story = correct_in(Profile::Reload, "triggered-while-draining");
    story.quiet.exit = Some((None, Some(1)));
    story.breaks("repeat.while-draining", &[]);
    // A supervisor may end one that drained.
    let mut story = correct_in(Profile::Reload, "triggered-while-draining");
    story.quiet.exit = Some((None, Some(15)));
    story.holds("repeat.while-draining");
}

#[test]
fn the_status_after_a_drain_in_order_counts_in_falcore_only() {
    let mut story = correct_in(Profile::Reload, "double-trigger");
    story.quiet.exit = Some((Some(3), None));
    story.holds("repeat.double-trigger");
    story.profile = Profile::Falcore;
    story.breaks("repeat.double-trigger", &[]);
    // Without a drain it is a death in any profile: it panicked.
    let mut story = correct_in(Profile::Reload, "double-trigger");
    story.quiet.exit = Some((Some(101), None));
    story.server.unlistens = None;
    story.server.gone = Gone::At(TR + 100);
    story.breaks("repeat.double-trigger", &[]);
}

#[test]
fn another_successor_that_serves_on_beside_the_first_is_one_too_many() {
    let mut story = correct_in(Profile::Reload, "double-trigger");
    beside(&mut story, true);
    story.breaks("repeat.double-trigger", &[]);
    // A chain is none: the first drains and goes.
    let mut story = correct_in(Profile::Reload, "double-trigger");
    beside(&mut story, false);
    story.tell(TD + 2_000, holds(1, &[], TD + 1_999));
    story.tell(TD + 2_500, What::Gone { proc: 1, from: (TD + 2_490) * 1_000 });
    story.quiet.after = vec![counted(102, 1, "server")];
    story.holds("repeat.double-trigger");
}

fn beside(story: &mut Story, below: bool) {
    story.tell(TD + 1_000, process(2, "/opt/server", TD + 1_000));
    story.tell(TD + 1_050, holds(2, &[LISTENER.inode], TD + 1_000));
    story.lane("new", TD + 1_500).accepted_by(Owner::Process(2)).asked().answered().closed();
    if below {
        // The tree still has one top.
        story.quiet.after.push(counted(102, 101, "server"));
    }
}

#[test]
fn an_old_process_that_never_goes_is_told_and_one_that_was_not_watched_is_not() {
    let mut story = correct_in(Profile::Reload, "triggered-while-draining");
    story.server.gone = Gone::Never;
    story.tell(60_000, What::Sizes { descriptors: Vec::new() });
    story.breaks("repeat.while-draining", &[]);
    let mut story = correct_in(Profile::Reload, "triggered-while-draining");
    story.server.gone = Gone::Never;
    story
        .lane("upload", RESTART + 60)
        .accepted_by(OLD)
        .begun("upload")
        .at(19_000)
        .sent()
        .answered_last()
        .fin();
    story.leaves_open("repeat.while-draining");
}

#[test]
fn a_trigger_that_came_too_late_or_not_at_all_leaves_it_open() {
    let mut story = correct_in(Profile::Reload, "triggered-while-draining");
    story.events.retain(|event| !matches!(event.what, What::Again { .. }));
    story.leaves_open("repeat.while-draining");
    story.further(TD + 300, None, false, Some("process 100 was gone"));
    story.leaves_open("repeat.while-draining");
    let mut story = correct_in(Profile::Reload, "triggered-while-draining");
    story.events.retain(|event| !matches!(event.what, What::Again { .. }));
    story.again(15_000, 0);
    story.leaves_open("repeat.while-draining");
    let mut story = correct_in(Profile::Reload, "successor-triggered");
    story.events.retain(|event| !matches!(event.what, What::Again { .. }));
    story.again(TD + 300, 0);
    story.leaves_open("repeat.successor-triggered");
}

#[test]
fn an_upload_that_is_cut_by_a_second_trigger_is_lost_and_one_that_is_cut_by_a_stop_is_not() {
    for (scenario, clause) in [
        ("triggered-while-draining", "repeat.while-draining"),
        ("successor-triggered", "repeat.successor-triggered"),
    ] {
        let mut story = correct_in(Profile::Reload, scenario);
        story.lane("upload", RESTART + 60).accepted_by(OLD).begun("upload").at(TD + 310).fin();
        story.breaks(clause, &[]);
    }
    let mut story = correct_in(Profile::Reload, "stopped-amid");
    story.lane("upload", RESTART + 60).accepted_by(OLD).begun("upload").at(TD + 60).reset();
    story.holds("repeat.terminate-amid");
}

#[test]
fn descriptors_may_differ_a_little_and_not_grow() {
    for (count, verdict) in [(20, Verdict::Pass), (21, Verdict::Fail)] {
        let mut story = correct_in(Profile::Reload, "storm");
        story.size(17_000, 1, count);
        assert_eq!(story.verdict("repeat.storm"), verdict, "{count}");
    }
}

#[test]
fn no_new_generation_breaks_many_and_the_process_group() {
    for (clause, scenario) in [("repeat.many", "twenty-restarts"), ("repeat.process-group", "process-group")]
    {
        let mut story = correct_in(Profile::Reload, scenario);
        story.server.born = None;
        story.server.answers = None;
        story.server.unlistens = None;
        story.server.gone = Gone::Never;
        story.later.clear();
        story.events.retain(|event| !matches!(event.what, What::Owner { owner: Owner::Process(1), .. }));
        assert_eq!(story.verdict(clause), Verdict::Fail);
    }
}

#[test]
fn a_successor_that_dies_of_a_trigger_at_its_birth_is_falcores_affair_only() {
    let mut story = correct("triggered-at-birth");
    story.holds("repeat.at-start");
    story.tell(BORN + 60, What::Gone { proc: 1, from: (BORN + 59) * 1_000 });
    story.tell(BORN + 60, What::Ended { proc: 1, code: None, signal: Some(1) });
    assert_eq!(story.verdict("repeat.at-start"), Verdict::Fail);
    story.profile = Profile::Reload;
    story.leaves_open("repeat.at-start");
}

/// A master that stays, and was told to stop.
fn master(left: bool) -> Story {
    let mut story = correct_in(Profile::Reload, "stopped-amid");
    story.model = Model::MasterWorkers;
    story.server.gone = Gone::At(TD + 2_000);
    story.quiet.exit = Some((Some(143), None));
    if !left {
        story.tell(TD + 1_900, What::Gone { proc: 1, from: (TD + 1_890) * 1_000 });
    }
    story
}

#[test]
fn where_a_master_stays_all_of_it_stops() {
    master(false).holds("repeat.terminate-amid");
    master(true).leaves_open("repeat.terminate-amid");
    let mut story = master(true);
    story.tell(60_000, What::Sizes { descriptors: Vec::new() });
    story.breaks("repeat.terminate-amid", &[]);
    let mut story = master(false);
    story.quiet.exit = Some((None, Some(11)));
    story.breaks("repeat.terminate-amid", &[]);
}

#[test]
fn in_place_and_with_a_master_the_successor_has_no_process_to_trigger() {
    let mut story = correct_in(Profile::Reload, "successor-triggered");
    story.model = Model::MasterWorkers;
    assert_eq!(story.verdict("repeat.successor-triggered"), Verdict::Unsupported);
    let mut story = correct_in(Profile::Reload, "stopped-amid");
    story.model = Model::InPlace;
    assert_eq!(story.verdict("repeat.terminate-amid"), Verdict::Unsupported);
}

#[test]
fn a_machine_that_shows_no_processes_leaves_no_wrong_alarm() {
    for (_, scenario) in EACH {
        let mut story = correct_in(Profile::Reload, scenario);
        story.withheld = true;
        assert_eq!(crate::judged::failing(&story.judged()).len(), 0, "{scenario}");
    }
}

#[test]
fn what_was_triggered_in_one_restart_is_not_counted_in_the_next() {
    let mut story = correct_in(Profile::Reload, "double-trigger");
    let mut later = correct_in(Profile::Reload, "double-trigger");
    later.events.retain(|event| !matches!(event.what, What::Again { .. }));
    story.later.push(later);
    story.leaves_open("repeat.double-trigger");
    const { assert!(T0 < TD) };
}

#[test]
fn a_successor_that_was_given_up_before_it_served_is_nobodys_death_but_falcores() {
    let given_up = |profile| {
        let mut story = correct_in(profile, "double-trigger");
        story.tell(BORN + 10, process(2, "/opt/server", BORN + 10));
        story.tell(BORN + 20, holds(2, &[LISTENER.inode], BORN + 10));
        story.tell(BORN + 40, What::Gone { proc: 2, from: (BORN + 39) * 1_000 });
        story.tell(BORN + 40, What::Ended { proc: 2, code: Some(1), signal: None });
        story
    };
    given_up(Profile::Reload).holds("repeat.double-trigger");
    given_up(Profile::Falcore).breaks("repeat.double-trigger", &[]);
}

#[test]
fn where_the_group_is_not_the_targets_own_nothing_is_said_of_it() {
    let mut story = correct_in(Profile::Reload, "process-group");
    story.further(T0 - 1, None, false, Some("process 100 is in a group that is not the target's own"));
    assert_eq!(story.verdict("repeat.process-group"), Verdict::Unsupported);
}
