//! What a case's history says of restarts that had to fail, and of those before and after them.

use std::collections::BTreeSet;

use super::Case;
use super::control::asked_at_once;
use crate::history::event::{ConnectTrouble, Event, Fault, Phase, What};
use crate::history::{Lane, Micros};

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Trial {
    /// The scenario has restarts that have to fail.
    pub is_one: bool,
    /// What keeps this restart from succeeding.
    pub fault: Option<Fault>,
    /// What kept the one before from it.
    pub after: Option<Fault>,
    /// Something was seen of the one before, if it had to fail.
    pub after_seen: bool,
    /// The attempt was over then; by what it was seen, if it was.
    pub attempt: Option<(Micros, Option<String>)>,
    /// Why the machine could not have some of them fail.
    pub unable: Option<String>,
    /// Somebody came to the gate before the program in this restart.
    pub came: bool,
    /// A step of this restart that is a command failed: how.
    pub command_failed: Option<String>,
    /// It is the history's last restart.
    pub last: bool,
    /// What the first, plain restart showed.
    pub plain: Option<Plain>,
    /// The target ever wrote anything.
    pub writes: bool,
    triggered: bool,
    said: Vec<String>,
    ordinary: BTreeSet<String>,
}

/// What a plain restart showed, by the way that is spoilt afterwards.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain {
    /// Somebody came by that way.
    pub came: bool,
    /// A successor answered.
    pub succeeded: bool,
    /// Connections that it cost.
    pub losses: usize,
}

impl Plain {
    /// Of the first restart.
    pub(super) fn of(first: &Case<'_>) -> Self {
        Self {
            came: first.trial.came,
            succeeded: first.timeline.tr().is_some(),
            losses: losses(first).count(),
        }
    }
}

impl Trial {
    /// Reads one event.
    pub(super) fn read(&mut self, event: &Event) {
        match &event.what {
            What::Phase { phase: Phase::Restart } => self.begin_round(),
            What::Trial { fault } => (self.is_one, self.fault) = (true, *fault),
            What::Trigger { step: 0, .. } => self.triggered = true,
            What::Unable { why, .. } => self.unable = Some(why.clone()),
            What::Attempt { seen } => self.attempt = Some((event.t, seen.clone())),
            What::Held { on: true, .. } => self.came = true,
            What::CommandEnded { code, signal, .. } if *code != Some(0) => {
                let how = match (code, signal) {
                    (Some(code), _) => format!("status {code}"),
                    (None, signal) => format!("signal {}", signal.unwrap_or_default()),
                };
                self.command_failed = Some(how);
            }
            What::Said { lines, .. } => {
                self.writes = true;
                if self.triggered && self.fault.is_some() {
                    self.said.extend(lines.iter().cloned());
                } else {
                    self.ordinary.extend(lines.iter().map(|line| shape(line)));
                }
            }
            _ => {}
        }
    }

    fn begin_round(&mut self) {
        self.after = self.fault.take();
        self.after_seen = self.attempt.take().is_some_and(|(_, seen)| seen.is_some());
        self.came = false;
        self.command_failed = None;
        self.triggered = false;
        self.said.clear();
    }

    /// Lines that the target wrote after the trigger of this restart and did not write in one that succeeded.
    pub fn told(&self) -> impl Iterator<Item = &String> {
        self.said.iter().filter(|line| !self.ordinary.contains(&shape(line)))
    }
}

/// A line without what differs each time: process ids, times.
fn shape(line: &str) -> String {
    let mut shape = String::with_capacity(line.len());
    for c in line.chars() {
        let c = if c.is_ascii_digit() { '#' } else { c };
        if c != '#' || !shape.ends_with('#') {
            shape.push(c);
        }
    }
    shape
}

/// New connections from the trigger on that were refused, or whose first request was not answered: lane, when, kind, what
/// was expected and seen.
pub(super) fn losses<'c>(
    case: &'c Case<'_>,
) -> impl Iterator<Item = (&'c Lane, Micros, &'static str, String, String)> {
    let t0 = case.t0().map_or(Micros::MAX, |t0| t0.lo);
    case.restart_lanes().filter(move |lane| lane.opened >= t0).filter_map(|lane| {
        if let Some((at, ConnectTrouble::Refused | ConnectTrouble::Missing, errno)) = lane.connect_failed {
            let seen = format!("connection refused (errno {})", errno.unwrap_or_default());
            return Some((lane, at, "refused", "the connection is accepted".to_owned(), seen));
        }
        let first = lane.exchanges.first().filter(|first| asked_at_once(lane, first))?;
        let (kind, expected, seen) = case.control.fault(lane, first)?;
        let at = lane.end.map_or(case.end, |end| end.at);
        (kind != "unfinished").then_some((lane, at, kind, expected, seen))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_do_not_make_another_line() {
        assert_eq!(shape("2026/11/29 [7] worker 123 exited"), shape("1999/1/2 [81] worker 4 exited"));
        assert_ne!(shape("worker 1 exited"), shape("worker 1 died"));
    }
}
