//! What scenarios tell while they run, for whoever watches: progress bars, and events for programs. Nothing is judged by it.

use std::sync::mpsc;
use std::time::Instant;

use super::runner::Job;
use crate::client::step::Anchor;
use crate::history::event::Stop;
use crate::history::{LaneId, Micros};

/// Something that a scenario tells while it runs.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The scenario.
    pub scenario: String,
    /// Which attempt at it, counted from 1.
    pub attempt: u32,
    /// When, on the run's clock.
    pub at_us: Micros,
    /// What it tells.
    pub news: News,
}

/// What a scenario tells.
#[derive(Clone, Debug)]
pub enum News {
    /// It does something else from now on.
    Doing(Doing),
    /// An instant of a restart is known to have come.
    Instant {
        /// T0, Tr, Td or Tx.
        instant: &'static str,
        /// Of which restart of this attempt, counted from 1.
        restart: u32,
    },
    /// It is over.
    Over {
        /// Why before its end, if so.
        stopped: Option<Stopped>,
        /// Connections that were begun.
        connections: LaneId,
        /// Restarts that were triggered.
        restarts: u32,
    },
}

/// Why a scenario stopped before its end.
#[derive(Clone, Debug)]
pub enum Stopped {
    /// The user broke the run off.
    Interrupted,
    /// It could not go on: whose fault that is, and what was seen.
    Failed(Stop, String),
}

/// What a scenario does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doing {
    /// The target is started.
    Starting,
    /// All goes its way with no restart.
    Control,
    /// A restart is brought about and seen through.
    Restart,
    /// The same, and it has to fail.
    FailingRestart,
    /// The target is started with a listening socket of the harness's own.
    Adopted,
    /// The successor serves on alone.
    Settling,
    /// Whether the old generation goes after all.
    Waiting,
}

impl Doing {
    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            Doing::Starting => "starting",
            Doing::Control => "control",
            Doing::Restart => "restart",
            Doing::FailingRestart => "restart that fails",
            Doing::Adopted => "adopted",
            Doing::Settling => "settling",
            Doing::Waiting => "waiting for the old generation to go",
        }
    }

    /// For programs.
    pub fn word(self) -> &'static str {
        match self {
            Doing::FailingRestart => "failing-restart",
            Doing::Waiting => "waiting",
            other => other.as_str(),
        }
    }
}

/// The name of an instant that is told; the others matter to lanes only.
pub(super) fn instant(anchor: Anchor) -> Option<&'static str> {
    match anchor {
        Anchor::T0 => Some("T0"),
        Anchor::Tr => Some("Tr"),
        Anchor::Td => Some("Td"),
        Anchor::Tx => Some("Tx"),
        _ => None,
    }
}

/// Tells something now; nobody may be listening any more.
pub(super) fn tell(progress: &mpsc::Sender<Progress>, job: &Job, news: News) {
    let at_us = job.origin.micros(Instant::now());
    let _ = progress.send(Progress { scenario: job.plan.name.clone(), attempt: job.attempt, at_us, news });
}
