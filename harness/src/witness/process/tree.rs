//! Who is below whom.
//!
//! /proc/PID/task/TID/children would answer directly, but many kernels are built without it, and by proc_pid_task(5) it
//! is only reliable for stopped processes. A scan of /proc is exact enough (see [`Tree::descendants`]) and, with
//! the strangers remembered, as fast.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::os::fd::{AsRawFd, OwnedFd};
use std::{fs, io};

use super::Stat;
use super::raw::{self, RawStat, STAT_BYTES};

/// The living and ended-but-unreaped processes below `root`, without `root`, ordered by start; none if it is gone.
///
/// One look without memory, for single questions; [`Tree`] is cheaper for repeated ones.
///
/// # Errors
/// /proc can't be opened or listed.
pub fn descendants(root: i32) -> io::Result<Vec<Stat>> {
    Tree::new(root)?.descendants()
}

/// Whether a process is alive and below `root`, right now: one question about one pid, answered in microseconds.
#[must_use]
pub fn lives_below(root: i32, pid: i32) -> bool {
    // A chain of parents may break while it is followed, as orphans go up to an ancestor.
    const ATTEMPTS: usize = 3;
    const DEPTH: usize = 256;
    for _ in 0..ATTEMPTS {
        let Some(stat) = Stat::read(pid).filter(|stat| !stat.ended()) else { return false };
        let mut parent = stat.ppid;
        for _ in 0..DEPTH {
            if parent == root {
                return true;
            }
            match Stat::read(parent).filter(|_| parent > 1) {
                Some(stat) => parent = stat.ppid,
                None => break,
            }
        }
    }
    false
}

/// The processes below one root, looked up again and again.
///
/// It remembers the processes that are not below the root, by pid and by the inode number of their /proc entry, which a
/// pid that is used again does not inherit. A process once outside can't come below the root later: orphans go
/// up to an ancestor of theirs.
#[derive(Debug)]
pub struct Tree {
    root: i32,
    dir: OwnedFd,
    strangers: HashMap<i32, u64>,
    /// Processes by pid and start that belong to it whoever is above them; none for a tree below a root.
    family: Option<BTreeSet<(i32, u64)>>,
}

/// The root of a family: nobody's parent.
const NOBODY: i32 = -1;

impl Tree {
    /// A tree below `root`; nothing is read yet.
    ///
    /// # Errors
    /// /proc can't be opened.
    pub fn new(root: i32) -> io::Result<Self> {
        // A descriptor of its own, since listing moves the offset.
        Ok(Self { root, dir: fs::File::open("/proc")?.into(), strangers: HashMap::new(), family: None })
    }

    /// Processes that are adopted, and all that descend from them: whoever was seen to belong to them still does when its
    /// parent has ended. They may have any parents, so there has to be nobody above them all.
    ///
    /// # Errors
    /// /proc can't be opened.
    pub fn of_family() -> io::Result<Self> {
        Ok(Self { family: Some(BTreeSet::new()), ..Self::new(NOBODY)? })
    }

    /// From now on this process belongs to the family too.
    pub fn adopt(&mut self, stat: &Stat) {
        let Some(family) = &mut self.family else { return };
        if family.insert((stat.epoch.pid, stat.epoch.start)) {
            // It, and those below it, may have been strangers.
            self.strangers.clear();
        }
    }

    /// Who belongs to the family, as far as it was seen.
    #[must_use]
    pub fn family(&self) -> BTreeSet<(i32, u64)> {
        self.family.clone().unwrap_or_default()
    }

    /// The processes below the root now, without the root, ordered by start and pid.
    ///
    /// A process that is forked while the list is read may be missing. One whose parent ends meanwhile is not lost: where
    /// the chain of parents breaks, it is read again and found under the one who adopted it.
    ///
    /// # Errors
    /// /proc can't be listed.
    pub fn descendants(&mut self) -> io::Result<Vec<Stat>> {
        if self.family.as_ref().is_some_and(BTreeSet::is_empty) {
            return Ok(Vec::new());
        }
        let mut candidates = self.candidates()?;
        let mut below = HashSet::from([self.root]);
        let mut found = Vec::new();
        let mut retried = false;
        loop {
            let before = found.len();
            candidates.retain(|_, (stat, _)| {
                let ours = below.contains(&stat.ppid) || self.is_of_family(stat);
                if ours {
                    below.insert(stat.epoch.pid);
                    found.push(stat.clone());
                }
                !ours
            });
            if found.len() > before {
                continue;
            }
            if retried || !self.reread_orphans(&mut candidates, &below) {
                break;
            }
            retried = true;
        }
        self.remember_strangers(candidates);
        if let Some(family) = &mut self.family {
            *family = found.iter().map(|stat| (stat.epoch.pid, stat.epoch.start)).collect();
        }
        found.sort_by_key(|stat| (stat.epoch.start, stat.epoch.pid));
        Ok(found)
    }

    fn is_of_family(&self, stat: &Stat) -> bool {
        self.family.as_ref().is_some_and(|family| family.contains(&(stat.epoch.pid, stat.epoch.start)))
    }

    /// Reads every process that is not a remembered stranger, and forgets strangers that are gone.
    fn candidates(&mut self) -> io::Result<HashMap<i32, (Stat, u64)>> {
        let dir = self.dir.as_raw_fd();
        let root = self.root;
        let remembered = std::mem::take(&mut self.strangers);
        let strangers = &mut self.strangers;
        let mut candidates = HashMap::new();
        let mut buffer = [0; STAT_BYTES];
        raw::each_number(dir, |pid, inode| {
            if remembered.get(&pid) == Some(&inode) {
                strangers.insert(pid, inode);
            } else if pid != root
                && let Ok(stat) = RawStat::read(dir, pid, &mut buffer)
            {
                candidates.insert(pid, (Stat::from(stat), inode));
            }
            true
        })
        .map_err(io::Error::from_raw_os_error)?;
        Ok(candidates)
    }

    /// Remembers those whose chain of parents ends outside; one whose chain is broken is not known for certain.
    fn remember_strangers(&mut self, mut outside: HashMap<i32, (Stat, u64)>) {
        let mut before = usize::MAX;
        while outside.len() < before {
            before = outside.len();
            outside.retain(|pid, (stat, inode)| {
                let stranger = matches!(stat.ppid, 0 | 1) || self.strangers.contains_key(&stat.ppid);
                // Inode 1 stands for "unknown" in directory listings.
                if stranger && *inode > 1 {
                    self.strangers.insert(*pid, *inode);
                }
                !stranger
            });
        }
    }

    /// Reads those again whose parent is nowhere: it ended after they were read. Whether there were any.
    fn reread_orphans(&self, candidates: &mut HashMap<i32, (Stat, u64)>, below: &HashSet<i32>) -> bool {
        let lost = |stat: &Stat| {
            stat.ppid != 0
                && stat.ppid != 1
                && !below.contains(&stat.ppid)
                && !self.strangers.contains_key(&stat.ppid)
                && !candidates.contains_key(&stat.ppid)
        };
        let orphans: Vec<i32> =
            candidates.values().filter(|(stat, _)| lost(stat)).map(|(stat, _)| stat.epoch.pid).collect();
        for pid in &orphans {
            let inode = candidates.remove(pid).map_or(0, |(_, inode)| inode);
            if let Some(stat) = Stat::read(*pid) {
                candidates.insert(*pid, (stat, inode));
            }
        }
        !orphans.is_empty()
    }
}
