//! One connection driven by its steps, and everything that happens on it recorded. What goes out is in
//! `send`, what comes in in `receive`.
//!
//! A lane never judges. It takes care not to cause what it looks for: it reads all there is before
//! it closes, closes at once on end of file, and sends nothing after an announced close.

use std::cell::Cell;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::watch;

mod receive;
mod send;

use super::address::Address;
use super::http1::{Limits, Parser};
use super::socket::{ConnectFailureKind, Ends, Options, Socket};
use super::step::{Anchor, Anchors, Ask, Do, LanePlan, Moment, Part};
use crate::history::Recorder;
use crate::history::event::{ConnectTrouble, Ending, LaneId, Micros, Owner, What};

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
    /// All its addresses, if it listens on several.
    pub addresses: Rc<Vec<Address>>,
    /// The look-up of owners; none where the machine withholds it.
    pub owner: Option<Rc<FindOwner>>,
    /// The longest wait for a response.
    pub patience: Duration,
    /// Values of the target's marker, to be looked for in answers.
    pub markers: Rc<Vec<String>>,
    /// The field of answers whose value is the marker, whatever it is.
    pub marker_header: Option<Rc<str>>,
    /// What requests carry in their `Host` field.
    pub host: Rc<str>,
    /// Shared by all that is still open: as long as anybody has it, a connection may be.
    pub presence: Rc<()>,
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
pub async fn run(mut context: Context, plan: &LanePlan, signs: Rc<Signs>) {
    if let Some(address) = context.addresses.get(plan.listener) {
        context.address = address.clone();
    }
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
    sources: u8,
    random: ChaCha8Rng,
    socket: Option<Socket>,
    parser: Option<Parser>,
    /// Requests sent whole or in part and not answered yet.
    outstanding: VecDeque<Outstanding>,
    /// Bytes of a request that are still to be sent.
    rest: Vec<u8>,
    /// So many of them are of its head.
    rest_of_head: usize,
    /// What is still to be sent was held back to see who accepts the connection, and not as a client would.
    held_for_owner: bool,
    /// The server has said 100 to the request under way.
    continued: bool,
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
    fn new(mut context: Context, plan: &LanePlan, signs: Rc<Signs>) -> Self {
        if plan.untraced {
            context.owner = None;
        }
        let id = context.recorder.new_lane();
        Self {
            context,
            id,
            role: plan.role.clone(),
            sources: plan.sources,
            random: ChaCha8Rng::seed_from_u64(plan.seed ^ u64::from(id)),
            socket: None,
            parser: None,
            outstanding: VecDeque::new(),
            rest: Vec::new(),
            rest_of_head: 0,
            held_for_owner: false,
            continued: false,
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
            Do::RestOfHead => self.send_rest_of_head().await,
            Do::Continue(within) => self.await_continue(Duration::from_micros(*within)).await,
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
            Do::Abort => self.abort(),
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
            Options { receive_buffer_bytes: buffer.map(|bytes| bytes as usize), source: self.source() };
        let deadline = Instant::now() + self.context.patience;
        match Socket::connect_with(&self.context.address, &options, deadline).await {
            Ok(socket) => {
                let retransmits = socket.retransmits().unwrap_or(0);
                let port = socket.port();
                self.record_at(socket.opened().at, What::Connected { lane: self.id, retransmits, port });
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

    /// The address to connect from: one has 28,000 ports, and each is taken for a minute after its connection.
    fn source(&self) -> Option<IpAddr> {
        let Address::Tcp(SocketAddr::V4(address)) = &self.context.address else { return None };
        // The loopback's, or those of the clients' side of two network namespaces.
        let own = address.ip().is_loopback() || address.ip().is_documentation();
        let last = 2 + (self.id % u32::from(self.sources.max(1))) as u8;
        let [a, b, c, _] = address.ip().octets();
        (own && self.sources > 0).then(|| IpAddr::from([a, b, c, last]))
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

    /// Leaves by RST, as a client does whose process was killed or whose user went away.
    fn abort(&mut self) -> Flow {
        let Some(socket) = self.socket.take() else { return Err(Broken) };
        let stage = self.stage();
        match socket.abort() {
            Ok(at) => {
                self.record_at(at, What::Aborted { lane: self.id });
                self.record_at(at, What::End { lane: self.id, how: Ending::Lane, errno: None, stage });
            }
            Err(socket) => {
                self.socket = Some(socket);
                self.close_now();
            }
        }
        Err(Broken)
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
