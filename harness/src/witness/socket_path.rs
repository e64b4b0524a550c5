//! What becomes of a unix socket's path: inotify on its directory tells each change in its order, however short the path was
//! missing. A rename over it is no gap, and shows as none.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

/// A watch on one path.
#[derive(Debug)]
pub struct SocketPathWatch {
    inotify: Inotify,
    name: OsString,
}

/// What happened to the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It came, or was replaced in one step.
    Present,
    /// It went.
    Missing,
    /// More happened than the kernel keeps: the order is lost.
    Lost,
}

impl SocketPathWatch {
    /// Watches a path, whose directory has to be there.
    ///
    /// # Errors
    /// The path has no name in a directory, or the kernel grants no watch.
    pub fn begin(path: &Path) -> io::Result<Self> {
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        let changes = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_ONLYDIR;
        inotify.add_watch(directory, changes)?;
        Ok(Self { inotify, name: name.to_owned() })
    }

    /// What happened since the last time, in its order.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn changes(&self) -> io::Result<Vec<Change>> {
        let mut changes = Vec::new();
        loop {
            let events = match self.inotify.read_events() {
                Ok(events) => events,
                Err(Errno::EAGAIN) => return Ok(changes),
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(errno.into()),
            };
            for event in events {
                let is_it = event.name.as_deref() == Some(self.name.as_os_str() as &OsStr);
                if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                    changes.push(Change::Lost);
                } else if is_it
                    && event.mask.intersects(AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO)
                {
                    changes.push(Change::Present);
                } else if is_it {
                    changes.push(Change::Missing);
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::fs;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_gap_is_seen_however_short_and_a_rename_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let (path, beside) = (dir.path().join("a.sock"), dir.path().join("b.sock"));
        let _first = UnixListener::bind(&path).unwrap();
        let watch = SocketPathWatch::begin(&path).unwrap();
        assert_eq!(watch.changes().unwrap(), []);
        let _second = UnixListener::bind(&beside).unwrap();
        fs::rename(&beside, &path).unwrap();
        assert_eq!(watch.changes().unwrap(), [Change::Present]);
        fs::remove_file(&path).unwrap();
        let _third = UnixListener::bind(&path).unwrap();
        assert_eq!(watch.changes().unwrap(), [Change::Missing, Change::Present]);
        fs::rename(&path, &beside).unwrap();
        assert_eq!(watch.changes().unwrap(), [Change::Missing]);
    }

    #[test]
    fn a_path_without_a_directory_can_not_be_watched() {
        assert!(SocketPathWatch::begin(Path::new("/")).is_err());
        assert!(SocketPathWatch::begin(Path::new("/does/not/exist.sock")).is_err());
    }
}
