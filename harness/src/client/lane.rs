//! One connection driven by its steps, and everything that happens on it recorded. What comes in is
//! in `receive`.
//!
//! A lane never judges. It takes care not to cause what it looks for: it reads all there is before
//! it closes, closes at once on end of file, and sends nothing after an announced close.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::watch;

mod receive;

use super::address::Address;
use super::http1::{AnswerTo, Limits, Parser, Request, RequestBody, Version};
use super::socket::{ConnectFailureKind, Ends, Options, SendFailureKind, Socket};
use super::step::{Anchor, Anchors, Ask, Do, LanePlan, Moment, Part};
use crate::history::Recorder;
use crate::history::event::{ConnectTrouble, LaneId, Micros, Owner, What};

/// A connection that was announced to close is watched for this long.
const CLOSE_WATCH: Duration = Duration::from_secs(5);
/// An accept is looked for this long before the last byte of a traced request.
const ACCEPT_WATCH: Duration = Duration::from_millis(50);
/// Read at once.
const READ_MAX: usize = 64 << 10;
/// A piece of an upload.
pub const PIECE_BYTES: usize = 1024;
/// Names a request, so that the origin behind a proxy can count how often it is executed.
pub const REQUEST_ID: &str = "X-Hotspec-Request";

/// Who holds the server's side of a connection.
pub type FindOwner = dyn Fn(&Ends) -> Owner;

/// What all lanes of a scenario share.
#[derive(Clone)]
pub struct Context {
    /// Where everything is written down.
    pub recorder: Rc<Recorder>,
    /// The instants as they come.
    pub anchors: watch::Receiver<Anchors>,
    /// Where the target listens.
    pub address: Address,
    /// The look-up of owners; none where the machine withholds it.
    pub owner: Option<Rc<FindOwner>>,
    /// The longest wait for a response.
    pub patience: Duration,
    /// Values of the target's marker, to be looked for in answers.
    pub markers: Rc<Vec<String>>,
}

/// How far a lane has come, for whoever steers.
#[derive(Debug, Default)]
pub struct Signs {
    /// It is in the state that the restart is to find it in.
    pub armed: Cell<bool>,
    /// It is in the state for which the old generation was stopped.
    pub loaded: Cell<bool>,
    /// It is over.
    pub done: Cell<bool>,
}

/// Runs a lane to its end. Dropping the future ends the lane too, and records that.
pub async fn run(context: Context, plan: &LanePlan, signs: Rc<Signs>) {
    let mut lane = Lane::new(context, plan, signs);
    for step in &plan.steps {
        if lane.over {
            break;
        }
        lane.step(step).await;
    }
    if !lane.over {
        lane.finish().await;
    }
}

/// The lane's steps are over or were broken off.
struct Broken;
type Flow = Result<(), Broken>;

struct Lane {
    context: Context,
    id: LaneId,
    role: String,
    random: ChaCha8Rng,
    socket: Option<Socket>,
    parser: Option<Parser>,
    /// Requests sent whole or in part and not answered yet.
    outstanding: VecDeque<Outstanding>,
    /// Bytes of a request that are still to be sent.
    rest: Vec<u8>,
    /// The next request's number.
    next: u32,
    /// When the first byte of the current response came.
    first_byte: Option<Instant>,
    in_body: bool,
    owner: Owner,
    /// The response that is being received says that it is the last.
    closing: bool,
    /// One such response is complete.
    announced: bool,
    over: bool,
    buffer: Vec<u8>,
    signs: Rc<Signs>,
}

struct Outstanding {
    number: u32,
    sent: bool,
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.close_now();
        self.signs.done.set(true);
    }
}

impl Lane {
    fn new(context: Context, plan: &LanePlan, signs: Rc<Signs>) -> Self {
        let id = context.recorder.new_lane();
        Self {
            context,
            id,
            role: plan.role.clone(),
            random: ChaCha8Rng::seed_from_u64(plan.seed ^ u64::from(id)),
            socket: None,
            parser: None,
            outstanding: VecDeque::new(),
            rest: Vec::new(),
            next: 0,
            first_byte: None,
            in_body: false,
            owner: Owner::Unknown,
            closing: false,
            announced: false,
            over: false,
            buffer: Vec::new(),
            signs,
        }
    }

    fn record(&self, what: What) {
        self.context.recorder.record(what);
    }

    fn record_at(&self, at: Instant, what: What) {
        self.context.recorder.record_at(self.context.recorder.at(at), what);
    }

    async fn step(&mut self, step: &Do) {
        let flow = match step {
            Do::Connect(buffer) => self.connect(*buffer).await,
            Do::Send(ask, part, count) => self.send(ask, *part, *count).await,
            Do::Rest => self.send_rest().await,
            Do::Upload(pieces, gap, last) => self.upload(*pieces, *gap, *last).await,
            Do::Response(slowly) => self.responses(*slowly).await,
            Do::Head => self.head().await,
            Do::Armed => {
                // Some say nothing from here on, and whose they are is to be known.
                self.watch_for_accept().await;
                self.record(What::Armed { lane: self.id });
                self.signs.armed.set(true);
                Ok(())
            }
            Do::Loaded => {
                self.record(What::Loaded { lane: self.id });
                self.signs.loaded.set(true);
                Ok(())
            }
            Do::Wait(moment) => self.wait(*moment).await,
            Do::Repeat(ask, every, until) => self.repeat(ask, *every, *until).await,
            Do::End(within) => self.await_end(Duration::from_micros(*within)).await,
            Do::HalfClose => self.half_close(),
            Do::Close => {
                self.finish().await;
                Err(Broken)
            }
        };
        if flow.is_err() {
            self.over = true;
        }
    }

    async fn connect(&mut self, buffer: Option<u32>) -> Flow {
        let address = self.context.address.to_string();
        self.record(What::Open { lane: self.id, role: self.role.clone(), address });
        let options =
            Options { receive_buffer_bytes: buffer.map(|bytes| bytes as usize), ..Options::default() };
        let deadline = Instant::now() + self.context.patience;
        match Socket::connect_with(&self.context.address, &options, deadline).await {
            Ok(socket) => {
                let retransmits = socket.retransmits().unwrap_or(0);
                self.record_at(socket.opened().at, What::Connected { lane: self.id, retransmits });
                self.socket = Some(socket);
                self.parser = Some(Parser::idle(Limits::default()));
                self.look_up_owner();
                Ok(())
            }
            Err(failure) => {
                let why = match failure.kind {
                    ConnectFailureKind::Refused => ConnectTrouble::Refused,
                    ConnectFailureKind::TimedOut => ConnectTrouble::TimedOut,
                    ConnectFailureKind::QueueFull => ConnectTrouble::QueueFull,
                    ConnectFailureKind::Missing => ConnectTrouble::Missing,
                    ConnectFailureKind::Local => ConnectTrouble::Local,
                    ConnectFailureKind::Other => ConnectTrouble::Other,
                };
                self.record_at(failure.at, What::ConnectFailed { lane: self.id, why, errno: failure.errno });
                Err(Broken)
            }
        }
    }

    /// Looks the owner up once, and records what is new. True once one process is known to hold it.
    fn look_up_owner(&mut self) -> bool {
        if matches!(self.owner, Owner::Process(_)) {
            return true;
        }
        let (Some(find), Some(socket)) = (&self.context.owner, &self.socket) else { return false };
        let Some(ends) = socket.ends() else { return false };
        let owner = find(&ends);
        if owner != self.owner {
            self.owner = owner;
            self.record(What::Owner { lane: self.id, owner });
        }
        matches!(owner, Owner::Process(_))
    }

    /// Looks again and again for a short while: an accept is no event that a client could wait for.
    async fn watch_for_accept(&mut self) {
        let until = Instant::now() + ACCEPT_WATCH;
        let looks = |lane: &Self| lane.context.owner.is_some() && lane.socket.is_some();
        while !self.look_up_owner() && looks(self) && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn send(&mut self, ask: &Ask, part: Part, count: u32) -> Flow {
        let (mut bytes, head) = self.encode(ask);
        for _ in 0..count {
            let number = self.next;
            self.next += 1;
            let (endpoint, method) = (ask.endpoint.to_owned(), ask.method.to_owned());
            self.record(What::Request { lane: self.id, request: number, endpoint, method });
            self.outstanding.push_back(Outstanding { number, sent: false });
            let parser = self.parser.get_or_insert_with(|| Parser::idle(Limits::default()));
            // Bytes that came before they were asked for have been told as extra.
            let _ = parser.next_request(AnswerTo::method(ask.method));
        }
        if count > 1 {
            bytes = bytes.repeat(count as usize);
        }
        let first = match part {
            Part::Whole => bytes.len(),
            Part::Traced | Part::AllButLast => bytes.len() - 1,
            Part::Half => head / 2,
            Part::Head => head,
        };
        self.rest = bytes.split_off(first);
        self.put(&bytes).await?;
        match part {
            Part::Whole => {
                self.look_up_owner();
                Ok(())
            }
            Part::Traced => {
                self.watch_for_accept().await;
                self.send_rest().await
            }
            Part::Half | Part::AllButLast | Part::Head => {
                self.watch_for_accept().await;
                Ok(())
            }
        }
    }

    /// The bytes of a request, and how many of them are its head.
    fn encode(&self, ask: &Ask) -> (Vec<u8>, usize) {
        let host = self.context.address.http_host();
        let body = if ask.body > 0 { RequestBody::Length(ask.body) } else { RequestBody::None };
        let version = if ask.http10 { Version::Http10 } else { Version::Http11 };
        let id = format!("{}-{}", self.id, self.next);
        let request = Request::new(ask.method, &ask.path, &host).version(version);
        let request = request.connection(ask.connection).body(body);
        match request.field(REQUEST_ID, &id).encode() {
            Ok(encoded) => (encoded.bytes, encoded.head_length),
            // Paths were checked when the plan was made: an empty request shows as one that can't be sent.
            Err(_) => (vec![b'\r', b'\n'], 1),
        }
    }

    async fn send_rest(&mut self) -> Flow {
        self.look_up_owner();
        let rest = std::mem::take(&mut self.rest);
        self.put(&rest).await
    }

    /// Sends bytes; if they are the last of the outstanding requests, records that these were sent.
    async fn put(&mut self, bytes: &[u8]) -> Flow {
        let Some(socket) = &self.socket else { return Err(Broken) };
        let before = self.context.recorder.now();
        let deadline = Instant::now() + self.context.patience;
        match socket.send_all(bytes, deadline).await {
            Ok(at) => {
                if self.rest.is_empty() {
                    let at = self.context.recorder.at(at);
                    for open in self.outstanding.iter_mut().filter(|open| !open.sent) {
                        open.sent = true;
                        let what = What::Sent { lane: self.id, request: open.number, from: before };
                        self.context.recorder.record_at(at, what);
                    }
                }
                Ok(())
            }
            Err(failure) => {
                let why = match failure.kind {
                    SendFailureKind::Broken => "broken pipe",
                    SendFailureKind::Reset => "reset",
                    SendFailureKind::TimedOut => "timed out",
                    SendFailureKind::Other => "failed",
                };
                let request = self.outstanding.back().map_or(self.next, |open| open.number);
                self.record_at(failure.at, What::SendFailed { lane: self.id, request, why: why.to_owned() });
                // What the server had to say before it closed is still to be read.
                self.await_end(self.context.patience).await
            }
        }
    }

    async fn upload(&mut self, pieces: u32, gap: Micros, last: Option<Moment>) -> Flow {
        let mut body = std::mem::take(&mut self.rest);
        for piece in 0..pieces {
            let is_last = piece + 1 == pieces;
            if piece > 0 {
                self.pause(Duration::from_micros(gap)).await?;
            }
            if let Some(moment) = last.filter(|_| is_last) {
                self.wait_trickling(moment, gap, &mut body).await?;
            }
            // One byte is held back for the end, and a few for trickling.
            let take = if is_last { body.len() } else { (PIECE_BYTES / 2).min(body.len().saturating_sub(1)) };
            let now: Vec<u8> = body.drain(..take).collect();
            self.rest = if is_last { Vec::new() } else { vec![0] };
            if is_last {
                self.look_up_owner();
            }
            self.put(&now).await?;
        }
        Ok(())
    }

    /// Waits for a moment, and sends a byte every `gap` meanwhile so that the upload is never silent.
    async fn wait_trickling(&mut self, moment: Moment, gap: Micros, body: &mut Vec<u8>) -> Flow {
        loop {
            let gap_over = tokio::time::sleep(Duration::from_micros(gap));
            tokio::select! {
                flow = self.wait(moment) => return flow,
                () = gap_over => {}
            }
            if body.len() > 1 {
                let byte: Vec<u8> = body.drain(..1).collect();
                self.rest = vec![0];
                self.put(&byte).await?;
            }
        }
    }

    /// Waits until a moment. The end of the connection is noticed at once, and ends the lane.
    async fn wait(&mut self, moment: Moment) -> Flow {
        let context = self.context.clone();
        tokio::select! {
            biased;
            () = reached(&context, moment) => Ok(()),
            flow = self.watch() => flow,
        }
    }

    async fn pause(&mut self, span: Duration) -> Flow {
        tokio::select! {
            biased;
            () = tokio::time::sleep(span) => Ok(()),
            flow = self.watch() => flow,
        }
    }

    fn half_close(&mut self) -> Flow {
        let Some(socket) = &self.socket else { return Err(Broken) };
        if let Ok(at) = socket.half_close() {
            self.record_at(at, What::HalfClosed { lane: self.id });
        }
        Ok(())
    }

    /// Request after request until a moment, as a client with keep-alive does.
    async fn repeat(&mut self, ask: &Ask, every: Micros, until: Moment) -> Flow {
        while !has_come(&self.context, until) {
            self.send(ask, Part::Whole, 1).await?;
            self.responses(None).await?;
            let pause = self.random.random_range(every / 2..=every + every / 2);
            let context = self.context.clone();
            tokio::select! {
                biased;
                () = reached(&context, until) => return Ok(()),
                flow = self.pause(Duration::from_micros(pause)) => flow?,
            }
        }
        Ok(())
    }
}

/// Whether a moment has come.
pub fn has_come(context: &Context, moment: Moment) -> bool {
    let now = context.recorder.now();
    context.anchors.borrow().get(moment.anchor).is_some_and(|at| now >= at + moment.plus)
}

/// Waits for a moment; one after the end of the load never comes later than that end.
pub async fn reached(context: &Context, moment: Moment) {
    let mut anchors = context.anchors.clone();
    loop {
        let (at, over) = {
            let now = anchors.borrow_and_update();
            (now.get(moment.anchor), now.get(Anchor::Over))
        };
        if over.is_some() && moment.anchor != Anchor::Over {
            return;
        }
        if let Some(at) = at {
            let due = context.recorder.instant(at + moment.plus);
            tokio::select! {
                () = tokio::time::sleep_until(due.into()) => return,
                changed = anchors.changed() => if changed.is_err() { return },
            }
        } else if anchors.changed().await.is_err() {
            return;
        }
    }
}
