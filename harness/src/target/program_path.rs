//! The path by which a target's program is started, under the harness's control: a symbolic link to the program, which can
//! be replaced by a gate. Whatever is started by that path then waits there, with the arguments, the environment and the
//! descriptors that it was given, until it is let through to the program, or ends there. Or the program is spoilt: then
//! nothing is started by that path.
//!
//! It works for servers that execute themselves by the path that they were started by. One that executes what
//! `/proc/self/exe` leads to never meets the gate, which is told as such.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;

use super::warden::{CommandError, CommandSpec};
use crate::history::event::Fault;

/// So much of a program is left where its copy broke off, at most: less than half of it in any case.
const LEFT_MAX: u64 = 1 << 20;

/// What follows on the gate's text for the shell, which Python takes for the end of a string. Ruby looks for a line that names it.
/// Both wait as the shell does, and go on with the program in its place: what they have read of their pipes is not lost.
const OF_INTERPRETERS: &str = r##"":"""
import os
word = b''
while not word.endswith(b'\n'):
    try:
        with open(os.path.abspath(__file__) + '.fifo', 'rb') as fifo:
            word = fifo.readline()
    except OSError:
        if not os.path.exists(os.path.abspath(__file__) + '.fifo'):
            break
if word == b'exit\n':
    os._exit(1)
elif word in (b'crash\n', b'kill\n'):
    signal = 'SEGV' if word == b'crash\n' else 'KILL'
    os.execv('/bin/sh', ['sh', '-c', 'ulimit -c 0; kill -%s $$' % signal])
with open(__file__, 'rb') as program:
    text = program.read()
exec(compile(text, __file__, 'exec'))
r"""
#!ruby
fifo = "#{File.absolute_path(__FILE__)}.fifo"
word = nil
until word
  begin
    word = File.open(fifo, &:gets)
  rescue SystemCallError
    break unless File.exist?(fifo)
  end
end
case word
when "exit\n" then exit!(1)
when "crash\n", "kill\n"
  exec('/bin/sh', '-c', "ulimit -c 0; kill -#{word == "crash\n" ? 'SEGV' : 'KILL'} $$")
end
load(File.absolute_path(__FILE__))
__END__
"""
"##;

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
    /// The program as a file that may not be executed.
    plain: PathBuf,
    /// The first part of the program.
    part: PathBuf,
}

impl Drop for ProgramPath {
    fn drop(&mut self) {
        // Not all of them are always there.
        for path in [&self.fifo, &self.script, &self.plain, &self.part] {
            let _ = fs::remove_file(path);
        }
    }
}

/// What becomes of one who waits at the gate, if it isn't let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It exits with status 1.
    Exit,
    /// It is killed by SIGSEGV.
    Crash,
    /// It is killed by SIGKILL.
    Kill,
}

impl Fate {
    fn word(self) -> &'static str {
        match self {
            Fate::Exit => "exit",
            Fate::Crash => "crash",
            Fate::Kill => "kill",
        }
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
        let laid = Self {
            fifo: beside(".fifo"),
            script: beside(".gate"),
            plain: beside(".plain"),
            part: beside(".part"),
            path,
            program,
        };
        laid.make_gate()?;
        lead_to(command, &dir, &name);
        Ok(laid)
    }

    /// Some execute their interpreter, and have it read the program by its path: Python and Ruby come to the same gate then.
    /// (Perl leaves to the shell what names no Perl in its first line.)
    fn make_gate(&self) -> io::Result<()> {
        self.make_fifo()?;
        let fifo = quoted(&self.fifo);
        // At the end of file, or with no word, one goes on; but only if the gate is open by then. The program is executed by
        // the path that it knows, which leads to it again, so that it does not learn of another.
        let text = [
            b"#!/bin/sh\n\"\"\":\"\nword=\nuntil read -r word < ".as_slice(),
            &fifo,
            b"; do [ -p ",
            &fifo,
            b" ] || break; done 2> /dev/null\ncase \"$word\" in\nexit) exit 1 ;;\n",
            b"crash) ulimit -c 0; kill -SEGV $$ ;;\nkill) kill -KILL $$ ;;\nesac\n",
            b"exec ",
            &quoted(&self.path),
            b" \"$@\"\n",
            OF_INTERPRETERS.as_bytes(),
        ];
        fs::write(&self.script, text.concat())?;
        fs::set_permissions(&self.script, Permissions::from_mode(0o755))
    }

    fn make_fifo(&self) -> io::Result<()> {
        nix::unistd::mkfifo(&self.fifo, Mode::S_IRUSR | Mode::S_IWUSR | Mode::S_IROTH | Mode::S_IWOTH)?;
        // The mode of mkfifo is narrowed by the umask, and the target may have taken on another user's id.
        fs::set_permissions(&self.fifo, Permissions::from_mode(0o666))
    }

    /// Prepares what [`Self::spoil`] puts in the program's place; long before, as the gate is.
    ///
    /// # Errors
    /// The program can't be read, or its part not be written.
    pub fn prepare(&self, fault: Fault) -> io::Result<()> {
        match fault {
            Fault::NotExecutable => {
                fs::write(&self.plain, self.first_part()?)?;
                fs::set_permissions(&self.plain, Permissions::from_mode(0o644))
            }
            Fault::Truncated => {
                fs::write(&self.part, self.first_part()?)?;
                fs::set_permissions(&self.part, Permissions::from_mode(0o755))
            }
            _ => Ok(()),
        }
    }

    /// The program, broken off in its midst. Of a script only the line is left that names its interpreter: what half of it
    /// would do nobody knows.
    fn first_part(&self) -> io::Result<Vec<u8>> {
        let file = File::open(&self.program)?;
        let half = file.metadata()?.len() / 2;
        let mut part = Vec::new();
        file.take(half.min(LEFT_MAX)).read_to_end(&mut part)?;
        if part.starts_with(b"#!") {
            let line = part.iter().position(|byte| *byte == b'\n').map_or(part.len(), |end| end + 1);
            part.truncate(line);
        }
        Ok(part)
    }

    /// Puts a gate in the program's place.
    ///
    /// # Errors
    /// The link can't be replaced.
    pub fn close(self) -> io::Result<Gate> {
        if !self.fifo.exists() {
            self.make_fifo()?;
        }
        self.put(&self.script)?;
        Ok(Gate { behind: self, held: None })
    }

    /// Takes the program away, or puts what was prepared in its place.
    ///
    /// # Errors
    /// The link can't be replaced.
    pub fn spoil(&self, fault: Fault) -> io::Result<()> {
        match fault {
            Fault::NotExecutable => self.put(&self.plain),
            Fault::Truncated => self.put(&self.part),
            _ => fs::remove_file(&self.path),
        }
    }

    /// Puts the program back in its place.
    ///
    /// # Errors
    /// The link can't be made.
    pub fn restore(&self) -> io::Result<()> {
        let link = self.aside();
        symlink(&self.program, &link).and_then(|()| fs::rename(&link, &self.path))
    }

    /// In one step: at no time there is nothing by that name.
    fn put(&self, file: &Path) -> io::Result<()> {
        let link = self.aside();
        fs::hard_link(file, &link).and_then(|()| fs::rename(&link, &self.path))
    }

    fn aside(&self) -> PathBuf {
        let mut link = self.path.clone().into_os_string();
        link.push(".link");
        link.into()
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

    /// Whoever waits comes to this end. The next one will wait again.
    pub fn turn_away(&mut self, fate: Fate) {
        if self.holds()
            && let Some(mut held) = self.held.take()
        {
            // Nobody reads any more: then it has come to an end of its own.
            let _ = held.write_all(format!("{}\n", fate.word()).as_bytes());
        }
    }

    /// Lets through whoever waits, and puts the program back in its place: nobody waits any more. The path can be used
    /// again; what went wrong with its link is told beside.
    pub fn open(mut self) -> (ProgramPath, io::Result<()>) {
        let restored = self.behind.restore();
        if restored.is_err() {
            // The path still leads to the gate, and who went on would come back to it for ever.
            self.turn_away(Fate::Exit);
            return (self.behind, restored);
        }
        // As long as this is open, nobody is kept who opens the FIFO while it is being removed; fifo(7).
        let both = OpenOptions::new().read(true).write(true).open(&self.behind.fifo);
        // Whoever has executed the script and not come to the FIFO yet finds none, and goes on.
        let _ = fs::remove_file(&self.behind.fifo);
        if let Some(mut held) = self.held.take() {
            let _ = held.write_all(b"\n");
        }
        // Whoever came besides reads the end of file.
        drop(both);
        (self.behind, restored)
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
    use std::os::unix::process::ExitStatusExt;
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
        let (path, opened) = gate.open();
        opened.unwrap();
        assert_eq!(child.wait_with_output().unwrap().stdout, b"a b c\n");
        assert_eq!(Command::new(&link).arg("again").output().unwrap().stdout, b"again\n");
        // Once more.
        let mut gate = path.close().unwrap();
        let child = Command::new(&link).args(["anew"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
        wait_until(|| gate.holds());
        gate.open().1.unwrap();
        assert_eq!(child.wait_with_output().unwrap().stdout, b"anew\n");
    }

    #[test]
    fn an_interpreter_that_reads_the_program_by_its_path_waits_at_the_gate_too() {
        let dir = tempfile::tempdir().unwrap();
        for (interpreter, script) in [
            ("python3", "import sys; print(*sys.orig_argv[2:])"),
            ("ruby", "puts ARGV.join(' ')"),
            ("perl", "print \"@ARGV\\n\""),
        ] {
            let found = Command::new(interpreter).arg("--version").output();
            if interpreter != "python3" && found.is_err() {
                continue;
            }
            let program = dir.path().join(format!("script.{interpreter}"));
            fs::write(&program, format!("#!/usr/bin/env {interpreter}\n{script}\n")).unwrap();
            fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
            let mut command = CommandSpec::new(program);
            let mut gate =
                ProgramPath::lay(&dir.path().join(interpreter), &mut command).unwrap().close().unwrap();
            let start = || {
                let mut started = Command::new(interpreter);
                started.arg(&command.program).args(["a b", "c"]).stdout(std::process::Stdio::piped());
                started.stderr(std::process::Stdio::piped()).spawn().unwrap()
            };
            let child = start();
            wait_until(|| gate.holds());
            gate.turn_away(Fate::Crash);
            assert_eq!(child.wait_with_output().unwrap().status.signal(), Some(11), "{interpreter}");
            let child = start();
            wait_until(|| gate.holds());
            gate.open().1.unwrap();
            let output = child.wait_with_output().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), "a b c\n", "{interpreter}: {output:?}");
        }
    }

    #[test]
    fn who_is_turned_away_ends_as_told_and_the_next_one_waits_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = CommandSpec::new("/bin/echo");
        let mut gate = ProgramPath::lay(dir.path(), &mut command).unwrap().close().unwrap();
        for (fate, code, signal) in
            [(Fate::Exit, Some(1), None), (Fate::Crash, None, Some(11)), (Fate::Kill, None, Some(9))]
        {
            let child = Command::new(&command.program)
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            wait_until(|| gate.holds());
            gate.turn_away(fate);
            let output = child.wait_with_output().unwrap();
            assert_eq!((output.status.code(), output.status.signal()), (code, signal));
            assert_eq!((output.stdout, output.stderr), (Vec::new(), Vec::new()), "{fate:?} is silent");
        }
        gate.open().1.unwrap();
        assert_eq!(Command::new(&command.program).arg("a").output().unwrap().stdout, b"a\n");
    }

    #[test]
    fn a_spoilt_program_is_not_executed_until_it_is_restored() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = CommandSpec::new("/bin/echo");
        let path = ProgramPath::lay(dir.path(), &mut command).unwrap();
        let run = || Command::new(&command.program).arg("a").output();
        for (fault, errno) in [(Fault::Missing, libc::ENOENT), (Fault::NotExecutable, libc::EACCES)] {
            path.prepare(fault).unwrap();
            path.spoil(fault).unwrap();
            assert_eq!(run().unwrap_err().raw_os_error(), Some(errno), "{fault:?}");
            path.restore().unwrap();
            assert_eq!(run().unwrap().stdout, b"a\n");
        }
        path.prepare(Fault::Truncated).unwrap();
        path.spoil(Fault::Truncated).unwrap();
        let ended = run();
        assert!(ended.is_err() || ended.is_ok_and(|output| !output.status.success()));
        path.restore().unwrap();
        assert_eq!(run().unwrap().stdout, b"a\n");
    }

    #[test]
    fn of_a_script_only_its_interpreter_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("script");
        fs::write(&program, format!("#!/bin/sh\necho {}\n", "x".repeat(100))).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        let path = ProgramPath::lay(&dir.path().join("way"), &mut CommandSpec::new(program)).unwrap();
        assert_eq!(path.first_part().unwrap(), b"#!/bin/sh\n");
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
