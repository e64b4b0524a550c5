//! The vocabulary of a history. Every event is one line of NDJSON: `{"t":…,"e":"…",…}`.
//!
//! `t` is when the harness noticed, in microseconds of CLOCK_MONOTONIC since the run began. Where
//! something happened at an unknown moment before, a second field bounds it from below, so that
//! each instant is an interval and never a guess.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use super::words::{
    CommonDescriptor, ConnectTrouble, Counted, Ending, Fault, FileId, Interval, ListenerRow, Owner, Phase,
    PidFileState, Scope, Stage, Stop,
};

/// Microseconds of CLOCK_MONOTONIC since the run began.
pub type Micros = u64;
/// One connection of a scenario, numbered in the order of opening.
pub type LaneId = u32;
/// One epoch of one process: the same pid that executes again is another one.
pub type ProcId = u32;

/// The schema of history files; raised whenever a reader of the last one would be misled.
pub const SCHEMA: u32 = 1;

/// One thing that happened, and when it was noticed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When the harness noticed.
    pub t: Micros,
    /// What it was.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "e", rename_all = "kebab-case", deny_unknown_fields)]
pub enum What {
    /// The first line of a history.
    Begin {
        /// The schema of this file.
        schema: u32,
        /// The scenario that ran.
        scenario: String,
    },
    /// Packets are kept from now on, with times of the system's clock.
    Clock {
        /// Nanoseconds since 1970 when the run's own clock was zero.
        unix_ns: u64,
    },
    /// A part of the scenario begins.
    Phase {
        /// Which.
        phase: Phase,
    },
    /// The scenario was broken off; what is there is still judged.
    Interrupted,
    /// The scenario could not go on.
    Failed {
        /// start (the target), control (without a restart) or harness (our own fault).
        stage: Stop,
        /// What was expected, what was seen, what to do.
        message: String,
    },
    /// The harness itself was not running between `from` and now.
    Gap {
        /// Its last sign of life before.
        from: Micros,
    },
    /// Between `from` and now no processor was free, and several threads wanted each: whoever had to do something waited.
    Crowded {
        /// When it was looked at before.
        from: Micros,
    },
    /// The target was to be process 1 of a PID namespace of its own.
    FirstProcess {
        /// Why it is not, if so.
        why: Option<String>,
    },
    /// Something that the harness could not bring about or observe, and that matters to a verdict.
    Note {
        /// A sentence.
        text: String,
    },

    /// A process of the target is seen for the first time, or has executed another program.
    Process {
        /// The number that later events use.
        proc: ProcId,
        /// Its process id.
        pid: i32,
        /// Its parent's process id.
        ppid: i32,
        /// Field 22 of /proc/PID/stat: clock ticks from boot to its birth.
        start: u64,
        /// Field 28: the address of its stack, which an execution changes. 0 if withheld.
        stack: u64,
        /// When it was born.
        born: Interval,
        /// Its short name.
        name: String,
        /// The file that it executes, if the machine tells.
        program: Option<String>,
        /// The epoch of the same pid that executed and so became this one.
        executed_from: Option<ProcId>,
    },
    /// The set of listening sockets that a process holds has changed.
    Holds {
        /// The process.
        proc: ProcId,
        /// Inodes of the listening sockets that it holds now.
        listeners: Vec<u64>,
        /// When the set was last seen as it had been.
        from: Micros,
    },
    /// A process has ended (or is a zombie).
    Gone {
        /// The process.
        proc: ProcId,
        /// When it was last seen alive.
        from: Micros,
    },
    /// What the target was given when it was started. Of variables only their names, and of each value a hash with a
    /// salt that nobody keeps: equal values have equal hashes within this history.
    Given {
        /// The arguments, the program's name first.
        arguments: Vec<String>,
        /// The hash of each variable's value, by its name.
        environment: BTreeMap<String, String>,
        /// Everything else, as in `facts`.
        #[serde(default)]
        properties: BTreeMap<String, String>,
    },
    /// What a process was given and what it is, looked at while all is quiet: before the trigger, and after the old
    /// generation is gone.
    Facts {
        /// The process.
        proc: ProcId,
        /// Its arguments, if the machine tells them.
        arguments: Option<Vec<String>>,
        /// Its variables, as in `given`, if the machine tells them.
        environment: Option<BTreeMap<String, String>>,
        /// Everything else, by name: directory, ids, limits, descriptors 0 to 2, signal mask, ….
        properties: BTreeMap<String, String>,
    },
    /// All processes below the warden, zombies too: before the trigger, and one second after the old generation is gone.
    /// Of the second one, a zombie has been one for a second.
    Census {
        /// Each of them.
        processes: Vec<Counted>,
    },
    /// How a process ended that the warden could not reap, as its pidfd tells it.
    Ended {
        /// The process.
        proc: ProcId,
        /// Exit status, if it exited.
        code: Option<i32>,
        /// Signal number, if one killed it.
        signal: Option<i32>,
    },
    /// A number on the command line of a process is the number of one of its descriptors, a listening socket of the
    /// target; seen before the process answered anybody.
    Named {
        /// The process.
        proc: ProcId,
        /// The argument, and the one before it if that is a flag.
        argument: String,
        /// The descriptor.
        fd: i32,
        /// The inode of the listening socket.
        inode: u64,
    },
    /// Processor time that a process has used since it was born.
    Used {
        /// The process.
        proc: ProcId,
        /// Microseconds, user and system.
        cpu_us: Micros,
    },
    /// What a process holds and how much memory it uses, looked at while all is quiet: before the trigger, and after the old
    /// generation is gone.
    Resources {
        /// The process.
        proc: ProcId,
        /// How many descriptors of each kind it holds, if the machine tells: `listener`, `connection` (of a lane that is
        /// open), `socket` (any other), `pipe`, `file`, `device`, `eventpoll`, …
        #[serde(default)]
        descriptors: Option<BTreeMap<String, u32>>,
        /// KiB of memory that belong to no file: anonymous, shared memory, and what was swapped out.
        #[serde(default)]
        memory_kib: Option<u64>,
        /// KiB that were resident at most since its birth or its last execution.
        #[serde(default)]
        peak_kib: Option<u64>,
    },
    /// The open files that a process born after T0 has in common with one of the old generation were looked at for the first
    /// time, or have changed. Listening sockets and the standard descriptors of either are left out.
    Common {
        /// The younger process.
        proc: ProcId,
        /// The old one.
        with: ProcId,
        /// What both hold, by the younger one's descriptors.
        descriptors: Vec<CommonDescriptor>,
        /// All kinds of files could be compared (kcmp(2)), not sockets and pipes alone.
        compared: bool,
        /// The look before.
        from: Micros,
    },
    /// O_NONBLOCK of a listening socket, which all who hold it share, was looked at for the first time, or has changed.
    Nonblocking {
        /// The listening socket.
        inode: u64,
        /// Set (true) or not.
        on: bool,
        /// The process whose descriptor was looked at.
        proc: ProcId,
        /// When it was last seen as it had been.
        from: Micros,
    },
    /// A socket that listened does so no longer, and processes hold it still.
    ShutDown {
        /// The socket.
        inode: u64,
        /// Who holds it.
        procs: Vec<ProcId>,
        /// When it was last seen to listen.
        from: Micros,
    },
    /// The path of the unix socket came, was replaced in one step, or went, in the order in which it happened.
    SocketPath {
        /// There (true) or not.
        present: bool,
        /// Until then, at least, it was what it had been before.
        from: Micros,
    },
    /// The listening sockets at the address that the changed configuration drops, or those who hold them, have changed.
    Dropped {
        /// How many listen there.
        listening: u32,
        /// Who holds one that listens there or did so.
        procs: Vec<ProcId>,
        /// When that was last seen as it had been.
        from: Micros,
    },
    /// A line of the target's output by which programs tell that they failed within: a panic, a sanitizer's report, ….
    Outcry {
        /// Which kind it is.
        kind: String,
        /// The line, cut.
        text: String,
        /// When the output was read before.
        from: Micros,
    },
    /// The target's output was read to its end for the last time.
    OutputRead {
        /// Bytes in all.
        bytes: u64,
    },
    /// The number of connections that wait in the accept queue of a listening socket has changed.
    Queue {
        /// The listening socket.
        inode: u64,
        /// How many wait now.
        length: u32,
        /// When it was last seen with the number before.
        from: Micros,
    },
    /// The pid file that the target declares was touched; also written when the watch begins and ends.
    PidFile {
        /// What is there now.
        state: PidFileState,
        /// The process id in it.
        pid: Option<i32>,
        /// That process is one of the target's and alive.
        alive: Option<bool>,
        /// If it names another process than before: the one before was still alive.
        former_alive: Option<bool>,
        /// Until then, at least, it was what it had been before.
        from: Micros,
    },
    /// A message on the notify socket (sd_notify(3)); `t` is when it was sent, as the kernel says.
    Notified {
        /// Who sent it, as the kernel says.
        pid: Option<i32>,
        /// READY=1 is in it.
        ready: bool,
        /// RELOADING=1 is in it.
        reloading: bool,
        /// STOPPING=1 is in it.
        stopping: bool,
        /// MAINPID.
        main_pid: Option<i32>,
        /// That process is one of the target's and alive.
        alive: Option<bool>,
    },
    /// Somebody sent the warden, which stands above the target, a signal.
    Signalled {
        /// Its number.
        signo: i32,
        /// Who sent it.
        pid: i32,
    },
    /// A process that was started through the program's path stands at the gate that the harness put there (on), or was
    /// let through. It held there since some moment after `from`.
    Held {
        /// Held (true) or let through.
        on: bool,
        /// The look before.
        from: Micros,
    },
    /// The restart that begins is one of a scenario in which some have to fail.
    Trial {
        /// What keeps this one from succeeding; none if it is to succeed.
        fault: Option<Fault>,
    },
    /// What keeps the restart from succeeding was put in place or taken away, between `from` and now.
    Fault {
        /// What.
        fault: Fault,
        /// In place (true) or taken away.
        on: bool,
        /// The moment before.
        from: Micros,
    },
    /// What was to keep a restart from succeeding could not be put in place on this machine.
    Unable {
        /// What.
        fault: Fault,
        /// Why.
        why: String,
    },
    /// The attempt at a restart that has to fail is over.
    Attempt {
        /// By what it was seen: gate, refusal, process, output, command. None: nothing of it was seen, and it was waited for in vain.
        seen: Option<String>,
    },
    /// A step of the trigger that is a command has ended.
    CommandEnded {
        /// The step's number, from 0.
        step: u32,
        /// Exit status, if it exited.
        code: Option<i32>,
        /// Signal number, if one killed it.
        signal: Option<i32>,
    },
    /// The target wrote lines to its output, or to a file that one of its processes has open for writing.
    Said {
        /// The file's name.
        file: String,
        /// What it wrote; long lines are cut.
        lines: Vec<String>,
    },
    /// The harness killed processes (SIGKILL), between `from` and now.
    Killed {
        /// Which.
        procs: Vec<ProcId>,
        /// The moment before.
        from: Micros,
    },
    /// The path that the target was started by leads to another copy of its program from now on.
    Replaced {
        /// By rename, or behind a switched symbolic link.
        how: String,
        /// The file that it led to.
        former: FileId,
        /// The file that it leads to now.
        file: FileId,
        /// The moment before.
        from: Micros,
    },
    /// The file that a process executes, looked at while all is quiet.
    Executes {
        /// The process.
        proc: ProcId,
        /// The file.
        file: FileId,
    },
    /// From now on the target gets less than 5 % of a processor.
    Starved {
        /// By what.
        how: String,
    },
    /// The harness played the parent: it opened the listening socket itself, and executed the target with it.
    Adopted {
        /// The process id.
        pid: i32,
        /// What the target was told about the descriptor.
        arguments: Vec<String>,
    },
    /// The warden reaped a process.
    Exit {
        /// Its process id.
        pid: i32,
        /// Exit status, if it exited.
        code: Option<i32>,
        /// Signal number, if one killed it.
        signal: Option<i32>,
    },
    /// The listening sockets on the target's address have changed.
    Listeners {
        /// All of them now.
        rows: Vec<ListenerRow>,
        /// When the set was last seen as it had been.
        from: Micros,
    },
    /// The longest stretch between two samples of the listening sockets since T0.
    Sampled {
        /// Microseconds.
        longest_gap: Micros,
    },
    /// An RST between a lane and the target's address was heard on the wire; `t` is when the kernel saw it.
    Reset {
        /// The port of the lane's end.
        port: u16,
        /// The target's side sent it (true), or the lane's.
        by_target: bool,
        /// It has an acknowledgement, as one has that breaks a connection off. One without is the kernel's answer to a segment for a
        /// connection that is no more (RFC 9293 §3.5.2).
        ack: bool,
        /// The lane's side had sent FIN or RST before.
        lane_ended: bool,
        /// The target's side had.
        target_ended: bool,
        /// It answers the first segment of a connection: nobody listened.
        #[serde(default, skip_serializing_if = "is_false")]
        refused: bool,
    },
    /// How well the wire was heard since the phase began. Written when the phase is over; absent where nothing listens.
    Heard {
        /// Segments with SYN, FIN or RST between lanes and the target's address.
        segments: u64,
        /// Segments that the kernel could not hand over, of whomever.
        lost: u64,
    },
    /// What the kernel counted in the target's network namespace from after `from` until now; read when a reset was heard, and
    /// when a phase is over.
    Counters {
        /// Whose traffic is counted.
        scope: Scope,
        /// The reading before: what came later is in this one.
        from: Micros,
        /// By how much each counter grew; those that did not are left out.
        growth: BTreeMap<String, u64>,
    },
    /// Nobody hears the wire.
    Deaf {
        /// Why.
        why: String,
    },
    /// The server was up already: it is not the harness's, and is not stopped.
    Beside {
        /// Somebody said where its processes are.
        processes: bool,
        /// The field of its answers whose value is another one after a restart.
        header: Option<String>,
    },
    /// The machine withholds a witness.
    Withheld {
        /// Which, and why.
        why: String,
    },

    /// A step of the trigger was carried out, between `from` and now.
    Trigger {
        /// Its number, from 0.
        step: u32,
        /// What was done.
        what: String,
        /// The moment before.
        from: Micros,
        /// Whether this is the step after which the old generation is to drain.
        drain: bool,
    },
    /// A further trigger, or a signal to stop, was sent while the restart was under way, between `from` and now.
    Again {
        /// Which of them, from 1 on.
        number: u32,
        /// What was done.
        what: String,
        /// The process that it was sent to, if it is one.
        #[serde(default)]
        proc: Option<ProcId>,
        /// The moment before.
        from: Micros,
        /// It is no trigger: the process is to stop.
        #[serde(default)]
        stop: bool,
        /// Why it could not be sent.
        #[serde(default)]
        failed: Option<String>,
    },
    /// How many descriptors each process has open while no lane is.
    Sizes {
        /// Each process, and how many.
        descriptors: Vec<(ProcId, u32)>,
    },
    /// The marker in the target's configuration was changed; answers from now on may show it.
    Marker {
        /// Its new value.
        value: String,
    },
    /// Processes were stopped (SIGSTOP) or continued.
    Frozen {
        /// Which.
        procs: Vec<ProcId>,
        /// Stopped (true) or continued.
        on: bool,
        /// One of them held a listening socket.
        listening: bool,
    },

    /// A lane begins to connect.
    Open {
        /// The lane.
        lane: LaneId,
        /// The lane's name in the scenario file.
        role: String,
        /// Where it connects to.
        address: String,
    },
    /// The connection is there.
    Connected {
        /// The lane.
        lane: LaneId,
        /// Retransmissions that it took (TCP_INFO).
        retransmits: u32,
        /// The port of the lane's own end, by which packets are told apart.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
    },
    /// It did not come about.
    ConnectFailed {
        /// The lane.
        lane: LaneId,
        /// Why.
        why: ConnectTrouble,
        /// The error number.
        errno: Option<i32>,
    },
    /// Who holds the server's side of the lane.
    Owner {
        /// The lane.
        lane: LaneId,
        /// Who.
        owner: Owner,
    },
    /// The lane is in the state that the scenario wants it in when the restart is triggered.
    Armed {
        /// The lane.
        lane: LaneId,
    },
    /// The lane is in the state that the old generation was stopped for.
    Loaded {
        /// The lane.
        lane: LaneId,
    },
    /// The first byte of a request is about to be sent.
    Request {
        /// The lane.
        lane: LaneId,
        /// Its number on this connection, from 0.
        request: u32,
        /// The endpoint it asks for: fast, slow, stream, large, upload, head, no-content, not-modified.
        endpoint: String,
        /// GET, POST, …
        method: String,
    },
    /// A request was sent whole: its last byte left between `from` and now.
    Sent {
        /// The lane.
        lane: LaneId,
        /// The request.
        request: u32,
        /// The moment before its last byte.
        from: Micros,
    },
    /// Sending failed.
    SendFailed {
        /// The lane.
        lane: LaneId,
        /// The request.
        request: u32,
        /// Broken (EPIPE), reset or timed out.
        why: String,
    },
    /// An interim response (1xx) came.
    Interim {
        /// The lane.
        lane: LaneId,
        /// The request.
        request: u32,
        /// The status code.
        status: u16,
    },
    /// The head of a response is complete.
    Head {
        /// The lane.
        lane: LaneId,
        /// The request.
        request: u32,
        /// When its first byte came.
        from: Micros,
        /// The status code.
        status: u16,
        /// 10 or 11.
        version: u8,
        /// none, length, chunked or eof.
        framing: String,
        /// `Connection: close` is among the tokens, or it is HTTP/1.0, which implies it.
        close: bool,
        /// By the rules of HTTP nothing can follow on the connection.
        last: bool,
        /// `Connection: keep-alive` is among the tokens.
        keep_alive: bool,
        /// The marker, if the target has one and the head shows it.
        marker: Option<String>,
    },
    /// A response is complete.
    Body {
        /// The lane.
        lane: LaneId,
        /// The request.
        request: u32,
        /// Bytes of the decoded body.
        length: u64,
        /// Their XXH3 hash, 16 hexadecimal digits.
        hash: String,
        /// The marker, if the target has one and the body shows it.
        marker: Option<String>,
    },
    /// What came is no HTTP.
    Malformed {
        /// The lane.
        lane: LaneId,
        /// The request.
        request: u32,
        /// What was expected, and an escaped excerpt of what was seen.
        why: String,
    },
    /// Bytes came that nobody asked for.
    Extra {
        /// The lane.
        lane: LaneId,
        /// How many.
        bytes: u64,
    },
    /// The lane waited for a response, or for an announced close, and it did not come.
    Overdue {
        /// The lane.
        lane: LaneId,
        /// The wait began.
        from: Micros,
        /// What was awaited: response, close, continue.
        awaited: String,
    },
    /// The lane closed its sending side.
    HalfClosed {
        /// The lane.
        lane: LaneId,
    },
    /// The lane closed the connection by RST; its end follows.
    Aborted {
        /// The lane.
        lane: LaneId,
    },
    /// The connection is over.
    End {
        /// The lane.
        lane: LaneId,
        /// How.
        how: Ending,
        /// The error number, if there was one.
        errno: Option<i32>,
        /// How far the awaited response had come.
        stage: Stage,
    },
    /// A pooled client's request was answered.
    Fetched {
        /// The lane.
        lane: LaneId,
        /// When it was asked.
        from: Micros,
        /// The status code.
        status: u16,
        /// Bytes of the body.
        length: u64,
    },
    /// A pooled client's request failed, as its user would have seen it.
    FetchFailed {
        /// The lane.
        lane: LaneId,
        /// When it was asked.
        from: Micros,
        /// refused, reset, closed, timeout or other.
        kind: String,
        /// The client's words.
        message: String,
    },
    /// The origin behind a proxy finished a request.
    Executed {
        /// The identity that the lane gave its request.
        id: String,
    },
}

impl What {
    /// The lane that the event belongs to, if any.
    pub fn lane(&self) -> Option<LaneId> {
        match self {
            What::Open { lane, .. }
            | What::Connected { lane, .. }
            | What::ConnectFailed { lane, .. }
            | What::Owner { lane, .. }
            | What::Armed { lane }
            | What::Loaded { lane }
            | What::Request { lane, .. }
            | What::Sent { lane, .. }
            | What::SendFailed { lane, .. }
            | What::Interim { lane, .. }
            | What::Head { lane, .. }
            | What::Body { lane, .. }
            | What::Malformed { lane, .. }
            | What::Extra { lane, .. }
            | What::Overdue { lane, .. }
            | What::HalfClosed { lane }
            | What::Aborted { lane }
            | What::End { lane, .. }
            | What::Fetched { lane, .. }
            | What::FetchFailed { lane, .. } => Some(*lane),
            _ => None,
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(word: &bool) -> bool {
    !word
}
