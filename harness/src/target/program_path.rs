//! The path by which a target's program is started, under the harness's control: a symbolic link to the program, which can
//! be replaced by a gate. Whatever is started by that path then waits there, with the arguments, the environment and the
//! descriptors that it was given, until it is let through to the program.
//!
//! It works for servers that execute themselves by the path that they were started by. One that executes what
//! `/proc/self/exe` leads to never meets the gate, which is told as such.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;

use super::warden::{CommandError, CommandSpec};

/// A program behind a path of our own.
#[derive(Debug)]
pub struct ProgramPath {
    /// The path that the target knows.
    path: PathBuf,
    /// What it leads to.
    program: PathBuf,
    /// What whoever is held reads from.
    fifo: PathBuf,
    /// What is put in the program's place. It was written long before: a descriptor that is open for writing may be copied
    /// into a process that another thread forks, and the script could not be executed as long as that has it (ETXTBSY).
    script: PathBuf,
}

impl Drop for ProgramPath {
    fn drop(&mut self) {
        // They are gone if the gate was opened.
        let _ = fs::remove_file(&self.fifo);
        let _ = fs::remove_file(&self.script);
    }
}

/// A gate that stands in the program's place.
#[derive(Debug)]
pub struct Gate {
    behind: ProgramPath,
    /// The end that lets one through: there once somebody waits at the other.
    held: Option<File>,
}

impl ProgramPath {
    /// Puts the path into `dir`, and makes `command` start its program by it. A bare name stays one: then the directory comes
    /// first in the command's PATH.
    ///
    /// # Errors
    /// There is no such program, or the link can't be made.
    pub fn lay(dir: &Path, command: &mut CommandSpec) -> Result<Self, ProgramPathError> {
        let program = command.resolve()?;
        let Some(name) = program.file_name().map(PathBuf::from) else {
            return Err(io::Error::from(io::ErrorKind::InvalidFilename).into());
        };
        fs::create_dir_all(dir)?;
        let dir = std::path::absolute(dir)?;
        let path = dir.join(&name);
        symlink(&program, &path)?;
        let beside = |ending: &str| {
            let mut name = path.clone().into_os_string();
            name.push(ending);
            PathBuf::from(name)
        };
        let laid = Self { fifo: beside(".fifo"), script: beside(".gate"), path, program };
        laid.make_gate()?;
        lead_to(command, &dir, &name);
        Ok(laid)
    }

    fn make_gate(&self) -> io::Result<()> {
        nix::unistd::mkfifo(&self.fifo, Mode::S_IRUSR | Mode::S_IWUSR | Mode::S_IROTH | Mode::S_IWOTH)?;
        // The mode of mkfifo is narrowed by the umask, and the target may have taken on another user's id.
        fs::set_permissions(&self.fifo, Permissions::from_mode(0o666))?;
        let text = [
            b"#!/bin/sh\nread _ < ".as_slice(),
            &quoted(&self.fifo),
            b"\nexec ",
            &quoted(&self.program),
            b" \"$@\"\n",
        ];
        fs::write(&self.script, text.concat())?;
        fs::set_permissions(&self.script, Permissions::from_mode(0o755))
    }

    /// Puts a gate in the program's place.
    ///
    /// # Errors
    /// The link can't be replaced.
    pub fn close(self) -> io::Result<Gate> {
        fs::rename(&self.script, &self.path)?;
        Ok(Gate { behind: self, held: None })
    }
}

impl Gate {
    /// Whether somebody waits at the gate by now.
    pub fn holds(&mut self) -> bool {
        if self.held.is_none() {
            // A FIFO can be opened like this only while somebody has it open for reading; fifo(7).
            self.held =
                OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(&self.behind.fifo).ok();
        }
        self.held.is_some()
    }

    /// Lets through whoever waits, and puts the program back in its place: nobody waits any more.
    ///
    /// # Errors
    /// The link can't be made. Whoever waits is let through nevertheless.
    pub fn open(mut self) -> io::Result<()> {
        let mut link = self.behind.path.clone().into_os_string();
        link.push(".link");
        let restored =
            symlink(&self.behind.program, &link).and_then(|()| fs::rename(&link, &self.behind.path));
        // Closing it is what lets through those that came later: they read the end of file.
        if self.holds()
            && let Some(mut held) = self.held.take()
        {
            let _ = held.write_all(b"\n");
        }
        // Whoever has executed the script and not come to the FIFO yet finds none, and goes on.
        let _ = fs::remove_file(&self.behind.fifo);
        restored
    }
}

/// Why the path can't be laid.
#[derive(Debug, thiserror::Error)]
pub enum ProgramPathError {
    /// There is no program to lead to.
    #[error(transparent)]
    Program(#[from] CommandError),
    /// The link can't be made.
    #[error("failed to make a path of our own to the target's program: {0}")]
    Link(#[from] io::Error),
}

/// Makes a command start the program `name` in `dir`: by that path, or, if it names its program alone, by that name.
pub(super) fn lead_to(command: &mut CommandSpec, dir: &Path, name: &Path) {
    if command.program.as_bytes().contains(&b'/') {
        command.program = dir.join(name).into_os_string();
    } else {
        put_first_in_path(command, dir);
    }
}

fn put_first_in_path(command: &mut CommandSpec, dir: &Path) {
    let before = command.env.iter().rfind(|(name, _)| name == "PATH").map(|(_, value)| value.clone());
    let mut value = dir.as_os_str().to_owned();
    value.push(":");
    value.push(before.unwrap_or_else(|| OsString::from("/bin:/usr/bin")));
    command.env.retain(|(name, _)| name != "PATH");
    command.env.push(("PATH".into(), value));
}

/// For sh(1): within single quotes only those themselves need care.
fn quoted(path: &Path) -> Vec<u8> {
    let mut text = vec![b'\''];
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'\'' => text.extend(b"'\\''"),
            byte => text.push(*byte),
        }
    }
    text.push(b'\'');
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::process::Command;
    use std::time::{Duration, Instant};

    use super::*;

    fn wait_until(mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !holds() {
            assert!(Instant::now() < deadline, "it did not come");
            std::thread::yield_now();
        }
    }

    #[test]
    fn who_is_started_by_the_path_waits_at_the_gate_and_then_gets_what_it_was_given() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = CommandSpec::new("echo").env("PATH", "/usr/bin:/bin");
        let path = ProgramPath::lay(&dir.path().join("it's here"), &mut command).unwrap();
        assert_eq!(command.program, "echo");
        let link = path.path.clone();
        assert_eq!(Command::new(&link).arg("free").output().unwrap().stdout, b"free\n");
        let mut gate = path.close().unwrap();
        assert!(!gate.holds());
        let child =
            Command::new(&link).args(["a b", "c"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
        wait_until(|| gate.holds());
        gate.open().unwrap();
        assert_eq!(child.wait_with_output().unwrap().stdout, b"a b c\n");
        assert_eq!(Command::new(&link).arg("again").output().unwrap().stdout, b"again\n");
    }

    #[test]
    fn a_program_by_its_path_is_started_by_ours() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = CommandSpec::new("/bin/true");
        let path = ProgramPath::lay(dir.path(), &mut command).unwrap();
        assert_eq!(command.program, path.path);
        assert!(matches!(
            ProgramPath::lay(dir.path(), &mut CommandSpec::new("./nothing")),
            Err(ProgramPathError::Program(_))
        ));
    }
}
