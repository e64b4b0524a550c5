//! Which process holds a socket.

use std::collections::HashMap;

use crate::witness::process::{DescriptorsUnreadable, Epoch, holds_socket, sockets};

/// Who holds a socket, of the processes that were asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// One process.
    One(Epoch),
    /// Several share it, as after a fork without exec.
    Several(Vec<Epoch>),
    /// No one yet: the connection waits in its listener's queue (inode 0).
    Nobody,
    /// It can't be told.
    Unknown(HolderUnknown),
}

/// Why a holder can't be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HolderUnknown {
    /// None of the processes asked about has it (any more), and all could be looked into.
    #[error("none of the processes holds socket {0}; it was closed, or is held outside of the target")]
    NotHeld(u64),
    /// A process that could be the holder can't be looked into.
    #[error(transparent)]
    Unreadable(#[from] DescriptorsUnreadable),
}

/// Remembers which sockets processes hold, so that most questions cost one readlink(2).
///
/// A new process, one that has executed something, and a socket not seen before make it read descriptors again. What it does
/// not notice is a socket passed (SCM_RIGHTS, or a fork it was not told of) to a process it knows: then [`Owners::forget`].
#[derive(Debug, Default)]
pub struct Owners {
    /// By process: descriptor of each socket inode.
    held: HashMap<Epoch, HashMap<u64, i32>>,
}

impl Owners {
    /// Remembers nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets all, so that the next question looks afresh.
    pub fn forget(&mut self) {
        self.held.clear();
    }

    /// Which of `processes` holds the socket `inode` now.
    ///
    /// A process that may not be looked into counts only if no other one is found.
    pub fn holder(&mut self, inode: u64, processes: &[Epoch]) -> Holder {
        if inode == 0 {
            return Holder::Nobody;
        }
        self.held.retain(|epoch, _| processes.contains(epoch));
        let mut unreadable = None;
        for process in processes {
            if !self.held.contains_key(process) {
                unreadable = self.look(process).err().or(unreadable);
            }
        }
        let mut holders = self.remembered(inode, processes);
        if holders.is_empty() {
            for process in processes {
                unreadable = self.look(process).err().or(unreadable);
            }
            holders = self.remembered(inode, processes);
        }
        match (holders.as_slice(), unreadable) {
            ([one], _) => Holder::One(*one),
            ([], Some(reason)) => Holder::Unknown(reason.into()),
            ([], None) => Holder::Unknown(HolderUnknown::NotHeld(inode)),
            _ => Holder::Several(holders),
        }
    }

    /// Reads what a process holds. One that is gone holds nothing, which is no reason for doubt.
    fn look(&mut self, process: &Epoch) -> Result<(), DescriptorsUnreadable> {
        self.held.remove(process);
        match sockets(process.pid) {
            Ok(found) => {
                self.held.insert(*process, found.into_iter().map(|(fd, inode)| (inode, fd)).collect());
                Ok(())
            }
            Err(DescriptorsUnreadable::Gone(_)) => Ok(()),
            Err(other) => Err(other),
        }
    }

    /// Those that were seen to hold it and still do.
    fn remembered(&self, inode: u64, processes: &[Epoch]) -> Vec<Epoch> {
        let holds = |process: &&Epoch| {
            let fd = self.held.get(process).and_then(|held| held.get(&inode));
            fd.is_some_and(|fd| holds_socket(process.pid, *fd, inode))
        };
        processes.iter().filter(holds).copied().collect()
    }
}
