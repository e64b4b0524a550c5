//! The pid file and the notify socket: what is seen, and what the order of events proves.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hotspec::history::event::PidFileState;
use hotspec::witness::notify::{Message, Notice, NotifySocket, NotifyWatch};
use hotspec::witness::pid_file::{PidFileWatch, Sight};
use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};
use support::*;

/// This test program stands in for the warden: its children are the target's processes.
fn own() -> i32 {
    i32::try_from(std::process::id()).unwrap()
}

/// A child that lives until it is dropped.
struct Held(Child);

impl Held {
    fn new() -> Self {
        Self(Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap())
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap()
    }

    fn end(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A pid file that names `pid`, and the watch on it.
struct Watched {
    directory: tempfile::TempDir,
    watch: PidFileWatch,
    sights: Vec<Sight>,
}

impl Watched {
    fn naming(pid: i32) -> Self {
        Self::naming_in(open_dir(), pid)
    }

    fn naming_in(directory: tempfile::TempDir, pid: i32) -> Self {
        fs::write(directory.path().join("server.pid"), format!("{pid}\n")).unwrap();
        let watch = PidFileWatch::begin(&directory.path().join("server.pid"), own()).unwrap();
        let mut watched = Self { directory, watch, sights: Vec::new() };
        watched.until("the first look", |sights| !sights.is_empty());
        watched
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("server.pid")
    }

    fn until(&mut self, what: &str, enough: impl Fn(&[Sight]) -> bool) {
        let (watch, sights) = (&self.watch, &mut self.sights);
        eventually(what, || {
            sights.extend(watch.sights());
            enough(sights).then_some(())
        });
    }

    /// Until it is seen to name `pid`, after the first look.
    fn until_it_names(&mut self, pid: i32) {
        self.until("the new pid", |sights| sights.iter().skip(1).any(|sight| sight.pid == Some(pid)));
    }

    /// All states in their order, the last look included.
    fn states(mut self) -> Vec<PidFileState> {
        self.sights.extend(self.watch.end());
        self.sights.iter().map(|sight| sight.state).collect()
    }
}

const PID: PidFileState = PidFileState::Pid;
const EMPTY: PidFileState = PidFileState::Empty;
const MISSING: PidFileState = PidFileState::Missing;

/// Writes beside the file and renames, as it should be done.
fn replace(path: &Path, pid: i32) {
    let beside = path.with_extension("tmp");
    fs::write(&beside, format!("{pid}\n")).unwrap();
    fs::rename(&beside, path).unwrap();
}

/// Each change is made so often: what is seen must not depend on luck.
const ROUNDS: usize = 20;

#[test]
fn a_file_replaced_by_rename_was_never_empty_or_away() {
    let (old, new) = (Held::new(), Held::new());
    for _ in 0..ROUNDS {
        let mut watched = Watched::naming(old.pid());
        replace(&watched.path(), new.pid());
        watched.until_it_names(new.pid());
        assert_eq!(watched.sights.last().unwrap().former_alive, Some(true));
        assert_eq!(watched.states(), [PID, PID, PID]);
    }
}

#[test]
fn a_file_linked_to_its_place_was_never_empty() {
    let (old, new) = (Held::new(), Held::new());
    for other_name_stays in [true, false].into_iter().cycle().take(ROUNDS) {
        let mut watched = Watched::naming(old.pid());
        let beside = watched.path().with_extension("tmp");
        fs::write(&beside, format!("{}\n", new.pid())).unwrap();
        fs::remove_file(watched.path()).unwrap();
        fs::hard_link(&beside, watched.path()).unwrap();
        if !other_name_stays {
            fs::remove_file(&beside).unwrap();
        }
        watched.until_it_names(new.pid());
        assert_eq!(watched.states(), [PID, MISSING, PID, PID]);
    }
}

#[test]
fn a_file_cut_on_opening_and_written_was_empty() {
    let (old, new) = (Held::new(), Held::new());
    for _ in 0..ROUNDS {
        let mut watched = Watched::naming(old.pid());
        fs::write(watched.path(), format!("{}\n", new.pid())).unwrap();
        watched.until_it_names(new.pid());
        assert_eq!(watched.states(), [PID, EMPTY, PID, PID]);
    }
}

/// On a file system in memory, and by a descriptor that was open all along.
#[test]
fn a_file_cut_by_one_who_holds_it_open_and_written_was_empty() {
    let (old, new) = (Held::new(), Held::new());
    let memory = || tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| open_dir());
    for in_memory in [false, true].into_iter().cycle().take(ROUNDS) {
        let directory = if in_memory { memory() } else { open_dir() };
        let mut watched = Watched::naming_in(directory, old.pid());
        let file = OpenOptions::new().write(true).open(watched.path()).unwrap();
        file.set_len(0).unwrap();
        file.write_all_at(format!("{}\n", new.pid()).as_bytes(), 0).unwrap();
        watched.until_it_names(new.pid());
        assert_eq!(watched.states(), [PID, EMPTY, PID, PID]);
    }
}

#[test]
fn a_file_removed_made_anew_and_written_was_away_and_empty() {
    let (old, new) = (Held::new(), Held::new());
    for _ in 0..ROUNDS {
        let mut watched = Watched::naming(old.pid());
        fs::remove_file(watched.path()).unwrap();
        fs::write(watched.path(), format!("{}\n", new.pid())).unwrap();
        watched.until_it_names(new.pid());
        let states = watched.states();
        assert!(states.contains(&MISSING) && states.contains(&EMPTY), "{states:?}");
        assert_eq!(states.last(), Some(&PID));
    }
}

#[test]
fn a_file_made_and_written_under_eyes_that_read_it_was_empty() {
    let (old, new) = (Held::new(), Held::new());
    let mut watched = Watched::naming(old.pid());
    let path = watched.path();
    fs::remove_file(&path).unwrap();
    let mut file = fs::File::create(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"");
    file.write_all(format!("{}\n", new.pid()).as_bytes()).unwrap();
    drop(file);
    watched.until_it_names(new.pid());
    assert!(watched.states().contains(&EMPTY));
}

/// Of one length, so that every byte of the old pid is written over; no moment of it is empty.
#[test]
fn a_file_written_over_without_a_cut_was_never_empty() {
    let old = Held::new();
    for reader in [false, true].into_iter().cycle().take(ROUNDS) {
        let mut watched = Watched::naming(old.pid());
        let path = watched.path();
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let other = format!("{:0width$}\n", 1, width = old.pid().to_string().len());
        file.write_all_at(other.as_bytes(), 0).unwrap();
        if reader {
            let _ = fs::read(&path).unwrap();
        }
        file.write_all_at(format!("{}\n", old.pid()).as_bytes(), 0).unwrap();
        drop(file);
        replace(&path, own());
        watched.until_it_names(own());
        let states = watched.states();
        assert!(states.iter().all(|state| *state == PID), "{states:?}");
    }
}

#[test]
fn a_file_that_stays_empty_or_holds_something_else_is_seen() {
    let old = Held::new();
    let mut watched = Watched::naming(old.pid());
    OpenOptions::new().write(true).open(watched.path()).unwrap().set_len(0).unwrap();
    watched.until("an empty file", |sights| sights.iter().any(|sight| sight.state == EMPTY));
    fs::write(watched.path(), "none\n").unwrap();
    watched.until("something else", |sights| sights.last().unwrap().state == PidFileState::Other);
    assert_eq!(watched.states().last(), Some(&PidFileState::Other));
}

#[test]
fn a_file_that_is_removed_is_seen_to_be_missing_and_so_is_one_that_never_was() {
    let old = Held::new();
    let mut watched = Watched::naming(old.pid());
    fs::remove_file(watched.path()).unwrap();
    watched.until("the removal", |sights| sights.len() == 2);
    assert_eq!(watched.states(), [PID, MISSING, MISSING]);
    let directory = open_dir();
    let watch = PidFileWatch::begin(&directory.path().join("server.pid"), own()).unwrap();
    assert!(watch.end().iter().all(|sight| sight.state == MISSING));
    assert!(PidFileWatch::begin(&directory.path().join("none/server.pid"), own()).is_err());
}

#[test]
fn who_is_named_is_alive_dead_or_a_stranger() {
    let (mut old, new) = (Held::new(), Held::new());
    let mut watched = Watched::naming(old.pid());
    assert_eq!(watched.sights[0].alive, Some(true));
    old.end();
    replace(&watched.path(), new.pid());
    watched.until_it_names(new.pid());
    let last = *watched.sights.last().unwrap();
    assert_eq!((last.alive, last.former_alive), (Some(true), Some(false)));
    assert!(last.from <= last.at);
    for nobody in [old.pid(), 1] {
        replace(&watched.path(), nobody);
        watched.until_it_names(nobody);
        assert_eq!(watched.sights.last().unwrap().alive, Some(false), "{nobody}");
    }
}

#[test]
fn a_fifo_in_its_place_keeps_nobody_waiting() {
    let directory = open_dir();
    let path = directory.path().join("server.pid");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let watch = PidFileWatch::begin(&path, own()).unwrap();
    assert!(watch.end().iter().all(|sight| sight.state == PidFileState::Other));
}

/// The bounds of a change hold what was between them.
#[test]
fn a_change_lies_between_its_bounds() {
    let (old, new) = (Held::new(), Held::new());
    let mut watched = Watched::naming(old.pid());
    let before = Instant::now();
    replace(&watched.path(), new.pid());
    let after = Instant::now();
    watched.until_it_names(new.pid());
    let sight = *watched.sights.last().unwrap();
    assert!(sight.from <= after && sight.at >= before, "{sight:?}");
}

struct Told {
    path: PathBuf,
    watch: NotifyWatch,
    notices: Vec<Notice>,
}

impl Told {
    fn new() -> Self {
        let socket = NotifySocket::bind().unwrap();
        let path = socket.path().to_owned();
        assert!(path.as_os_str().len() <= 107);
        Self { path, watch: socket.listen(own()).unwrap(), notices: Vec::new() }
    }

    fn tell(&self, message: &[u8]) {
        UnixDatagram::unbound().unwrap().send_to(message, &self.path).unwrap();
    }

    fn until(&mut self, count: usize) -> &[Notice] {
        let (watch, notices) = (&self.watch, &mut self.notices);
        eventually("messages", || {
            notices.extend(watch.notices());
            (notices.len() >= count).then_some(())
        });
        &self.notices
    }
}

#[test]
fn a_message_is_told_with_its_sender_and_when_it_was_sent() {
    let child = Held::new();
    let mut told = Told::new();
    let before = Instant::now();
    told.tell(format!("MAINPID={}\nREADY=1", child.pid()).as_bytes());
    let after = Instant::now();
    // Long after, so that the time of reading would be seen not to be the time of sending.
    std::thread::sleep(Duration::from_millis(30));
    let notice = told.until(1)[0];
    let message = Message { ready: true, main_pid: Some(child.pid()), ..Message::default() };
    assert_eq!((notice.message, notice.pid, notice.alive), (message, Some(own()), Some(true)));
    // The kernel's stamp is of the wall clock, which may be drawn towards the right time meanwhile.
    let slack = Duration::from_millis(2);
    assert!(notice.at + slack >= before && notice.at <= after + slack, "{:?}", notice.at - before);
}

#[test]
fn another_process_that_tells_is_known_by_its_own_pid() {
    let mut told = Told::new();
    let script = "import os, socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.sendto(b'RELOADING=1', os.environ['NOTIFY_SOCKET'])";
    let mut child =
        Command::new("python3").args(["-c", script]).env("NOTIFY_SOCKET", &told.path).spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    assert!(child.wait().unwrap().success());
    let notice = told.until(1)[0];
    assert_eq!(notice.pid, Some(pid));
    assert!(notice.message.reloading);
}

#[test]
fn a_dead_process_and_a_stranger_are_none_of_the_target_s() {
    let mut child = Held::new();
    let mut told = Told::new();
    child.end();
    told.tell(format!("MAINPID={}", child.pid()).as_bytes());
    told.tell(b"MAINPID=1");
    assert!(told.until(2).iter().all(|notice| notice.alive == Some(false)));
}

/// sd_notify_barrier(3): the sender waits until its descriptor is closed.
#[test]
fn a_barrier_is_let_through() {
    let told = Told::new();
    let (reader, writer) = nix::unistd::pipe().unwrap();
    let socket = UnixDatagram::unbound().unwrap();
    let address = UnixAddr::new(&told.path).unwrap();
    let descriptors = [writer.as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&descriptors)];
    let text = [std::io::IoSlice::new(b"BARRIER=1")];
    sendmsg(socket.as_raw_fd(), &text, &rights, MsgFlags::empty(), Some(&address)).unwrap();
    drop(writer);
    let mut wanted = [nix::poll::PollFd::new(reader.as_fd(), nix::poll::PollFlags::POLLIN)];
    let patience = nix::poll::PollTimeout::from(u16::try_from(PATIENCE.as_millis()).unwrap());
    assert_eq!(nix::poll::poll(&mut wanted, patience), Ok(1));
}

#[test]
fn bytes_that_are_no_message_and_messages_without_end_do_no_harm() {
    let mut told = Told::new();
    told.tell(b"");
    told.tell(b"\xff\xfe\x00=\n\n=1");
    told.tell(&[b'x'; 60_000]);
    told.tell(b"READY=1");
    let notices = told.until(4);
    assert_eq!(notices.iter().filter(|notice| notice.message == Message::default()).count(), 3);
    assert!(notices[3].message.ready);
}

#[test]
fn what_was_told_before_the_end_of_the_watch_is_told_and_the_socket_goes() {
    let told = Told::new();
    for _ in 0..5 {
        told.tell(b"READY=1");
    }
    let path = told.path.clone();
    assert_eq!(told.watch.end().len(), 5);
    assert!(!path.exists() && !path.parent().unwrap().exists());
}
