//! Several restarts in one history: each is judged by itself, and control once for all.

use hotspec::clause::judge::{Recorded, judge};
use hotspec::clause::result::{RunVerdict, Verdict};
use hotspec::history::What;
use hotspec::history::event::{Event, ListenerRow, Owner, Phase, Stop};

use crate::judged::verdict;
use crate::rounds::SUCCESSOR;
use crate::story::{BORN, Gone, LISTENER, NEW, OLD, Story, T0, TD, correct};

fn five() -> Story {
    correct("five-restarts")
}

/// The violations of a clause, by the round in whose time they are.
fn rounds_of(story: &Story, clause: &str) -> Vec<usize> {
    let result = story.judged();
    let begins: Vec<_> = result.restarts.iter().map(|restart| restart.t0_us.unwrap().lo).collect();
    let clause = result.clauses.iter().find(|one| one.id == clause).unwrap();
    let round = |at: u64| begins.iter().filter(|begin| **begin <= at).count();
    clause.violations.iter().map(|violation| round(violation.at_us)).collect()
}

#[test]
fn a_breach_in_any_restart_is_told_once_and_in_its_own() {
    for round in 1..=5 {
        let mut story = five();
        let told = if round == 1 { &mut story } else { &mut story.later[round - 2] };
        told.lane("new", BORN + 30).refused();
        story.breaks("availability.not-refused", &[]);
        assert_eq!(rounds_of(&story, "availability.not-refused"), [round]);
    }
}

#[test]
fn breaches_of_several_restarts_are_all_told() {
    let mut story = five();
    story.lane("new", BORN + 30).refused();
    for later in [1, 3] {
        story.later[later].lane("new", BORN + 30).refused();
    }
    assert_eq!(rounds_of(&story, "availability.not-refused"), [1, 3, 5]);
}

#[test]
fn a_time_in_which_the_harness_did_not_run_is_told_after_the_next_restart_began_and_excuses_all_the_same() {
    let from = 13_000;
    let mut story = five();
    story.lane("new", from).accepted_by(NEW).asked().after(3_000).answered().closed();
    assert_eq!(story.verdict("availability.no-stall"), Verdict::Fail);
    let mut events = story.history();
    let restart = |event: &Event| event.what == What::Phase { phase: Phase::Restart };
    let (second, t) = events
        .iter()
        .enumerate()
        .filter(|(_, event)| restart(event))
        .map(|(at, event)| (at, event.t))
        .nth(1)
        .unwrap();
    events.insert(second + 1, Event { t, what: What::Gap { from: from * 1_000 } });
    let manifest = crate::judged::manifest(&[&story]);
    let result = judge(&manifest, &[Recorded { entry: &manifest.scenarios[0], events }]);
    let stall = result.clauses.iter().find(|clause| clause.id == "availability.no-stall").unwrap();
    assert_eq!(stall.verdict, Verdict::Inconclusive, "{:?}", stall.violations);
}

#[test]
fn lanes_of_an_earlier_restart_are_not_counted_again() {
    let result = five().judged();
    let lanes: Vec<_> = result.restarts.iter().map(|restart| restart.lanes).collect();
    assert!(lanes[0] > 0 && lanes.iter().all(|count| *count == lanes[0]), "{lanes:?}");
    let requests: Vec<_> = result.restarts.iter().map(|restart| restart.requests).collect();
    assert!(requests.iter().all(|count| *count == requests[0]), "{requests:?}");
    // Every restart adds as much to what was put to the test.
    let exercised = |story: &Story| {
        let result = story.judged();
        let clause = result.clauses.iter().find(|one| one.id == "availability.answered").unwrap();
        clause.exercised
    };
    let mut one = five();
    one.later.clear();
    assert_eq!(exercised(&five()), 5 * exercised(&one));
}

#[test]
fn trouble_in_control_is_told_once() {
    let mut story = five();
    story.lane("new", 500).refused();
    let result = story.judged();
    assert_eq!((result.verdict, result.problems.len()), (RunVerdict::Invalid, 1));
    assert_eq!(result.problems[0].stage, Stop::Control);
    assert!(!result.problems[0].message.contains("more"), "{}", result.problems[0].message);
    // And not laid at the door of the scenario that follows.
    let other = correct("half-sent-head");
    let manifest = crate::judged::manifest(&[&story, &other]);
    let recorded = [
        Recorded { entry: &manifest.scenarios[0], events: story.history() },
        Recorded { entry: &manifest.scenarios[1], events: other.history() },
    ];
    let problems = judge(&manifest, &recorded).problems;
    assert_eq!(problems.iter().map(|one| one.scenario.as_str()).collect::<Vec<_>>(), ["five-restarts"]);
}

#[test]
fn what_was_done_to_one_successor_is_not_held_against_the_next() {
    let mut story = correct("parent-killed");
    let mut later = correct("parent-killed");
    later.server.let_through = None;
    later.server.killed = None;
    // It told its parent, which was alive.
    later.signalled(BORN + 80, SUCCESSOR);
    story.later.push(later);
    let result = story.judged();
    let clause = result.clauses.iter().find(|one| one.id == "process.readiness-signal").unwrap();
    assert_eq!((clause.verdict, clause.exercised), (Verdict::Pass, 1), "{clause:#?}");
}

#[test]
fn each_restart_has_instants_of_its_own() {
    let result = five().judged();
    for (before, after) in result.restarts.iter().zip(&result.restarts[1..]) {
        assert!(before.tx_us.unwrap().hi < after.t0_us.unwrap().lo);
        let [t0, tr, td, tx] = [after.t0_us, after.tr_us, after.td_us, after.tx_us].map(Option::unwrap);
        assert!(t0.lo <= tr.lo && tr.hi <= td.hi && td.hi <= tx.hi, "{after:?}");
    }
}

#[test]
fn the_successor_of_one_restart_is_old_in_the_next() {
    let mut story = five();
    // In the second restart that is the process which the first one brought.
    story.later[0].lane("new", TD + 1_500).accepted_by(OLD).asked().answered_last().fin();
    story.breaks("process.effective", &["availability.successor-serves", "drain.stops-accepting"]);
    let result = story.judged();
    let clause = result.clauses.iter().find(|one| one.id == "process.effective").unwrap();
    assert_eq!(clause.violations[0].process, "server 101 (old)");
    let mut story = five();
    story.later[0].lane("new", TD + 1_500).accepted_by(NEW).asked().answered().closed();
    story.holds("process.effective");
}

#[test]
fn a_restart_that_brings_nobody_breaks_new_generation_whichever_it_is() {
    let mut story = five();
    let last = story.later.last_mut().unwrap();
    last.server.born = None;
    last.server.answers = None;
    last.server.unlistens = None;
    last.server.gone = Gone::Never;
    last.events.retain(|event| {
        !matches!(event.what, What::Owner { owner: Owner::Process(1), .. }) || event.t < 8_000_000
    });
    assert_eq!(story.verdict("process.new-generation"), Verdict::Fail);
    assert_eq!(rounds_of(&story, "process.new-generation"), [5]);
}

#[test]
fn an_old_process_that_stays_is_told_in_the_restart_that_it_should_have_ended_with() {
    let mut story = five();
    story.later[3].server.gone = Gone::Never;
    story.breaks("drain.exits", &[]);
    assert_eq!(rounds_of(&story, "drain.exits"), [5]);
}

#[test]
fn another_listening_socket_is_another_from_the_restart_on_in_which_it_came() {
    let mut story = five();
    let rows = vec![ListenerRow { inode: 777, ..LISTENER }];
    story.later[1].tell(BORN + 10, What::Listeners { rows, from: (BORN + 9) * 1_000 });
    story.breaks("availability.same-listener", &[]);
    // The fourth and the fifth find it, and it stays.
    assert_eq!(rounds_of(&story, "availability.same-listener"), [3]);
}

#[test]
fn a_run_that_is_broken_off_in_a_later_restart_judges_the_earlier_ones() {
    let mut story = five();
    story.later.truncate(1);
    story.lane("new", BORN + 30).refused();
    story.later[0].tell(T0 + 20, What::Interrupted);
    let result = story.judged();
    assert!(result.interrupted);
    assert_eq!(verdict(&result, "availability.not-refused"), Verdict::Fail);
    assert_eq!(verdict(&result, "availability.answered"), Verdict::Inconclusive);
}

#[test]
fn a_stop_in_one_restart_excuses_nothing_in_the_next() {
    let mut story = five();
    story.tell(T0 + 10, What::Frozen { procs: vec![0], on: true, listening: true });
    story.tell(T0 + 60, What::Frozen { procs: vec![0], on: false, listening: false });
    story.later[0].lane("new", T0 + 30).accepted_by(OLD).asked().after(1_200).answered_last().fin();
    story.breaks("availability.no-stall", &[]);
    assert_eq!(rounds_of(&story, "availability.no-stall"), [2]);
}
