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

impl Model {
    /// Its name in files and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Model::Auto => "auto",
            Model::ForkExec => "fork-exec",
            Model::MasterWorkers => "master-workers",
            Model::NewMaster => "new-master",
            Model::SecondInstance => "second-instance",
            Model::InPlace => "in-place",
        }
    }
}

/// One epoch of one process of the target, and what it was seen to do.
#[derive(Clone, Debug)]
pub struct Proc {
    /// Its number in the history.
    pub id: ProcId,
    /// Its process id.
    pub pid: i32,
    /// Its parent's, when it was first seen.
    pub ppid: i32,
    /// The address of its stack, which a fork copies and an execution changes. 0 if withheld.
    pub stack: u64,
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
    /// Of the old ones the master, if it serves nobody itself: it goes with the others, but has nothing to drain.
    pub idle: Vec<ProcId>,
}

impl Timeline {
    /// The process that was there first, and still is at T0: the one that the trigger is for.
    pub fn root(&self) -> Option<&Proc> {
        let t0 = self.t0.map_or(Micros::MAX, |t0| t0.lo);
        let alive = |proc: &&Proc| proc.gone.is_none_or(|gone| gone.hi > t0) && proc.seen <= t0;
        let first = self.procs.keys().next();
        // One that has executed something since it started the others is the first of them all the same.
        let origin = |proc: &Proc| self.epochs(proc).last();
        let first_is_gone = !self.procs.values().filter(alive).any(|proc| origin(proc).as_ref() == first);
        // Then what an earlier generation left behind, and serves nobody, is older than the one that came after it.
        let left_behind = |proc: &Proc| first_is_gone && !listened(proc);
        self.procs.values().filter(alive).min_by_key(|proc| (left_behind(proc), origin(proc)))
    }

    /// A process's epochs before this one, the latest first, after this one.
    fn epochs<'a>(&'a self, proc: &'a Proc) -> impl Iterator<Item = ProcId> + 'a {
        let earlier = |id: &ProcId| {
            let before = self.procs.get(id).and_then(|proc| proc.executed_from);
            before.filter(|before| before < id)
        };
        std::iter::successors(Some(proc.id), earlier)
    }

    /// Who is old, who stays, who succeeds. Before T0 everybody is old.
    pub fn generations(&self) -> Generations {
        let t0 = self.t0.map_or(Micros::MAX, |t0| t0.lo);
        let (before, after): (Vec<&Proc>, Vec<&Proc>) =
            self.procs.values().partition(|proc| was_there(proc, t0));
        let before: Vec<&Proc> =
            before.into_iter().filter(|proc| proc.gone.is_none_or(|gone| gone.hi >= t0)).collect();
        let model = match self.declared {
            Model::Auto => self.told_model(&before, &after),
            declared => declared,
        };
        let root = self.root().map(|root| root.id);
        let serves =
            |proc: &&&Proc| proc.lanes > 0 || proc.canaries > 0 || listened(proc) || Some(proc.id) == root;
        let masters = match model {
            Model::MasterWorkers => self.masters(root, &before, &after),
            _ => Vec::new(),
        };
        let mut generations = Generations { model, ..Generations::default() };
        for proc in before.iter().filter(serves) {
            let stays = match model {
                Model::MasterWorkers => masters.contains(&proc.id),
                Model::InPlace => true,
                _ => false,
            };
            let list = if stays { &mut generations.permanent } else { &mut generations.old };
            list.push(proc.id);
        }
        for proc in after {
            let list = match model {
                // The master may execute again in its place: it is another epoch then, and stays all the same.
                Model::MasterWorkers if masters.iter().any(|id| self.continues(proc, Some(*id))) => {
                    &mut generations.permanent
                }
                // A master that is on its way out may still replace a worker that ended.
                Model::NewMaster | Model::SecondInstance if self.is_worker_of(proc, &generations.old) => {
                    &mut generations.old
                }
                _ => &mut generations.successors,
            };
            list.push(proc.id);
        }
        let idle = self.root().filter(|root| root.lanes == 0 && root.canaries == 0);
        let others = || before.iter().any(|proc| Some(proc.id) != root && (proc.lanes > 0 || listened(proc)));
        let idle = idle.filter(|root| generations.old.contains(&root.id) && others());
        generations.idle = idle.map(|root| root.id).into_iter().collect();
        generations
    }

    /// Who stays where workers are replaced: the first process, and below one that only started it (a supervisor) the master
    /// that forked a worker of the new generation, and serves nobody itself.
    fn masters(&self, root: Option<ProcId>, before: &[&Proc], after: &[&Proc]) -> Vec<ProcId> {
        let workers = || after.iter().filter(|proc| proc.lanes > 0);
        let epochs_of = |master: &Proc| -> Vec<ProcId> {
            let later = after.iter().filter(|proc| self.continues(proc, Some(master.id)));
            std::iter::once(master.id).chain(later.map(|proc| proc.id)).collect()
        };
        let forked_one = |master: &&&Proc| {
            let epochs = epochs_of(master);
            workers().any(|proc| self.is_worker_of(proc, &epochs))
        };
        let serves_nobody = |proc: &&&Proc| proc.lanes == 0 && proc.canaries == 0 && Some(proc.id) != root;
        let below = before.iter().filter(serves_nobody).filter(forked_one);
        root.into_iter().chain(below.map(|proc| proc.id)).collect()
    }

    fn told_model(&self, before: &[&Proc], after: &[&Proc]) -> Model {
        let Some(root) = self.root() else { return Model::ForkExec };
        let continued = after.iter().any(|proc| self.continues(proc, Some(root.id)));
        if continued && root.lanes > 0 {
            return Model::InPlace;
        }
        let others = before.iter().any(|proc| proc.id != root.id && proc.lanes > 0);
        if root.lanes > 0 || !others {
            return Model::ForkExec;
        }
        // One that executes in its place has no need of another master.
        if continued {
            return Model::MasterWorkers;
        }
        let serves = |master: &Proc| {
            let theirs = |proc: &&Proc| proc.pid == master.pid || proc.ppid == master.pid;
            after.iter().copied().filter(theirs).any(|proc| proc.lanes > 0)
        };
        // A master below a supervisor that executes in its place is not another one.
        let goes_on = |proc: &Proc| before.iter().any(|earlier| self.continues(proc, Some(earlier.id)));
        if after.iter().copied().filter(|proc| executed_by(proc, root) && !goes_on(proc)).any(serves) {
            return Model::NewMaster;
        }
        if root.gone.is_none() { Model::MasterWorkers } else { Model::SecondInstance }
    }

    /// Whether it is the same process as `root`, which has executed something since.
    fn continues(&self, proc: &Proc, root: Option<ProcId>) -> bool {
        root.is_some_and(|root| root != proc.id && self.epochs(proc).any(|epoch| epoch == root))
    }

    /// Whether one of these forked it, and it has not executed anything since.
    fn is_worker_of(&self, proc: &Proc, masters: &[ProcId]) -> bool {
        let forked = |master: &Proc| {
            master.pid == proc.ppid && master.stack != 0 && master.stack == proc.stack && master.id < proc.id
        };
        let executes_later = || self.procs.values().any(|later| later.executed_from == Some(proc.id));
        proc.executed_from.is_none()
            && masters.iter().filter_map(|id| self.procs.get(id)).any(forked)
            && !executes_later()
    }

    /// Whether the successor is seen to be ready without any traffic: as many of its processes hold a listening socket as of
    /// the generation before. One that was forked a moment ago, and has its parent's sockets only, is not counted.
    pub fn successor_listens(&self) -> bool {
        let generations = self.generations();
        let listens = |id: &&ProcId| {
            self.procs.get(id).is_some_and(|proc| proc.gone.is_none() && !proc.listeners.is_empty())
        };
        let before: Vec<ProcId> = [&generations.old[..], &generations.permanent[..]].concat();
        let copy =
            |id: &ProcId| self.procs.get(id).is_some_and(|proc| self.is_worker_of(proc, &generations.old));
        let successors = generations.successors.iter().filter(listens).filter(|id| !copy(id)).count();
        successors > 0 && successors >= before.iter().filter(listens).count()
    }

    /// The main process of the newest generation that serves, where that has one of its own: the latest-born that answered
    /// and listens, or whoever forked it and serves nobody.
    pub fn newest_main(&self) -> Option<ProcId> {
        let generations = self.generations();
        if matches!(generations.model, Model::MasterWorkers | Model::InPlace) {
            return None;
        }
        let successors = || generations.successors.iter().filter_map(|id| self.procs.get(id));
        let there = |proc: &&Proc| proc.gone.is_none();
        let serves = |proc: &&Proc| proc.first_answer.is_some() && !proc.listeners.is_empty();
        let newest = successors().filter(there).filter(serves).max_by_key(|proc| proc.id)?;
        let forked_it = |up: &&Proc| up.lanes == 0 && self.is_worker_of(newest, &[up.id]);
        Some(successors().filter(there).find(forked_it).unwrap_or(newest).id)
    }

    /// How many generations answered since T0. Where workers are replaced they are counted by as many as there were before.
    pub fn generations_that_served(&self) -> usize {
        let generations = self.generations();
        let answered = |id: &&ProcId| self.procs.get(id).is_some_and(|proc| proc.first_answer.is_some());
        let count = generations.successors.iter().filter(answered).count();
        let workers = |id: &&ProcId| !generations.idle.contains(id);
        let old = generations.old.iter().filter(workers).count().max(1);
        match generations.model {
            Model::InPlace => usize::from(self.tr().is_some()),
            Model::MasterWorkers | Model::NewMaster => count.div_ceil(old),
            _ => count,
        }
    }

    /// Whether a process answered that was first seen after this one.
    pub fn answers_after(&self, last: ProcId) -> bool {
        self.procs.values().any(|proc| proc.id > last && proc.first_answer.is_some())
    }

    /// Whether no process of the old generation holds a listening socket any more, but for a master that serves nobody.
    pub fn old_stopped_listening(&self) -> bool {
        let generations = self.generations();
        let stopped = |id: &ProcId| {
            self.procs.get(id).is_none_or(|proc| proc.gone.is_some() || proc.listeners.is_empty())
        };
        let mut workers = generations.old.iter().filter(|id| !generations.idle.contains(id));
        self.t0.is_some() && workers.all(stopped)
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
        } else if proc.gone.is_some_and(|gone| self.t0.is_some_and(|t0| gone.hi < t0.lo)) {
            "gone before"
        } else {
            "permanent"
        };
        format!("{} {} ({life})", proc.name, proc.pid)
    }
}

/// Whether a process was there at T0: seen by then, or born and only seen later. (An execution is no birth.)
fn was_there(proc: &Proc, t0: Micros) -> bool {
    proc.seen <= t0 || (proc.executed_from.is_none() && proc.born.hi <= t0)
}

/// Whether it is a child of this one that has executed something since it was forked.
fn executed_by(proc: &Proc, parent: &Proc) -> bool {
    let differs = proc.stack != 0 && parent.stack != 0 && proc.stack != parent.stack;
    proc.ppid == parent.pid && (differs || proc.executed_from.is_some())
}

/// Whether it holds a listening socket, or held one.
fn listened(proc: &Proc) -> bool {
    !proc.listeners.is_empty() || proc.no_listener.is_some()
}
