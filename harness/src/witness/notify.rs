//! The socket of a service manager, as sd_notify(3) describes it: what a target tells, who told it, and when.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, UnixCredentials, recvmsg, setsockopt, sockopt::PassCred,
    sockopt::ReceiveTimestampns,
};
use nix::sys::time::TimeSpec;
use tempfile::TempDir;

use super::post::{Post, Watch};
use super::process::lives_below;

/// After each such pause it is certain again that nothing was sent.
const PAUSE_MS: u16 = 10;
/// A longer message is one that systemd refuses too (PIPE_BUF).
const MESSAGE_MAX: usize = 4096;
/// Descriptors that one message can carry (SCM_MAX_FD).
const DESCRIPTORS_MAX: usize = 253;
/// The path of a unix socket is no longer (unix(7)).
const PATH_MAX: usize = 107;

/// What one message says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// READY=1.
    pub ready: bool,
    /// RELOADING=1.
    pub reloading: bool,
    /// STOPPING=1.
    pub stopping: bool,
    /// MAINPID.
    pub main_pid: Option<i32>,
}

/// A message, who sent it, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The sender, as the kernel says.
    pub pid: Option<i32>,
    /// What it says.
    pub message: Message,
    /// The process that MAINPID names is one of the target's and alive.
    pub alive: Option<bool>,
    /// When it was sent; where the kernel does not tell, the earliest that it may have been.
    pub at: Instant,
}

/// The socket, before anybody reads it.
#[derive(Debug)]
pub struct NotifySocket {
    socket: UnixDatagram,
    path: PathBuf,
    directory: TempDir,
}

impl NotifySocket {
    /// Makes the socket, in a directory of its own with a short path.
    ///
    /// # Errors
    /// It can't be made.
    pub fn bind() -> io::Result<Self> {
        let directory = short_directory()?;
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path)?;
        // A target may change its user. The directory's name is known to no one else.
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o711))?;
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666))?;
        socket.set_nonblocking(true)?;
        setsockopt(&socket, PassCred, &true)?;
        // Some kernels have no time stamps on unix sockets: then messages are bounded by the last look.
        let _ = setsockopt(&socket, ReceiveTimestampns, &true);
        Ok(Self { socket, path, directory })
    }

    /// The value of NOTIFY_SOCKET.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins to read. Processes below `root` are the target's.
    ///
    /// # Errors
    /// No thread could be had.
    pub fn listen(self, root: i32) -> io::Result<NotifyWatch> {
        let ears = Ears {
            socket: self.socket,
            root,
            quiet: Instant::now(),
            buffer: vec![0; MESSAGE_MAX],
            control: nix::cmsg_space!(UnixCredentials, TimeSpec, [i32; DESCRIPTORS_MAX]),
        };
        let post = Post::take("notify", ears)?;
        Ok(NotifyWatch { post, _directory: self.directory })
    }
}

/// Short enough for the socket's path, wherever the user keeps temporary files.
fn short_directory() -> io::Result<TempDir> {
    let fits = |directory: &TempDir| directory.path().as_os_str().len() + "/notify".len() <= PATH_MAX;
    let make = |parent: &Path| tempfile::Builder::new().prefix("hotspec-").tempdir_in(parent);
    match make(&std::env::temp_dir()) {
        Ok(directory) if fits(&directory) => Ok(directory),
        _ => make(Path::new("/tmp")),
    }
}

/// The watch on a notify socket. Dropped, it ends, and the socket is gone.
#[derive(Debug)]
pub struct NotifyWatch {
    post: Post<Notice>,
    _directory: TempDir,
}

impl NotifyWatch {
    /// What was told since the last time.
    pub fn notices(&self) -> Vec<Notice> {
        self.post.sights()
    }

    /// Ends the watch; returns what was told since the last time.
    pub fn end(self) -> Vec<Notice> {
        self.post.leave()
    }
}

struct Ears {
    socket: UnixDatagram,
    root: i32,
    /// Everything that was sent until then was read.
    quiet: Instant,
    buffer: Vec<u8>,
    control: Vec<u8>,
}

impl Watch for Ears {
    type Sight = Notice;

    fn watch(&mut self, notices: &Sender<Notice>) {
        if self.read(notices) {
            return;
        }
        let mut wanted = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        let _ = poll(&mut wanted, PollTimeout::from(PAUSE_MS));
    }

    fn finish(&mut self, notices: &Sender<Notice>) {
        // A target that never stops talking must not keep the watch.
        for _ in 0..1000 {
            if !self.read(notices) {
                return;
            }
        }
    }
}

impl Ears {
    /// Reads one message; whether there was any.
    fn read(&mut self, notices: &Sender<Notice>) -> bool {
        let begun = Instant::now();
        let mut parts = [IoSliceMut::new(&mut self.buffer)];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
        let (length, whole, said) =
            match recvmsg::<()>(self.socket.as_raw_fd(), &mut parts, Some(&mut self.control), flags) {
                Ok(received) => {
                    let whole = !received.flags.contains(MsgFlags::MSG_TRUNC);
                    (received.bytes, whole, received.cmsgs().map(said_of).unwrap_or_default())
                }
                Err(Errno::EINTR) => return true,
                Err(_) => {
                    self.quiet = begun;
                    return false;
                }
            };
        let bytes = self.buffer.get(..length).unwrap_or_default();
        let message = parse(bytes, whole);
        let alive = message.main_pid.map(|pid| lives_below(self.root, pid));
        let sent = said.sent.and_then(ago).and_then(|ago| Instant::now().checked_sub(ago));
        let at = sent.map_or(self.quiet, |sent| sent.clamp(self.quiet, Instant::now()));
        let _ = notices.send(Notice { pid: said.pid, message, alive, at });
        true
    }
}

/// What the kernel says of a message.
#[derive(Debug, Default)]
struct Said {
    pid: Option<i32>,
    sent: Option<TimeSpec>,
}

fn said_of<'a>(messages: impl Iterator<Item = ControlMessageOwned> + 'a) -> Said {
    let mut said = Said::default();
    for message in messages {
        match message {
            ControlMessageOwned::ScmCredentials(sender) => {
                said.pid = Some(sender.pid()).filter(|pid| *pid > 0)
            }
            ControlMessageOwned::ScmTimestampns(sent) => said.sent = Some(sent),
            // BARRIER=1 waits until its descriptor is closed; those of FDSTORE=1 are of no use here.
            ControlMessageOwned::ScmRights(descriptors) => {
                for descriptor in descriptors {
                    // SAFETY: the kernel has just made this descriptor for us, and no one else knows it.
                    drop(unsafe { OwnedFd::from_raw_fd(descriptor) });
                }
            }
            _ => {}
        }
    }
    said
}

/// How long ago an instant of the wall clock was.
fn ago(sent: TimeSpec) -> Option<Duration> {
    let sent = Duration::new(u64::try_from(sent.tv_sec()).ok()?, u32::try_from(sent.tv_nsec()).ok()?);
    SystemTime::now().duration_since(UNIX_EPOCH).ok()?.checked_sub(sent)
}

/// Lines of NAME=VALUE. Of a message that was cut off the last line is left out.
fn parse(bytes: &[u8], whole: bool) -> Message {
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    if !whole {
        lines.pop();
    }
    let value = |name: &[u8]| lines.iter().find_map(|line| line.strip_prefix(name));
    let set = |name: &[u8]| value(name) == Some(b"1");
    let main_pid = value(b"MAINPID=").and_then(|value| std::str::from_utf8(value).ok()?.trim().parse().ok());
    Message {
        ready: set(b"READY="),
        reloading: set(b"RELOADING="),
        stopping: set(b"STOPPING="),
        main_pid: main_pid.filter(|pid| *pid > 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_lines_of_names_and_values() {
        let message = parse(b"MAINPID=4711\nREADY=1\nSTATUS=up\n", true);
        assert_eq!(message, Message { ready: true, main_pid: Some(4711), ..Message::default() });
        let message = parse(b"RELOADING=1\nMONOTONIC_USEC=12", true);
        assert_eq!(message, Message { reloading: true, ..Message::default() });
        assert!(parse(b"STOPPING=1", true).stopping);
    }

    #[test]
    fn what_is_no_message_says_nothing() {
        for bytes in [&b""[..], b"READY=0", b"XREADY=1", b"MAINPID=x\nMAINPID=-4", b"\xff\xfe=1\n\n"] {
            assert_eq!(parse(bytes, true), Message::default(), "{bytes:?}");
        }
        assert_eq!(parse(b"READY=1\nMAINPID=47", false).main_pid, None, "its rest was cut off");
    }
}
