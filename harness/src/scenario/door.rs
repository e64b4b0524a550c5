//! The target's address as the socket table shows it: which listening sockets take connections to it.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::client::address::Address;
use crate::history::event::ListenerRow;
use crate::witness::socket_table::{SocketTable, TableError, UnixListener};

/// A table that is read in several parts may leave out a row that was there: nobody is missed before this many looks.
const LOOKS: u32 = 2;

/// Tells the listening sockets that take connections to one address.
#[derive(Debug)]
pub(super) enum Door {
    /// By IP address and port.
    Tcp(std::net::SocketAddr),
    /// By the file that is at the path now: a socket may have been bound elsewhere and renamed since.
    File(PathBuf),
    /// By the name that was bound, if its file is there.
    Path(PathBuf),
    /// By its abstract name, with the leading NUL byte.
    Abstract(Vec<u8>),
}

/// A listening socket behind the door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listening {
    /// What the history says of it.
    pub(super) row: ListenerRow,
    /// Connections that wait to be accepted.
    pub(super) queue: u32,
}

impl Door {
    /// The door of an address on which the target listens now.
    ///
    /// # Errors
    /// Why its listening sockets can't be told from others on this machine.
    pub(super) fn of(address: &Address, table: &mut SocketTable) -> Result<Self, String> {
        let path = match address {
            Address::Tcp(address) => return Ok(Door::Tcp(*address)),
            Address::Abstract(name) => Door::Abstract([b"\0", name.as_slice()].concat()),
            Address::Unix(path) => Door::File(path.clone()),
        };
        let listens =
            |door: &Self, table: &mut SocketTable| door.listening(table).map(|rows| !rows.is_empty());
        if listens(&path, table).map_err(|error| error.to_string())? {
            return Ok(path);
        }
        // Some file systems show other inode numbers to users than the kernel has.
        if let Address::Unix(path) = address {
            let door = Door::Path(path.clone());
            if listens(&door, table).map_err(|error| error.to_string())? {
                return Ok(door);
            }
        }
        Err(format!("the socket table shows no listening socket for {address}, though one answers"))
    }

    /// Whether anybody listens: the quickest look that there is.
    ///
    /// # Errors
    /// The table can't be read.
    pub(super) fn is_open(&self, table: &mut SocketTable) -> Result<bool, TableError> {
        match self {
            Door::Tcp(address) => table.is_listened_on(*address),
            _ => Ok(!self.listening(table)?.is_empty()),
        }
    }

    /// The listening sockets that take connections to the address.
    ///
    /// # Errors
    /// The table can't be read.
    pub(super) fn listening(&self, table: &mut SocketTable) -> Result<Vec<Listening>, TableError> {
        if let Door::Tcp(address) = self {
            let rows = table.listeners()?;
            let ours = rows.iter().filter(|row| row.takes(*address));
            return Ok(ours.map(|row| listening(row.inode, row.cookie, row.backlog, row.queue)).collect());
        }
        for _ in 0..LOOKS {
            let Some(sought) = self.sought() else { return Ok(Vec::new()) };
            let rows = table.unix_listeners()?;
            let found: Vec<Listening> = rows
                .iter()
                .filter(|row| sought.is(row))
                .map(|row| listening(row.inode, row.cookie, row.backlog, row.queue))
                .collect();
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    /// What tells a unix socket behind the door from others at this moment; `None` if the path is missing.
    fn sought(&self) -> Option<Sought<'_>> {
        match self {
            Door::Tcp(_) => None,
            Door::File(path) => file(path).map(Sought::File),
            Door::Path(path) => file(path).map(|_| Sought::Name(path.as_os_str().as_bytes())),
            Door::Abstract(name) => Some(Sought::Name(name)),
        }
    }
}

/// What a unix socket is known by.
enum Sought<'a> {
    File(u32),
    Name(&'a [u8]),
}

impl Sought<'_> {
    fn is(&self, row: &UnixListener) -> bool {
        match self {
            Sought::File(file) => row.file == Some(*file),
            Sought::Name(name) => row.name == *name,
        }
    }
}

fn listening(inode: u64, cookie: u64, backlog: u32, queue: u32) -> Listening {
    Listening { row: ListenerRow { inode, cookie, backlog }, queue }
}

/// The lower 32 bits of the inode of the file at a path.
fn file(path: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    Some(std::fs::metadata(path).ok()?.ino() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener as Bound;

    fn count(door: &Door, table: &mut SocketTable) -> usize {
        door.listening(table).expect("the table is there").len()
    }

    #[test]
    fn a_path_is_followed_through_a_rename_and_missed_when_it_is_unlinked() {
        let mut table = SocketTable::open().expect("a table");
        let directory = tempfile::tempdir().expect("a directory");
        let (path, beside) = (directory.path().join("a"), directory.path().join("b"));
        let first = Bound::bind(&path).expect("bound");
        let address = Address::Unix(path.clone());
        let door = Door::of(&address, &mut table).expect("a door");
        let before = door.listening(&mut table).expect("rows");
        let second = Bound::bind(&beside).expect("bound");
        assert_eq!(door.listening(&mut table).expect("rows"), before);
        std::fs::rename(&beside, &path).expect("renamed");
        let after = door.listening(&mut table).expect("rows");
        assert_eq!(after.len(), 1);
        assert_ne!(after, before, "another socket takes the connections now");
        drop(first);
        assert_eq!(door.listening(&mut table).expect("rows"), after);
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(count(&door, &mut table), 0, "it listens, and nobody can reach it");
        drop(second);
        assert!(Door::of(&address, &mut table).is_err());
    }

    #[test]
    fn a_path_that_nobody_listens_on_any_more_is_no_listener() {
        let mut table = SocketTable::open().expect("a table");
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a");
        let bound = Bound::bind(&path).expect("bound");
        let door = Door::of(&Address::Unix(path.clone()), &mut table).expect("a door");
        let by_name = Door::Path(path.clone());
        assert_eq!((count(&door, &mut table), count(&by_name, &mut table)), (1, 1));
        drop(bound);
        assert!(path.exists());
        assert_eq!((count(&door, &mut table), count(&by_name, &mut table)), (0, 0));
    }
}
