//! A pid file, watched by inotify(7): what is there after every change, and what the order of the changes proves.
//!
//! A file that is emptied and written again is empty for microseconds, so the one who waits for events also looks, on a
//! thread of its own. What it can't see in time is proved where it can be: by the `order` of events, and by the file's first
//! `page`.

mod order;
mod page;

use std::ffi::OsString;
use std::fs::{File, Metadata, OpenOptions};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use self::order::Order;
use self::page::FirstPage;
use super::post::{Post, Watch};
use super::process::lives_below;
use crate::history::event::PidFileState;

/// With nothing to wait for; after each such pause it is certain again that nothing has changed.
const PAUSE_MS: u16 = 10;
/// A pid file is short. What comes after the first line does not matter.
const READ_MAX: u64 = 64;
/// So often a pid that was found dead is looked at once more before the file's change must be over.
const ATTEMPTS: usize = 8;

/// What a pid file was, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// What was there.
    pub state: PidFileState,
    /// The process id in it.
    pub pid: Option<i32>,
    /// That process is one of the target's and alive. `false` only if the file still named it after it was found not to be.
    pub alive: Option<bool>,
    /// If it names another process than before: the one before was still alive.
    pub former_alive: Option<bool>,
    /// Until then, at least, it was what it had been before.
    pub from: Instant,
    /// It was so by then.
    pub at: Instant,
}

/// Whether this machine shows that a file was cut to nothing and written again, on the file system of this path; the file is
/// made for that.
///
/// # Errors
/// The machine has no inotify left, or the file can't be written.
pub fn sees_a_cut(path: &Path) -> std::io::Result<bool> {
    Inotify::init(InitFlags::IN_CLOEXEC)?;
    std::fs::write(path, "1\n")?;
    let Some(page) = FirstPage::of(&File::open(path)?) else { return Ok(false) };
    std::fs::write(path, "1\n")?;
    Ok(page.was_cut(&std::fs::metadata(path)?))
}

/// The watch on one pid file. Dropped, it ends.
#[derive(Debug)]
pub struct PidFileWatch(Post<Sight>);

impl PidFileWatch {
    /// Begins to watch. The first sight is what is there now. Processes below `root` are the target's.
    ///
    /// # Errors
    /// The file's directory is not there, or the machine has no inotify left.
    pub fn begin(path: &Path, root: i32) -> std::io::Result<Self> {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or_else(|| Path::new("."));
        let name = path.file_name().ok_or_else(|| std::io::Error::other("a pid file needs a file name"))?;
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        inotify.add_watch(directory, order::WATCHED | AddWatchFlags::IN_ONLYDIR)?;
        let now = Instant::now();
        let eyes = Eyes {
            inotify,
            path: path.to_owned(),
            name: name.to_owned(),
            root,
            order: Order::default(),
            quiet: now,
            changed: Some(now),
            page: None,
            last: None,
            named: None,
        };
        Post::take("pid-file", eyes).map(Self)
    }

    /// What was seen since the last time.
    pub fn sights(&self) -> Vec<Sight> {
        self.0.sights()
    }

    /// Ends the watch; the last sight is what is there now.
    pub fn end(self) -> Vec<Sight> {
        self.0.leave()
    }
}

struct Eyes {
    inotify: Inotify,
    path: PathBuf,
    name: OsString,
    root: i32,
    order: Order,
    /// Everything that happened until then was seen.
    quiet: Instant,
    /// It has changed and was not read since; until then nothing had.
    changed: Option<Instant>,
    page: Option<FirstPage>,
    last: Option<(PidFileState, Option<i32>, Option<bool>)>,
    /// Whom it named when it last named anybody.
    named: Option<i32>,
}

impl Watch for Eyes {
    type Sight = Sight;

    fn watch(&mut self, sights: &Sender<Sight>) {
        let begun = Instant::now();
        if self.take_events(sights) {
            return;
        }
        self.quiet = begun;
        if let Some(from) = self.changed.take() {
            return self.read(from, sights);
        }
        let mut wanted = [PollFd::new(self.inotify.as_fd(), PollFlags::POLLIN)];
        if poll(&mut wanted, PollTimeout::from(PAUSE_MS)) == Ok(0) {
            self.order.settled();
        }
    }

    fn finish(&mut self, sights: &Sender<Sight>) {
        let mut begun = Instant::now();
        while self.take_events(sights) {
            begun = Instant::now();
        }
        let from = self.changed.take().unwrap_or(begun);
        self.last = None;
        self.read(from, sights);
    }
}

impl Eyes {
    /// Takes the events that have come; whether there were any.
    fn take_events(&mut self, sights: &Sender<Sight>) -> bool {
        let events = match self.inotify.read_events() {
            Ok(events) => events,
            Err(Errno::EINTR) => return true,
            Err(_) => return false,
        };
        // Before all else: what there is to be seen may not be there much longer.
        let found = std::fs::metadata(&self.path);
        let from = self.changed.unwrap_or(self.quiet);
        let mut proof = order::Proof::default();
        let mut changed = false;
        if found.as_ref().is_ok_and(|file| file.nlink() > 1) {
            self.order.settled();
        }
        for event in &events {
            if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                self.order.settled();
                changed = true;
            } else if event.name.as_ref() == Some(&self.name) {
                let one = self.order.feed(event.mask);
                proof.empty |= one.empty;
                proof.missing |= one.missing;
                changed = true;
            }
        }
        if !changed {
            return true;
        }
        self.changed = Some(from);
        match found {
            Ok(file) => proof.empty |= (file.is_file() && file.len() == 0) || self.was_cut(&file),
            Err(error) => proof.missing |= error.kind() == std::io::ErrorKind::NotFound,
        }
        if proof.missing {
            self.tell(from, (PidFileState::Missing, None, None), sights);
        }
        if proof.empty {
            self.tell(from, (PidFileState::Empty, None, None), sights);
        }
        true
    }

    /// Reads what is there.
    fn read(&mut self, from: Instant, sights: &Sender<Sight>) {
        if std::fs::metadata(&self.path).is_ok_and(|file| self.was_cut(&file)) {
            self.tell(from, (PidFileState::Empty, None, None), sights);
        }
        // Mapped before it is read: a cut that comes later will show.
        self.page = open(&self.path).ok().and_then(|file| FirstPage::of(&file));
        let mut found = content(&self.path);
        // Asked at once: whoever hands over may be gone in a moment.
        let former = self.named.filter(|pid| found.1.is_some_and(|now| now != *pid));
        let former_alive = former.map(|pid| lives_below(self.root, pid));
        let mut alive = None;
        for _ in 0..ATTEMPTS {
            let (PidFileState::Pid, Some(pid)) = found else { break };
            if lives_below(self.root, pid) {
                alive = Some(true);
                break;
            }
            // It may have ended after the file was read, and the file have been changed by then.
            let again = content(&self.path);
            if again == found {
                alive = Some(false);
                break;
            }
            found = again;
        }
        self.named = found.1.or(self.named);
        self.tell_with(from, (found.0, found.1, alive), former_alive, sights);
    }

    fn was_cut(&self, now: &Metadata) -> bool {
        self.page.as_ref().is_some_and(|page| page.was_cut(now))
    }

    fn tell(
        &mut self,
        from: Instant,
        what: (PidFileState, Option<i32>, Option<bool>),
        sights: &Sender<Sight>,
    ) {
        self.tell_with(from, what, None, sights);
    }

    fn tell_with(
        &mut self,
        from: Instant,
        what: (PidFileState, Option<i32>, Option<bool>),
        former_alive: Option<bool>,
        sights: &Sender<Sight>,
    ) {
        if self.last == Some(what) {
            return;
        }
        self.last = Some(what);
        let (state, pid, alive) = what;
        let _ = sights.send(Sight { state, pid, alive, former_alive, from, at: Instant::now() });
    }
}

/// What is in the file.
fn content(path: &Path) -> (PidFileState, Option<i32>) {
    match read_start(path) {
        Ok(bytes) => parse(&bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => (PidFileState::Missing, None),
        Err(_) => (PidFileState::Other, None),
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    // Whatever stands there, opening it must not wait for anybody.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("not a regular file"));
    }
    Ok(file)
}

fn read_start(path: &Path) -> std::io::Result<Vec<u8>> {
    let file = open(path)?;
    let mut bytes = Vec::new();
    file.take(READ_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> (PidFileState, Option<i32>) {
    if bytes.is_empty() {
        return (PidFileState::Empty, None);
    }
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let pid = std::str::from_utf8(line).ok().and_then(|line| line.trim().parse::<i32>().ok());
    match pid.filter(|pid| *pid > 0) {
        Some(pid) => (PidFileState::Pid, Some(pid)),
        None => (PidFileState::Other, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_pid_and_anything_else_is_none() {
        assert_eq!(parse(b"4711\n"), (PidFileState::Pid, Some(4711)));
        assert_eq!(parse(b" 4711 \n/var/lib/data\n5432\n"), (PidFileState::Pid, Some(4711)));
        assert_eq!(parse(b""), (PidFileState::Empty, None));
        for other in [&b"0\n"[..], b"-1\n", b"pid 12\n", b"\n", b"99999999999\n", b"\xff\xfe"] {
            assert_eq!(parse(other), (PidFileState::Other, None), "{other:?}");
        }
    }
}
