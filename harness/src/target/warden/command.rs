//! A command as asked for, and prepared to be executed after a fork: no allocation is left to do.

use std::ffi::{CString, OsStr, OsString, c_char};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A program to start, with everything it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandSpec {
    /// A name to look up in the PATH of `env`, or a path (absolute, or relative to `dir`); also its argv\[0\].
    pub program: OsString,
    /// The arguments after argv\[0\].
    pub args: Vec<OsString>,
    /// The whole environment: nothing is inherited.
    pub env: Vec<(OsString, OsString)>,
    /// The working directory.
    pub dir: PathBuf,
    /// The file that gets standard output and standard error, appended; made if it does not exist.
    pub output: PathBuf,
    /// The number, 16 or more, under which it gets the descriptor of [`super::WardenSpec::inherited`], if it is to have it.
    pub inherits_as: Option<i32>,
    /// Before it executes, the kernel is told to ask about its forks and executions, by the descriptor of
    /// [`super::WardenSpec::inherited`]; see [`crate::target::refusal`].
    pub asked_about: bool,
    /// It becomes process 1 of a PID namespace of its own (pid_namespaces(7)), which takes CAP_SYS_ADMIN.
    pub first_process: bool,
    /// A `cgroup.procs` that it is written to before it executes: so all that descends from it is in that group.
    pub group: Option<PathBuf>,
}

impl CommandSpec {
    /// A program without arguments, in the current directory, with the harness's environment, its output discarded.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: std::env::vars_os().collect(),
            dir: PathBuf::from("."),
            output: PathBuf::from("/dev/null"),
            inherits_as: None,
            asked_about: false,
            first_process: false,
            group: None,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets one variable of the environment, replacing an earlier value.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        let name = name.into();
        self.env.retain(|(existing, _)| *existing != name);
        self.env.push((name, value.into()));
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = dir.into();
        self
    }

    /// Where the program is, absolute.
    ///
    /// # Errors
    /// There is none that could be executed.
    pub fn resolve(&self) -> Result<PathBuf, CommandError> {
        find_program(self, &absolute(&self.dir)?)
    }

    /// Sets the output file.
    #[must_use]
    pub fn output(mut self, output: impl Into<PathBuf>) -> Self {
        self.output = output.into();
        self
    }
}

/// Why a command can't be started, as far as it can be told before trying.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// No such program.
    #[error("failed to find the program {program:?}: looked in {looked_in}; install it or give its path")]
    NotFound {
        /// As it was asked for.
        program: OsString,
        /// The PATH, or the one place of a path.
        looked_in: String,
    },
    /// There is a file, but it may not be executed.
    #[error("{path:?} may not be executed by this user; expected an executable file (chmod +x?)")]
    NotExecutable {
        /// The file.
        path: PathBuf,
    },
    /// There is a directory of that name.
    #[error("{path:?} is a directory; expected an executable file")]
    IsDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// A text that no program can be given.
    #[error(
        "{what} {text:?} can't be given to a program: it holds a NUL byte, or a variable's name is empty or holds '='"
    )]
    Unusable {
        /// What kind of text.
        what: &'static str,
        /// The text.
        text: OsString,
    },
    /// A relative path can't be made absolute.
    #[error("failed to make {path:?} absolute: {source}; does the current directory still exist?")]
    NoCurrentDirectory {
        /// The path.
        path: PathBuf,
        /// Of getcwd(2).
        source: std::io::Error,
    },
}

/// A command in the form execve(2) takes, made before the fork.
pub(super) struct Prepared {
    /// The program that will run, absolute.
    pub(super) path: PathBuf,
    program: CString,
    #[expect(dead_code, reason = "owns what argv_pointers points to")]
    argv: Vec<CString>,
    #[expect(dead_code, reason = "owns what envp_pointers points to")]
    envp: Vec<CString>,
    pub(super) dir: CString,
    pub(super) output: CString,
    pub(super) inherits_as: Option<i32>,
    pub(super) asked_about: bool,
    pub(super) first_process: bool,
    pub(super) group: Option<CString>,
    /// Into `argv` and `envp`, each list ended by a null pointer; the texts do not move with the vectors.
    argv_pointers: Vec<*const c_char>,
    envp_pointers: Vec<*const c_char>,
}

impl Prepared {
    /// Looks the program up and turns everything into C strings.
    pub(super) fn new(spec: &CommandSpec) -> Result<Self, CommandError> {
        let dir = absolute(&spec.dir)?;
        let path = find_program(spec, &dir)?;
        let argv = std::iter::once(&spec.program)
            .chain(&spec.args)
            .map(|argument| c_string("the argument", argument))
            .collect::<Result<Vec<_>, _>>()?;
        let envp =
            spec.env.iter().map(|(name, value)| variable(name, value)).collect::<Result<Vec<_>, _>>()?;
        let pointers = |texts: &[CString]| {
            texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect::<Vec<_>>()
        };
        Ok(Self {
            program: c_string("the program", path.as_os_str())?,
            dir: c_string("the directory", dir.as_os_str())?,
            output: c_string("the output file", absolute(&spec.output)?.as_os_str())?,
            argv_pointers: pointers(&argv),
            envp_pointers: pointers(&envp),
            inherits_as: spec.inherits_as,
            asked_about: spec.asked_about,
            first_process: spec.first_process,
            group: match &spec.group {
                Some(group) => Some(c_string("the control group", group.as_os_str())?),
                None => None,
            },
            path,
            argv,
            envp,
        })
    }

    /// Replaces the calling process; returns only if that failed, with errno set. Allocation-free.
    pub(super) fn execute(&self) {
        // SAFETY: program is NUL-terminated; both lists end with a null pointer and point into argv and envp, which
        // self owns and never changes.
        unsafe {
            libc::execve(self.program.as_ptr(), self.argv_pointers.as_ptr(), self.envp_pointers.as_ptr())
        };
    }
}

fn absolute(path: &Path) -> Result<PathBuf, CommandError> {
    std::path::absolute(path)
        .map_err(|source| CommandError::NoCurrentDirectory { path: path.to_owned(), source })
}

fn c_string(what: &'static str, text: &OsStr) -> Result<CString, CommandError> {
    CString::new(text.as_bytes()).map_err(|_| CommandError::Unusable { what, text: text.to_owned() })
}

fn variable(name: &OsStr, value: &OsStr) -> Result<CString, CommandError> {
    if name.is_empty() || name.as_bytes().contains(&b'=') {
        return Err(CommandError::Unusable { what: "the variable's name", text: name.to_owned() });
    }
    let text = [name.as_bytes(), b"=", value.as_bytes()].concat();
    c_string("the variable", &OsString::from_vec(text))
}

/// Where the program is, by the rules of execvp(3), but in the command's own PATH and directory.
fn find_program(spec: &CommandSpec, dir: &Path) -> Result<PathBuf, CommandError> {
    let program = Path::new(&spec.program);
    let not_found = |looked_in: String| CommandError::NotFound { program: spec.program.clone(), looked_in };
    if spec.program.is_empty() {
        return Err(not_found("nothing: its name is empty".to_owned()));
    }
    if spec.program.as_bytes().contains(&b'/') {
        let path = dir.join(program);
        let shown = path.display().to_string();
        return check_executable(path).unwrap_or_else(|| Err(not_found(shown)));
    }
    let path_variable = spec.env.iter().rfind(|(name, _)| name == "PATH").map(|(_, value)| value.as_os_str());
    let path_variable = path_variable.unwrap_or(OsStr::new("/bin:/usr/bin"));
    let mut refused = None;
    for entry in std::env::split_paths(path_variable) {
        match check_executable(dir.join(entry).join(program)) {
            Some(Ok(path)) => return Ok(path),
            Some(Err(error)) => refused = refused.or(Some(error)),
            None => {}
        }
    }
    Err(refused.unwrap_or_else(|| not_found(format!("PATH={}", path_variable.display()))))
}

/// `None` if there is no such file, else the path or why it can't be executed.
fn check_executable(path: PathBuf) -> Option<Result<PathBuf, CommandError>> {
    let metadata = fs::metadata(&path).ok()?;
    if metadata.is_dir() {
        return Some(Err(CommandError::IsDirectory { path }));
    }
    // The effective ids are those that execve(2) goes by.
    if nix::unistd::eaccess(&path, nix::unistd::AccessFlags::X_OK).is_err() {
        return Some(Err(CommandError::NotExecutable { path }));
    }
    Some(Ok(path))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn error_of(spec: &CommandSpec) -> CommandError {
        Prepared::new(spec).map(|prepared| prepared.path).unwrap_err()
    }

    #[test]
    fn a_name_is_found_in_the_path_of_the_command() {
        let found = Prepared::new(&CommandSpec::new("cat").env("PATH", "/nowhere:/usr/bin")).unwrap();
        assert_eq!(found.path, Path::new("/usr/bin/cat"));
        assert!(matches!(
            error_of(&CommandSpec::new("cat").env("PATH", "/nowhere")),
            CommandError::NotFound { .. }
        ));
        assert!(matches!(error_of(&CommandSpec::new("")), CommandError::NotFound { .. }));
    }

    #[test]
    fn a_path_is_relative_to_the_directory_of_the_command() {
        let found = Prepared::new(&CommandSpec::new("./bin/cat").dir("/usr")).unwrap();
        assert_eq!(found.path, Path::new("/usr/./bin/cat"));
    }

    #[test]
    fn a_directory_and_a_plain_file_are_told_apart_from_nothing() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("folder")).unwrap();
        fs::write(dir.path().join("text"), "no program").unwrap();
        let of = |name: &str| error_of(&CommandSpec::new(name).dir(dir.path()).env("PATH", dir.path()));
        assert!(matches!(of("folder"), CommandError::IsDirectory { .. }));
        assert!(matches!(of("./folder"), CommandError::IsDirectory { .. }));
        assert!(matches!(of("text"), CommandError::NotExecutable { .. }));
        assert!(matches!(of("./missing"), CommandError::NotFound { .. }));
    }

    #[test]
    fn a_text_with_a_nul_and_a_name_with_an_equals_sign_are_refused() {
        assert!(matches!(error_of(&CommandSpec::new("cat").args(["a\0b"])), CommandError::Unusable { .. }));
        assert!(matches!(error_of(&CommandSpec::new("cat").env("A=B", "c")), CommandError::Unusable { .. }));
    }
}
