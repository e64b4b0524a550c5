//! Events of every kind with any content: numbers that nobody gave out, times in no order.

use hotspec::history::event::{
    CommonDescriptor, ConnectTrouble, Counted, Ending, Event, Interval, ListenerRow, Micros, Owner, Phase,
    PidFileState, SCHEMA, Scope, Stage, Stop, What,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

/// Mostly within a run, and now and then absurd.
fn micros() -> BoxedStrategy<Micros> {
    prop_oneof![8 => 0..20_000_000_u64, 1 => any::<u64>(), 1 => Just(u64::MAX)].boxed()
}

/// Few numbers, so that events meet; and some that nobody gave out.
fn number() -> BoxedStrategy<u32> {
    prop_oneof![8 => 0..5_u32, 1 => any::<u32>(), 1 => Just(u32::MAX)].boxed()
}

/// Few process ids, so that events meet.
fn pid() -> BoxedStrategy<i32> {
    prop_oneof![8 => 100..104_i32, 1 => any::<i32>()].boxed()
}

/// Mostly SIGUSR1.
fn signal() -> BoxedStrategy<i32> {
    prop_oneof![4 => Just(10), 1 => any::<i32>()].boxed()
}

fn word(known: &'static [&'static str]) -> BoxedStrategy<String> {
    prop_oneof![8 => proptest::sample::select(known).prop_map(str::to_owned), 1 => any::<String>()].boxed()
}

fn marker() -> BoxedStrategy<Option<String>> {
    option::of(word(&["v1", "v2"])).boxed()
}

fn owner() -> BoxedStrategy<Owner> {
    let others = proptest::sample::select(&[Owner::Queued, Owner::Several, Owner::Unknown]);
    prop_oneof![4 => number().prop_map(Owner::Process), 1 => others].boxed()
}

fn of_run() -> BoxedStrategy<What> {
    let phases = proptest::sample::select(&[Phase::Control, Phase::Restart, Phase::Settle, Phase::End]);
    let stops = proptest::sample::select(&[Stop::Start, Stop::Control, Stop::Harness]);
    prop_oneof![
        (any::<u32>(), any::<String>()).prop_map(|(schema, scenario)| What::Begin { schema, scenario }),
        any::<u64>().prop_map(|unix_ns| What::Clock { unix_ns }),
        phases.prop_map(|phase| What::Phase { phase }),
        Just(What::Interrupted),
        (stops, any::<String>()).prop_map(|(stage, message)| What::Failed { stage, message }),
        micros().prop_map(|from| What::Gap { from }),
        micros().prop_map(|from| What::Crowded { from }),
        proptest::option::of(any::<String>()).prop_map(|why| What::FirstProcess { why }),
        any::<String>().prop_map(|text| What::Note { text }),
        any::<String>().prop_map(|why| What::Withheld { why }),
        (0..2_u32, any::<String>(), micros(), any::<bool>())
            .prop_map(|(step, what, from, drain)| What::Trigger { step, what, from, drain }),
        word(&["v1", "v2"]).prop_map(|value| What::Marker { value }),
        (vec(number(), 0..3), any::<bool>()).prop_map(|(procs, on)| What::Frozen {
            procs,
            on,
            listening: on
        }),
        word(&["0-0", "1-0"]).prop_map(|id| What::Executed { id }),
    ]
    .boxed()
}

fn of_witness() -> BoxedStrategy<What> {
    let row = (0..3_u64, any::<u64>(), any::<u32>()).prop_map(|(inode, cookie, backlog)| ListenerRow {
        inode,
        cookie,
        backlog,
    });
    let process = (
        (number(), pid(), pid(), any::<u64>(), any::<u64>()),
        (micros(), micros(), any::<String>(), option::of(any::<String>()), option::of(number())),
    );
    prop_oneof![
        3 => process.prop_map(|((proc, pid, ppid, start, stack), (lo, hi, name, program, executed_from))| {
            let born = Interval::new(lo, hi);
            What::Process { proc, pid, ppid, start, stack, born, name, program, executed_from }
        }),
        2 => (number(), vec(0..3_u64, 0..3), micros())
            .prop_map(|(proc, listeners, from)| What::Holds { proc, listeners, from }),
        1 => (number(), micros()).prop_map(|(proc, from)| What::Gone { proc, from }),
        1 => (pid(), option::of(any::<i32>()), option::of(any::<i32>()))
            .prop_map(|(pid, code, signal)| What::Exit { pid, code, signal }),
        1 => (vec(row, 0..3), micros()).prop_map(|(rows, from)| What::Listeners { rows, from }),
        1 => micros().prop_map(|longest_gap| What::Sampled { longest_gap }),
        4 => of_quiet(),
        2 => of_holdings(),
    ]
    .boxed()
}

/// What is seen of processes while all is quiet.
fn of_quiet() -> BoxedStrategy<What> {
    let names =
        || word(&["umask", "standard input", "blocked signals", "limit open files", "environment rewritten"]);
    let values = || word(&["0", "ffffffffffffffff", "/dev/null", "é"]);
    let properties = || btree_map(names(), values(), 0..5);
    let variables = || btree_map(word(&["PATH", "SHLVL", "é"]), values(), 0..3);
    let arguments = || vec(word(&["a", "--socket", "--socket=3", "--", ""]), 0..4);
    let counted = (any::<i32>(), 0..3_i32, word(&["server", "worker/1"]), any::<bool>());
    let counted = counted.prop_map(|(pid, ppid, name, zombie)| Counted { pid: pid % 3, ppid, name, zombie });
    prop_oneof![
        2 => (arguments(), variables(), properties()).prop_map(|(arguments, environment, properties)| {
            What::Given { arguments, environment, properties }
        }),
        4 => (number(), option::of(arguments()), option::of(variables()), properties())
            .prop_map(|(proc, arguments, environment, properties)| {
                What::Facts { proc, arguments, environment, properties }
            }),
        2 => vec(counted, 0..4).prop_map(|processes| What::Census { processes }),
        1 => (number(), option::of(any::<i32>()), option::of(any::<i32>()))
            .prop_map(|(proc, code, signal)| What::Ended { proc, code, signal }),
        1 => (number(), any::<u64>()).prop_map(|(proc, cpu_us)| What::Used { proc, cpu_us }),
        1 => (vec(number(), 0..3), micros()).prop_map(|(procs, from)| What::Killed { procs, from }),
    ]
    .boxed()
}

fn of_told() -> BoxedStrategy<What> {
    let states = proptest::sample::select(&[
        PidFileState::Missing,
        PidFileState::Empty,
        PidFileState::Pid,
        PidFileState::Other,
    ]);
    let flag = || option::of(any::<bool>());
    let pid = || option::of(any::<i32>());
    prop_oneof![
        (states, pid(), flag(), flag(), micros()).prop_map(|(state, pid, alive, former_alive, from)| {
            What::PidFile { state, pid, alive, former_alive, from }
        }),
        (pid(), any::<[bool; 3]>(), pid(), flag()).prop_map(
            |(pid, [ready, reloading, stopping], main_pid, alive)| What::Notified {
                pid,
                ready,
                reloading,
                stopping,
                main_pid,
                alive
            }
        ),
    ]
    .boxed()
}

/// What is told of the successor's start, of signals, queues and processor time.
fn of_handover() -> BoxedStrategy<What> {
    prop_oneof![
        2 => (any::<bool>(), micros()).prop_map(|(on, from)| What::Held { on, from }),
        1 => (vec(number(), 0..3), micros()).prop_map(|(procs, from)| What::Killed { procs, from }),
        1 => (pid(), vec(any::<String>(), 0..2)).prop_map(|(pid, arguments)| What::Adopted { pid, arguments }),
        2 => (number(), any::<String>(), any::<i32>(), 0..3_u64)
            .prop_map(|(proc, argument, fd, inode)| What::Named { proc, argument, fd, inode }),
        2 => (signal(), pid()).prop_map(|(signo, pid)| What::Signalled { signo, pid }),
        3 => (number(), micros()).prop_map(|(proc, cpu_us)| What::Used { proc, cpu_us }),
        3 => (0..3_u64, number(), micros())
            .prop_map(|(inode, length, from)| What::Queue { inode, length, from }),
    ]
    .boxed()
}

/// What is told of processes while all is quiet.
fn of_looks() -> BoxedStrategy<What> {
    let words = || btree_map(word(&["PATH", "HOME"]), word(&["a", "b"]), 0..3);
    let counted = (pid(), pid(), any::<String>(), any::<bool>())
        .prop_map(|(pid, ppid, name, zombie)| Counted { pid, ppid, name, zombie });
    let arguments = || vec(word(&["--socket", "3"]), 0..3);
    prop_oneof![
        (arguments(), words(), words()).prop_map(|(arguments, environment, properties)| What::Given {
            arguments,
            environment,
            properties
        }),
        (number(), option::of(arguments()), option::of(words()), words()).prop_map(
            |(proc, arguments, environment, properties)| What::Facts {
                proc,
                arguments,
                environment,
                properties
            }
        ),
        vec(counted, 0..4).prop_map(|processes| What::Census { processes }),
        (number(), option::of(any::<i32>()), option::of(signal()))
            .prop_map(|(proc, code, signal)| What::Ended { proc, code, signal }),
    ]
    .boxed()
}

/// What is told of descriptors, of the unix socket's path and of the output.
fn of_holdings() -> BoxedStrategy<What> {
    let kinds = || word(&["connection", "socket", "pipe", "file", "listener"]);
    let common = (any::<i32>(), kinds(), any::<String>()).prop_map(|(fd, kind, target)| CommonDescriptor {
        fd,
        kind,
        target,
    });
    let inode = || 0..3_u64;
    prop_oneof![
        (
            number(),
            option::of(btree_map(kinds(), any::<u32>(), 0..3)),
            option::of(any::<u64>()),
            option::of(any::<u64>())
        )
            .prop_map(|(proc, descriptors, memory_kib, peak_kib)| What::Resources {
                proc,
                descriptors,
                memory_kib,
                peak_kib
            }),
        (number(), number(), vec(common, 0..3), any::<bool>(), micros()).prop_map(
            |(proc, with, descriptors, compared, from)| What::Common {
                proc,
                with,
                descriptors,
                compared,
                from
            }
        ),
        (inode(), any::<bool>(), number(), micros()).prop_map(|(inode, on, proc, from)| What::Nonblocking {
            inode,
            on,
            proc,
            from
        }),
        (inode(), vec(number(), 0..3), micros()).prop_map(|(inode, procs, from)| What::ShutDown {
            inode,
            procs,
            from
        }),
        (any::<bool>(), micros()).prop_map(|(present, from)| What::SocketPath { present, from }),
        (any::<u32>(), vec(number(), 0..3), micros()).prop_map(|(listening, procs, from)| What::Dropped {
            listening,
            procs,
            from
        }),
        (word(&["panic"]), any::<String>(), micros()).prop_map(|(kind, text, from)| What::Outcry {
            kind,
            text,
            from
        }),
        any::<u64>().prop_map(|bytes| What::OutputRead { bytes }),
    ]
    .boxed()
}

/// What is heard on the wire, and counted.
fn of_wire() -> BoxedStrategy<What> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let reset = |(port, (by_target, ack, lane_ended, target_ended, refused))| What::Reset {
        port,
        by_target,
        ack,
        lane_ended,
        target_ended,
        refused,
    };
    let scope = proptest::sample::select(&[Scope::Target, Scope::Both, Scope::Shared]);
    let names = ["OutRsts", "TCPAbortOnClose", "TCPAbortOnData", "TCPAbortOnMemory", "ListenOverflows"];
    let name = proptest::sample::select(names.to_vec()).prop_map(str::to_owned);
    let growth = btree_map(name, prop_oneof![3 => 0..4_u64, 1 => any::<u64>()], 0..3);
    prop_oneof![
        4 => (port(), flags).prop_map(reset),
        1 => (any::<u64>(), 0..2_u64).prop_map(|(segments, lost)| What::Heard { segments, lost }),
        3 => (scope, micros(), growth).prop_map(|(scope, from, growth)| What::Counters { scope, from, growth }),
    ]
    .boxed()
}

fn port() -> BoxedStrategy<u16> {
    (40_000..40_003_u16).boxed()
}

fn of_opening() -> BoxedStrategy<What> {
    let roles = word(&[
        "canary",
        "canary-idle",
        "idle",
        "busy",
        "new-closing",
        "pooled",
        "http10",
        "http10-idle",
        "pipelined",
    ]);
    let trouble = proptest::sample::select(&[
        ConnectTrouble::Refused,
        ConnectTrouble::TimedOut,
        ConnectTrouble::QueueFull,
        ConnectTrouble::Missing,
        ConnectTrouble::Local,
        ConnectTrouble::Other,
    ]);
    prop_oneof![
        4 => (number(), roles, word(&["127.0.0.1:8080"]))
            .prop_map(|(lane, role, address)| What::Open { lane, role, address }),
        2 => (number(), number(), option::of(port()))
            .prop_map(|(lane, retransmits, port)| What::Connected { lane, retransmits, port }),
        1 => (number(), trouble, option::of(any::<i32>()))
            .prop_map(|(lane, why, errno)| What::ConnectFailed { lane, why, errno }),
        3 => (number(), owner()).prop_map(|(lane, owner)| What::Owner { lane, owner }),
        1 => number().prop_map(|lane| What::Armed { lane }),
        1 => number().prop_map(|lane| What::Loaded { lane }),
        1 => number().prop_map(|lane| What::HalfClosed { lane }),
        1 => number().prop_map(|lane| What::Aborted { lane }),
        1 => (number(), number(), 100u16..104).prop_map(|(lane, request, status)| What::Interim { lane, request, status }),
    ]
    .boxed()
}

fn of_exchange() -> BoxedStrategy<What> {
    let endpoint = word(&["fast", "slow", "stream", "large", "upload"]);
    let head = (
        (number(), number(), micros(), any::<u16>(), any::<u8>()),
        (word(&["none", "length", "chunked", "eof"]), any::<bool>(), any::<bool>(), any::<bool>(), marker()),
    );
    prop_oneof![
        3 => (number(), number(), endpoint, word(&["GET", "POST"]))
            .prop_map(|(lane, request, endpoint, method)| What::Request { lane, request, endpoint, method }),
        2 => (number(), number(), micros())
            .prop_map(|(lane, request, from)| What::Sent { lane, request, from }),
        1 => (number(), number(), any::<String>())
            .prop_map(|(lane, request, why)| What::SendFailed { lane, request, why }),
        2 => head.prop_map(|((lane, request, from, status, version), (framing, close, last, keep_alive, marker))| {
            What::Head { lane, request, from, status, version, framing, close, last, keep_alive, marker }
        }),
        2 => (number(), number(), any::<u64>(), word(&["0", "1"]), marker())
            .prop_map(|(lane, request, length, hash, marker)| What::Body { lane, request, length, hash, marker }),
        1 => (number(), number(), any::<String>())
            .prop_map(|(lane, request, why)| What::Malformed { lane, request, why }),
    ]
    .boxed()
}

fn of_ending() -> BoxedStrategy<What> {
    let how = proptest::sample::select(&[
        Ending::Fin,
        Ending::Reset,
        Ending::ResetAfterFin,
        Ending::Lane,
        Ending::GaveUp,
    ]);
    let stage = proptest::sample::select(&[
        Stage::Idle,
        Stage::HalfSent,
        Stage::NoByte,
        Stage::InHead,
        Stage::InBody,
    ]);
    prop_oneof![
        4 => (number(), how, option::of(any::<i32>()), stage)
            .prop_map(|(lane, how, errno, stage)| What::End { lane, how, errno, stage }),
        1 => (number(), any::<u64>()).prop_map(|(lane, bytes)| What::Extra { lane, bytes }),
        1 => (number(), micros(), any::<String>())
            .prop_map(|(lane, from, awaited)| What::Overdue { lane, from, awaited }),
        1 => (number(), micros(), any::<u16>(), any::<u64>())
            .prop_map(|(lane, from, status, length)| What::Fetched { lane, from, status, length }),
        1 => (number(), micros(), word(&["refused", "reset", "closed", "local"]), any::<String>())
            .prop_map(|(lane, from, kind, message)| What::FetchFailed { lane, from, kind, message }),
    ]
    .boxed()
}

/// Any events at all, in any order.
pub(crate) fn events() -> BoxedStrategy<Vec<Event>> {
    let what = prop_oneof![
        of_run(),
        of_witness(),
        of_told(),
        of_handover(),
        of_wire(),
        of_holdings(),
        of_looks(),
        of_opening(),
        of_exchange(),
        of_ending()
    ];
    vec((micros(), what).prop_map(|(t, what)| Event { t, what }), 0..80).boxed()
}

/// A few restarts one after another, each with a trigger and with any events at all, most of them in the order of time.
pub(crate) fn rounds() -> BoxedStrategy<Vec<Event>> {
    let round = (events(), 0..2_000_000_u64, any::<bool>());
    vec(round, 1..5)
        .prop_map(|rounds| {
            let mut all = vec![Event { t: 0, what: What::Phase { phase: Phase::Control } }];
            for (number, (mut events, after, in_order)) in (1..).zip(rounds) {
                let begin = number * 3_000_000;
                if in_order {
                    events.iter_mut().for_each(|event| event.t = begin + event.t % 3_000_000);
                    events.sort_by_key(|event| event.t);
                }
                all.push(Event { t: begin, what: What::Phase { phase: Phase::Restart } });
                let trigger =
                    What::Trigger { step: 0, what: "SIGHUP".to_owned(), from: begin + after, drain: true };
                let at = events.partition_point(|event| event.t <= begin + after).min(events.len());
                events.insert(at, Event { t: begin + after + 50, what: trigger });
                all.append(&mut events);
            }
            all.push(Event { t: 20_000_000, what: What::Phase { phase: Phase::End } });
            all
        })
        .boxed()
}

/// The same after the first line of a history.
pub(crate) fn history() -> BoxedStrategy<Vec<Event>> {
    let begun = |mut events: Vec<Event>| {
        let scenario = "arbitrary".to_owned();
        events.insert(0, Event { t: 0, what: What::Begin { schema: SCHEMA, scenario } });
        events
    };
    events().prop_map(begun).boxed()
}
