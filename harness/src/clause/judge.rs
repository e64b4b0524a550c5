//! From histories to results. Pure: the same manifest and histories give the same results.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::accounts;
use super::attempts::{self, Judged, Unjudged};
use super::beside;
use super::cause::Causes;
use super::result::{
    ClauseResult, LimitsShown, PartShown, Problem, Restart, RunResult, RunVerdict, UNREACHED, Verdict,
};
use super::tally::{BROKEN_OFF, Violation};
use super::{Case, Clause, Level, Tally, registry, times};
use crate::declaration::known::Applies;
use crate::declaration::version::Version;
use crate::declaration::{Frequency, Known};
use crate::history::event::{Event, Stop, What};
use crate::history::{Interval, Micros, Model};
use crate::manifest::{Manifest, ScenarioEntry};

/// The history of one scenario of a run. One that was attempted again has several, in their order.
pub struct Recorded<'a> {
    /// The scenario.
    pub entry: &'a ScenarioEntry,
    /// Its events.
    pub events: Vec<Event>,
}

/// Judges a run.
pub fn judge(manifest: &Manifest, recorded: &[Recorded<'_>]) -> RunResult {
    let cases = attempts::cases(manifest, recorded);
    let unjudged = Unjudged::of(manifest, recorded, &cases);
    let judged: Vec<&Judged<'_>> = cases.iter().filter(|one| unjudged.spares(one)).collect();
    let known = Admitted::of(manifest);
    let (mut stale, mut admitted) = (Vec::new(), Vec::new());
    let clauses: Vec<ClauseResult> = registry::all()
        .into_iter()
        .filter(|clause| manifest.clauses.iter().any(|id| id == clause.id))
        .filter_map(|clause| {
            let level = clause.level(manifest.profile)?;
            let mut tally = tally(clause, &judged, manifest, &unjudged.ruled_out);
            if let Ok(tally) = &mut tally {
                let missed = not_run(manifest, recorded);
                let missed = missed.filter(|entry| entry.clauses.iter().any(|id| id == clause.id));
                missed.for_each(|entry| tally.not_run(&entry.name));
            }
            let certain = tally.as_ref().map(|tally| tally.certain.clone()).unwrap_or_default();
            let in_doubt = tally.as_ref().map_or(true, |tally| !tally.doubts.is_empty());
            let result = conclude(clause, level, tally, &known);
            if !in_doubt && is_left_to_others(manifest, &result) {
                return None;
            }
            stale.extend(known.unseen(clause.id, &result.known, &certain));
            admitted.extend(known.seen(clause.id, &result.known));
            Some(result)
        })
        .collect();
    // Where a server that was up already can't be restarted, the scenarios that are left are not tried.
    let given_up = manifest.command.is_empty() && !unjudged.problems.is_empty();
    let interrupted = cases.iter().any(|one| one.case.interrupted)
        || !given_up && not_run(manifest, recorded).next().is_some();
    let verdict = run_verdict(&clauses, &unjudged.problems, &stale, manifest.level, interrupted);
    let shard = part_shown(manifest, &clauses);
    let mut notes = notes(manifest, recorded, &unjudged);
    notes.extend(clauses.iter().filter_map(forgiven));
    let restarted =
        cases.iter().map(|one| &one.case).filter(|case| case.t0().is_some() && case.trial.fault.is_none());
    RunResult {
        schema: crate::manifest::SCHEMA,
        hotspec: manifest.hotspec.clone(),
        target: manifest.target.clone(),
        command: manifest.command.clone(),
        profile: manifest.profile,
        model: manifest.model,
        seed: manifest.seed,
        isolation: manifest.isolation.clone(),
        evidence: evidence(manifest, &cases),
        limits: limits_shown(manifest),
        verdict,
        interrupted,
        clauses,
        stale,
        admitted,
        slow: manifest.slow.clone(),
        version: manifest.version.clone(),
        restarts: restarted.map(restart).collect(),
        scenarios: times::of_scenarios(manifest, recorded, &cases),
        took_us: times::of_run(recorded),
        notes,
        problems: unjudged.problems,
        typed: manifest.typed.clone(),
        shard,
    }
}

/// Whether a part of a divided run has nothing to say of a clause that other parts put to the test as well: what they find
/// counts in the whole, as any scenario's does.
fn is_left_to_others(manifest: &Manifest, result: &ClauseResult) -> bool {
    let silent = matches!(result.verdict, Verdict::Inconclusive | Verdict::NoEvidence | Verdict::Unsupported);
    let shared = |id: &String| manifest.shard.as_ref().is_some_and(|shard| shard.shared.contains(id));
    silent && result.exercised == 0 && shared(&result.id)
}

fn part_shown(manifest: &Manifest, judged: &[ClauseResult]) -> Option<PartShown> {
    let shard = manifest.shard.as_ref()?;
    let elsewhere = shard.clauses.iter().filter(|id| judged.iter().all(|clause| clause.id != **id));
    Some(PartShown { number: shard.number, of: shard.of, elsewhere: elsewhere.cloned().collect() })
}

/// Scenarios that were selected and left no history.
fn not_run<'a>(manifest: &'a Manifest, recorded: &[Recorded<'_>]) -> impl Iterator<Item = &'a ScenarioEntry> {
    let recorded: BTreeSet<String> = recorded.iter().map(|one| one.entry.name.clone()).collect();
    let wanted = manifest.scenarios.iter().filter(|entry| entry.unsupported.is_none());
    wanted.filter(move |entry| !recorded.contains(&entry.name))
}

fn tally(
    clause: &Clause,
    cases: &[&Judged<'_>],
    manifest: &Manifest,
    ruled_out: &BTreeMap<String, String>,
) -> Result<Tally, String> {
    let Some(judge) = clause.judge else { return Ok(Tally::default()) };
    let mut said = Vec::new();
    let exercises = |entry: &ScenarioEntry| entry.clauses.iter().any(|id| id == clause.id);
    // What is asked of a restart is not asked of one that was made to fail.
    let concerns = |case: &Case<'_>| case.trial.fault.is_none() || clause.judges_failures();
    for case in
        cases.iter().filter(|one| exercises(one.entry)).map(|one| &one.case).filter(|one| concerns(one))
    {
        let mut one = Tally::default();
        if let Some(why) = beside::out_of_sight(case, clause) {
            one.rule_out(why);
            said.push((case, one));
            continue;
        }
        let check = || {
            judge(case, &mut one);
            explain(case, &mut one.violations);
            beside::insist_on_restart(case, &mut one);
        };
        catch_unwind(AssertUnwindSafe(check))
            .map_err(|_| format!("the checker of {} panicked on {}", clause.id, case.scenario))?;
        if case.interrupted {
            if one.violations.is_empty() {
                one.exercised = 0;
            }
            one.doubt(case, BROKEN_OFF);
        }
        said.push((case, one));
    }
    let mut total = attempts::add_up(said);
    for entry in manifest.scenarios.iter().filter(|entry| exercises(entry)) {
        if let Some(why) = ruled_out.get(&entry.name) {
            total.rule_out(why.clone());
        }
    }
    Ok(total)
}

/// Says why, wherever the evidence tells it.
fn explain(case: &Case<'_>, violations: &mut [Violation]) {
    if violations.is_empty() {
        return;
    }
    let causes = Causes::of(case);
    for violation in violations {
        violation.cause = causes.find(violation);
    }
}

fn conclude(
    clause: &Clause,
    level: Level,
    tally: Result<Tally, String>,
    admitted: &Admitted<'_>,
) -> ClauseResult {
    let mut result = ClauseResult {
        id: clause.id.to_owned(),
        level,
        verdict: Verdict::Planned,
        exercised: 0,
        forgiven: 0,
        violations: Vec::new(),
        known: Vec::new(),
        reasons: Vec::new(),
        tested_in: Vec::new(),
        undecided_in: Vec::new(),
        disturbed_in: Vec::new(),
    };
    let tally = match tally {
        Ok(tally) => tally,
        Err(why) => {
            result.verdict = Verdict::Error;
            result.reasons.push(why);
            return result;
        }
    };
    if clause.judge.is_none() {
        return result;
    }
    result.exercised = tally.exercised;
    result.tested_in = tally.tested_in().into_iter().collect();
    result.forgiven = tally.forgiven;
    let (known, violations): (Vec<Violation>, Vec<Violation>) =
        tally.violations.into_iter().partition(|violation| admitted.has(clause.id, violation));
    let in_doubt = !tally.doubts.is_empty();
    if in_doubt {
        // Also where it is broken elsewhere.
        result.reasons = tally.doubts;
        result.undecided_in = tally.open.into_iter().collect();
        result.disturbed_in = tally.disturbed.into_iter().collect();
    }
    result.verdict = if !violations.is_empty() {
        Verdict::Fail
    } else if in_doubt {
        Verdict::Inconclusive
    } else if !known.is_empty() {
        Verdict::Known
    } else if tally.exercised > 0 {
        Verdict::Pass
    } else if !tally.withheld.is_empty() {
        result.reasons = tally.withheld;
        Verdict::NoEvidence
    } else if tally.silent.is_empty() && !tally.unsupported.is_empty() {
        result.reasons = tally.unsupported;
        Verdict::Unsupported
    } else {
        result.reasons.push(UNREACHED.to_owned());
        result.undecided_in = tally.silent.into_iter().collect();
        Verdict::Inconclusive
    };
    result.violations = violations;
    result.known = known;
    result
}

/// The known deviations that are about the version of the program that was run.
struct Admitted<'a> {
    entries: Vec<(&'a Known, Applies)>,
}

impl<'a> Admitted<'a> {
    fn of(manifest: &'a Manifest) -> Self {
        let version = manifest.version.as_deref().and_then(Version::find);
        let entries = manifest.known.iter().map(|known| (known, known.applies_to(version.as_ref())));
        Self { entries: entries.filter(|(_, applies)| *applies != Applies::No).collect() }
    }

    fn has(&self, clause: &str, violation: &Violation) -> bool {
        self.entries.iter().any(|(known, _)| known.clause == clause && is_of(known, violation))
    }

    /// Entries that showed.
    fn seen(&self, clause: &str, seen: &[Violation]) -> Vec<Known> {
        let of_clause = self.entries.iter().filter(|(known, _)| known.clause == clause);
        let showed = of_clause.filter(|(known, _)| seen.iter().any(|one| is_of(known, one)));
        showed.map(|(known, _)| (*known).clone()).collect()
    }

    /// Entries that should have shown and did not. One that may be about another version is held to nothing.
    fn unseen(&self, clause: &str, seen: &[Violation], certain: &BTreeSet<String>) -> Vec<Known> {
        let always = |known: &Known| known.clause == clause && known.frequency == Frequency::Always;
        let owed = self.entries.iter().filter(|(known, applies)| *applies == Applies::Yes && always(known));
        owed.filter(|(known, _)| certain.contains(&known.scenario))
            .filter(|(known, _)| !seen.iter().any(|one| is_of(known, one)))
            .map(|(known, _)| (*known).clone())
            .collect()
    }
}

fn is_of(known: &Known, violation: &Violation) -> bool {
    known.scenario == violation.scenario && known.kind == violation.kind
}

fn run_verdict(
    clauses: &[ClauseResult],
    problems: &[Problem],
    stale: &[Known],
    level: Level,
    interrupted: bool,
) -> RunVerdict {
    let counts = |clause: &&ClauseResult| clause.level <= level;
    let any = |verdict: Verdict| clauses.iter().filter(counts).any(|clause| clause.verdict == verdict);
    let problem = |stage: Stop| problems.iter().any(|problem| problem.stage == stage);
    // Our own fault is one whatever the level of the clause in which it showed.
    let failed = clauses.iter().any(|clause| clause.verdict == Verdict::Error);
    if failed || problem(Stop::Harness) {
        RunVerdict::Error
    } else if problem(Stop::Start) || problem(Stop::Control) {
        RunVerdict::Invalid
    } else if any(Verdict::Fail) || !stale.is_empty() {
        RunVerdict::Fail
    } else if any(Verdict::Inconclusive) || interrupted {
        RunVerdict::Inconclusive
    } else {
        RunVerdict::Pass
    }
}

fn restart(case: &Case<'_>) -> Restart {
    let t0 = case.t0();
    let since = t0.map_or(Micros::MAX, |t0| t0.lo);
    Restart {
        scenario: case.scenario.to_owned(),
        attempt: case.attempt,
        round: case.round,
        t0_us: t0,
        tr_us: case.timeline.tr(),
        td_us: case.td_last(),
        tx_us: case.timeline.tx(),
        // Who saw no process can't tell.
        model: if case.clients_only() { Model::Auto } else { case.generations.model },
        lanes: case.restart_lanes().filter(|lane| lane.opened >= since).count() as u64,
        requests: case.exchanges().filter(|(.., exchange)| exchange.begun >= since).count() as u64,
        unprobed_us: unprobed(case, t0),
        sample_gap_us: case.sample_gap,
        resets: accounts::Resets::of(case),
        resets_counted: case.counted.sent_by_target(),
    }
}

/// The longest stretch from T0 to Tx in which no lane was connecting: a gap in accepting that is
/// longer can't have been missed.
fn unprobed(case: &Case<'_>, t0: Option<Interval>) -> Option<Micros> {
    let (from, to) = (t0?.lo, case.timeline.tx()?.hi);
    let mut connects: Vec<(Micros, Micros)> = case
        .restart_lanes()
        .map(|lane| {
            (lane.opened, lane.connected.or(lane.connect_failed.map(|(at, ..)| at)).unwrap_or(lane.opened))
        })
        .filter(|(begun, done)| *done >= from && *begun <= to)
        .collect();
    connects.sort_unstable();
    let (mut longest, mut until) = (0, from);
    for (begun, done) in connects {
        longest = longest.max(begun.saturating_sub(until));
        until = until.max(done);
    }
    Some(longest.max(to.saturating_sub(until)))
}

fn evidence(manifest: &Manifest, cases: &[Judged<'_>]) -> Vec<String> {
    let mut evidence = vec!["client sockets".to_owned()];
    let withheld: BTreeSet<&String> = cases.iter().flat_map(|one| &one.case.withheld).collect();
    if withheld.is_empty() {
        evidence.push("socket table".to_owned());
        evidence.push("process table".to_owned());
    }
    evidence.extend(resets(cases));
    let cases: Vec<&Case<'_>> = cases.iter().map(|one| &one.case).collect();
    evidence.extend(accounts::told(&cases));
    evidence.extend(withheld.into_iter().map(|why| format!("withheld: {why}")));
    if let Some(why) = &manifest.isolation_why {
        let without =
            if manifest.isolation == "net" { "one network for both sides" } else { "no network of its own" };
        evidence.push(format!("{without}: {why}"));
    }
    if let Some(on) = manifest.migrate_req {
        evidence.push(format!("net.ipv4.tcp_migrate_req = {}", u8::from(on)));
    }
    evidence
}

/// Whether what is said of resets is proof or what clients happened to see. Nothing, if no restart was over TCP.
fn resets(cases: &[Judged<'_>]) -> Option<String> {
    let on_wire =
        |case: &&Case<'_>| case.t0().is_some() && case.restart_lanes().any(|lane| lane.port.is_some());
    let cases: Vec<&Case<'_>> = cases.iter().map(|one| &one.case).filter(on_wire).collect();
    if let Some(why) = cases.iter().find_map(|case| case.wire.deaf.as_deref()) {
        return Some(format!("resets by observation only: {why}"));
    }
    let proven = cases.iter().filter(|case| case.wire.is_proof()).count();
    match cases.len() {
        0 => None,
        all if all == proven => {
            let heard = cases.iter().filter_map(|case| case.wire.heard).map(|(segments, _)| segments);
            let segments = heard.fold(0_u64, u64::saturating_add);
            Some(format!("packets: proof for resets, {segments} SYN, FIN and RST heard and none lost"))
        }
        all => Some(format!("packets: proof for resets in {proven} of {all} restarts")),
    }
}

fn notes(manifest: &Manifest, recorded: &[Recorded<'_>], unjudged: &Unjudged) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    if let Some(file) = &manifest.found {
        notes.push(format!("the target is that of {file}, as neither a command nor --target was given"));
    }
    let told = manifest.version.as_deref().is_some_and(|text| Version::find(text).is_some());
    if !told && manifest.known.iter().any(|known| known.versions.is_some()) {
        notes.push(
            "the program's version could not be told: known deviations of some versions are admitted, and none of them is missed"
                .to_owned(),
        );
    }
    for (number, one) in recorded.iter().enumerate() {
        let again = recorded[..number].iter().any(|earlier| earlier.entry.name == one.entry.name);
        let note = format!("{}: attempted again, as not all of it could be decided", one.entry.name);
        if again && !notes.contains(&note) {
            notes.push(note);
        }
        for event in &one.events {
            if let What::Note { text } = &event.what {
                let note = format!("{}: {text}", one.entry.name);
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
        }
    }
    notes.extend(
        unjudged
            .dropped
            .iter()
            .map(|(scenario, _, why)| format!("{scenario}: an attempt is left out: {why}")),
    );
    notes
}

/// What clients met that this profile allows.
fn forgiven(clause: &ClauseResult) -> Option<String> {
    (clause.forgiven > 0).then(|| {
        let share = clause.forgiven as f64 / clause.exercised.max(1) as f64 * 100.0;
        format!(
            "{}: {} of {} times ({share:.2} %) a client met what this profile allows and falcore does not",
            clause.id, clause.forgiven, clause.exercised
        )
    })
}

fn limits_shown(manifest: &Manifest) -> LimitsShown {
    let limits = manifest.limits.resolve();
    LimitsShown {
        ready_max_ms: limits.ready_max / 1000,
        idle_max_ms: limits.idle_max / 1000,
        drain_start_max_ms: limits.drain_start_max / 1000,
        drain_max_ms: limits.drain_max / 1000,
        exit_max_ms: limits.exit_max / 1000,
        stall_max_ms: limits.stall_max / 1000,
        hard_limit_ms: limits.hard_limit.map(|limit| limit / 1000),
        assumed: manifest.limits.assumed().into_iter().map(str::to_owned).collect(),
    }
}
