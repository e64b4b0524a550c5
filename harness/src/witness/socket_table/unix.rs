//! Unix sockets in the kernel's table: linux/unix_diag.h. Unlike TCP's, both ends of a connection are in it, and each
//! names the other by its inode.

use std::io;

use super::message::{Answer, DUMP, REQUEST, SOCK_DIAG_BY_FAMILY, TableError, attribute, u32_at};
use super::{SocketTable, message};

const REQUEST_BYTES: usize = 40;
const ROW_BYTES: usize = 16;
const LISTEN: u8 = 10;
const SHOW_NAME: u32 = 0x1;
const SHOW_FILE: u32 = 0x2;
const SHOW_PEER: u32 = 0x4;
const SHOW_QUEUE: u32 = 0x10;
const ATTRIBUTE_NAME: u16 = 0;
const ATTRIBUTE_FILE: u16 = 1;
const ATTRIBUTE_PEER: u16 = 2;
const ATTRIBUTE_QUEUE: u16 = 4;
const ATTRIBUTE_SHUTDOWN: u16 = 6;
/// The bit of `RCV_SHUTDOWN` (net/sock.h): nothing more comes from the other end.
const NO_MORE_TO_RECEIVE: u8 = 1;

/// A listening unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixListener {
    /// As it was given to bind(2): a path, perhaps a relative one, perhaps renamed since; or a NUL byte and an abstract name.
    pub name: Vec<u8>,
    /// The lower 32 bits of the inode of the file that it was bound to; none for an abstract name.
    pub file: Option<u32>,
    /// The inode, as in /proc/PID/fd.
    pub inode: u64,
    /// SO_COOKIE: never used again while the machine is up.
    pub cookie: u64,
    /// Connections complete and waiting to be accepted.
    pub queue: u32,
    /// How many may wait; the kernel lets one more in.
    pub backlog: u32,
}

/// The server's end of a unix connection, as the client's end shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// It waits in its listener's queue: nobody's yet.
    Queued,
    /// It was accepted; its inode, as in /proc/PID/fd.
    Accepted(u64),
    /// It was closed.
    Closed,
}

impl SocketTable {
    /// All listening unix sockets of the namespace, those with a path of another mount namespace included.
    ///
    /// # Errors
    /// The kernel does not answer, not in a form that is understood, or has no unix_diag.
    pub fn unix_listeners(&mut self) -> Result<Vec<UnixListener>, TableError> {
        let rows = self.dump(
            |sequence| {
                let show = SHOW_NAME | SHOW_FILE | SHOW_QUEUE;
                request(sequence, REQUEST | DUMP, 1 << LISTEN, 0, show)
            },
            |body| Some((*body.get(2)?, read_listener(body)?)),
        )?;
        Ok(rows.into_iter().filter(|(state, _)| *state == LISTEN).map(|(_, listener)| listener).collect())
    }

    /// The other end of the connection whose client's end has this inode; `None` if there is no such socket.
    ///
    /// # Errors
    /// The kernel does not answer, or not in a form that is understood.
    pub fn unix_peer(&mut self, client: u64) -> Result<Option<Peer>, TableError> {
        // Inodes of sockets have 32 bits.
        let Ok(inode) = u32::try_from(client) else { return Ok(None) };
        self.request(&request(self.sequence.wrapping_add(1), REQUEST, u32::MAX, inode, SHOW_PEER))?;
        let mut found = None;
        let answer = self.answer(|body| {
            found = read_peer(body)?;
            Some(())
        })?;
        match answer {
            Answer::Failed(libc::ENOENT) => Ok(None),
            Answer::Failed(errno) => Err(TableError::Refused(io::Error::from_raw_os_error(errno))),
            Answer::Done | Answer::Interrupted => Ok(found),
        }
    }
}

fn request(sequence: u32, flags: u16, states: u32, inode: u32, show: u32) -> [u8; REQUEST_BYTES] {
    let mut message = [0; REQUEST_BYTES];
    let mut put = |at: usize, bytes: &[u8]| message::put(&mut message, at, bytes);
    put(0, &(REQUEST_BYTES as u32).to_ne_bytes());
    put(4, &SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    put(6, &flags.to_ne_bytes());
    put(8, &sequence.to_ne_bytes());
    put(16, &[libc::AF_UNIX as u8]);
    put(20, &states.to_ne_bytes());
    put(24, &inode.to_ne_bytes());
    put(28, &show.to_ne_bytes());
    // No cookie: any socket with this inode.
    put(32, &[0xff; 8]);
    message
}

/// `struct unix_diag_msg`, and its attributes.
fn read_listener(body: &[u8]) -> Option<UnixListener> {
    let (row, attributes) = body.split_at_checked(ROW_BYTES)?;
    let mut name = attribute(attributes, ATTRIBUTE_NAME).unwrap_or_default().to_vec();
    // A path is given with its final NUL.
    if name.first() != Some(&0) && name.last() == Some(&0) {
        name.pop();
    }
    let queue = attribute(attributes, ATTRIBUTE_QUEUE)?;
    Some(UnixListener {
        name,
        file: attribute(attributes, ATTRIBUTE_FILE).and_then(|file| u32_at(file, 0)),
        inode: u32_at(row, 4)?.into(),
        cookie: u64::from(u32_at(row, 8)?) | u64::from(u32_at(row, 12)?) << 32,
        queue: u32_at(queue, 0)?,
        backlog: u32_at(queue, 4)?,
    })
}

/// The other end, by its inode. That is 0 before it is accepted, and again once it is closed; but a close is told to this
/// end, and nothing else could have shut it down before it was accepted.
fn read_peer(body: &[u8]) -> Option<Option<Peer>> {
    let (_, attributes) = body.split_at_checked(ROW_BYTES)?;
    let shut = *attribute(attributes, ATTRIBUTE_SHUTDOWN)?.first()?;
    let peer = attribute(attributes, ATTRIBUTE_PEER).and_then(|peer| u32_at(peer, 0));
    Some(peer.map(|inode| match inode {
        0 if shut & NO_MORE_TO_RECEIVE == 0 => Peer::Queued,
        0 => Peer::Closed,
        inode => Peer::Accepted(inode.into()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = vec![1, 1, LISTEN, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0];
        for (kind, value) in attributes {
            body.extend_from_slice(&(4 + value.len() as u16).to_ne_bytes());
            body.extend_from_slice(&kind.to_ne_bytes());
            body.extend_from_slice(value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        body
    }

    #[test]
    fn a_path_loses_its_final_nul_and_an_abstract_name_keeps_its_bytes() {
        let queue = [3, 0, 0, 0, 5, 0, 0, 0];
        let path = row(&[(0, b"/a/b\0"), (1, &[9, 0, 0, 0, 1, 0, 0, 0]), (4, &queue)]);
        let listener = read_listener(&path);
        let expected = UnixListener {
            name: b"/a/b".to_vec(),
            file: Some(9),
            inode: 7,
            cookie: 1 | 2 << 32,
            queue: 3,
            backlog: 5,
        };
        assert_eq!(listener, Some(expected));
        let name = read_listener(&row(&[(0, b"\0x\0"), (4, &queue)])).map(|row| (row.name, row.file));
        assert_eq!(name, Some((b"\0x\0".to_vec(), None)));
        assert_eq!(read_listener(&row(&[(0, b"\0x")])), None, "no queue: it can't be read");
    }

    #[test]
    fn a_peer_without_an_inode_is_queued_until_this_end_is_shut() {
        for (inode, shut, expected) in [
            (0_u32, 0_u8, Peer::Queued),
            (0, 2, Peer::Queued),
            (0, 3, Peer::Closed),
            (8, 0, Peer::Accepted(8)),
            (8, 1, Peer::Accepted(8)),
        ] {
            let body = row(&[(2, &inode.to_ne_bytes()), (6, &[shut])]);
            assert_eq!(read_peer(&body), Some(Some(expected)));
        }
        assert_eq!(read_peer(&row(&[(6, &[0])])), Some(None), "not connected");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_listener(&bytes);
            let _ = read_peer(&bytes);
        }
    }
}
