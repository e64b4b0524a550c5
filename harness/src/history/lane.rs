//! The events of one connection, folded into what was asked and what came back.

use std::collections::BTreeMap;

use super::event::{ConnectTrouble, Ending, Event, Interval, LaneId, Micros, Owner, Phase, Stage, What};

/// One request on one connection.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    /// The endpoint it asked for.
    pub endpoint: String,
    /// Its first byte was sent after this.
    pub begun: Micros,
    /// Its last byte left within this, if it left.
    pub sent: Option<Interval>,
    /// 100 came, which asks for the body.
    pub continued: Option<Micros>,
    /// Neither 100 nor a final response came in this time, and the body was sent all the same.
    pub vain_wait: Option<Interval>,
    /// The final response's head.
    pub head: Option<Head>,
    /// The complete response's body.
    pub body: Option<Body>,
    /// What came is no HTTP.
    pub malformed: Option<String>,
    /// Sending failed.
    pub send_failed: Option<String>,
}

/// The head of a response.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// Its first byte came.
    pub first_byte: Micros,
    /// It was complete.
    pub at: Micros,
    /// The status code.
    pub status: u16,
    /// none, length, chunked or eof.
    pub framing: String,
    /// `Connection: close` was among the tokens, or implied by HTTP/1.0.
    pub close: bool,
    /// By the rules of HTTP nothing can follow on the connection.
    pub last: bool,
    /// `Connection: keep-alive` was among the tokens.
    pub keep_alive: bool,
    /// The marker it showed.
    pub marker: Option<String>,
}

/// The body of a complete response.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// Its last byte came.
    pub at: Micros,
    /// Decoded bytes.
    pub length: u64,
    /// XXH3 of the decoded bytes.
    pub hash: String,
    /// The marker it showed.
    pub marker: Option<String>,
}

impl Exchange {
    /// The response came whole.
    pub fn answered(&self) -> bool {
        self.body.is_some()
    }

    /// The marker that the response showed.
    pub fn marker(&self) -> Option<&str> {
        let head = self.head.as_ref().and_then(|head| head.marker.as_deref());
        head.or_else(|| self.body.as_ref().and_then(|body| body.marker.as_deref()))
    }

    /// The answer says that the request did not come whole in time (RFC 9110 §15.5.9).
    pub fn timed_out(&self) -> bool {
        self.head.as_ref().is_some_and(|head| head.status == 408)
    }

    /// The answer refuses a request that had not come whole, which the server need not have known for what it was: a 408, or what
    /// others send in its place when the time for a head is over (Go's net/http: 400).
    pub fn refused_half_sent(&self) -> bool {
        let half = |head: &Head| self.sent.is_none_or(|sent| sent.lo > head.at);
        self.timed_out()
            || self.head.as_ref().is_some_and(|head| (400..500).contains(&head.status) && half(head))
    }

    /// The response was announced as the connection's last.
    pub fn closes(&self) -> bool {
        self.head.as_ref().is_some_and(|head| head.last)
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// When it was noticed.
    pub at: Micros,
    /// How.
    pub how: Ending,
    /// The error number.
    pub errno: Option<i32>,
    /// How far the awaited response had come.
    pub stage: Stage,
}

/// A request through a pooled client.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// When it was asked.
    pub from: Micros,
    /// When it was answered or failed.
    pub at: Micros,
    /// The status code, or the kind of trouble and the client's words.
    pub result: Result<u16, (String, String)>,
}

/// One connection, as a history tells it.
#[derive(Clone, Debug)]
pub struct Lane {
    /// Its number.
    pub id: LaneId,
    /// Its name in the scenario file.
    pub role: String,
    /// The part of the scenario in which it was opened.
    pub phase: Phase,
    /// Where it connects to.
    pub address: String,
    /// It began to connect.
    pub opened: Micros,
    /// It was connected.
    pub connected: Option<Micros>,
    /// It was connected with this many retransmissions.
    pub retransmits: u32,
    /// The port of its own end, if it is a TCP connection.
    pub port: Option<u16>,
    /// It could not connect: when, why, and the error number.
    pub connect_failed: Option<(Micros, ConnectTrouble, Option<i32>)>,
    /// Who holds the server's side: the first definite answer.
    pub owner: Owner,
    /// When it was first known who holds it.
    pub owned: Option<Micros>,
    /// When it was last seen in a queue, not yet accepted.
    pub queued: Option<Micros>,
    /// It reached the state that the scenario wants.
    pub armed: Option<Micros>,
    /// Its requests, in their order.
    pub exchanges: Vec<Exchange>,
    /// Bytes that nobody asked for, and when.
    pub extra: Option<(Micros, u64)>,
    /// It closed its sending side.
    pub half_closed: Option<Micros>,
    /// It closed the connection by RST.
    pub aborted: Option<Micros>,
    /// How it ended.
    pub end: Option<End>,
    /// Requests of a pooled client.
    pub fetches: Vec<Fetch>,
}

impl Lane {
    fn new(id: LaneId, role: &str, address: &str, phase: Phase, opened: Micros) -> Self {
        Self {
            id,
            role: role.to_owned(),
            phase,
            address: address.to_owned(),
            opened,
            connected: None,
            retransmits: 0,
            port: None,
            connect_failed: None,
            owner: Owner::Unknown,
            owned: None,
            queued: None,
            armed: None,
            exchanges: Vec::new(),
            extra: None,
            half_closed: None,
            aborted: None,
            end: None,
            fetches: Vec::new(),
        }
    }

    fn exchange(&mut self, request: u32) -> &mut Exchange {
        let index = request as usize;
        // Requests are numbered from 0 without a gap; an edited history must not make us allocate.
        if self.exchanges.len() <= index && self.exchanges.len() < 1 << 20 {
            self.exchanges.push(Exchange::default());
        }
        let last = self.exchanges.len().saturating_sub(1);
        &mut self.exchanges[index.min(last)]
    }

    /// Bytes that nobody asked for, from an instant on. The body of a refusal of a half-sent HEAD is none of them: the server had not
    /// got the request whole, and need not have known that it was one.
    pub fn extra_from(&self, at: Micros) -> Option<(Micros, u64)> {
        let to_half = |exchange: &Exchange| exchange.endpoint == "head" && exchange.refused_half_sent();
        self.extra.filter(|(came, _)| *came >= at && !self.exchanges.last().is_some_and(to_half))
    }

    /// The first request that was begun and has no complete response.
    pub fn unanswered(&self) -> Option<(usize, &Exchange)> {
        self.exchanges.iter().enumerate().find(|(_, exchange)| !exchange.answered())
    }

    fn feed(&mut self, event: &Event) {
        let t = event.t;
        match &event.what {
            What::Connected { retransmits, port, .. } => {
                self.connected = Some(t);
                self.retransmits = *retransmits;
                self.port = *port;
            }
            What::ConnectFailed { why, errno, .. } => self.connect_failed = Some((t, *why, *errno)),
            What::Owner { owner: Owner::Queued, .. } => {
                self.queued = Some(t);
                if self.owner == Owner::Unknown {
                    self.owner = Owner::Queued;
                }
            }
            What::Owner { owner, .. } => {
                self.owner = *owner;
                self.owned = self.owned.or(Some(t));
            }
            What::Armed { .. } => self.armed = Some(t),
            What::Request { request, endpoint, .. } => {
                let exchange = self.exchange(*request);
                exchange.begun = t;
                exchange.endpoint.clone_from(endpoint);
            }
            What::Sent { request, from, .. } => {
                self.exchange(*request).sent = Some(Interval::new(*from, t));
            }
            What::Interim { request, status: 100, .. } => self.exchange(*request).continued = Some(t),
            What::SendFailed { request, why, .. } => {
                self.exchange(*request).send_failed = Some(why.clone());
            }
            What::Head { request, from, status, framing, close, last, keep_alive, marker, .. } => {
                let head = Head {
                    first_byte: *from,
                    at: t,
                    status: *status,
                    framing: framing.clone(),
                    close: *close,
                    last: *last,
                    keep_alive: *keep_alive,
                    marker: marker.clone(),
                };
                self.exchange(*request).head = Some(head);
            }
            What::Body { request, length, hash, marker, .. } => {
                let body = Body { at: t, length: *length, hash: hash.clone(), marker: marker.clone() };
                self.exchange(*request).body = Some(body);
            }
            What::Malformed { request, why, .. } => {
                self.exchange(*request).malformed = Some(why.clone());
            }
            _ => self.feed_ending(event),
        }
    }

    fn feed_ending(&mut self, event: &Event) {
        let t = event.t;
        match &event.what {
            What::Extra { bytes, .. } => self.extra = Some((t, *bytes)),
            What::Aborted { .. } => self.aborted = Some(t),
            What::Overdue { from, awaited, .. } if awaited == "continue" => {
                if let Some(last) = self.exchanges.last_mut() {
                    last.vain_wait = Some(Interval::new(*from, t));
                }
            }
            What::HalfClosed { .. } => self.half_closed = Some(t),
            What::End { how, errno, stage, .. } => {
                self.end = Some(End { at: t, how: *how, errno: *errno, stage: *stage });
            }
            What::Fetched { from, status, .. } => {
                self.fetches.push(Fetch { from: *from, at: t, result: Ok(*status) });
            }
            What::FetchFailed { from, kind, message, .. } => {
                let result = Err((kind.clone(), message.clone()));
                self.fetches.push(Fetch { from: *from, at: t, result });
            }
            _ => {}
        }
    }
}

/// All lanes of a history, by number: control's, and those of its last restart.
pub fn fold(events: &[Event]) -> BTreeMap<LaneId, Lane> {
    let mut lanes: BTreeMap<LaneId, Lane> = BTreeMap::new();
    let mut phase = Phase::Control;
    for event in events {
        match (&event.what, event.what.lane()) {
            (What::Phase { phase: next }, _) => {
                phase = *next;
                // Of several restarts the last one's lanes are asked for; control's are the measure of each.
                if phase == Phase::Restart {
                    lanes.retain(|_, lane| lane.phase == Phase::Control);
                }
            }
            (What::Open { role, address, .. }, Some(id)) => {
                lanes.insert(id, Lane::new(id, role, address, phase, event.t));
            }
            (_, Some(id)) => {
                if let Some(lane) = lanes.get_mut(&id) {
                    lane.feed(event);
                }
            }
            _ => {}
        }
    }
    lanes
}
