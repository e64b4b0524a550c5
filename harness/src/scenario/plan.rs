//! From a scenario file, a target and a seed to something concrete: which lanes, which bytes, when.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::beside;
use super::endpoint::{EndpointName, ask, path_of};
use super::file::{
    Again, AmidSpec, Declared, LaneSpec, Scenario, Step, Stop, SuccessorStart, WaitSpec, Whom,
};
use crate::client::http1::Connection;
use crate::client::lane::PIECE_BYTES;
use crate::client::step::{Anchor, Do, LanePlan, Moment, Slowly};
use crate::declaration::Limits;
use crate::history::event::Fault;
use crate::history::{Micros, Model};
use crate::target::file::{AsPid1, Endpoints, ListenKind, Target, TriggerStep};
use crate::target::program_copy::Replacement;

/// A scenario made concrete.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// Lanes opened at the beginning, one entry each.
    pub lanes: Vec<LanePlan>,
    /// Lanes opened again and again: how far apart, and what each does.
    pub repeated: Vec<(Micros, LanePlan)>,
    /// When the old generation is stopped.
    pub stop: Option<Stop>,
    /// What is triggered again, and when.
    pub again: Option<Again>,
    /// How many restarts follow one another.
    pub restarts: u32,
    /// The kind of listening socket.
    pub listener: ListenKind,
    /// How many of them.
    pub listeners: u16,
    /// What is done to the successor's start.
    pub successor: Option<SuccessorStart>,
    /// How the program is replaced before the trigger.
    pub program: Option<Replacement>,
    /// The target gets less than 5 % of a processor.
    pub starved: bool,
    /// The target is process 1 of a PID namespace of its own.
    pub first_process: bool,
    /// Restarts that have to fail.
    pub failing: Vec<Fault>,
    /// Connections are kept on every old process.
    pub canaries: bool,
    /// New connections look for the successor.
    pub probes: bool,
    /// Load goes on after Tx.
    pub settle: bool,
    /// The changed configuration drops a listener.
    pub drops_listener: bool,
}

impl Plan {
    /// Makes a scenario concrete.
    pub fn new(scenario: &Scenario, endpoints: &Endpoints, limits: &Limits, seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed ^ hash(&scenario.name));
        let mut plan = Plan {
            name: scenario.name.clone(),
            lanes: Vec::new(),
            repeated: Vec::new(),
            stop: scenario.stop,
            again: scenario.again.clone(),
            restarts: scenario.restarts().clamp(1, 1_000) + 2 * scenario.failing.len() as u32,
            listener: scenario.listener,
            listeners: scenario.listeners.clamp(1, 1_000),
            successor: scenario.successor,
            program: scenario.program,
            starved: scenario.starved,
            first_process: scenario.first_process,
            failing: scenario.failing.clone(),
            canaries: scenario.canaries,
            probes: scenario.probes,
            settle: scenario.settle,
            drops_listener: scenario.declares.contains(&Declared::ExtraListener),
        };
        for spec in &scenario.lanes {
            match &spec.every {
                Some(every) => {
                    let lane = lane(spec, 0, spec.count, endpoints, limits, random.random());
                    plan.repeated.push((every.resolve(limits), lane));
                }
                None => {
                    let listeners = if spec.each_listener { plan.listeners } else { 1 };
                    let count = spec.count * u32::from(listeners);
                    plan.lanes.extend((0..count).map(|index| {
                        let mut lane = lane(spec, index, count, endpoints, limits, random.random());
                        lane.listener = index as usize % usize::from(listeners);
                        lane
                    }));
                }
            }
        }
        plan
    }

    /// Why the target can't be put through this scenario, if so.
    pub fn unsupported(scenario: &Scenario, target: &Target) -> Option<String> {
        let endpoints = &target.endpoints;
        let beside = target.running.as_ref().and_then(|running| beside::out_of_reach(scenario, running));
        if let Some(why) = beside {
            return Some(format!("scenario {}: {why}", scenario.name));
        }
        let undeclared = scenario.declares.iter().find_map(|declared| undeclared(*declared, target));
        if let Some(what) = undeclared {
            return Some(format!("scenario {}: the target declares no {what}", scenario.name));
        }
        if let Some(why) = scenario.again.as_ref().and_then(|again| not_again(again, target)) {
            return Some(format!("scenario {}: {why}", scenario.name));
        }
        if let Some(why) = not_first(target).filter(|_| scenario.first_process) {
            return Some(format!("scenario {}: {why}", scenario.name));
        }
        let kind = scenario.listener;
        let same = target.running.is_some();
        if kind != ListenKind::Ipv4 && !same && !target.listen.contains_key(&kind) {
            let kind = kind.as_str();
            return Some(format!(
                "scenario {}: the target declares no listener of kind {kind} ([listen] {kind}, --listen-on {kind}=…)",
                scenario.name
            ));
        }
        let missing: Vec<&str> = scenario
            .needs
            .iter()
            .filter(|name| path_of(endpoints, **name).is_none())
            .map(|name| name.as_str())
            .collect();
        (!missing.is_empty()).then(|| {
            let flags: Vec<String> = missing.iter().map(|name| format!("--{name}-path")).collect();
            format!(
                "scenario {} needs an endpoint that the target does not declare ({})",
                scenario.name,
                flags.join(", ")
            )
        })
    }
}

/// Why a target can't be triggered again in this way, as it is declared.
fn not_again(again: &Again, target: &Target) -> Option<String> {
    let to_successor = matches!(again, Again::AtBirth | Again::Amid(AmidSpec { to: Whom::Successor, .. }));
    let needs_signal = to_successor || matches!(again, Again::Group);
    let stays = matches!(target.model, Model::MasterWorkers | Model::InPlace);
    if needs_signal && target.restart.first().is_some_and(|step| step.signal.is_none()) {
        Some("the first step of the restart is a command, which is sent to no process".to_owned())
    } else if to_successor && stays {
        Some("as the target is declared, the process that is triggered stays: its successor has none of its own".to_owned())
    } else if to_successor && target.model == Model::SecondInstance {
        Some("the successor is started by somebody else, and not by a signal to its predecessor".to_owned())
    } else if matches!(again, Again::Stop(_)) && target.model == Model::InPlace {
        Some(
            "the target restarts in place: the process that would be stopped is the one that serves"
                .to_owned(),
        )
    } else {
        None
    }
}

/// Why the target can't be restarted as process 1, as it is declared.
fn not_first(target: &Target) -> Option<&'static str> {
    // Numbers of processes mean others on either side of a PID namespace.
    let named = |step: &TriggerStep| step.command.is_some() || step.pid_file.is_some();
    match target.pid_1 {
        None => Some("the target does not declare what a restart does to it as process 1 (pid-1, --pid-1)"),
        Some(AsPid1::NeedsInit) => {
            Some("the target declares that it needs an init above it, as it has in all other scenarios")
        }
        Some(AsPid1::Survives) if target.restart.iter().any(named) => Some(
            "its restart takes more than signals to its main process, and nothing outside of a PID namespace can name others there",
        ),
        Some(AsPid1::Survives) => None,
    }
}

/// What the target would have to declare, and does not.
fn undeclared(declared: Declared, target: &Target) -> Option<&'static str> {
    let (has, what) = match declared {
        Declared::Flag => (
            target.successor.flag.is_some(),
            "flag that names the descriptor ([successor] flag, --socket-flag)",
        ),
        Declared::PidFile => (target.pid_file.is_some(), "pid file (pid-file, --pid-file)"),
        Declared::Notify => (target.notify, "notify socket (notify = true, --notify)"),
        Declared::ExtraListener => {
            (target.extra_listener.is_some(), "listener that a configuration can drop (extra-listener)")
        }
        Declared::EachListener => (
            target.each_listener.is_some(),
            "way to be told several listening sockets (each-listener, --each-listener)",
        ),
        Declared::Broken => {
            (target.broken.is_some(), "way to make its configuration invalid ([broken], --config)")
        }
        Declared::HardLimit => (target.limits.hard_limit.is_some(), "hard limit (hard_limit, --hard-limit)"),
    };
    (!has).then_some(what)
}

/// FNV-1a: only to draw differently for each scenario.
fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// One of so many lanes of its kind.
fn lane(
    spec: &LaneSpec,
    index: u32,
    count: u32,
    endpoints: &Endpoints,
    limits: &Limits,
    seed: u64,
) -> LanePlan {
    let mut steps: Vec<Do> = Vec::with_capacity(spec.steps.len());
    let body = spec.steps.iter().find_map(|step| match step {
        Step::Upload(upload) => Some(pieces(upload, limits) as usize * PIECE_BYTES),
        _ => None,
    });
    let share = f64::from(index) / f64::from(count.max(1));
    let moment = |wait: &WaitSpec| Moment {
        anchor: wait.anchor,
        plus: wait.plus.resolve(limits) + (wait.spread.resolve(limits) as f64 * share) as Micros,
    };
    for step in &spec.steps {
        steps.push(match step {
            Step::Connect(connect) => Do::Connect(connect.buffer),
            Step::Send(send) => {
                let lasting = send.lasting.as_ref().map_or(0, |length| length.resolve(limits));
                let mut ask = ask(endpoints, send.endpoint, lasting);
                (ask.http10, ask.chunked) = (send.http10, send.chunked);
                (ask.expect, ask.events) = (send.expect, send.events);
                if send.close {
                    ask.connection = Connection::Close;
                } else if send.keep_alive {
                    ask.connection = Connection::KeepAlive;
                }
                ask.body =
                    if send.endpoint == EndpointName::Upload { body.unwrap_or(PIECE_BYTES) } else { 0 };
                Do::Send(ask, send.part, send.pipelined.unwrap_or(1).max(1))
            }
            Step::Rest => Do::Rest,
            Step::RestOfHead => Do::RestOfHead,
            Step::Continue(spec) => Do::Continue(spec.within.resolve(limits)),
            Step::Upload(upload) => Do::Upload(
                pieces(upload, limits),
                upload.gap.resolve(limits),
                upload.last.as_ref().map(moment),
            ),
            Step::Response(response) if response.head => Do::Head,
            Step::Response(response) => Do::Response(response.bytes.map(|bytes| Slowly {
                bytes: bytes.max(1) as usize,
                gap: response.gap.as_ref().map_or(0, |gap| gap.resolve(limits)),
                until: response.until.as_ref().map_or(Moment { anchor: Anchor::Over, plus: 0 }, moment),
                stop: response.stop,
            })),
            Step::Armed => Do::Armed,
            Step::Loaded => Do::Loaded,
            Step::Wait(wait) => Do::Wait(moment(wait)),
            Step::Ask(spec) => {
                let mut ask = ask(endpoints, spec.endpoint, 0);
                if spec.http10 {
                    (ask.http10, ask.connection) = (true, Connection::KeepAlive);
                }
                Do::Repeat(ask, spec.every.resolve(limits), moment(&spec.until))
            }
            Step::End(end) => Do::End(end.within.resolve(limits)),
            Step::HalfClose => Do::HalfClose,
            Step::Abort => Do::Abort,
            Step::Close => Do::Close,
        });
    }
    LanePlan {
        role: spec.role.clone(),
        listener: 0,
        in_turn: spec.each_listener,
        reconnect: spec.reconnect,
        pooled: spec.pooled,
        untraced: spec.untraced,
        after: spec.over.as_ref().map_or(0, |over| (over.resolve(limits) as f64 * share) as Micros),
        // 127.0.0.2 and so on: the last part of an address is a byte.
        sources: spec.sources.min(200),
        steps,
        seed,
    }
}

fn pieces(upload: &super::file::UploadSpec, limits: &Limits) -> u32 {
    let gap = upload.gap.resolve(limits).max(1);
    let pieces = upload.over.resolve(limits).div_ceil(gap) + 1;
    u32::try_from(pieces).unwrap_or(u32::MAX).clamp(2, 100_000)
}
