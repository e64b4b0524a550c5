//! Scenario files: a stimulus as data. Lanes with their steps, and when the old generation is stopped.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::endpoint::EndpointName;
use super::length::Length;
use crate::client::step::{Anchor, Part};
use crate::history::event::Fault;
use crate::target::file::ListenKind;
use crate::target::program_copy::Replacement;

/// A scenario as its file says it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scenario {
    /// Its name on the command line and in reports.
    pub name: String,
    /// What it does, in a line.
    pub title: String,
    /// Clauses that it exercises.
    pub clauses: Vec<String>,
    /// Endpoints that the target must have for it.
    #[serde(default)]
    pub needs: Vec<EndpointName>,
    /// What it takes that most servers have and some have not. Where control shows that this one has not, it is left out.
    pub assumes: Option<String>,
    /// What else the target must declare for it.
    #[serde(default)]
    pub declares: Vec<Declared>,
    /// What it is like, for those who select.
    #[serde(default)]
    pub tags: Vec<Tag>,
    /// The kind of listening socket.
    #[serde(default)]
    pub listener: ListenKind,
    /// How many listening sockets the target is told of.
    #[serde(default = "one")]
    pub listeners: u16,
    /// How many restarts follow one another, each after the last one's Tx.
    #[serde(default = "once")]
    pub restarts: u32,
    /// What is done to the successor's start.
    pub successor: Option<SuccessorStart>,
    /// How the program is replaced before the trigger.
    pub program: Option<Replacement>,
    /// The target gets less than 5 % of a processor, from before control on.
    #[serde(default)]
    pub starved: bool,
    /// The target is process 1 of a PID namespace of its own.
    #[serde(default)]
    pub first_process: bool,
    /// Restarts that have to fail, by what is wrong with each. A plain one comes first, and another one after each of them.
    #[serde(default)]
    pub failing: Vec<Fault>,
    /// Load goes on after the old generation is gone.
    #[serde(default)]
    pub settle: bool,
    /// Two connections are kept on every old process to see when it starts to drain.
    #[serde(default = "yes")]
    pub canaries: bool,
    /// New connections look for the successor.
    #[serde(default = "yes")]
    pub probes: bool,
    /// The old generation is stopped for a while.
    pub stop: Option<Stop>,
    /// What is triggered again, and when.
    pub again: Option<Again>,
    /// Its lanes.
    #[serde(default, rename = "lane")]
    pub lanes: Vec<LaneSpec>,
}

fn yes() -> bool {
    true
}

fn one() -> u16 {
    1
}

fn once() -> u32 {
    1
}

/// What a scenario is like. Also a selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tag {
    /// It takes long by nature, and is left out unless it is asked for.
    Slow,
    /// One of the few that put connections into each of their states, for a first look.
    Core,
}

impl Tag {
    /// All of them.
    pub const ALL: [Tag; 2] = [Tag::Slow, Tag::Core];

    /// Its name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Tag::Slow => "slow",
            Tag::Core => "core",
        }
    }
}

/// Something that a target may declare and a scenario can't do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Declared {
    /// The flag that names the listening socket's descriptor.
    Flag,
    /// A pid file.
    PidFile,
    /// A notify socket.
    Notify,
    /// The time after which it cuts what is left.
    HardLimit,
    /// A listener that its configuration can have and not have: it has it until the trigger.
    ExtraListener,
    /// What tells it of one of several listening sockets.
    EachListener,
    /// How its configuration is made invalid.
    Broken,
}

/// What is done to the successor's start. The program is started through a path that the harness controls: the next start
/// by that path waits at a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SuccessorStart {
    /// It is let through 5 × `stall_max` after the trigger.
    Slow,
    /// The old generation is killed while it stands there.
    Orphaned,
    /// There is no old generation: the harness opens the listening socket and plays the parent.
    Adopted,
}

/// What is triggered again while a restart is under way, and when; or what is different about the first trigger.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Again {
    /// The first step once more, this long after it: one restart for each.
    Gaps(Vec<Length>),
    /// All steps once more at a later moment.
    Amid(AmidSpec),
    /// The first step again and again.
    Storm(StormSpec),
    /// SIGTERM to the old main process, in place of the steps that are left.
    Stop(WaitSpec),
    /// The first step once more, to the successor as soon as it is seen, ready or not.
    AtBirth,
    /// Nothing again: the signal goes to the main process's whole group.
    Group,
    /// Nothing again: the trigger follows on the first answered request of all. There is no control then.
    AtStart,
}

/// A second trigger amid the restart.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AmidSpec {
    /// When.
    pub when: WaitSpec,
    /// Who gets it.
    #[serde(default)]
    pub to: Whom,
}

/// Many triggers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StormSpec {
    /// How far apart.
    pub every: Length,
    /// How many after the first.
    pub times: u32,
}

/// Who gets a further trigger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whom {
    /// Whoever the target's steps name.
    #[default]
    Main,
    /// The main process of the newest generation that serves.
    Successor,
}

/// When the old generation is stopped (SIGSTOP). It goes on as soon as every lane is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stop {
    /// Before the trigger, until it has been sent.
    AtTrigger,
    /// When the successor is born, until it has answered or half of `stall_max` has passed.
    AtHandover,
}

/// Lanes of one kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LaneSpec {
    /// Their name in histories and reports.
    pub role: String,
    /// How many are opened at the beginning.
    #[serde(default)]
    pub count: u32,
    /// They are opened one after another in this time, and not all at once.
    pub over: Option<Length>,
    /// Who holds the server's side is not looked up, as that is costly for many and no clause asks for it.
    #[serde(default)]
    pub untraced: bool,
    /// So many loopback addresses are connected from in turn: one has 28,000 ports.
    #[serde(default)]
    pub sources: u8,
    /// Instead: one is opened again and again, this far apart.
    pub every: Option<Length>,
    /// As many on each listening socket; where one is opened again and again, each on the next.
    #[serde(default)]
    pub each_listener: bool,
    /// Whether a lane that is over is followed by another, as an ordinary client would do.
    #[serde(default)]
    pub reconnect: bool,
    /// A pooled client of an ordinary library instead of a raw socket; steps are `ask` only.
    #[serde(default)]
    pub pooled: bool,
    /// What each does.
    pub steps: Vec<Step>,
}

/// One thing that a lane does.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Connect, and look up who accepted.
    Connect(ConnectSpec),
    /// Send a request, or a part of it.
    Send(SendSpec),
    /// Send what is left of it.
    Rest,
    /// Send what is left of its head.
    RestOfHead,
    /// Wait for 100, or for a final response: nothing more is sent after that. When the time is over, go on.
    Continue(EndSpec),
    /// Send the body of an upload, piece by piece.
    Upload(UploadSpec),
    /// Receive a response.
    Response(ResponseSpec),
    /// The lane is in the state that the restart is to find it in.
    Armed,
    /// The lane is in the state for which the old generation is stopped.
    Loaded,
    /// Wait for an instant, or for a while after it.
    Wait(WaitSpec),
    /// Request after request until an instant.
    Ask(AskSpec),
    /// Wait for the other side to end the connection.
    End(EndSpec),
    /// Close the sending side.
    HalfClose,
    /// Close by RST, whatever is under way.
    Abort,
    /// Close.
    Close,
}

/// How to connect.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ConnectSpec {
    /// SO_RCVBUF in bytes, for slow readers.
    pub buffer: Option<u32>,
}

/// What to send.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SendSpec {
    /// What it asks for.
    #[serde(default)]
    pub endpoint: EndpointName,
    /// How much of it.
    #[serde(default)]
    pub part: Part,
    /// How long the answer should take (slow, stream).
    #[serde(default)]
    pub lasting: Option<Length>,
    /// Say `Connection: close`.
    #[serde(default)]
    pub close: bool,
    /// Speak HTTP/1.0.
    #[serde(default)]
    pub http10: bool,
    /// Say `Connection: keep-alive`.
    #[serde(default)]
    pub keep_alive: bool,
    /// Send the body in chunks.
    #[serde(default)]
    pub chunked: bool,
    /// Say `Expect: 100-continue`.
    #[serde(default)]
    pub expect: bool,
    /// Say `Accept: text/event-stream`.
    #[serde(default)]
    pub events: bool,
    /// This many requests in one segment.
    #[serde(default)]
    pub pipelined: Option<u32>,
}

/// How to send the body of an upload.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct UploadSpec {
    /// From its first piece to its last but one.
    pub over: Length,
    /// Between two pieces.
    pub gap: Length,
    /// When the last piece is sent.
    pub last: Option<WaitSpec>,
}

/// How to receive.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ResponseSpec {
    /// At most this many bytes at a time …
    pub bytes: Option<u32>,
    /// … this far apart …
    pub gap: Option<Length>,
    /// … until this instant; then as fast as it comes, …
    pub until: Option<WaitSpec>,
    /// … or not at all any more.
    #[serde(default)]
    pub stop: bool,
    /// The head alone.
    #[serde(default)]
    pub head: bool,
}

/// An instant and a while after it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WaitSpec {
    /// The instant.
    #[serde(rename = "for")]
    pub anchor: Anchor,
    /// A while after it.
    #[serde(default)]
    pub plus: Length,
    /// The lanes of one kind are spread evenly over this much more.
    #[serde(default)]
    pub spread: Length,
}

/// Request after request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AskSpec {
    /// What they ask for.
    #[serde(default)]
    pub endpoint: EndpointName,
    /// Speak HTTP/1.0, and say `Connection: keep-alive`.
    #[serde(default)]
    pub http10: bool,
    /// From the answer to the next request; drawn anew between half and one and a half of it.
    pub every: Length,
    /// Until then.
    pub until: WaitSpec,
}

/// How long to wait for the end, or for 100.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EndSpec {
    /// This long.
    pub within: Length,
}

/// Why a scenario can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}:{line}: {message}")]
pub struct ScenarioError {
    /// The file.
    pub path: PathBuf,
    /// Counted from 1.
    pub line: usize,
    /// What was expected and what was found.
    pub message: String,
}

impl Scenario {
    /// How many restarts follow one another.
    pub fn restarts(&self) -> u32 {
        match &self.again {
            Some(Again::Gaps(gaps)) => u32::try_from(gaps.len()).unwrap_or(u32::MAX),
            _ => self.restarts,
        }
    }

    /// Whether it takes long by nature.
    pub fn is_slow(&self) -> bool {
        self.tags.contains(&Tag::Slow)
    }

    /// Parses the text of a scenario file; `path` is for messages.
    ///
    /// # Errors
    /// With the place and what was expected.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ScenarioError> {
        let at = |line, message: String| ScenarioError { path: path.to_owned(), line, message };
        let scenario: Scenario = toml::from_str(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            let line = text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1;
            at(line, error.message().to_owned())
        })?;
        for lane in &scenario.lanes {
            if (lane.count > 0) == lane.every.is_some() {
                let message = format!("lane `{}`: expected either count or every", lane.role);
                return Err(at(1, message));
            }
        }
        Ok(scenario)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_needs_a_count_or_an_interval_and_not_both() {
        let base = "name='x'\ntitle='x'\nclauses=[]\n[[lane]]\nrole='a'\nsteps=[]\n";
        assert!(Scenario::parse(Path::new("x"), base).is_err());
        let both = format!("{base}count=1\nevery='1s'\n");
        assert!(Scenario::parse(Path::new("x"), &both).is_err());
    }
}
