//! What processes hold beside their listening sockets: what an old one and a younger one have in common, how a shared
//! listening socket is set, whether it still listens, and the numbers of a quiet moment.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;

use super::monitor::{Inner, server_side};
use crate::client::socket::Ends;
use crate::history::event::{CommonDescriptor, ListenerRow, What};
use crate::history::{Micros, ProcId, Recorder};
use crate::witness::process::{
    Descriptor, Epoch, Memory, descriptors, flags, holds_socket, may_compare, same_file, sockets,
};
use crate::witness::socket_table::{Peer, SocketTable, State};

/// So many connections of lanes are remembered, the latest.
const CONNECTIONS_MAX: usize = 4096;
/// So many old processes, and so many younger ones, are compared.
const COMPARED_MAX: usize = 8;
/// So many open files are told of one pair.
const COMMON_MAX: usize = 32;
/// A longer name is cut, in characters.
const TARGET_MAX: usize = 200;
/// A socket that no longer listens is looked at so often before it is said so: a table that changes while it is read may leave
/// a row out.
const MISSES: u32 = 2;

/// What was seen of it so far.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    /// Server's sides of lanes that were looked up, with the lane's ends, and in their order.
    connections: HashMap<u64, Ends>,
    order: std::collections::VecDeque<u64>,
    /// O_NONBLOCK by listening socket, and when it was last seen so.
    nonblocking: BTreeMap<u64, (bool, Micros)>,
    /// Who was last seen to hold a socket that listened, when it last did, and how often it was missed since.
    listened: BTreeMap<u64, Listened>,
    common: BTreeMap<(ProcId, ProcId), (Vec<CommonDescriptor>, Micros)>,
    /// The address that the changed configuration drops, with the inodes that were seen to listen there.
    extra: Option<(SocketAddr, BTreeSet<u64>)>,
    /// How many listened there at the last look, and who held one.
    dropped: Option<(u32, Vec<ProcId>, Micros)>,
}

#[derive(Debug, Default)]
struct Listened {
    holders: Vec<(ProcId, i32, i32)>,
    at: Micros,
    missed: u32,
    told: bool,
}

/// A process that is alive.
#[derive(Clone, Debug)]
pub(super) struct Alive {
    pub(super) epoch: Epoch,
    pub(super) proc: ProcId,
    /// It executed a program since it was forked.
    pub(super) executed: bool,
    /// Descriptors of listening sockets behind the target's door, by inode.
    pub(super) listening: BTreeMap<u64, i32>,
}

impl Holdings {
    /// This address is going to be dropped.
    pub(super) fn set_extra(&mut self, address: Option<SocketAddr>) {
        self.extra = address.map(|address| (address, BTreeSet::new()));
    }

    /// Who listens, or still holds what listened, where the changed configuration has nobody listen.
    pub(super) fn look_at_dropped(&mut self, recorder: &Recorder, table: &mut SocketTable, alive: &[Alive]) {
        let Some((address, inodes)) = &mut self.extra else { return };
        let before = recorder.now();
        let Ok(rows) = table.listeners() else { return };
        let there: Vec<u64> = rows.iter().filter(|row| row.takes(*address)).map(|row| row.inode).collect();
        inodes.extend(&there);
        let holds = |one: &&Alive| {
            sockets(one.epoch.pid).is_ok_and(|held| held.iter().any(|(_, inode)| inodes.contains(inode)))
        };
        let procs: Vec<ProcId> = alive.iter().filter(holds).map(|one| one.proc).collect();
        let listening = u32::try_from(there.len()).unwrap_or(u32::MAX);
        let known = self.dropped.replace((listening, procs.clone(), before));
        let from = known.as_ref().map_or(before, |(.., at)| *at);
        if known.is_none_or(|(was, held, _)| (was, held) != (listening, procs.clone())) {
            recorder.record(What::Dropped { listening, procs, from });
        }
    }

    /// The server's side of a lane was found.
    pub(super) fn note_connection(&mut self, inode: u64, ends: &Ends) {
        if self.connections.insert(inode, *ends).is_none() {
            self.order.push_back(inode);
        }
        if self.order.len() > CONNECTIONS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.connections.remove(&oldest);
        }
    }

    /// One descriptor of each listening socket is asked for its flags.
    pub(super) fn look_at_flags(&mut self, recorder: &Recorder, alive: &[Alive]) {
        let mut asked = BTreeSet::new();
        for one in alive {
            for (inode, fd) in &one.listening {
                if asked.contains(inode) {
                    continue;
                }
                let before = recorder.now();
                let Some(flags) = flags(one.epoch.pid, *fd) else { continue };
                // The number may have become another descriptor's meanwhile.
                if !holds_socket(one.epoch.pid, *fd, *inode) {
                    continue;
                }
                asked.insert(*inode);
                let on = flags & libc::O_NONBLOCK != 0;
                let known = self.nonblocking.insert(*inode, (on, before));
                if known.is_none_or(|(was, _)| was != on) {
                    let from = known.map_or(before, |(_, at)| at);
                    recorder.record(What::Nonblocking { inode: *inode, on, proc: one.proc, from });
                }
            }
        }
    }

    /// Sockets behind the door that were there before and are missed now: whether somebody holds them all the same.
    pub(super) fn look_at_missing(
        &mut self,
        recorder: &Recorder,
        table: &mut SocketTable,
        there: &[ListenerRow],
        alive: &[Alive],
    ) {
        let now = recorder.now();
        for row in there {
            let listened = self.listened.entry(row.inode).or_default();
            let holds = |one: &Alive| one.listening.get(&row.inode).map(|fd| (one.proc, one.epoch.pid, *fd));
            *listened = Listened {
                holders: alive.iter().filter_map(holds).collect(),
                at: now,
                missed: 0,
                told: listened.told,
            };
        }
        let missing = self.listened.iter_mut().filter(|(inode, listened)| {
            !listened.told && there.iter().all(|row| row.inode != **inode) && !listened.holders.is_empty()
        });
        let mut gone = Vec::new();
        let mut all = None;
        for (inode, listened) in missing {
            // The table first: whoever holds it afterwards held it then.
            let elsewhere = all.get_or_insert_with(|| all_listening(table));
            let Some(elsewhere) = elsewhere else { return };
            let holds = |(_, pid, fd): &&(ProcId, i32, i32)| holds_socket(*pid, *fd, *inode);
            let procs: Vec<ProcId> = listened.holders.iter().filter(holds).map(|(proc, ..)| *proc).collect();
            if procs.is_empty() {
                gone.push(*inode);
            } else if !elsewhere.contains(inode) {
                listened.missed += 1;
                if listened.missed >= MISSES {
                    listened.told = true;
                    recorder.record(What::ShutDown { inode: *inode, procs, from: listened.at });
                }
            }
        }
        for inode in gone {
            self.listened.remove(&inode);
        }
    }

    /// What old processes and younger ones have in common.
    pub(super) fn look_at_common(
        &mut self,
        recorder: &Recorder,
        table: &mut SocketTable,
        old: &[Alive],
        young: &[Alive],
    ) {
        if old.is_empty() || young.is_empty() {
            return;
        }
        let Some(listeners) = all_listening(table) else { return };
        let of_old: Vec<(&Alive, Vec<Descriptor>)> = old
            .iter()
            .take(COMPARED_MAX)
            .filter_map(|one| Some((one, descriptors(one.epoch.pid)?)))
            .collect();
        for one in young.iter().take(COMPARED_MAX) {
            let before = recorder.now();
            let Some(mine) = descriptors(one.epoch.pid) else { continue };
            for (other, theirs) in &of_old {
                let pids = (one.epoch.pid, other.epoch.pid);
                let compared = may_compare(pids.0, pids.1);
                let common = self.common(pids, &mine, theirs, &listeners, compared);
                let pair = (one.proc, other.proc);
                let known = self.common.insert(pair, (common.clone(), before));
                let from = known.as_ref().map_or(before, |(_, at)| *at);
                if known.is_none_or(|(was, _)| was != common) {
                    let (proc, with) = pair;
                    recorder.record(What::Common { proc, with, descriptors: common, compared, from });
                }
            }
        }
    }

    fn common(
        &self,
        (my_pid, their_pid): (i32, i32),
        mine: &[Descriptor],
        theirs: &[Descriptor],
        listeners: &BTreeSet<u64>,
        compared: bool,
    ) -> Vec<CommonDescriptor> {
        let standard: Vec<&str> = mine
            .iter()
            .chain(theirs)
            .filter(|one| (0..3).contains(&one.fd))
            .map(|one| one.target.as_str())
            .collect();
        let mut common = Vec::new();
        for one in mine.iter().filter(|one| one.fd > 2 && !standard.contains(&one.target.as_str())) {
            let mut same = theirs.iter().filter(|other| other.target == one.target).peekable();
            if same.peek().is_none() || one.target == "/dev/null" {
                continue;
            }
            let kind = match one.socket() {
                Some(inode) if listeners.contains(&inode) => continue,
                Some(inode) if self.connections.contains_key(&inode) => "connection",
                Some(_) => "socket",
                // The two ends of a pipe have one inode.
                None if one.kind() == "pipe" => {
                    let end = |pid, fd| flags(pid, fd).map(|flags| flags & libc::O_ACCMODE);
                    let mine = end(my_pid, one.fd);
                    if mine.is_none() || !same.any(|other| end(their_pid, other.fd) == mine) {
                        continue;
                    }
                    "pipe"
                }
                None if !compared => continue,
                None if same
                    .any(|other| same_file((my_pid, one.fd), (their_pid, other.fd)) == Some(true)) =>
                {
                    one.kind()
                }
                None => continue,
            };
            let target = one.target.chars().take(TARGET_MAX).collect();
            common.push(CommonDescriptor { fd: one.fd, kind: kind.to_owned(), target });
            if common.len() == COMMON_MAX {
                break;
            }
        }
        common
    }

    /// Writes down what processes hold, and their memory, at a quiet moment.
    fn take_stock(&self, recorder: &Recorder, table: &mut SocketTable, alive: &[Alive]) {
        let listeners = all_listening(table).unwrap_or_default();
        for one in alive {
            let mut counted: BTreeMap<String, u32> = BTreeMap::new();
            let all = descriptors(one.epoch.pid);
            for descriptor in all.iter().flatten() {
                let kind = match descriptor.socket() {
                    Some(inode) if listeners.contains(&inode) => "listener",
                    Some(inode) if self.is_open_lane(table, inode) => "connection",
                    _ => descriptor.kind(),
                };
                let kind: String = kind.chars().take(TARGET_MAX).collect();
                *counted.entry(kind).or_default() += 1;
            }
            let memory = Memory::read(one.epoch.pid);
            recorder.record(What::Resources {
                proc: one.proc,
                descriptors: all.map(|_| counted),
                memory_kib: memory.map(|memory| memory.own_kib),
                peak_kib: memory.map(|memory| memory.peak_kib),
            });
        }
    }

    /// Whether a socket is the server's side of a lane that is open at this moment.
    fn is_open_lane(&self, table: &mut SocketTable, inode: u64) -> bool {
        match self.connections.get(&inode) {
            // One that its client has closed, and its server has not, is no open one.
            Some(Ends::Tcp { server, client }) => matches!(
                table.connection(*server, *client),
                Ok(Some(found)) if found.inode == inode && found.state == State::Established
            ),
            Some(ends) => matches!(server_side(table, ends), Ok(Some(Peer::Accepted(now))) if now == inode),
            None => false,
        }
    }
}

/// The inodes of all that listens, whatever its address; `None` if the table can't be read.
fn all_listening(table: &mut SocketTable) -> Option<BTreeSet<u64>> {
    let tcp = table.listeners().ok()?;
    // A kernel without unix_diag shows none of these.
    let unix = table.unix_listeners().unwrap_or_default();
    let inodes = tcp.iter().map(|row| row.inode).chain(unix.iter().map(|row| row.inode));
    Some(inodes.collect())
}

impl Inner {
    /// All of it; `thorough` looks take longer.
    pub(super) fn look_at_holdings(&mut self, recorder: &Recorder, thorough: bool) {
        let alive = self.alive_now();
        self.holdings.look_at_flags(recorder, &alive);
        let (Some(table), Some((_, there))) = (self.table.as_mut(), &self.listeners) else { return };
        self.holdings.look_at_missing(recorder, table, there, &alive);
        if !thorough {
            return;
        }
        self.holdings.look_at_dropped(recorder, table, &alive);
        let Some(generations) = recorder.timeline(|timeline| timeline.t0.map(|_| timeline.generations()))
        else {
            return;
        };
        let is_young = |one: &&Alive| {
            generations.successors.contains(&one.proc) && (one.executed || !self.is_mere_copy(&one.epoch))
        };
        let young: Vec<Alive> = alive.iter().filter(is_young).cloned().collect();
        let old: Vec<Alive> =
            alive.iter().filter(|one| generations.old.contains(&one.proc)).cloned().collect();
        if let Some(table) = self.table.as_mut() {
            self.holdings.look_at_common(recorder, table, &old, &young);
        }
    }

    /// Writes down the numbers of a quiet moment.
    pub(super) fn take_stock(&mut self, recorder: &Recorder, max: usize) {
        let mut alive = self.alive_now();
        alive.truncate(max);
        if let Some(table) = self.table.as_mut() {
            self.holdings.look_at_dropped(recorder, table, &alive);
            self.holdings.take_stock(recorder, table, &alive);
        }
    }
}
