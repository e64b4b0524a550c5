//! Who is old, who stays and who succeeds, for every way in which servers restart. Times are milliseconds.

use hotspec::clause::judge::{Recorded, judge};
use hotspec::clause::result::Verdict;
use hotspec::history::event::{Ending, Event, Interval, LaneId, Owner, Phase, ProcId, Stage, What};
use hotspec::history::{Model, Timeline};

use crate::judged::verdict;
use crate::lane::plain_head;
use crate::story::correct;

/// The trigger.
const T0: u64 = 1_000;
/// The listening socket.
const LISTENER: u64 = 7;

/// A history of processes, told in the order of time.
#[derive(Default)]
struct Tale {
    events: Vec<Event>,
    lanes: LaneId,
}

impl Tale {
    fn begin() -> Self {
        Self::default().tell(0, What::Phase { phase: Phase::Control })
    }

    fn tell(mut self, at: u64, what: What) -> Self {
        self.events.push(Event { t: at * 1_000, what });
        self
    }

    /// A process with this image; the same one that executed anew is said to.
    fn process(
        self,
        at: u64,
        proc: ProcId,
        (pid, ppid): (i32, i32),
        image: u64,
        from: Option<ProcId>,
    ) -> Self {
        self.born(at, at, proc, (pid, ppid), image, from)
    }

    fn born(
        self,
        born: u64,
        at: u64,
        proc: ProcId,
        (pid, ppid): (i32, i32),
        image: u64,
        executed_from: Option<ProcId>,
    ) -> Self {
        let what = What::Process {
            proc,
            pid,
            ppid,
            start: born,
            stack: image,
            born: Interval::new(born.saturating_sub(10) * 1_000, born * 1_000),
            name: "server".to_owned(),
            program: None,
            executed_from,
        };
        self.tell(at, what)
    }

    fn listens(self, at: u64, proc: ProcId) -> Self {
        self.tell(at, What::Holds { proc, listeners: vec![LISTENER], from: at * 1_000 })
    }

    fn stops_listening(self, at: u64, proc: ProcId) -> Self {
        self.tell(at, What::Holds { proc, listeners: Vec::new(), from: at * 1_000 })
    }

    fn gone(self, at: u64, proc: ProcId) -> Self {
        self.tell(at, What::Gone { proc, from: (at - 1) * 1_000 })
    }

    /// A connection that it accepts and answers.
    fn serves(mut self, at: u64, proc: ProcId) -> Self {
        let lane = self.lanes;
        self.lanes += 1;
        let open = What::Open { lane, role: "new".to_owned(), address: "127.0.0.1:1".to_owned() };
        let head = plain_head(lane, at + 2);
        self.tell(at, open).tell(at + 1, What::Owner { lane, owner: Owner::Process(proc) }).tell(at + 2, head)
    }

    fn trigger(self) -> Self {
        let what = "SIGHUP to the main process".to_owned();
        self.tell(T0, What::Trigger { step: 0, what, from: T0 * 1_000, drain: true })
    }

    fn timeline(&self, model: Model) -> Timeline {
        Timeline::of(model, &self.events)
    }
}

/// Old, permanent, successors, and of the old ones those that have nothing to drain.
#[track_caller]
fn expect(
    timeline: &Timeline,
    model: Model,
    old: &[ProcId],
    permanent: &[ProcId],
    successors: &[ProcId],
    idle: &[ProcId],
) {
    let seen = timeline.generations();
    assert_eq!(seen.model, model);
    let seen = [&seen.old[..], &seen.permanent[..], &seen.successors[..], &seen.idle[..]];
    assert_eq!(seen, [old, permanent, successors, idle]);
}

/// nginx, upgraded: a master 0 with workers 1 and 2, up to USR2.
fn upgraded() -> Tale {
    let begun = Tale::begun_by_master().trigger();
    // The new master is a copy of the old one at first (3), then executes (4), and starts its own workers.
    begun
        .process(1_010, 3, (20, 10), 500, None)
        .listens(1_010, 3)
        .process(1_030, 4, (20, 10), 600, Some(3))
        .listens(1_030, 4)
}

impl Tale {
    fn begun_by_master() -> Self {
        Self::begin()
            .process(10, 0, (10, 1), 500, None)
            .process(20, 1, (11, 10), 500, None)
            .process(20, 2, (12, 10), 500, None)
            .listens(30, 0)
            .listens(30, 1)
            .listens(30, 2)
            .serves(100, 1)
            .serves(110, 2)
    }
}

#[test]
fn a_new_master_brings_its_own_workers_and_the_old_one_has_nothing_to_drain() {
    let before = upgraded();
    assert!(!before.timeline(Model::NewMaster).successor_listens(), "its workers are not there yet");
    let there = before
        .process(1_050, 5, (21, 20), 600, None)
        .process(1_050, 6, (22, 20), 600, None)
        .listens(1_060, 5)
        .listens(1_060, 6);
    let timeline = there.timeline(Model::NewMaster);
    expect(&timeline, Model::NewMaster, &[0, 1, 2], &[], &[3, 4, 5, 6], &[0]);
    assert!(timeline.successor_listens());
    assert!(!timeline.old_stopped_listening());

    let drained = there.serves(1_100, 5).stops_listening(1_200, 1).gone(1_250, 2);
    let timeline = drained.timeline(Model::NewMaster);
    assert!(timeline.old_stopped_listening(), "the old master goes on listening until it is told to go");
    // Not the time that the old master takes: it accepts from nobody.
    assert_eq!(timeline.td_last(1_000_000).map(|td| td.hi), Some(1_250_000));
    assert_eq!(timeline.tx(), None);
    let timeline = drained.gone(1_300, 1).gone(1_400, 0).timeline(Model::NewMaster);
    assert_eq!(timeline.tx().map(|tx| tx.hi), Some(1_400_000));
}

#[test]
fn a_worker_that_the_old_master_still_replaces_is_old() {
    let tale = upgraded().process(1_050, 5, (21, 20), 600, None).process(1_060, 6, (13, 10), 500, None);
    expect(&tale.timeline(Model::NewMaster), Model::NewMaster, &[0, 1, 2, 6], &[], &[3, 4, 5], &[0]);
}

#[test]
fn a_new_master_is_told_from_a_worker_by_its_having_executed() {
    let tale = upgraded().process(1_050, 5, (21, 20), 600, None);
    // Nobody of the new tree has served yet: it could be any child of the master's.
    assert_eq!(tale.timeline(Model::Auto).generations().model, Model::MasterWorkers);
    let tale = tale.serves(1_100, 5);
    expect(&tale.timeline(Model::Auto), Model::NewMaster, &[0, 1, 2], &[], &[3, 4, 5], &[0]);
    // The same where it was first seen after it had executed.
    let tale = Tale::begun_by_master()
        .trigger()
        .process(1_030, 3, (20, 10), 600, None)
        .process(1_050, 4, (21, 20), 600, None)
        .serves(1_100, 4);
    expect(&tale.timeline(Model::Auto), Model::NewMaster, &[0, 1, 2], &[], &[3, 4], &[0]);
}

#[test]
fn a_master_that_stays_replaces_its_workers() {
    let tale = Tale::begun_by_master().trigger().process(1_050, 3, (13, 10), 500, None).serves(1_100, 3);
    for model in [Model::Auto, Model::MasterWorkers] {
        expect(&tale.timeline(model), Model::MasterWorkers, &[1, 2], &[0], &[3], &[]);
    }
}

#[test]
fn a_master_below_a_supervisor_stays_too_and_one_that_is_replaced_does_not() {
    // `tini -- server`: 9 only started it.
    let begun = || {
        Tale::begin()
            .process(5, 9, (9, 1), 400, None)
            .process(10, 10, (10, 9), 500, None)
            .process(20, 11, (11, 10), 500, None)
            .listens(30, 10)
            .listens(30, 11)
            .serves(100, 11)
            .trigger()
    };
    let replaced = begun().process(1_050, 12, (12, 10), 500, None).listens(1_050, 12).serves(1_100, 12);
    let executed = begun()
        .born(10, 1_020, 12, (10, 9), 600, Some(10))
        .process(1_050, 13, (13, 10), 600, None)
        .listens(1_050, 13)
        .serves(1_100, 13);
    let upgraded = begun()
        .process(1_030, 12, (20, 10), 600, None)
        .process(1_050, 13, (21, 20), 600, None)
        .listens(1_050, 13)
        .serves(1_100, 13);
    for model in [Model::Auto, Model::MasterWorkers] {
        expect(&replaced.timeline(model), Model::MasterWorkers, &[11], &[9, 10], &[12], &[]);
        expect(&executed.timeline(model), Model::MasterWorkers, &[11], &[9, 10, 12], &[13], &[]);
        let old = upgraded.timeline(model).generations().old;
        assert_eq!(old, [10, 11], "a master that brought another one goes");
    }
}

#[test]
fn a_master_that_executes_again_in_its_place_stays() {
    let tale = Tale::begin()
        .process(10, 0, (10, 1), 500, None)
        .process(20, 1, (11, 10), 500, None)
        // HAProxy's executes again as soon as its worker is there, and so comes after it.
        .born(10, 30, 2, (10, 1), 550, Some(0))
        .listens(40, 1)
        .serves(100, 1)
        .trigger()
        .born(10, 1_020, 3, (10, 1), 600, Some(2))
        .process(1_040, 4, (12, 10), 600, None)
        .born(10, 1_050, 5, (10, 1), 650, Some(3))
        .listens(1_050, 4)
        .serves(1_100, 4);
    for model in [Model::Auto, Model::MasterWorkers] {
        let timeline = tale.timeline(model);
        expect(&timeline, Model::MasterWorkers, &[1], &[2, 3, 5], &[4], &[]);
        assert_eq!(timeline.tr().map(|tr| tr.hi), Some(1_102_000));
        assert!(timeline.successor_listens());
        assert_eq!(timeline.tx(), None, "the master's epochs are not the old generation");
    }
}

#[test]
fn a_pool_that_grows_about_the_trigger_is_told_apart_by_birth() {
    // httpd: the parent holds the listening sockets and serves nobody; it starts children as it sees fit.
    let tale = Tale::begun_by_master()
        .trigger()
        .born(990, 1_015, 3, (13, 10), 500, None)
        .process(1_060, 4, (14, 10), 500, None)
        .listens(1_060, 3)
        .serves(1_070, 3)
        .serves(1_100, 4)
        .gone(1_200, 1)
        .gone(1_200, 2);
    let timeline = tale.timeline(Model::MasterWorkers);
    expect(&timeline, Model::MasterWorkers, &[1, 2, 3], &[0], &[4], &[]);
    assert_eq!(timeline.tr().map(|tr| tr.hi), Some(1_102_000));
    assert_eq!(timeline.tx(), None, "one that was born before the trigger is still there");
}

#[test]
fn an_instance_that_somebody_else_starts_succeeds_the_first() {
    let tale = Tale::begun_by_master()
        .trigger()
        .gone(1_100, 1)
        .gone(1_100, 2)
        .gone(1_120, 0)
        .process(1_200, 3, (30, 1), 700, None)
        .process(1_210, 4, (31, 30), 700, None)
        .serves(1_300, 4);
    for model in [Model::Auto, Model::SecondInstance] {
        let timeline = tale.timeline(model);
        expect(&timeline, Model::SecondInstance, &[0, 1, 2], &[], &[3, 4], &[0]);
        assert_eq!(timeline.tx().map(|tx| tx.hi), Some(1_120_000));
    }
}

#[test]
fn one_process_that_serves_and_executes_itself_is_in_place_or_has_a_child() {
    let single = || Tale::begin().process(10, 0, (10, 1), 500, None).listens(20, 0).serves(100, 0).trigger();
    let tale = single().born(10, 1_050, 1, (10, 1), 600, Some(0)).serves(1_100, 1);
    expect(&tale.timeline(Model::Auto), Model::InPlace, &[], &[0], &[1], &[]);
    // A child that never executes may be a successor as well as a worker: of a single process it is taken for one.
    let forked = single().process(1_010, 1, (20, 10), 500, None).listens(1_010, 1);
    for model in [Model::Auto, Model::ForkExec] {
        expect(&forked.timeline(model), Model::ForkExec, &[0], &[], &[1], &[]);
        assert!(!forked.timeline(model).successor_listens(), "it has its parent's sockets only");
    }
    let executed = forked.process(1_030, 2, (20, 10), 600, Some(1)).listens(1_040, 2);
    expect(&executed.timeline(Model::ForkExec), Model::ForkExec, &[0], &[], &[1, 2], &[]);
    assert!(executed.timeline(Model::ForkExec).successor_listens());
}

#[test]
fn who_went_in_one_restart_belongs_to_no_generation_of_the_next() {
    let restart = |at, tale: Tale| tale.tell(at, What::Phase { phase: Phase::Restart });
    let first = restart(500, Tale::begun_by_master()).trigger().process(1_050, 3, (13, 10), 500, None);
    let first = first.serves(1_100, 3).gone(1_200, 1).gone(1_200, 2);
    let next = restart(2_000, first.listens(1_050, 3));
    let what = "SIGHUP to the main process".to_owned();
    let next = next.tell(2_500, What::Trigger { step: 0, what, from: 2_500_000, drain: true });
    let timeline = next.process(2_550, 4, (14, 10), 500, None).timeline(Model::MasterWorkers);
    expect(&timeline, Model::MasterWorkers, &[3], &[0], &[4], &[]);
    assert_eq!(timeline.describe(Owner::Process(1)), "server 11 (gone before)");
}

#[test]
fn what_a_master_passes_on_to_itself_is_judged() {
    let facts = |proc, line: &str| {
        let arguments = line.split(' ').map(str::to_owned).collect();
        What::Facts { proc, arguments: Some(arguments), environment: None, properties: Default::default() }
    };
    let arguments_kept = |now: &str| {
        let line = "server -f a.conf";
        let given = line.split(' ').map(str::to_owned).collect();
        let given =
            What::Given { arguments: given, environment: Default::default(), properties: Default::default() };
        let tale = Tale::begin()
            .tell(5, given)
            .process(10, 0, (10, 1), 500, None)
            .process(20, 1, (11, 10), 500, None)
            .listens(40, 1)
            .serves(100, 1)
            .tell(900, facts(0, line))
            .trigger()
            .born(10, 1_020, 2, (10, 1), 600, Some(0))
            .process(1_040, 3, (12, 10), 600, None)
            // The one that stays is the last; what came between was on its way.
            .born(10, 1_050, 4, (10, 1), 650, Some(2))
            .serves(1_100, 3)
            .gone(1_200, 1)
            .tell(2_200, facts(4, now))
            .tell(2_300, What::Phase { phase: Phase::End });
        let mut story = correct("new-connections");
        story.model = Model::MasterWorkers;
        let manifest = story.manifest();
        let recorded = [Recorded { entry: &manifest.scenarios[0], events: tale.events }];
        verdict(&judge(&manifest, &recorded), "process.arguments-kept")
    };
    assert_eq!(arguments_kept("server -f a.conf"), Verdict::Pass);
    assert_eq!(arguments_kept("server"), Verdict::Fail);
}

#[test]
fn control_shows_how_long_idle_connections_are_kept_whoever_closes_them() {
    let idle = |how, stage| {
        let body = What::Body { lane: 0, request: 0, length: 6, hash: "a".to_owned(), marker: None };
        let tale = Tale::begin().process(10, 0, (10, 1), 500, None).serves(100, 0).tell(103, body);
        tale.tell(5_103, What::End { lane: 0, how, errno: None, stage }).timeline(Model::Auto).control_idle
    };
    assert_eq!(idle(Ending::Fin, Stage::Idle), 5_000_000);
    assert_eq!(idle(Ending::Lane, Stage::Idle), 5_000_000);
    assert_eq!(idle(Ending::Reset, Stage::Idle), 0);
    assert_eq!(idle(Ending::Fin, Stage::HalfSent), 0);
}

#[test]
fn a_close_in_control_that_was_noticed_late_shows_only_what_is_certain() {
    let body = What::Body { lane: 0, request: 0, length: 6, hash: "a".to_owned(), marker: None };
    let end = What::End { lane: 0, how: Ending::Fin, errno: None, stage: Stage::Idle };
    let tale = Tale::begun_by_master().tell(103, body).tell(5_103, end);
    let tale = tale.tell(5_104, What::Gap { from: 3_104_000 });
    assert_eq!(tale.timeline(Model::Auto).control_idle, 3_000_000);
}

/// A canary that asks at 6 s, reads the answer then or later, and is closed; control shows that 5 s are kept.
fn canary_closed(answered: u64, closed: u64) -> Option<u64> {
    let lane = 9;
    let open = What::Open { lane, role: "canary-idle".to_owned(), address: "127.0.0.1:1".to_owned() };
    let body = |lane| What::Body { lane, request: 0, length: 6, hash: "a".to_owned(), marker: None };
    let end = |lane, how| What::End { lane, how, errno: None, stage: Stage::Idle };
    let tale = Tale::begun_by_master().tell(103, body(0)).tell(5_103, end(0, Ending::Lane)).trigger();
    let tale = tale.tell(5_110, open).tell(5_111, What::Owner { lane, owner: Owner::Process(1) });
    let tale = tale.tell(6_000, What::Sent { lane, request: 0, from: 6_000_000 }).tell(answered, body(lane));
    tale.tell(closed, end(lane, Ending::Fin)).timeline(Model::MasterWorkers).procs.get(&1)?.canary_closed
}

#[test]
fn a_canary_that_was_timed_out_after_an_answer_that_was_read_late_shows_no_drain() {
    assert_eq!(canary_closed(6_001, 8_000), Some(8_000_000));
    // As nginx was seen to do on a busy machine: half a second of silence to the client, its whole limit to the server.
    assert_eq!(canary_closed(10_500, 11_000), None);
}
