//! One connection, told step by step as a lane would record it.

use std::collections::VecDeque;

use hotspec::history::event::{ConnectTrouble, Ending, Event, LaneId, Micros, Owner, Stage, What};

use crate::story::{OLD, RESTART, Story};

/// What a response looks like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) close: bool,
    pub(crate) framing: &'static str,
    pub(crate) marker: Option<&'static str>,
    pub(crate) hash: &'static str,
    /// 10 or 11.
    pub(crate) version: u8,
    /// `Connection: keep-alive` is promised.
    pub(crate) keep_alive: bool,
}

impl Answer {
    /// Its head, as the answer to one of a lane's requests; its first byte came then, in microseconds.
    fn head(self, lane: LaneId, request: u32, from: Micros) -> What {
        What::Head {
            lane,
            request,
            from,
            status: self.status,
            version: self.version,
            framing: self.framing.to_owned(),
            close: self.close,
            last: self.close || self.framing == "eof",
            keep_alive: self.keep_alive,
            marker: self.marker.map(str::to_owned),
        }
    }
}

/// The ordinary one.
pub(crate) const OPEN: Answer = Answer {
    status: 200,
    close: false,
    framing: "length",
    marker: None,
    hash: "929e6ca2a13b9e88",
    version: 11,
    keep_alive: false,
};
/// The same with `Connection: close`.
pub(crate) const LAST: Answer = Answer { close: true, ..OPEN };
/// To a client of HTTP/1.0, which knows the close by the version alone.
pub(crate) const HTTP10: Answer = Answer { version: 10, close: true, ..OPEN };
/// To one that asked for keep-alive, and is promised it.
pub(crate) const HTTP10_KEPT: Answer = Answer { version: 10, keep_alive: true, ..OPEN };

/// The port that a lane's own end has in these stories.
pub(crate) fn port_of(lane: LaneId) -> u16 {
    40_000 + lane as u16
}

/// An RST on the wire that breaks a lane off, sent by the target.
pub(crate) fn reset_by_target(lane: LaneId) -> What {
    What::Reset {
        port: port_of(lane),
        by_target: true,
        ack: true,
        lane_ended: false,
        target_ended: false,
        refused: false,
    }
}

/// A connection that is being told; every step is a little later than the one before.
pub(crate) struct Script<'s> {
    story: &'s mut Story,
    lane: LaneId,
    now: Micros,
    owner: Owner,
    next: u32,
    awaited: VecDeque<(u32, Stage)>,
}

impl<'s> Script<'s> {
    pub(crate) fn open(story: &'s mut Story, lane: LaneId, role: &str, at: u64, address: &str) -> Self {
        let mut script =
            Self { story, lane, now: at * 1_000, owner: Owner::Unknown, next: 0, awaited: VecDeque::new() };
        script.record(What::Open { lane, role: role.to_owned(), address: address.to_owned() });
        script
    }

    fn record(&mut self, what: What) {
        self.story.events.push(Event { t: self.now, what });
        self.now += 50;
    }

    /// The next step is at `ms`.
    pub(crate) fn at(mut self, ms: u64) -> Self {
        assert!(self.now <= ms * 1_000, "lane {} is at {} µs, past {ms} ms", self.lane, self.now);
        self.now = ms * 1_000;
        self
    }

    /// The next step is `ms` later.
    pub(crate) fn after(mut self, ms: u64) -> Self {
        self.now += ms * 1_000;
        self
    }

    /// Of its own end.
    fn port(&self) -> u16 {
        port_of(self.lane)
    }

    pub(crate) fn connected(self) -> Self {
        self.connected_with(0)
    }

    /// Connected, after this many retransmissions.
    pub(crate) fn connected_with(mut self, retransmits: u32) -> Self {
        self.record(What::Connected { lane: self.lane, retransmits, port: Some(self.port()) });
        self
    }

    pub(crate) fn owner(mut self, owner: Owner) -> Self {
        self.owner = owner;
        self.record(What::Owner { lane: self.lane, owner });
        self
    }

    /// Connected, and seen to be held by this process.
    pub(crate) fn accepted_by(self, owner: Owner) -> Self {
        self.connected().owner(owner)
    }

    pub(crate) fn armed(mut self) -> Self {
        self.record(What::Armed { lane: self.lane });
        self
    }

    pub(crate) fn loaded(mut self) -> Self {
        self.record(What::Loaded { lane: self.lane });
        self
    }

    /// A part of a request is on its way.
    pub(crate) fn begun(mut self, endpoint: &str) -> Self {
        let method = match endpoint {
            "upload" => "POST",
            "head" => "HEAD",
            _ => "GET",
        };
        let (lane, request) = (self.lane, self.next);
        self.next += 1;
        self.awaited.push_back((request, Stage::HalfSent));
        self.record(What::Request {
            lane,
            request,
            endpoint: endpoint.to_owned(),
            method: method.to_owned(),
        });
        self
    }

    /// Its last byte is.
    pub(crate) fn sent(mut self) -> Self {
        let half: Vec<u32> = self
            .awaited
            .iter_mut()
            .filter(|(_, stage)| *stage == Stage::HalfSent)
            .map(|(request, stage)| {
                *stage = Stage::NoByte;
                *request
            })
            .collect();
        for request in half {
            let from = self.now;
            self.now += 20;
            self.record(What::Sent { lane: self.lane, request, from });
        }
        self
    }

    pub(crate) fn asked_for(self, endpoint: &str) -> Self {
        self.begun(endpoint).sent()
    }

    pub(crate) fn asked(self) -> Self {
        self.asked_for("fast")
    }

    pub(crate) fn send_failed(mut self, why: &str) -> Self {
        let request = self.awaited.back().unwrap().0;
        self.record(What::SendFailed { lane: self.lane, request, why: why.to_owned() });
        self
    }

    /// The lane closed its sending side.
    pub(crate) fn half_closed(mut self) -> Self {
        self.record(What::HalfClosed { lane: self.lane });
        self
    }

    /// 100 came.
    pub(crate) fn continued(mut self) -> Self {
        let request = self.awaited.front().unwrap().0;
        self.record(What::Interim { lane: self.lane, request, status: 100 });
        self
    }

    /// Neither 100 nor an answer came in `ms`.
    pub(crate) fn waited_in_vain(mut self, ms: u64) -> Self {
        let from = self.now;
        self.now += ms * 1_000;
        self.record(What::Overdue { lane: self.lane, from, awaited: "continue".to_owned() });
        self
    }

    /// The first bytes of a head came, and no more.
    pub(crate) fn head_begun(mut self) -> Self {
        self.awaited.front_mut().unwrap().1 = Stage::InHead;
        self
    }

    /// The head of a response came.
    pub(crate) fn head(mut self, answer: Answer) -> Self {
        let front = self.awaited.front_mut().unwrap();
        front.1 = Stage::InBody;
        let (lane, request, from) = (self.lane, front.0, self.now + 400);
        self.now += 500;
        self.record(answer.head(lane, request, from));
        self
    }

    /// The last byte of its body came.
    pub(crate) fn body(mut self, answer: Answer) -> Self {
        let (request, _) = self.awaited.pop_front().unwrap();
        let (lane, hash) = (self.lane, answer.hash.to_owned());
        self.record(What::Body { lane, request, length: 9, hash, marker: None });
        self
    }

    pub(crate) fn answered_as(self, answer: Answer) -> Self {
        self.head(answer).body(answer)
    }

    /// Answered, and the connection may be used again.
    pub(crate) fn answered(self) -> Self {
        self.answered_as(OPEN)
    }

    /// Answered, with the close announced.
    pub(crate) fn answered_last(self) -> Self {
        self.answered_as(LAST)
    }

    /// Bytes that nobody asked for.
    pub(crate) fn extra(mut self, bytes: u64) -> Self {
        self.record(What::Extra { lane: self.lane, bytes });
        self
    }

    pub(crate) fn malformed(mut self) -> Self {
        let request = self.awaited.front().unwrap().0;
        let why = "expected a status line, found `SSH-2.0`".to_owned();
        self.record(What::Malformed { lane: self.lane, request, why });
        self
    }

    fn ended(mut self, how: Ending, errno: Option<i32>) {
        let stage = self.awaited.front().map_or(Stage::Idle, |(_, stage)| *stage);
        if self.owner == OLD && self.now >= RESTART * 1_000 {
            self.story.old_until = self.story.old_until.max(self.now);
        }
        self.record(What::End { lane: self.lane, how, errno, stage });
    }

    /// The lane left by RST.
    pub(crate) fn aborted(mut self) {
        self.record(What::Aborted { lane: self.lane });
        self.ended(Ending::Lane, None);
    }

    /// The server closed in order.
    pub(crate) fn fin(self) {
        self.ended(Ending::Fin, None);
    }

    pub(crate) fn reset(self) {
        self.ended(Ending::Reset, Some(104));
    }

    /// The server closed in order, and its kernel answered what was sent after that.
    pub(crate) fn reset_after_fin(self) {
        self.ended(Ending::ResetAfterFin, Some(104));
    }

    /// The lane closed, or was called off.
    pub(crate) fn closed(self) {
        self.ended(Ending::Lane, None);
    }

    /// The lane lost patience.
    pub(crate) fn gave_up(self) {
        self.ended(Ending::GaveUp, None);
    }

    /// The record breaks off here.
    pub(crate) fn and_no_more_is_known(self) {}

    pub(crate) fn not_connected(mut self, why: ConnectTrouble, errno: i32) {
        self.record(What::ConnectFailed { lane: self.lane, why, errno: Some(errno) });
    }

    pub(crate) fn refused(self) {
        self.not_connected(ConnectTrouble::Refused, 111);
    }

    /// The pooled client got an answer.
    pub(crate) fn fetched(mut self) -> Self {
        let from = self.now;
        self.now += 1_000;
        self.record(What::Fetched { lane: self.lane, from, status: 200, length: 9 });
        self
    }

    /// It did not.
    pub(crate) fn fetch_failed(mut self, kind: &str) -> Self {
        let (lane, from) = (self.lane, self.now);
        self.now += 1_000;
        let message = format!("error sending request: {kind}");
        self.record(What::FetchFailed { lane, from, kind: kind.to_owned(), message });
        self
    }
}

/// The head of a lane's first answer, with nothing special in it; its first byte came then.
pub(crate) fn plain_head(lane: LaneId, at: u64) -> What {
    OPEN.head(lane, 0, at * 1_000)
}
