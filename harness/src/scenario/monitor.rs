//! Watches the target's processes and listening sockets, and writes down what changes.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::rc::Rc;

use super::door::{Door, Listening};
use super::exits::{Exits, Usage, used};
use super::holdings::{Alive, Holdings};
use super::named;
use crate::client::address::Address;
use crate::client::socket::Ends;
use crate::history::event::{Interval, ListenerRow, Owner, What};
use crate::history::{Micros, ProcId, Recorder};
use crate::witness::process::{Epoch, Stat, Tree, holds_socket, sockets, start_interval};
use crate::witness::socket_table::{Holder, Owners, Peer, SocketTable, TableError};

/// Every so many looks all descriptors are read, not only those that were listening sockets.
const THOROUGH_EVERY: u32 = 8;

/// The eyes on one target. It lives on the scenario's thread, in its network namespace.
pub struct Monitor {
    recorder: Rc<Recorder>,
    inner: RefCell<Inner>,
}

pub(super) struct Inner {
    tree: Tree,
    pub(super) table: Option<SocketTable>,
    owners: Owners,
    door: Option<Door>,
    /// Inodes of all sockets that were ever seen behind the door. A unix socket whose path another one has taken listens
    /// on: nobody can connect any more, but its queue is still there.
    doors: BTreeSet<u64>,
    known: HashMap<Epoch, Known>,
    exits: Exits,
    usage: Usage,
    next: ProcId,
    pub(super) listeners: Option<(Micros, Vec<ListenerRow>)>,
    /// What is seen of descriptors beside that.
    pub(super) holdings: Holdings,
    last_look: Micros,
    last_sample: Option<Micros>,
    longest_gap: Micros,
    looks: u32,
    nobody_since: Option<Micros>,
    withheld: Option<String>,
    /// The flag by which a generation is told of its listening socket.
    flag: Option<String>,
    /// Connections that were last seen to wait, by listening socket.
    queues: BTreeMap<u64, (Micros, u32)>,
}

struct Known {
    proc: ProcId,
    ppid: i32,
    /// It was found to hold the server's side of a lane.
    serves: bool,
    gone: bool,
    seen: Micros,
    /// Processor time that it had used then, in clock ticks.
    ticks: u64,
    /// Descriptors of listening sockets, by inode, and when they were last looked at.
    listening: BTreeMap<u64, i32>,
    looked: Option<Micros>,
}

/// Whom a monitor watches.
pub enum Watched {
    /// The processes of this tree.
    These(Tree),
    /// Nobody, for this reason; the tree is an empty one.
    Nobody(Tree, &'static str),
}

impl Monitor {
    /// This process, if it is alive, and all that descends from it are watched too. Only where the server was up already.
    pub fn adopt(&self, pid: i32) {
        if let Some(stat) = Stat::read(pid).filter(|stat| !stat.ended()) {
            self.inner.borrow_mut().tree.adopt(&stat);
        }
    }

    /// The processes of a server that was up already, by pid and start.
    pub fn family(&self) -> BTreeSet<(i32, u64)> {
        self.inner.borrow().tree.family()
    }

    /// Watches these processes. Where there are none, as nobody said where they are, nothing is watched at all.
    pub fn new(recorder: Rc<Recorder>, watched: Watched) -> Self {
        let (tree, table, withheld) = match (watched, SocketTable::open()) {
            (Watched::Nobody(tree, why), _) => (tree, None, Some(why.to_owned())),
            (Watched::These(tree), Ok(table)) => (tree, Some(table), None),
            (Watched::These(tree), Err(error)) => (tree, None, Some(format!("socket table: {error}"))),
        };
        if let Some(why) = &withheld {
            recorder.record(What::Withheld { why: why.clone() });
        }
        let inner = Inner {
            tree,
            table,
            owners: Owners::new(),
            door: None,
            doors: BTreeSet::new(),
            known: HashMap::new(),
            exits: Exits::default(),
            usage: Usage::default(),
            next: 0,
            listeners: None,
            holdings: Holdings::default(),
            last_look: recorder.now(),
            last_sample: None,
            longest_gap: 0,
            looks: 0,
            nobody_since: None,
            withheld,
            flag: None,
            queues: BTreeMap::new(),
        };
        Self { recorder, inner: RefCell::new(inner) }
    }

    /// From now on the listening sockets on this address are watched.
    pub fn set_address(&self, address: &Address) {
        let mut inner = self.inner.borrow_mut();
        let Some(table) = inner.table.as_mut() else { return };
        match Door::of(address, table) {
            Ok(door) => inner.door = Some(door),
            Err(why) => inner.withhold(&self.recorder, why),
        }
    }

    /// From now on it is watched who listens on this address, which the configuration is going to drop.
    pub fn set_extra(&self, address: Option<SocketAddr>) {
        self.inner.borrow_mut().holdings.set_extra(address);
    }

    /// From now on it is noted what this flag names on the command line of a new process.
    pub fn set_flag(&self, flag: Option<&str>) {
        self.inner.borrow_mut().flag = flag.map(str::to_owned);
    }

    /// Whether the machine lets owners be looked up.
    pub fn sees_owners(&self) -> bool {
        self.inner.borrow().table.is_some()
    }

    /// Whether nothing was withheld so far.
    pub fn sees_all(&self) -> bool {
        self.inner.borrow().withheld.is_none()
    }

    /// Looks once at everything.
    pub fn look(&self) {
        self.inner.borrow_mut().look(&self.recorder);
    }

    /// From now on gaps between samples of the listening sockets count.
    pub fn start_sampling(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.last_sample = None;
        inner.longest_gap = 0;
    }

    /// Writes down how well the listening sockets were sampled.
    pub fn tell_sampling(&self) {
        let inner = self.inner.borrow();
        if inner.last_sample.is_some() {
            self.recorder.record(What::Sampled { longest_gap: inner.longest_gap });
        }
    }

    /// Who holds the server's side of a connection.
    pub fn owner(&self, ends: &Ends) -> Owner {
        self.inner.borrow_mut().owner(&self.recorder, ends)
    }

    /// The processes that are alive, oldest first.
    pub fn alive(&self) -> Vec<(ProcId, Epoch)> {
        let inner = self.inner.borrow();
        let mut alive: Vec<(ProcId, Epoch)> = inner
            .known
            .iter()
            .filter(|(_, known)| !known.gone)
            .map(|(epoch, known)| (known.proc, *epoch))
            .collect();
        alive.sort_unstable_by_key(|(proc, _)| *proc);
        alive
    }

    /// Since when nobody of the target has been seen, if that can be seen.
    pub fn nobody_since(&self) -> Option<Micros> {
        let inner = self.inner.borrow();
        inner.nobody_since.filter(|_| inner.withheld.is_none())
    }

    /// All that is below the warden, the dead that nobody has reaped included.
    pub fn below(&self) -> Vec<Stat> {
        self.inner.borrow_mut().tree.descendants().unwrap_or_default()
    }

    /// Writes down what so many processes hold, the oldest first, and their memory.
    pub fn take_stock(&self, max: usize) {
        self.inner.borrow_mut().take_stock(&self.recorder, max);
    }

    /// Processes that are alive and hold a listening socket.
    pub fn listening(&self) -> Vec<ProcId> {
        let inner = self.inner.borrow();
        let holds = |known: &&Known| !known.gone && !known.listening.is_empty();
        inner.known.values().filter(holds).map(|known| known.proc).collect()
    }

    /// Listening TCP sockets that processes of the target hold.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let mut inner = self.inner.borrow_mut();
        let Some(rows) = inner.table.as_mut().and_then(|table| table.listeners().ok()) else {
            return Vec::new();
        };
        let pids: Vec<i32> =
            inner.known.iter().filter(|(_, known)| !known.gone).map(|(epoch, _)| epoch.pid).collect();
        let held: Vec<u64> =
            pids.into_iter().filter_map(|pid| sockets(pid).ok()).flatten().map(|(_, inode)| inode).collect();
        let mut addresses: Vec<SocketAddr> =
            rows.iter().filter(|row| held.contains(&row.inode)).map(|row| row.address).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }
}

impl Inner {
    fn withhold(&mut self, recorder: &Recorder, why: String) {
        recorder.record(What::Withheld { why: why.clone() });
        self.withheld = Some(why);
    }

    fn look(&mut self, recorder: &Recorder) {
        self.look_at_processes(recorder);
        self.look_at_listeners(recorder);
        self.exits.tell(recorder);
        self.tell_usage(recorder);
        self.last_look = recorder.now();
        self.looks = self.looks.wrapping_add(1);
    }

    /// The processor time of the old generation, now and then.
    fn tell_usage(&mut self, recorder: &Recorder) {
        let Some(old) = self.usage.due(recorder) else { return };
        for known in self.known.values().filter(|known| !known.gone && old.contains(&known.proc)) {
            recorder.record_at(known.seen, used(known.proc, known.ticks));
        }
    }

    fn look_at_processes(&mut self, recorder: &Recorder) {
        let before = recorder.now();
        let Ok(stats) = self.tree.descendants() else { return };
        let now = recorder.now();
        let mut alive: Vec<Epoch> = Vec::with_capacity(stats.len());
        for stat in stats.iter().filter(|stat| !stat.ended()) {
            // A process that is ending has no stack any more, which is no execution. One that had none yet was in the midst of
            // one when it was seen, and what it executes may have been another program then.
            let same = |known: &Epoch| {
                known.same_process(&stat.epoch)
                    && known.same_image(&stat.epoch) != Some(false)
                    && (known.stack != 0 || stat.epoch.stack == 0)
            };
            let epoch = if self.known.contains_key(&stat.epoch) {
                Some(stat.epoch)
            } else {
                self.known.iter().find(|(epoch, known)| !known.gone && same(epoch)).map(|(epoch, _)| *epoch)
            };
            if let Some((epoch, known)) = epoch.and_then(|epoch| Some((epoch, self.known.get_mut(&epoch)?))) {
                alive.push(epoch);
                known.seen = before;
                known.ticks = stat.cpu_ticks;
                continue;
            }
            alive.push(stat.epoch);
            let born = start_interval(stat.epoch.start);
            let born = Interval::new(recorder.at_ns(born.lo_ns), recorder.at_ns(born.hi_ns).min(now));
            let executed_from = self.executed_from(&stat.epoch);
            let proc = self.next;
            self.next += 1;
            recorder.record_at(
                now,
                What::Process {
                    proc,
                    pid: stat.epoch.pid,
                    ppid: stat.ppid,
                    start: stat.epoch.start,
                    stack: stat.epoch.stack,
                    born,
                    name: stat.comm.clone(),
                    program: program(stat.epoch.pid),
                    executed_from,
                },
            );
            let known = Known {
                proc,
                ppid: stat.ppid,
                serves: false,
                gone: false,
                seen: before,
                ticks: stat.cpu_ticks,
                listening: BTreeMap::new(),
                looked: None,
            };
            self.known.insert(stat.epoch, known);
            self.exits.born(proc, stat.epoch);
        }
        let nobody = !self.known.is_empty() && alive.is_empty();
        self.nobody_since = self.nobody_since.or(Some(now)).filter(|_| nobody);
        for (epoch, known) in &mut self.known {
            if !known.gone && !alive.contains(epoch) {
                known.gone = true;
                if self.usage.watches(known.proc) {
                    recorder.record_at(known.seen, used(known.proc, known.ticks));
                }
                recorder.record_at(now, What::Gone { proc: known.proc, from: known.seen });
                self.exits.gone(known.proc, now);
            }
        }
    }

    /// The epoch of the same process before it executed; it is over then.
    fn executed_from(&mut self, epoch: &Epoch) -> Option<ProcId> {
        let same = |(other, known): &(&Epoch, &mut Known)| {
            !known.gone && other.same_process(epoch) && *other != epoch
        };
        let (_, known) = self.known.iter_mut().find(same)?;
        known.gone = true;
        self.exits.executed(known.proc);
        Some(known.proc)
    }

    fn look_at_listeners(&mut self, recorder: &Recorder) {
        let (Some(door), Some(table)) = (&self.door, self.table.as_mut()) else { return };
        let begun = recorder.now();
        let Ok(found) = door.listening(table) else { return };
        let now = recorder.now();
        if let Some(last) = self.last_sample {
            self.longest_gap = self.longest_gap.max(now.saturating_sub(last));
        }
        self.last_sample = Some(begun);
        for Listening { row, queue } in &found {
            let (seen, length) = self.queues.entry(row.inode).or_insert((begun, 0));
            if *length != *queue {
                recorder.record_at(now, What::Queue { inode: row.inode, length: *queue, from: *seen });
            }
            (*seen, *length) = (begun, *queue);
        }
        let mut ours: Vec<ListenerRow> = found.into_iter().map(|listening| listening.row).collect();
        ours.sort_unstable_by_key(|row| row.inode);
        let changed = self.listeners.as_ref().is_none_or(|(_, before)| *before != ours);
        let from = self.listeners.as_ref().map_or(begun, |(at, _)| *at);
        if changed {
            recorder.record_at(now, What::Listeners { rows: ours.clone(), from });
        }
        let now_there = ours.iter().map(|row| row.inode);
        let inodes = if matches!(door, Door::Tcp(_)) {
            now_there.collect()
        } else {
            self.doors.extend(now_there);
            self.doors.clone()
        };
        self.listeners = Some((begun, ours));
        let thorough = self.looks.is_multiple_of(THOROUGH_EVERY);
        self.look_at_holders(recorder, &inodes, thorough);
        self.look_at_holdings(recorder, thorough);
    }

    fn look_at_holders(&mut self, recorder: &Recorder, inodes: &BTreeSet<u64>, thorough: bool) {
        for (epoch, known) in self.known.iter_mut().filter(|(_, known)| !known.gone) {
            let since = known.looked.unwrap_or(known.seen);
            let unchanged = || known.listening.iter().all(|(inode, fd)| holds_socket(epoch.pid, *fd, *inode));
            if known.looked.is_some() && !thorough && unchanged() {
                known.looked = Some(recorder.now());
                continue;
            }
            let before = recorder.now();
            let Ok(found) = sockets(epoch.pid) else {
                if self.withheld.is_none() && Stat::read(epoch.pid).is_some_and(|stat| !stat.ended()) {
                    let why = format!("descriptors of process {} may not be read by this user", epoch.pid);
                    recorder.record(What::Withheld { why: why.clone() });
                    self.withheld = Some(why);
                }
                continue;
            };
            if known.looked.is_none()
                && let Some(flag) = &self.flag
            {
                named::note(recorder, known.proc, epoch.pid, flag, &found, inodes);
            }
            let listening: BTreeMap<u64, i32> = found
                .into_iter()
                .filter(|(_, inode)| inodes.contains(inode))
                .map(|(fd, inode)| (inode, fd))
                .collect();
            let first = known.looked.is_none();
            let changed = !listening.keys().eq(known.listening.keys());
            known.listening = listening;
            known.looked = Some(before);
            if changed || (first && !known.listening.is_empty()) {
                let listeners = known.listening.keys().copied().collect();
                recorder.record(What::Holds { proc: known.proc, listeners, from: since });
            }
        }
    }

    /// A child of a process that serves, forked and not yet executed: what it holds was accepted by its parent. (A master's
    /// workers are copies too, but their parent serves nobody.)
    pub(super) fn is_mere_copy(&self, epoch: &Epoch) -> bool {
        let Some(child) = self.known.get(epoch) else { return false };
        self.known.iter().any(|(parent, known)| {
            known.serves && parent.pid == child.ppid && parent.stack != 0 && parent.stack == epoch.stack
        })
    }

    /// The processes that are alive, oldest first, with what was last seen of them.
    pub(super) fn alive_now(&self) -> Vec<Alive> {
        let executed = |epoch: &Epoch, known: &Known| {
            let older = |(other, one): (&Epoch, &Known)| one.proc < known.proc && other.stack == epoch.stack;
            epoch.stack != 0 && !self.known.iter().any(older)
        };
        let mut alive: Vec<Alive> = self
            .known
            .iter()
            .filter(|(_, known)| !known.gone)
            .map(|(epoch, known)| Alive {
                epoch: *epoch,
                proc: known.proc,
                executed: executed(epoch, known),
                listening: known.listening.clone(),
            })
            .collect();
        alive.sort_unstable_by_key(|one| one.proc);
        alive
    }

    fn owner(&mut self, recorder: &Recorder, ends: &Ends) -> Owner {
        let Some(table) = self.table.as_mut() else { return Owner::Unknown };
        let inode = match server_side(table, ends) {
            Ok(Some(Peer::Accepted(inode))) => inode,
            Ok(Some(Peer::Queued)) => return Owner::Queued,
            Ok(Some(Peer::Closed) | None) | Err(_) => return Owner::Unknown,
        };
        self.holdings.note_connection(inode, ends);
        for attempt in 0..2 {
            let processes: Vec<Epoch> =
                self.known.iter().filter(|(_, known)| !known.gone).map(|(epoch, _)| *epoch).collect();
            match self.owners.holder(inode, &processes) {
                // It may have executed something since the last look: then it is another epoch that holds it.
                Holder::One(epoch) if attempt == 0 && has_executed(&epoch) => {
                    self.look_at_processes(recorder)
                }
                Holder::One(epoch) if self.is_mere_copy(&epoch) => return Owner::Unknown,
                Holder::One(epoch) => {
                    let Some(known) = self.known.get_mut(&epoch) else { return Owner::Unknown };
                    known.serves = true;
                    return Owner::Process(known.proc);
                }
                Holder::Several(_) => return Owner::Several,
                Holder::Nobody => return Owner::Unknown,
                // A process that was born since the last look may hold it.
                Holder::Unknown(_) if attempt == 0 => self.look_at_processes(recorder),
                Holder::Unknown(_) => {}
            }
        }
        Owner::Unknown
    }
}

/// The server's side of a connection.
pub(super) fn server_side(table: &mut SocketTable, ends: &Ends) -> Result<Option<Peer>, TableError> {
    match ends {
        Ends::Unix { client } => table.unix_peer(*client),
        Ends::Tcp { server, client } => Ok(table.connection(*server, *client)?.map(|connection| {
            if connection.is_queued() { Peer::Queued } else { Peer::Accepted(connection.inode) }
        })),
    }
}

/// Whether the process has executed something since it was seen as this epoch.
fn has_executed(epoch: &Epoch) -> bool {
    Stat::read(epoch.pid).is_some_and(|stat| stat.epoch.same_image(epoch) == Some(false))
}

/// The file that a process executes. The kernel marks one that was replaced meanwhile; its name is what counts here.
fn program(pid: i32) -> Option<String> {
    let path = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    Some(path.to_string_lossy().trim_end_matches(" (deleted)").to_owned())
}
