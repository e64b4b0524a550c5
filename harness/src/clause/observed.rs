//! What a case's history says of processes while all was quiet, and of their ends.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::event::{Counted, Event, Phase, What};
use crate::history::generation::Proc;
use crate::history::{Micros, ProcId};

/// What a process was given and what it was, at one look.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// When.
    pub at: Micros,
    /// Its arguments, if the machine tells them.
    pub arguments: Option<Vec<String>>,
    /// The hashes of its variables by name, if the machine tells them.
    pub environment: Option<BTreeMap<String, String>>,
    /// All else by name.
    pub properties: BTreeMap<String, String>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Exit status, if it exited.
    pub code: Option<i32>,
    /// Signal number, if one killed it.
    pub signal: Option<i32>,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// What the target was given; its arguments are always there.
    pub given: Option<Facts>,
    /// Who was there, and when that was looked at.
    pub censuses: Vec<(Micros, Vec<Counted>)>,
    /// The first step of the first restart.
    pub first_trigger: Option<Micros>,
    /// A step of a restart is a command of the harness's own: what it starts was not started by the target.
    pub commands: bool,
    /// Control began.
    pub control: Option<Micros>,
    /// Processes that the harness killed.
    pub killed: BTreeSet<ProcId>,
    facts: BTreeMap<ProcId, Vec<Facts>>,
    exits: Vec<(Micros, i32, End)>,
    ended: BTreeMap<ProcId, End>,
}

impl Observed {
    /// Reads one event.
    pub(super) fn read(&mut self, event: &Event) {
        let at = event.t;
        match &event.what {
            What::Given { arguments, environment, properties } => {
                self.given = Some(Facts {
                    at,
                    arguments: Some(arguments.clone()),
                    environment: Some(environment.clone()),
                    properties: properties.clone(),
                });
            }
            What::Facts { proc, arguments, environment, properties } => {
                self.facts.entry(*proc).or_default().push(Facts {
                    at,
                    arguments: arguments.clone(),
                    environment: environment.clone(),
                    properties: properties.clone(),
                });
            }
            What::Census { processes } => self.censuses.push((at, processes.clone())),
            What::Exit { pid, code, signal } => {
                self.exits.push((at, *pid, End { code: *code, signal: *signal }));
            }
            What::Ended { proc, code, signal } => {
                self.ended.insert(*proc, End { code: *code, signal: *signal });
            }
            What::Killed { procs, .. } => self.killed.extend(procs),
            What::Trigger { what, from, .. } => {
                self.first_trigger.get_or_insert(*from);
                // A command is told in the form in which a person would type it.
                self.commands |= what.starts_with('`');
            }
            What::Phase { phase: Phase::Control } => self.control = self.control.or(Some(at)),
            _ => {}
        }
    }

    /// The first look at a process from then on.
    pub fn facts_after(&self, proc: ProcId, at: Micros) -> Option<&Facts> {
        self.facts.get(&proc)?.iter().find(|facts| facts.at >= at)
    }

    /// The last look at a process until then.
    pub fn facts_before(&self, proc: ProcId, at: Micros) -> Option<&Facts> {
        self.facts.get(&proc)?.iter().rfind(|facts| facts.at <= at)
    }

    /// How a process ended, if anybody could tell: its own descriptor, or the warden that reaped it. `next` is when the next
    /// process with its pid was born.
    pub fn end(&self, proc: &Proc, next: Option<Micros>) -> Option<End> {
        let by_pid = || {
            let last_alive = proc.gone?.lo;
            let of_it = |(at, pid, _): &&(Micros, i32, End)| {
                *pid == proc.pid && *at >= last_alive && next.is_none_or(|next| *at <= next)
            };
            self.exits.iter().filter(of_it).min_by_key(|(at, ..)| *at).map(|(.., end)| *end)
        };
        self.ended.get(&proc.id).copied().or_else(by_pid)
    }
}
