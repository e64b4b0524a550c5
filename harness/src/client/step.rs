//! What a lane does, made concrete: steps with every path, byte count and time filled in.

use serde::Deserialize;

use super::http1::Connection;
use crate::history::Micros;

/// An instant of the restart that lanes wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Anchor {
    /// Every lane is armed, and the trigger is about to be sent.
    Ready,
    /// The old generation is stopped, as the scenario's `stop` says.
    Stopped,
    /// The trigger was sent.
    T0,
    /// The successor was first seen serving.
    Tr,
    /// The whole old generation drains.
    Td,
    /// The old generation is gone.
    Tx,
    /// The scenario's load ends.
    Over,
}

/// The instants, as far as they have come.
#[derive(Clone, Copy, Debug, Default)]
pub struct Anchors {
    reached: [Option<Micros>; 7],
}

impl Anchors {
    /// When an instant came, if it did.
    pub fn get(&self, anchor: Anchor) -> Option<Micros> {
        self.reached[anchor as usize]
    }

    /// An instant came; the first time counts. Returns whether that is news.
    pub fn reach(&mut self, anchor: Anchor, at: Micros) -> bool {
        let slot = &mut self.reached[anchor as usize];
        let news = slot.is_none();
        slot.get_or_insert(at);
        news
    }
}

/// Which part of a request to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// All of it, in one segment.
    Whole,
    /// All of it; before its last byte the owner is looked up.
    #[default]
    Traced,
    /// The first half of its head.
    Half,
    /// All but its last byte.
    AllButLast,
    /// Its head, with the body to come.
    Head,
}

/// An instant and a while after it.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The instant.
    pub anchor: Anchor,
    /// A while after it.
    pub plus: Micros,
}

/// A request made concrete.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The endpoint's name.
    pub endpoint: &'static str,
    /// GET, HEAD or POST.
    pub method: &'static str,
    /// The request target.
    pub path: String,
    /// What the client says in `Connection`.
    pub connection: Connection,
    /// It speaks HTTP/1.0.
    pub http10: bool,
    /// Bytes of the body.
    pub body: usize,
    /// The body is sent in chunks.
    pub chunked: bool,
    /// It says `Expect: 100-continue`.
    pub expect: bool,
    /// It says `Accept: text/event-stream`.
    pub events: bool,
}

/// How a slow reader reads.
#[derive(Clone, Copy, Debug)]
pub struct Slowly {
    /// At most this many bytes at a time …
    pub bytes: usize,
    /// … this far apart …
    pub gap: Micros,
    /// … until then, …
    pub until: Moment,
    /// … and from then on not at all.
    pub stop: bool,
}

/// One thing to do.
#[derive(Clone, Debug)]
pub enum Do {
    /// Connect; SO_RCVBUF in bytes.
    Connect(Option<u32>),
    /// Send requests (more than one if pipelined), or a part.
    Send(Ask, Part, u32),
    /// Send the rest.
    Rest,
    /// Send the rest of the head, and leave the body to come.
    RestOfHead,
    /// Wait for 100 or a final response, this long at most; after a final one nothing more is sent.
    Continue(Micros),
    /// Send a body in this many pieces, this far apart, the last one at a moment.
    Upload(u32, Micros, Option<Moment>),
    /// Receive a response; slowly, if so.
    Response(Option<Slowly>),
    /// Receive a head.
    Head,
    /// Ready for the restart.
    Armed,
    /// Ready for the end of the stop.
    Loaded,
    /// Wait.
    Wait(Moment),
    /// Request after request.
    Repeat(Ask, Micros, Moment),
    /// Wait for the end.
    End(Micros),
    /// Close the sending side.
    HalfClose,
    /// Close by RST, whatever is under way.
    Abort,
    /// Close.
    Close,
}

/// One lane made concrete.
#[derive(Clone, Debug, Default)]
pub struct LanePlan {
    /// Its name in histories.
    pub role: String,
    /// On which of several listening sockets, counted from 0.
    pub listener: usize,
    /// Where one is opened again and again: each on the next listening socket.
    pub in_turn: bool,
    /// A lane that is over is followed by another.
    pub reconnect: bool,
    /// An ordinary pooled client instead of a raw socket.
    pub pooled: bool,
    /// It begins so long after the first ones.
    pub after: Micros,
    /// Who holds the server's side is not looked up: that costs more the more descriptors a process has.
    pub untraced: bool,
    /// So many loopback addresses are connected from in turn, where the target listens on 127.0.0.1; 0 leaves it to the kernel.
    pub sources: u8,
    /// What it does.
    pub steps: Vec<Do>,
    /// Fixes what it draws.
    pub seed: u64,
}
