//! What happened on one connection, in short lines, with the instants of the restart among them.

use std::collections::BTreeMap;

use super::style::bytes as in_bytes;
use crate::history::event::{ConnectTrouble, Ending, Event, Owner, Phase, Stage, What};
use crate::history::{Interval, LaneId, Micros, Model, Timeline};

/// The connection's own first lines that are always shown.
const FIRST: usize = 3;
/// Its lines before the breach …
const BEFORE: usize = 7;
/// … and after it.
const AFTER: usize = 3;

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something on the lane.
    Lane,
    /// That is where the clause was broken.
    Breach,
    /// An instant of the restart, or something that happened to the process that owns the lane.
    Restart,
    /// Lines that are left out.
    Left,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When, from T0 on: `T0+104.2 ms`. From the begin of the run where there was no T0.
    pub time: String,
    /// What. May hold bytes that the target sent: see [`clean`](super::style::clean).
    pub text: String,
    /// What it is about.
    pub kind: Kind,
}

/// A history that lanes are looked up in.
pub struct LaneLog<'a> {
    events: &'a [Event],
    timeline: Timeline,
    drain_start_max: Micros,
    /// The events of each lane, by their places.
    lanes: BTreeMap<LaneId, Vec<usize>>,
}

impl<'a> LaneLog<'a> {
    /// Of this history; `model` and `drain_start_max` are those that the run was judged with.
    pub fn new(events: &'a [Event], model: Model, drain_start_max: Micros) -> Self {
        let mut lanes: BTreeMap<LaneId, Vec<usize>> = BTreeMap::new();
        for (index, event) in events.iter().enumerate() {
            if let Some(lane) = event.what.lane() {
                lanes.entry(lane).or_default().push(index);
            }
        }
        Self { events, timeline: Timeline::of(model, events), drain_start_max, lanes }
    }

    /// The port of a lane's end, if it was connected over TCP.
    pub fn port(&self, lane: LaneId) -> Option<u16> {
        let places = self.lanes.get(&lane)?;
        places.iter().find_map(|place| match self.events.get(*place)?.what {
            What::Connected { port, .. } => port,
            _ => None,
        })
    }

    /// The events of a lane.
    pub(super) fn own(&self, lane: LaneId) -> Vec<&'a Event> {
        let places = self.lanes.get(&lane).into_iter().flatten();
        places.filter_map(|place| self.events.get(*place)).collect()
    }

    /// What happened on a lane at this very moment, the last of it if there was more.
    pub(super) fn at(&self, lane: LaneId, at: Micros) -> Option<&'a What> {
        let own = self.own(lane);
        own.iter().rev().find(|event| event.t == at).map(|event| &event.what)
    }

    /// Whether a lane had begun a request by then.
    pub(super) fn had_asked(&self, lane: LaneId, by: Micros) -> bool {
        let asks = |event: &&Event| event.t <= by && matches!(event.what, What::Request { .. });
        self.own(lane).iter().any(asks)
    }

    /// When the process that held a lane ended, if it has.
    pub(super) fn owner_gone(&self, lane: LaneId) -> Option<Interval> {
        match owner(&self.own(lane)) {
            Owner::Process(proc) => self.timeline.procs.get(&proc)?.gone,
            _ => None,
        }
    }

    /// What the events fold to.
    pub(super) fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// T0, Tr, Td of the last old process and Tx, as far as they were seen.
    pub(super) fn instants(&self) -> [Option<Interval>; 4] {
        let timeline = &self.timeline;
        [timeline.t0, timeline.tr(), timeline.td_last(self.drain_start_max), timeline.tx()]
    }

    /// T0, if the restart was triggered.
    pub(super) fn t0(&self) -> Option<Interval> {
        self.timeline.t0
    }

    /// The lines of a lane whose breach was seen at `breach`. Long logs are shown around it.
    pub fn lines(&self, lane: LaneId, breach: Micros) -> Vec<Line> {
        let own = self.own(lane);
        if own.is_empty() {
            return Vec::new();
        }
        let shown = own.iter().rposition(|event| event.t <= breach).unwrap_or_default();
        let kept = |index: usize| index < FIRST || (index + BEFORE >= shown && index <= shown + AFTER);
        let mut entries = self.restart_entries(owner(&own));
        entries.extend(own.iter().enumerate().map(|(index, event)| Entry {
            at: event.t,
            text: kept(index).then(|| self.describe(&event.what)),
            kind: if index == shown { Kind::Breach } else { Kind::Lane },
        }));
        // Stable, and instants come first: an event at that very moment is already after it.
        entries.sort_by_key(|entry| entry.at);
        self.fold(entries)
    }

    /// Entries to lines; stretches without text become one line that counts them.
    fn fold(&self, entries: Vec<Entry>) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut left = 0;
        for entry in entries {
            let Some(text) = entry.text else {
                left += 1;
                continue;
            };
            push_left(&mut lines, std::mem::take(&mut left));
            lines.push(Line { time: self.time(entry.at), text, kind: entry.kind });
        }
        push_left(&mut lines, left);
        lines
    }

    /// From T0 on, as in a [`Line`].
    pub(super) fn time(&self, at: Micros) -> String {
        let millis = |micros: Micros| micros as f64 / 1e3;
        match self.timeline.t0 {
            Some(t0) if at >= t0.lo => format!("T0+{:.1} ms", millis(at - t0.lo)),
            Some(t0) => format!("T0-{:.1} ms", millis(t0.lo - at)),
            None => format!("{:.1} ms", millis(at)),
        }
    }

    /// The instants, and what befell the process that owns the lane.
    fn restart_entries(&self, owner: Owner) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut push = |at: Micros, text: String| {
            entries.push(Entry { at, text: Some(text), kind: Kind::Restart });
        };
        let timeline = &self.timeline;
        if let Some(t0) = timeline.t0 {
            push(t0.lo, format!("T0: {}", self.trigger()));
        }
        if let Some(tr) = timeline.tr() {
            push(tr.hi, format!("Tr: the successor serves{}", self.not_before(tr)));
        }
        let old = timeline.generations().old;
        let of_owner = match owner {
            Owner::Process(id) if old.contains(&id) => timeline.td(id, self.drain_start_max),
            _ => None,
        };
        if let Some(td) = of_owner {
            let who = timeline.describe(owner);
            push(td.hi, format!("Td: {who} drains{}", self.not_before(td)));
        } else if let Some(td) = timeline.td_last(self.drain_start_max) {
            push(td.hi, format!("Td: the old generation drains{}", self.not_before(td)));
        }
        if let Some(tx) = timeline.tx() {
            push(tx.hi, format!("Tx: the old generation is gone{}", self.not_before(tx)));
        }
        // What was stopped in control is over.
        let restart = |event: &Event| event.what == What::Phase { phase: Phase::Restart };
        let begun = self.events.iter().rposition(restart).unwrap_or_default();
        for event in self.events.iter().skip(begun) {
            match &event.what {
                What::Gone { proc, .. } if owner == Owner::Process(*proc) => {
                    push(event.t, format!("{} has ended", timeline.describe(owner)));
                }
                What::Frozen { on, .. } => {
                    let what = if *on { "is stopped" } else { "goes on" };
                    push(event.t, format!("the old generation {what}"));
                }
                _ => {}
            }
        }
        entries
    }

    /// An instant stands at its upper bound; this is its lower one.
    fn not_before(&self, instant: Interval) -> String {
        if instant.lo == instant.hi {
            String::new()
        } else {
            format!(", not before {}", self.time(instant.lo))
        }
    }

    /// What the first step of the trigger did.
    pub(super) fn trigger(&self) -> &str {
        let mut steps = self.events.iter().filter_map(|event| match &event.what {
            What::Trigger { step: 0, what, .. } => Some(what.as_str()),
            _ => None,
        });
        steps.next().unwrap_or("the trigger")
    }

    fn describe(&self, what: &What) -> String {
        match what {
            What::Open { address, .. } => format!("connects to {address}"),
            What::Connected { retransmits: 0, .. } => "connected".to_owned(),
            What::Connected { retransmits, .. } => {
                format!("connected, its SYN sent {} times", retransmits.saturating_add(1))
            }
            What::ConnectFailed { why, errno, .. } => {
                format!("could not connect: {}{}", connect_trouble(*why), number(*errno))
            }
            What::Owner { owner, .. } => match owner {
                Owner::Process(_) => format!("accepted by {}", self.timeline.describe(*owner)),
                Owner::Queued => "waits in the accept queue".to_owned(),
                Owner::Several => "held by several processes".to_owned(),
                Owner::Unknown => "held by an unknown process".to_owned(),
            },
            What::Armed { .. } => "in the state that the scenario wants".to_owned(),
            What::Loaded { .. } => "in the state for which the old generation was stopped".to_owned(),
            What::Aborted { .. } => "closes by RST".to_owned(),
            What::HalfClosed { .. } => "closes its sending side".to_owned(),
            What::End { how, errno, stage, .. } => {
                format!("{}, {}{}", ending(*how), awaited(*stage), number(*errno))
            }
            _ => exchange(what),
        }
    }
}

/// Something at a moment; without text it is left out and counted.
struct Entry {
    at: Micros,
    text: Option<String>,
    kind: Kind,
}

fn push_left(lines: &mut Vec<Line>, left: usize) {
    if left > 0 {
        let text = format!("{left} more left out");
        lines.push(Line { time: "...".to_owned(), text, kind: Kind::Left });
    }
}

/// Who was last seen to hold the lane's server side.
fn owner(events: &[&Event]) -> Owner {
    let mut owners = events.iter().filter_map(|event| match &event.what {
        What::Owner { owner: owner @ Owner::Process(_), .. } => Some(*owner),
        _ => None,
    });
    owners.next_back().unwrap_or_default()
}

fn number(errno: Option<i32>) -> String {
    errno.map_or_else(String::new, |errno| format!(" (errno {errno})"))
}

/// Why a connection did not come about.
pub(super) fn connect_trouble(why: ConnectTrouble) -> &'static str {
    match why {
        ConnectTrouble::Refused => "refused",
        ConnectTrouble::TimedOut => "no answer in time",
        ConnectTrouble::QueueFull => "the queue is full",
        ConnectTrouble::Missing => "no such path",
        ConnectTrouble::Local => "the harness ran out of something",
        ConnectTrouble::Other => "another error",
    }
}

/// How a connection ended.
pub(super) fn ending(how: Ending) -> &'static str {
    match how {
        Ending::Fin => "FIN",
        Ending::Reset => "RST",
        Ending::ResetAfterFin => "FIN, then RST for what the lane sent after it",
        Ending::Lane => "the lane closes",
        Ending::GaveUp => "the lane gives up",
    }
}

/// How far the answer had come.
pub(super) fn awaited(stage: Stage) -> &'static str {
    match stage {
        Stage::Idle => "nothing awaited",
        Stage::HalfSent => "the request half sent",
        Stage::NoByte => "no byte of the answer yet",
        Stage::InHead => "in the head of the answer",
        Stage::InBody => "in the body of the answer",
    }
}

/// Requests and answers; people count from 1.
fn exchange(what: &What) -> String {
    match what {
        What::Request { request, endpoint, method, .. } => {
            format!("request {}: {method} {endpoint}", request.saturating_add(1))
        }
        What::Sent { request, .. } => format!("request {} sent whole", request.saturating_add(1)),
        What::SendFailed { request, why, .. } => {
            format!("request {} could not be sent: {why}", request.saturating_add(1))
        }
        What::Interim { request, status, .. } => {
            format!("interim answer to request {}: status {status}", request.saturating_add(1))
        }
        What::Head { request, status, close, framing, .. } => {
            let close = if *close { "Connection: close" } else { "no close announced" };
            format!("answer {}: status {status}, {close}, framing {framing}", request.saturating_add(1))
        }
        What::Body { request, length, .. } => {
            format!("answer {} whole: {}", request.saturating_add(1), in_bytes(*length))
        }
        What::Malformed { request, why, .. } => {
            format!("answer {} is no HTTP: {why}", request.saturating_add(1))
        }
        What::Extra { bytes, .. } => format!("{} that nobody asked for", in_bytes(*bytes)),
        What::Overdue { awaited, .. } => format!("overdue: {awaited}"),
        What::Fetched { status, length, .. } => format!("answered: status {status}, {}", in_bytes(*length)),
        What::FetchFailed { kind, message, .. } => format!("failed ({kind}): {message}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::human::sample;

    fn shown(lines: &[Line]) -> Vec<String> {
        lines.iter().map(|line| format!("{} {}", line.time, line.text)).collect()
    }

    #[test]
    fn a_lane_s_events_are_told_from_t0_on_with_the_instants_among_them() {
        let events = sample::history();
        let log = LaneLog::new(&events, Model::Auto, 1_000_000);
        let lines = log.lines(2, 1_212_400);
        let text = shown(&lines).join("\n");
        assert!(text.starts_with("T0-700.0 ms connects to 127.0.0.1:8080"), "{text}");
        assert!(text.contains("T0+0.0 ms T0: kill -HUP 4210"), "{text}");
        assert!(text.contains("T0+62.0 ms Tr: the successor serves"), "{text}");
        assert!(text.contains("Td: nginx 4211 (old) drains"), "{text}");
        let breach: Vec<&Line> = lines.iter().filter(|line| line.kind == Kind::Breach).collect();
        assert_eq!(breach.len(), 1);
        assert_eq!(breach[0].text, "RST, no byte of the answer yet (errno 104)");
    }

    #[test]
    fn a_long_log_is_shown_around_the_breach_and_says_how_much_is_left_out() {
        let mut events = sample::history();
        let t = events.last().map_or(0, |event| event.t);
        for n in 0..100 {
            events.push(Event { t: t + n, what: What::Extra { lane: 2, bytes: n } });
        }
        let lines = LaneLog::new(&events, Model::Auto, 1_000_000).lines(2, t + 50);
        assert!(lines.len() < 24, "{}", lines.len());
        let left = lines.iter().filter(|line| line.kind == Kind::Left);
        let left: usize = left.filter_map(|line| line.text.split(' ').next()?.parse::<usize>().ok()).sum();
        let shown = lines.iter().filter(|line| matches!(line.kind, Kind::Lane | Kind::Breach)).count();
        let own = events.iter().filter(|event| event.what.lane() == Some(2)).count();
        assert_eq!(left + shown, own);
        assert!(lines.iter().any(|line| line.kind == Kind::Breach && line.text.starts_with("50 bytes")));
    }

    #[test]
    fn no_event_of_a_lane_is_told_by_an_empty_line_and_no_stop_of_control_is_told() {
        let mut events = sample::history();
        let restart = events.iter().position(|event| event.t >= 250_000).unwrap_or_default();
        let frozen = |t, on| Event { t, what: What::Frozen { procs: vec![1], on, listening: true } };
        events.insert(restart, frozen(249_000, true));
        let end = events.len() - 2;
        events.insert(end, Event { t: 1_212_500, what: What::Loaded { lane: 2 } });
        events.insert(end, frozen(1_212_450, true));
        let lines = LaneLog::new(&events, Model::Auto, 1_000_000).lines(2, 1_212_400);
        assert!(lines.iter().all(|line| !line.text.is_empty()), "{lines:?}");
        assert_eq!(lines.iter().filter(|line| line.text.contains("is stopped")).count(), 1, "{lines:?}");
    }

    #[test]
    fn what_happened_at_a_moment_and_to_the_owner_can_be_asked() {
        let events = sample::history();
        let log = LaneLog::new(&events, Model::Auto, 1_000_000);
        assert!(matches!(log.at(2, 1_212_400), Some(What::End { how: Ending::Reset, .. })));
        assert!(log.at(2, 1_212_401).is_none() && log.at(99, 1_212_400).is_none());
        assert_eq!(log.owner_gone(2), Some(Interval::new(5_098_000, 5_100_000)));
        assert!(log.had_asked(2, 301_000) && !log.had_asked(2, 300_999));
    }

    #[test]
    fn a_lane_that_the_history_does_not_know_has_no_log() {
        assert!(LaneLog::new(&sample::history(), Model::Auto, 1_000_000).lines(99, 0).is_empty());
    }
}
