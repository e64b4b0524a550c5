//! A process to look at.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use crate::witness::process::{Epoch, Stat};

/// `cat` on a pipe: it lives until the pipe is closed, and then exits with status 0.
pub(super) struct Cat {
    child: Child,
    pipe: Option<ChildStdin>,
}

impl Cat {
    /// Starts one, as this user or another.
    pub(super) fn start(user: Option<u32>) -> io::Result<Self> {
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        let mut child = command.spawn()?;
        let pipe = child.stdin.take();
        Ok(Self { child, pipe })
    }

    pub(super) fn pid(&self) -> i32 {
        // A pid is below 2^22 (proc(5)).
        i32::try_from(self.child.id()).unwrap_or_default()
    }

    pub(super) fn epoch(&self) -> io::Result<Epoch> {
        let stat =
            Stat::read(self.pid()).ok_or_else(|| io::Error::other("/proc does not show its processes"))?;
        Ok(stat.epoch)
    }

    /// Has it exit, and reaps it.
    pub(super) fn end(&mut self) -> io::Result<ExitStatus> {
        self.pipe = None;
        self.child.wait()
    }
}

impl Drop for Cat {
    fn drop(&mut self) {
        let _ = self.end();
    }
}
