//! Processes and the lives they belong to: who is old, who stays, who succeeds.

use serde::{Deserialize, Serialize};

use super::event::{Interval, Micros, Owner, ProcId};
use super::timeline::Timeline;

/// How a target restarts: it decides which processes are old, which stay, which succeed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// Told from what happens.
    #[default]
    Auto,
    /// The server forks and executes its successor.
    ForkExec,
    /// A permanent master replaces its workers.
    MasterWorkers,
    /// The master executes a new master beside itself.
    NewMaster,
    /// A second instance is started by somebody else and takes over.
    SecondInstance,
    /// One process restarts inside itself.
    InPlace,
}

/// One epoch of one process of the target, and what it was seen to do.
#[derive(Clone, Debug)]
pub struct Proc {
    /// Its number in the history.
    pub id: ProcId,
    /// Its process id.
    pub pid: i32,
    /// Its short name.
    pub name: String,
    /// The file that it executes, if the machine tells.
    pub program: Option<String>,
    /// When it was born.
    pub born: Interval,
    /// When it was first seen.
    pub seen: Micros,
    /// The epoch of the same pid that executed and became this one.
    pub executed_from: Option<ProcId>,
    /// When it ended.
    pub gone: Option<Interval>,
    /// The listening sockets that it holds now.
    pub listeners: Vec<u64>,
    /// When it was first seen to hold none any more.
    pub no_listener: Option<Micros>,
    /// Lanes that it owned.
    pub lanes: u32,
    /// First byte of the first response on a lane that it owns.
    pub first_answer: Option<Micros>,
    /// Its latest sign of not draining: the request was sent, or the connection begun, then.
    pub last_open: Option<Micros>,
    /// First announced close on a canary where control shows none at that ordinal.
    pub announced: Option<Micros>,
    /// First end of file on a canary that control would have kept.
    pub canary_closed: Option<Micros>,
    /// Canary lanes that it owned when the restart began.
    pub canaries: u32,
}

impl Proc {
    /// Forgets what it did in the restart before.
    pub(super) fn begin_round(&mut self) {
        self.no_listener = None;
        self.lanes = 0;
        self.first_answer = None;
        self.last_open = None;
        self.announced = None;
        self.canary_closed = None;
        self.canaries = 0;
    }
}

/// Which processes belong to which life.
#[derive(Clone, Debug, Default)]
pub struct Generations {
    /// The model, told or declared.
    pub model: Model,
    /// The old generation, O.
    pub old: Vec<ProcId>,
    /// Processes that stay.
    pub permanent: Vec<ProcId>,
    /// Processes born after T0.
    pub successors: Vec<ProcId>,
}

impl Timeline {
    /// The first process that was seen and still is there, at T0: the one that the trigger is for.
    pub fn root(&self) -> Option<&Proc> {
        let t0 = self.t0.map_or(Micros::MAX, |t0| t0.lo);
        let alive = |proc: &&Proc| proc.gone.is_none_or(|gone| gone.hi > t0) && proc.seen <= t0;
        self.procs.values().find(alive)
    }

    /// Who is old, who stays, who succeeds. Before T0 everybody is old.
    pub fn generations(&self) -> Generations {
        let t0 = self.t0.map_or(Micros::MAX, |t0| t0.lo);
        let (before, after): (Vec<&Proc>, Vec<&Proc>) = self.procs.values().partition(|proc| proc.seen <= t0);
        let before: Vec<&Proc> =
            before.into_iter().filter(|proc| proc.gone.is_none_or(|gone| gone.hi >= t0)).collect();
        let model = match self.declared {
            Model::Auto => self.told_model(&before, &after),
            declared => declared,
        };
        let root = self.root().map(|root| root.id);
        let serves = |proc: &&&Proc| {
            proc.lanes > 0
                || proc.canaries > 0
                || !proc.listeners.is_empty()
                || proc.no_listener.is_some()
                || Some(proc.id) == root
        };
        let mut generations = Generations { model, ..Generations::default() };
        generations.successors = after.iter().map(|proc| proc.id).collect();
        for proc in before.iter().filter(serves) {
            let stays = match model {
                Model::MasterWorkers => Some(proc.id) == root,
                Model::InPlace => true,
                _ => false,
            };
            let list = if stays { &mut generations.permanent } else { &mut generations.old };
            list.push(proc.id);
        }
        generations
    }

    fn told_model(&self, before: &[&Proc], after: &[&Proc]) -> Model {
        let Some(root) = self.root() else { return Model::ForkExec };
        let executed = after.iter().any(|proc| proc.pid == root.pid && proc.executed_from.is_some());
        if executed && root.lanes > 0 {
            return Model::InPlace;
        }
        let others = before.iter().any(|proc| proc.id != root.id && proc.lanes > 0);
        if root.lanes == 0 && root.gone.is_none() && others {
            return Model::MasterWorkers;
        }
        Model::ForkExec
    }

    /// The process with this number, as a reader would name it.
    pub fn describe(&self, owner: Owner) -> String {
        let Owner::Process(id) = owner else {
            return match owner {
                Owner::Queued => "nobody (not yet accepted)".to_owned(),
                Owner::Several => "several processes".to_owned(),
                _ => "unknown".to_owned(),
            };
        };
        let Some(proc) = self.procs.get(&id) else { return "unknown".to_owned() };
        let generations = self.generations();
        let life = if generations.old.contains(&id) {
            "old"
        } else if generations.successors.contains(&id) {
            "successor"
        } else {
            "permanent"
        };
        format!("{} {} ({life})", proc.name, proc.pid)
    }
}
