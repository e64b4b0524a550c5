//! Made-up results for tests.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::Evidence;
use crate::clause::result::{
    ClauseResult, LimitsShown, Problem, Restart, RunResult, RunVerdict, ScenarioTime, Verdict,
};
use crate::clause::tally::Violation;
use crate::clause::{Level, registry};
use crate::declaration::{Frequency, Known, Profile};
use crate::history::event::{Ending, Event, Owner, Phase, Stage, Stop, What};
use crate::history::{Interval, Micros, Model};
use crate::manifest::Typed;

/// An idle lane, its last request reset; and a canary that shows when the drain began.
pub(crate) fn history() -> Vec<Event> {
    let lane = 2;
    let process = |proc, pid, born: Micros, name: &str| What::Process {
        proc,
        pid,
        ppid: 1,
        start: 1,
        stack: 1,
        born: Interval::new(born, born + 1_000),
        name: name.to_owned(),
        program: None,
        executed_from: None,
    };
    let head = |lane, request, from, close| What::Head {
        lane,
        request,
        from,
        status: 200,
        version: 11,
        framing: "length".to_owned(),
        close,
        last: close,
        keep_alive: false,
        marker: None,
    };
    let open =
        |lane, role: &str| What::Open { lane, role: role.to_owned(), address: "127.0.0.1:8080".to_owned() };
    let request = |lane, request| What::Request {
        lane,
        request,
        endpoint: "fast".to_owned(),
        method: "GET".to_owned(),
    };
    let body = |lane, request| What::Body { lane, request, length: 12, hash: "0".repeat(16), marker: None };
    let owned = |lane, proc| What::Owner { lane, owner: Owner::Process(proc) };
    [
        (0, What::Begin { schema: 1, scenario: "idle-last-request".to_owned() }),
        (1_000, process(0, 4210, 500, "nginx")),
        (1_000, process(1, 4211, 500, "nginx")),
        (1_200, What::Phase { phase: Phase::Control }),
        (2_000, open(0, "canary")),
        (2_500, owned(0, 1)),
        (3_000, head(0, 0, 2_900, false)),
        (4_000, head(0, 1, 3_900, false)),
        (250_000, What::Phase { phase: Phase::Restart }),
        (260_000, open(1, "canary")),
        (260_500, owned(1, 1)),
        (261_000, head(1, 0, 260_900, false)),
        (300_000, open(lane, "idle")),
        (300_400, What::Connected { lane, retransmits: 0, port: None }),
        (300_900, owned(lane, 1)),
        (301_000, request(lane, 0)),
        (301_200, What::Sent { lane, request: 0, from: 301_100 }),
        (302_000, head(lane, 0, 301_800, false)),
        (302_100, body(lane, 0)),
        (302_200, What::Armed { lane }),
        (
            1_000_100,
            What::Trigger { step: 0, what: "kill -HUP 4210".to_owned(), from: 1_000_000, drain: true },
        ),
        (1_020_000, process(2, 4300, 1_012_000, "nginx")),
        (1_050_000, open(3, "probe")),
        (1_050_200, What::Connected { lane: 3, retransmits: 0, port: None }),
        (1_050_500, owned(3, 2)),
        (1_062_100, head(3, 0, 1_062_000, false)),
        (1_064_000, request(1, 1)),
        (1_064_100, What::Sent { lane: 1, request: 1, from: 1_064_000 }),
        (1_064_500, head(1, 1, 1_064_400, true)),
        (1_212_000, request(lane, 1)),
        (1_212_100, What::Sent { lane, request: 1, from: 1_212_050 }),
        (1_212_400, What::End { lane, how: Ending::Reset, errno: Some(104), stage: Stage::NoByte }),
        (5_100_000, What::Gone { proc: 1, from: 5_098_000 }),
        (5_100_000, What::Gone { proc: 0, from: 5_098_000 }),
    ]
    .into_iter()
    .map(|(t, what)| Event { t, what })
    .collect()
}

/// A lane of [`history`] that broke a clause.
pub(crate) fn violation(scenario: &str, lane: &str, kind: &str) -> Violation {
    Violation {
        scenario: scenario.to_owned(),
        lane: Some(lane.to_owned()),
        at_us: 1_212_400,
        phase: "Td to Tx, T0+212.4 ms".to_owned(),
        process: "nginx 4211 (old)".to_owned(),
        kind: kind.to_owned(),
        expected: "one complete response".to_owned(),
        seen: "RST before the first byte of the response, after 300 µs".to_owned(),
        cause: None,
    }
}

fn clause(id: &str, level: Level, verdict: Verdict) -> ClauseResult {
    let exercised = match verdict {
        Verdict::Pass | Verdict::Fail | Verdict::Known => 8 + 13 * id.len() as u64,
        _ => 0,
    };
    ClauseResult {
        id: id.to_owned(),
        level,
        verdict,
        exercised,
        forgiven: 0,
        violations: Vec::new(),
        known: Vec::new(),
        reasons: Vec::new(),
        tested_in: Vec::new(),
        undecided_in: Vec::new(),
        disturbed_in: Vec::new(),
    }
}

fn restart(scenario: &str, unprobed: Micros) -> Restart {
    Restart {
        scenario: scenario.to_owned(),
        attempt: 1,
        round: 1,
        t0_us: Some(Interval::new(1_000_000, 1_000_100)),
        tr_us: Some(Interval::new(1_012_000, 1_062_000)),
        td_us: Some(Interval::new(1_062_000, 1_064_500)),
        tx_us: Some(Interval::new(5_098_000, 5_100_000)),
        model: Model::MasterWorkers,
        lanes: 22,
        requests: 180,
        unprobed_us: Some(unprobed),
        sample_gap_us: Some(7_200),
        resets: None,
        resets_counted: None,
    }
}

/// Everything holds.
pub(crate) fn passing() -> RunResult {
    let profile = Profile::Falcore;
    let of = |clause_known: &&registry::Clause| {
        let level = clause_known.level(profile)?;
        let verdict = if clause_known.judge.is_some() { Verdict::Pass } else { Verdict::Planned };
        Some(clause(clause_known.id, level, verdict))
    };
    RunResult {
        schema: 1,
        hotspec: "0.1.0".to_owned(),
        target: "nginx".to_owned(),
        command: ["nginx", "-c", "nginx.conf"].map(str::to_owned).to_vec(),
        profile,
        model: Model::Auto,
        seed: 42,
        isolation: "net".to_owned(),
        evidence: ["client sockets", "socket table", "process table"].map(str::to_owned).to_vec(),
        limits: LimitsShown {
            ready_max_ms: 10_000,
            idle_max_ms: 3_000,
            drain_start_max_ms: 1_000,
            drain_max_ms: 30_000,
            exit_max_ms: 4_000,
            stall_max_ms: 1_000,
            hard_limit_ms: None,
            assumed: ["ready_max", "drain_start_max", "drain_max", "exit_max", "stall_max"]
                .map(str::to_owned)
                .to_vec(),
        },
        verdict: RunVerdict::Pass,
        problems: Vec::new(),
        interrupted: false,
        clauses: registry::all().iter().filter_map(of).collect(),
        stale: Vec::new(),
        admitted: Vec::new(),
        slow: Vec::new(),
        version: None,
        restarts: ["idle-last-request", "keep-alive-traffic", "new-connections", "queued-at-handover"]
            .map(|name| restart(name, if name == "new-connections" { 18_400 } else { 212_000 }))
            .to_vec(),
        scenarios: [("idle-last-request", 9_100_000), ("new-connections", 20_040_000)]
            .map(|(name, took_us)| ScenarioTime {
                name: name.to_owned(),
                took_us,
                least_us: Some(took_us - 1_000_000),
            })
            .to_vec(),
        took_us: 21_300_000,
        notes: Vec::new(),
        shard: None,
        typed: Some(Typed {
            program: "hotspec".to_owned(),
            selectors: Vec::new(),
            options: [&["--target", "nginx"][..], &["--profile", "falcore"], &["--run-dir=old"]]
                .map(|words| words.iter().map(|word| (*word).to_owned()).collect())
                .to_vec(),
            command: Vec::new(),
        }),
    }
}

fn set(run: &mut RunResult, id: &str, verdict: Verdict) {
    for clause in run.clauses.iter_mut().filter(|clause| clause.id == id) {
        clause.verdict = verdict;
    }
}

/// Two clauses are broken, and one result has every verdict.
pub(crate) fn failing() -> RunResult {
    let mut run = passing();
    run.verdict = RunVerdict::Fail;
    run.clauses.sort_by_key(|clause| {
        ["availability.no-stall", "keep-alive.one-last-request"]
            .iter()
            .position(|id| *id == clause.id)
            .unwrap_or(2)
    });
    set(&mut run, "availability.no-stall", Verdict::Inconclusive);
    run.clauses[0].reasons = vec![
        "new-connections: the harness itself did not run for a while; a quieter machine would help"
            .to_owned(),
    ];
    run.clauses[1].verdict = Verdict::Fail;
    run.clauses[1].violations = vec![
        violation("idle-last-request", "idle#2", "reset"),
        violation("idle-last-request", "idle#7", "reset"),
        violation("pooled-client", "pooled#1", "reset"),
    ];
    set(&mut run, "keep-alive.fin-not-reset", Verdict::Fail);
    set(&mut run, "in-flight.executed-once", Verdict::Unsupported);
    set(&mut run, "availability.same-listener", Verdict::NoEvidence);
    set(&mut run, "in-flight.no-drain-errors", Verdict::Known);
    for clause in &mut run.clauses {
        match clause.id.as_str() {
            "keep-alive.fin-not-reset" => {
                clause.violations = vec![violation("idle-last-request", "idle#2", "reset")];
            }
            "in-flight.executed-once" => {
                clause.reasons = vec!["the target has no endpoint `upload`; see --upload-path".to_owned()];
            }
            "availability.same-listener" => {
                clause.reasons = vec!["the socket table needs CAP_NET_ADMIN or a namespace".to_owned()];
            }
            "in-flight.no-drain-errors" => {
                clause.known = vec![violation("keep-alive-traffic", "busy#4", "status")];
            }
            _ => {}
        }
    }
    run
}

/// The state was not reached.
pub(crate) fn inconclusive() -> RunResult {
    let mut run = passing();
    run.verdict = RunVerdict::Inconclusive;
    set(&mut run, "drain.exits", Verdict::Inconclusive);
    for clause in run.clauses.iter_mut().filter(|clause| clause.id == "drain.exits") {
        clause.reasons = vec!["no lane reached the state that it is about".to_owned()];
    }
    run
}

/// Broken off.
pub(crate) fn interrupted() -> RunResult {
    let mut run = inconclusive();
    run.interrupted = true;
    run.restarts.truncate(1);
    run.restarts[0].tx_us = None;
    run
}

/// The target did not start.
pub(crate) fn invalid() -> RunResult {
    let mut run = passing();
    run.verdict = RunVerdict::Invalid;
    run.restarts.clear();
    let message = "expected an answer on 127.0.0.1:8080 within 10 s, found connection refused; see what the target \
                   wrote, or say the address with --address";
    run.problems = ["idle-last-request", "new-connections"]
        .map(|scenario| Problem {
            scenario: scenario.to_owned(),
            stage: Stop::Start,
            message: message.to_owned(),
        })
        .to_vec();
    run
}

/// hotspec is at fault: a checker failed.
pub(crate) fn erring() -> RunResult {
    let mut run = passing();
    run.verdict = RunVerdict::Error;
    set(&mut run, "drain.exits", Verdict::Error);
    for clause in run.clauses.iter_mut().filter(|clause| clause.id == "drain.exits") {
        clause.reasons = vec!["the checker of drain.exits panicked on zero-traffic".to_owned()];
    }
    run
}

/// An entry that the target file should lose.
pub(crate) fn stale() -> RunResult {
    let mut run = passing();
    run.verdict = RunVerdict::Fail;
    run.stale = vec![Known {
        clause: "drain.exits".to_owned(),
        scenario: "zero-traffic".to_owned(),
        kind: "late".to_owned(),
        reason: "it notices only with the next connection".to_owned(),
        source: "https://example.org/issue/1".to_owned(),
        frequency: Frequency::Always,
        seen: None,
        versions: None,
    }];
    run
}

/// Every text that a target or a file could have had a hand in holds what steers a terminal.
pub(crate) fn hostile() -> RunResult {
    const EVIL: &str = "\x1b[2J\u{202e}\u{9b}31m\r\n\x07";
    let mut run = failing();
    run.target.push_str(EVIL);
    run.command.push(EVIL.to_owned());
    if let Some(typed) = &mut run.typed {
        typed.program.push_str(EVIL);
        typed.options.push(vec!["--path".to_owned(), EVIL.to_owned()]);
        typed.command.push(EVIL.to_owned());
    }
    for time in &mut run.scenarios {
        time.name.push_str(EVIL);
    }
    run.isolation.push_str(EVIL);
    run.evidence.push(EVIL.to_owned());
    run.notes.push(EVIL.to_owned());
    for clause in &mut run.clauses {
        clause.reasons.iter_mut().for_each(|reason| reason.push_str(EVIL));
        for violation in clause.violations.iter_mut().chain(&mut clause.known) {
            let Violation { phase, process, kind, expected, seen, .. } = violation;
            for text in [phase, process, kind, expected, seen] {
                text.push_str(EVIL);
            }
        }
    }
    run.restarts[0].scenario.push_str(EVIL);
    run
}

/// Every sample result, by name.
pub(crate) fn all() -> Vec<(&'static str, RunResult)> {
    vec![
        ("passing", passing()),
        ("failing", failing()),
        ("inconclusive", inconclusive()),
        ("interrupted", interrupted()),
        ("invalid", invalid()),
        ("erring", erring()),
        ("stale", stale()),
        ("hostile", hostile()),
    ]
}

/// What lies beside a result, for as long as a closure runs.
pub(crate) fn with_evidence<T>(output: &[u8], then: impl FnOnce(&Evidence<'_>) -> T) -> T {
    with_histories(vec![history()], output, then)
}

/// With these histories of `idle-last-request`.
pub(crate) fn with_histories<T>(
    histories: Vec<Vec<Event>>,
    output: &[u8],
    then: impl FnOnce(&Evidence<'_>) -> T,
) -> T {
    let histories = BTreeMap::from([("idle-last-request".to_owned(), histories)]);
    let outputs = BTreeMap::from([
        ("idle-last-request".to_owned(), output.to_vec()),
        ("new-connections".to_owned(), output.to_vec()),
    ]);
    let run_dir = Path::new("runs/2026-01-02-nginx");
    let packets =
        BTreeMap::from([("idle-last-request".to_owned(), vec![Some(run_dir.join("packets/idle.pcapng"))])]);
    then(&Evidence { histories: &histories, outputs: &outputs, packets: &packets, run_dir })
}
