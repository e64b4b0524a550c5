//! Target files: one TOML file per server and trigger.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use super::listen::ListenKind;
pub use super::step::{Event, TriggerStep, parse_signal};
use crate::declaration::{DeclaredLimits, Known, Profile};
use crate::history::Model;

/// A target as it is declared, before placeholders are filled in.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Target {
    /// Its name on the command line.
    #[serde(default)]
    pub name: String,
    /// Another target, by its name or by the path of its file from here: what this file does not say holds as it is there.
    pub extends: Option<String>,
    /// Placeholders of the file's own, and what they stand for.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
    /// What it is, in a line.
    #[serde(default)]
    pub title: String,
    /// What it promises.
    #[serde(default)]
    pub profile: Profile,
    /// How it restarts.
    #[serde(default)]
    pub model: Model,
    /// The command that starts it; the first word is looked up in PATH.
    #[serde(default)]
    pub start: Vec<String>,
    /// Variables added to its environment.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Where it listens; found by itself where it is missing and no argument names `{address}`.
    pub address: Option<String>,
    /// Programs that must be there, by name.
    #[serde(default)]
    pub requires: Vec<String>,
    /// Where to get them.
    #[serde(default)]
    pub install: String,
    /// Directories to make in the run's own directory.
    #[serde(default)]
    pub directories: Vec<String>,
    /// Files to write there.
    #[serde(default, rename = "file")]
    pub files: Vec<FileSpec>,
    /// The steps of its restart.
    #[serde(default)]
    pub restart: Vec<TriggerStep>,
    /// Paths by what they do.
    #[serde(default)]
    pub endpoints: Endpoints,
    /// Limits that it declares.
    #[serde(default)]
    pub limits: DeclaredLimits,
    /// `{marker}` in its files changes at the trigger and shows in answers.
    #[serde(default)]
    pub marker: bool,
    /// What `{extra}` in its files stands for in scenarios that drop a listener, until the trigger: the configuration of one
    /// more, at `{extra_address}`. At all other times `{extra}` is nothing.
    #[serde(default)]
    pub extra_listener: Option<String>,
    /// An origin of the harness's own stands behind it at `{origin}`, which is `{origin_host}:{origin_port}`.
    #[serde(default)]
    pub origin: bool,
    /// Its connections that may wait in the accept queue, if fewer than 64.
    #[serde(default)]
    pub backlog: Option<u32>,
    /// What `{address}` becomes, by the kind of listening socket: `{host}` and `{port}` are filled in, and `{socket}`, the path
    /// or the abstract name that hotspec chose. A kind that is missing is not spoken; IPv4 always is.
    #[serde(default)]
    pub listen: BTreeMap<ListenKind, String>,
    /// Words of `start`, or a part of a file, that tell it where to listen: repeated for each where it listens on several
    /// addresses, as in `listen {address};`.
    #[serde(default)]
    pub each_listener: Option<String>,
    /// What it tells its successor.
    #[serde(default)]
    pub successor: SuccessorSpec,
    /// Its pid file, relative to the run's own directory; watched from before the trigger on.
    #[serde(default)]
    pub pid_file: Option<String>,
    /// What a restart does to it where it is process 1 of a PID namespace.
    #[serde(default)]
    pub pid_1: Option<AsPid1>,
    /// It speaks to a service manager: it is given NOTIFY_SOCKET (sd_notify(3)).
    #[serde(default)]
    pub notify: bool,
    /// How one of its files is made an invalid configuration, for restarts that have to fail.
    #[serde(default)]
    pub broken: Option<Broken>,
    /// The command that tells the program's version, as `nginx -v`: the first number with a point in it is taken for it.
    #[serde(default)]
    pub version: Vec<String>,
    /// Logs that it writes, relative to the run's own directory: read as its standard output and error are.
    #[serde(default)]
    pub logs: Vec<String>,
    /// Deviations that are known. Like every list, that of a target which is extended holds as a whole if this one has none,
    /// and not at all if it has: what a variant admits stands in its own file.
    #[serde(default)]
    pub known: Vec<Known>,
    /// It is up already: nothing is started, and this is where it is.
    #[serde(skip)]
    pub running: Option<super::running::Running>,
    /// Where it is started, relative to the file; the run's own directory if it is not said.
    #[serde(default)]
    pub directory: Option<PathBuf>,
    /// The file it was read from.
    #[serde(skip)]
    pub path: Option<PathBuf>,
    /// What `{hotspec}` stands for: hotspec's own program. Not the one that runs, where that is somebody else's.
    #[serde(skip)]
    pub hotspec: Option<PathBuf>,
}

/// What becomes of a target that is restarted as process 1 of a PID namespace (pid_namespaces(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum AsPid1 {
    /// It serves on.
    Survives,
    /// Its process 1 ends, and all others with it: it needs an init.
    NeedsInit,
}

impl AsPid1 {
    /// Its name in files and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            AsPid1::Survives => "survives",
            AsPid1::NeedsInit => "needs-init",
        }
    }
}

/// What a generation tells the next one, and documents.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuccessorSpec {
    /// The flag that names the listening socket's descriptor, as in `--socket 3`: its number follows.
    #[serde(default)]
    pub flag: Option<String>,
    /// Further arguments that a generation may add or change: a flag with the word that follows it.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Variables that a generation may add, change or remove.
    #[serde(default)]
    pub variables: Vec<String>,
}

/// How a file becomes an invalid configuration. Exactly one of its texts is given.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Broken {
    /// The path of one of the target's files.
    pub file: String,
    /// What is put in the place of its text, with placeholders …
    pub text: Option<String>,
    /// … or appended to it.
    pub append: Option<String>,
}

/// A file to write before the start.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSpec {
    /// Relative to the run's own directory.
    pub path: String,
    /// Its text, with placeholders.
    #[serde(default)]
    pub text: String,
    /// Instead of a text: this many deterministic bytes.
    #[serde(default)]
    pub bytes: Option<u64>,
}

/// Paths by what they do. `{ms}`, `{n}` and `{chunks}` are filled in.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoints {
    /// Answers at once. Default `/`.
    pub fast: Option<String>,
    /// Answers after `{ms}` milliseconds.
    pub slow: Option<String>,
    /// Sends a chunk every `{ms}` milliseconds, `{chunks}` of them.
    pub stream: Option<String>,
    /// A body of `{n}` bytes, or a fixed one larger than the socket buffers.
    pub large: Option<String>,
    /// Takes a POST and answers when it is read whole. Default: the fast one.
    pub upload: Option<String>,
    /// Answers 204.
    #[serde(rename = "no-content")]
    pub no_content: Option<String>,
    /// Answers 304, whatever the request says.
    #[serde(rename = "not-modified")]
    pub not_modified: Option<String>,
}

/// Why a target can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The file can't be read.
    #[error("failed to read target file {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is no target file; the text names the line.
    #[error("{path}:{line}: {message}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Counted from 1; 0 for the file as a whole.
        line: usize,
        /// What was expected and what was found.
        message: String,
    },
    /// There is none of that name.
    #[error(
        "there is no target named `{name}`{hint}; `hotspec list targets` shows all, and a path to a file of your own works too"
    )]
    Unknown {
        /// As typed.
        name: String,
        /// `, did you mean …`, or nothing.
        hint: String,
    },
}

impl Target {
    /// Reads a target file.
    ///
    /// # Errors
    /// [`TargetError`] with the file, the line and what was expected.
    pub fn read(path: &Path) -> Result<Self, TargetError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| TargetError::Read { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    /// Parses the text of a target file; `path` is for messages and the default name.
    ///
    /// # Errors
    /// As [`Target::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, TargetError> {
        let mut target = super::extends::target(path, text)?;
        if target.name.is_empty() {
            target.name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        }
        target.path = Some(path.to_owned());
        target.find_directory().map_err(|message| {
            let line = text.find("directory =").map_or(0, |at| line_of(text, at));
            TargetError::Parse { path: path.to_owned(), line, message }
        })?;
        target.fill_values().and_then(|()| target.check()).map_err(|(needle, message)| {
            let line = text.find(&needle).map_or(0, |at| line_of(text, at));
            TargetError::Parse { path: path.to_owned(), line, message }
        })?;
        Ok(target)
    }

    /// Makes the directory absolute.
    fn find_directory(&mut self) -> Result<(), String> {
        let Some(named) = &self.directory else { return Ok(()) };
        let beside = self.path.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
        let found = beside.join(named);
        match std::path::absolute(&found) {
            Ok(directory) if directory.is_dir() => self.directory = Some(directory),
            _ => {
                let shown = found.display();
                return Err(format!(
                    "expected `directory` to be where the target is started, found no directory {shown}"
                ));
            }
        }
        Ok(())
    }
}

/// The line, from 1, of a place in a text.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

/// Fills `{name}` in; a brace that names nothing known stays as it is, as configurations are full of them.
pub fn fill(text: &str, values: &BTreeMap<&str, String>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        filled.push_str(&rest[..open]);
        let after = &rest[open + 1..];
        match after.find('}').and_then(|close| Some((close, values.get(&after[..close])?))) {
            Some((close, value)) => {
                filled.push_str(value);
                rest = &after[close + 1..];
            }
            None => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_and_other_braces_stay() {
        let values = BTreeMap::from([("port", "80".to_owned())]);
        assert_eq!(fill("server { listen {port}; } {", &values), "server { listen 80; } {");
        assert_eq!(fill("{unknown}{port}", &values), "{unknown}80");
    }

    #[test]
    fn a_malformed_file_names_its_line_and_what_was_expected() {
        let text = "start = [\"x\"]\nprofile = \"fast\"\n";
        let error = Target::parse(Path::new("t.toml"), text).expect_err("no such profile").to_string();
        assert!(error.starts_with("t.toml:2: "), "{error}");
        assert!(error.contains("expected"), "{error}");
    }

    #[test]
    fn a_file_outside_the_run_directory_is_refused() {
        for path in ["../x", "/etc/passwd", ""] {
            let text =
                format!("start = [\"x\"]\n[[restart]]\nsignal = \"HUP\"\n[[file]]\npath = \"{path}\"\n");
            assert!(Target::parse(Path::new("t.toml"), &text).is_err(), "{path}");
        }
    }

    #[test]
    fn a_broken_file_is_one_of_the_target_s_and_broken_in_one_way() {
        let base = "start = [\"x\"]\n[[restart]]\nsignal = \"HUP\"\n[[file]]\npath = \"a\"\n[broken]\n";
        for (broken, sound) in [
            ("file = \"a\"\nappend = \"?\"", true),
            ("file = \"a\"\ntext = \"?\"", true),
            ("file = \"b\"\ntext = \"?\"", false),
            ("file = \"a\"", false),
            ("file = \"a\"\ntext = \"?\"\nappend = \"?\"", false),
        ] {
            let parsed = Target::parse(Path::new("t.toml"), &format!("{base}{broken}\n"));
            assert_eq!(parsed.is_ok(), sound, "{broken}");
        }
    }

    #[test]
    fn a_step_with_two_verbs_or_an_unknown_signal_is_refused() {
        for step in ["signal = \"HUP\"\ncommand = [\"x\"]", "signal = \"NOPE\"", "drain = true"] {
            let text = format!("start = [\"x\"]\n[[restart]]\n{step}\n");
            let error = Target::parse(Path::new("t.toml"), &text).expect_err(step).to_string();
            assert!(error.contains("expected"), "{error}");
        }
    }
}
