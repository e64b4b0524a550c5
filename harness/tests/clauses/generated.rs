//! Properties: of any history, of any text, and of a story to which one more breach is added.

use std::path::Path;

use hotspec::clause::judge::{Recorded, judge};
use hotspec::clause::result::{RunVerdict, Verdict};
use hotspec::clause::{Case, registry};
use hotspec::declaration::{DeclaredLimits, Profile, Span};
use hotspec::history::event::{Event, Phase, SCHEMA, What};
use hotspec::history::{Lane, LaneId, Model, Timeline, file};
use hotspec::scenario::plan::Plan;
use hotspec::target::file::Endpoints;
use proptest::prelude::*;
use proptest::sample::select;

use crate::arbitrary;
use crate::story::{Gone, OLD, RESTART, Story, T0, TD, correct_in, scenarios};

const MODELS: &[Model] = &[
    Model::Auto,
    Model::ForkExec,
    Model::MasterWorkers,
    Model::NewMaster,
    Model::SecondInstance,
    Model::InPlace,
];
const PROFILES: &[Profile] = &[Profile::Falcore, Profile::Reload, Profile::InPlace];

fn ndjson(events: &[Event]) -> String {
    events.iter().map(|event| serde_json::to_string(event).unwrap() + "\n").collect()
}

/// Asks everything of a timeline that can be asked.
fn ask(timeline: &Timeline) {
    let _ = (timeline.tr(), timeline.tx(), timeline.td_last(1_000_000), timeline.canaries());
    for proc in timeline.procs.keys() {
        let _ = timeline.td(*proc, u64::MAX);
        let _ = timeline.describe(hotspec::history::event::Owner::Process(*proc));
    }
}

/// Every built clause judges these events, and none of them fails at that.
fn judged_by_all(profile: Profile, model: Model, events: Vec<Event>) -> Result<(), TestCaseError> {
    judged_with(profile, model, DeclaredLimits::default(), events)
}

fn judged_with(
    profile: Profile,
    model: Model,
    limits: DeclaredLimits,
    events: Vec<Event>,
) -> Result<(), TestCaseError> {
    let story = Story { profile, model, ..correct_in(profile, "zero-traffic") };
    let mut manifest = story.manifest();
    let built = registry::all().into_iter().filter(|clause| clause.judge.is_some());
    manifest.clauses = built.map(|clause| clause.id.to_owned()).collect();
    manifest.scenarios[0].clauses.clone_from(&manifest.clauses);
    manifest.limits = limits;
    let result = judge(&manifest, &[Recorded { entry: &manifest.scenarios[0], events }]);
    for clause in &result.clauses {
        prop_assert_ne!(clause.verdict, Verdict::Error, "{:?}", clause);
    }
    Ok(())
}

/// How good a verdict is: adding a breach never raises it.
fn rank(verdict: RunVerdict) -> u8 {
    match verdict {
        RunVerdict::Pass => 2,
        RunVerdict::Inconclusive => 1,
        RunVerdict::Fail | RunVerdict::Invalid | RunVerdict::Error => 0,
    }
}

/// A breach that can be added to any story.
#[derive(Clone, Copy, Debug)]
enum Breach {
    Refused,
    ResetIdle,
    NoClose,
}

fn add(story: &mut Story, breach: Breach, at: u64) {
    match breach {
        Breach::Refused => story.lane("new", at).refused(),
        Breach::ResetIdle => {
            story.lane("idle", RESTART + 50).accepted_by(OLD).asked().answered().at(at).reset()
        }
        Breach::NoClose => {
            let late = story.lane("idle", RESTART + 50).accepted_by(OLD).asked().answered();
            late.at(at + 600).asked().answered().after(100).fin();
        }
    }
}

/// Stories that pass, that leave something open, and that fail.
fn stories() -> impl Strategy<Value = Story> {
    let names: Vec<String> = scenarios().iter().map(|scenario| scenario.name.clone()).collect();
    let gone = select(&[Gone::InTime, Gone::Never, Gone::At(18_500)][..]);
    let profile = select(&[Profile::Falcore, Profile::Reload][..]);
    let seen_draining = any::<bool>();
    (select(names), profile, gone, seen_draining, option_of_time()).prop_map(
        |(name, profile, gone, seen_draining, slept)| {
            let mut story = correct_in(profile, &name);
            story.server.gone = gone;
            if !seen_draining {
                story.server.unlistens = None;
            }
            if let Some(at) = slept {
                story.harness_slept(at, at + 700);
            }
            story
        },
    )
}

fn option_of_time() -> impl Strategy<Value = Option<u64>> {
    proptest::option::of(T0..14_000)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn a_history_survives_a_round_trip_through_its_file(events in arbitrary::history()) {
        let stored = file::parse(Path::new("history.ndjson"), &ndjson(&events)).unwrap();
        prop_assert_eq!(stored.events, events);
        prop_assert!(stored.cut.is_none());
    }

    #[test]
    fn a_history_cut_off_anywhere_in_its_last_line_loses_that_line_only(
        events in arbitrary::history(),
        cut in any::<proptest::sample::Index>(),
    ) {
        prop_assume!(events.len() > 1);
        let text = ndjson(&events);
        let last = text.trim_end().rfind('\n').unwrap() + 1;
        let mut end = last + 1 + cut.index(text.len() - last - 2);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let stored = file::parse(Path::new("history.ndjson"), &text[..end]).unwrap();
        prop_assert_eq!(&stored.events, &events[..events.len() - 1]);
        prop_assert!(stored.cut.is_some());
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in any::<String>(), good_start in any::<bool>()) {
        let begin = format!("{{\"t\":0,\"e\":\"begin\",\"schema\":{SCHEMA},\"scenario\":\"s\"}}\n");
        let text = if good_start { begin + &text } else { text };
        let _ = file::parse(Path::new("history.ndjson"), &text);
    }

    #[test]
    fn no_damage_to_a_line_makes_the_reader_panic(
        events in arbitrary::history(),
        at in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = ndjson(&events).into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = file::parse(Path::new("history.ndjson"), &String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_events_in_any_order_make_a_timeline_panic(
        model in select(MODELS),
        events in arbitrary::events(),
    ) {
        ask(&Timeline::of(model, &events));
    }

    #[test]
    fn no_events_in_any_order_make_a_checker_panic(
        model in select(MODELS),
        profile in select(PROFILES),
        events in arbitrary::events(),
    ) {
        judged_by_all(profile, model, events)?;
    }

    #[test]
    fn no_events_of_several_restarts_make_a_checker_panic(
        model in select(MODELS),
        profile in select(PROFILES),
        hard_limit in proptest::option::of(0..20_000_000_u64),
        events in arbitrary::rounds(),
    ) {
        ask(&Timeline::of(model, &events));
        let restarts = events.iter().filter(|event| event.what == What::Phase { phase: Phase::Restart }).count();
        let limits = DeclaredLimits { hard_limit: hard_limit.map(Span), ..DeclaredLimits::default() };
        let cases = Case::rounds("rounds", profile, limits.resolve(), model, &events);
        prop_assert_eq!(cases.len(), restarts);
        for (number, case) in (1..).zip(&cases) {
            prop_assert_eq!(case.round, number);
            // An earlier restart's lanes are no part of it.
            let begin = begin_of(&events, number);
            let earlier = |lane: &Lane| !events[begin..].iter().any(|event| opens(event, lane.id));
            let left: Vec<_> = case.restart_lanes().filter(|lane| earlier(lane)).collect();
            prop_assert!(left.is_empty(), "{:?}", left);
        }
        judged_with(profile, model, limits, events)?;
    }
}

fn opens(event: &Event, id: LaneId) -> bool {
    matches!(event.what, What::Open { lane, .. } if lane == id)
}

/// Where a restart begins.
fn begin_of(events: &[Event], number: u32) -> usize {
    let begins =
        events.iter().enumerate().filter(|(_, event)| event.what == What::Phase { phase: Phase::Restart });
    begins.map(|(index, _)| index).nth(number as usize - 1).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn a_story_told_in_the_wrong_order_makes_no_checker_panic(
        model in select(MODELS),
        profile in select(PROFILES),
        events in stories().prop_map(|story| story.history()).prop_shuffle(),
    ) {
        ask(&Timeline::of(model, &events));
        judged_by_all(profile, model, events)?;
    }

    #[test]
    fn one_more_breach_never_mends_the_verdict(
        story in stories(),
        breach in select(&[Breach::Refused, Breach::ResetIdle, Breach::NoClose][..]),
        // Over before the old process's last connection: one that lasts longer defers the exit that is owed.
        at in T0 + 1..TD + 3_000,
    ) {
        let before = story.judged();
        let mut worse = story;
        add(&mut worse, breach, at);
        let after = worse.judged();
        prop_assert!(rank(after.verdict) <= rank(before.verdict), "{:?} to {:?}", before.verdict, after.verdict);
    }

    #[test]
    fn a_refused_connection_mends_no_clause(story in stories(), at in T0 + 1..14_000) {
        let before = story.judged();
        let mut worse = story;
        worse.lane("new", at).refused();
        let after = worse.judged();
        for clause in before.clauses.iter().filter(|clause| clause.verdict == Verdict::Fail) {
            let then = after.clauses.iter().find(|one| one.id == clause.id);
            prop_assert_eq!(then.map(|one| one.verdict), Some(Verdict::Fail), "{}", &clause.id);
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_plan_and_every_step_of_the_file_is_in_it(
        scenario in select(scenarios()),
        seed in any::<u64>(),
        idle_max in 1_000..120_000_000_u64,
        stall_max in 1_000..10_000_000_u64,
    ) {
        let declared = DeclaredLimits {
            idle_max: Some(Span(idle_max)),
            stall_max: Some(Span(stall_max)),
            ..DeclaredLimits::default()
        };
        let plan = || Plan::new(&scenario, &Endpoints::default(), &declared.resolve(), seed);
        let (one, other) = (plan(), plan());
        prop_assert_eq!(format!("{one:?}"), format!("{other:?}"));
        let lanes = one.lanes.iter().chain(one.repeated.iter().map(|(_, lane)| lane));
        let mut steps: Vec<(String, usize)> = lanes.map(|lane| (lane.role.clone(), lane.steps.len())).collect();
        let specs = scenario.lanes.iter();
        let mut wanted: Vec<(String, usize)> = specs
            .flat_map(|spec| {
                let each = if spec.each_listener { usize::from(scenario.listeners) } else { 1 };
                let count = if spec.every.is_some() { 1 } else { spec.count as usize * each };
                std::iter::repeat_n((spec.role.clone(), spec.steps.len()), count)
            })
            .collect();
        steps.sort();
        wanted.sort();
        prop_assert_eq!(steps, wanted);
        prop_assert!(one.repeated.iter().all(|(every, _)| *every > 0));
    }

    #[test]
    fn a_refused_connection_fails_every_run_that_looks_for_it(story in stories(), at in T0 + 1..14_000) {
        let mut story = story;
        prop_assume!(story.scenario.clauses.iter().any(|id| id == "availability.not-refused"));
        story.lane("new", at).refused();
        prop_assert_eq!(story.verdict("availability.not-refused"), Verdict::Fail);
        prop_assert_eq!(story.judged().verdict, RunVerdict::Fail);
    }
}
