//! What is run: a server of one's own, one of those that hotspec knows, or one that a file declares.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::options::Options;
use crate::declaration::{Profile, Span};
use crate::exit::Failure;
use crate::history::Model;
use crate::run::asked::Asked;
use crate::run::declared::{self, Declared};
use crate::target::file::AsPid1;
use crate::target::listen::ListenKind;

/// More than any restart may take, in microseconds.
const DAY_US: u64 = 86_400_000_000;

/// A server, and how it is put to the test.
///
/// Begin with [`command`](Self::command), [`named`](Self::named) or [`file`](Self::file), say more, and [`run`](Self::run) it.
/// Methods are called after the options of `hotspec run`, whose `--help` says more of each. Nothing is looked at before the run: what
/// can't be is its [`Error`](crate::Error).
#[derive(Clone, Debug)]
pub struct Target {
    source: Source,
    name: Option<String>,
    declared: Declared,
    pub(super) options: Options,
    /// The first thing that was said and can't be.
    wrong: Option<String>,
}

#[derive(Clone, Debug)]
enum Source {
    Command(Vec<String>),
    Named(String),
    File(PathBuf),
}

/// A signal that servers take for the word to restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "signal(7) has them")]
pub enum Signal {
    SIGHUP,
    SIGINT,
    SIGQUIT,
    SIGUSR1,
    SIGUSR2,
    SIGTERM,
    SIGWINCH,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Target {
    /// A server that this program starts; a name is looked for in `PATH`. SIGHUP restarts it and its profile is
    /// [`Reload`](Profile::Reload), unless more is said. `{address}`, `{host}`, `{port}` and `{dir}` in its arguments are filled in.
    pub fn command(program: impl AsRef<OsStr>) -> Self {
        let mut target = Self::new(Source::Command(Vec::new()));
        target.word(program.as_ref());
        target
    }

    /// One of the servers that hotspec knows, as `nginx`; `hotspec list targets` shows all. It is looked for in `PATH`.
    pub fn named(name: impl Into<String>) -> Self {
        Self::new(Source::Named(name.into()))
    }

    /// A server that this target file declares.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::new(Source::File(path.into()))
    }

    fn new(source: Source) -> Self {
        Self { source, name: None, declared: Declared::default(), options: Options::default(), wrong: None }
    }

    /// A further argument of the command.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.word(argument.as_ref());
        self
    }

    /// Further arguments of the command.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        for argument in arguments {
            self.word(argument.as_ref());
        }
        self
    }

    /// A variable of its environment, besides those of this process. Placeholders are filled in.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.declared.environment.insert(name.into(), value.into());
        self
    }

    /// What reports call it, and where the runs of its [`trials`](crate::trials) are stored.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Restarted by this signal to its main process.
    #[must_use]
    pub fn restart(mut self, signal: Signal) -> Self {
        self.declared.restart = self.options.typed("--restart", signal.to_string());
        self.declared.restart_command = None;
        self.options.forget("--restart-command");
        self
    }

    /// Restarted by this shell command.
    #[must_use]
    pub fn restart_command(mut self, command: impl Into<String>) -> Self {
        self.declared.restart_command = self.options.typed("--restart-command", command);
        self.declared.restart = None;
        self.options.forget("--restart");
        self
    }

    /// What it promises.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.options.typed("--profile", profile.to_string());
        self.declared.profile = Some(profile);
        self
    }

    /// How it restarts, where that is not to be told from what happens.
    #[must_use]
    pub fn model(mut self, model: Model) -> Self {
        self.options.typed("--model", model.as_str());
        self.declared.model = Some(model);
        self
    }

    /// A copy of this file is its configuration: `{config}` becomes the copy's path, and it is made invalid for restarts that have
    /// to fail.
    #[must_use]
    pub fn config(mut self, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        self.options.typed("--config", path.display().to_string());
        self.declared.config = Some(path);
        self
    }

    /// Its pid file; `{dir}` is filled in.
    #[must_use]
    pub fn pid_file(mut self, path: impl Into<String>) -> Self {
        self.declared.pid_file = self.options.typed("--pid-file", path);
        self
    }

    /// The flag by which a successor is told the listener's descriptor: its number follows.
    #[must_use]
    pub fn socket_flag(mut self, flag: impl Into<String>) -> Self {
        self.declared.socket_flag = self.options.typed("--socket-flag", flag);
        self
    }

    /// A variable that a generation may add or change for the next one; any number of times.
    #[must_use]
    pub fn successor_variable(mut self, name: impl Into<String>) -> Self {
        self.declared.successor_variables.push(self.options.also("--successor-variable", name));
        self
    }

    /// What `{address}` becomes where the listener is of this kind, as in `unix:{socket}`: `{host}`, `{port}` and `{socket}` are
    /// filled in.
    #[must_use]
    pub fn listen_on(mut self, kind: ListenKind, template: impl Into<String>) -> Self {
        let template = template.into();
        self.options.also("--listen-on", format!("{}={template}", kind.as_str()));
        self.declared.listen_on.push((kind, template));
        self
    }

    /// What of the command's words is repeated for each address where it is told to listen on several, as in `--listen {address}`.
    #[must_use]
    pub fn each_listener(mut self, words: impl Into<String>) -> Self {
        self.declared.each_listener = self.options.typed("--each-listener", words);
        self
    }

    /// What a restart does to it where it is process 1 of a PID namespace.
    #[must_use]
    pub fn pid_1(mut self, what: AsPid1) -> Self {
        self.options.typed("--pid-1", what.as_str());
        self.declared.pid_1 = Some(what);
        self
    }

    /// It tells a service manager of its state by `NOTIFY_SOCKET`, as sd_notify(3) says.
    #[must_use]
    pub fn notify(mut self) -> Self {
        self.options.switch("--notify");
        self.declared.notify = true;
        self
    }

    fn word(&mut self, word: &OsStr) {
        match (&mut self.source, word.to_str()) {
            (Source::Command(words), Some(word)) => words.push(word.to_owned()),
            (Source::Command(_), None) => self.wrong(format!("expected words in UTF-8, found {word:?}")),
            (Source::Named(_) | Source::File(_), _) => self.wrong(format!(
                "expected arguments of a command only, found {word:?}: the words of this target are in its file"
            )),
        }
    }

    fn wrong(&mut self, why: String) {
        self.wrong.get_or_insert(why);
    }

    fn limit(&mut self, flag: &str, limit: Duration) -> Option<Span> {
        let micros = u64::try_from(limit.as_micros()).ok().filter(|micros| *micros <= DAY_US);
        let Some(micros) = micros else {
            self.wrong(format!("{flag}: expected a day at most, found {limit:?}"));
            return None;
        };
        let typed = match micros {
            whole if whole % 1_000_000 == 0 => format!("{}s", whole / 1_000_000),
            whole if whole % 1_000 == 0 => format!("{}ms", whole / 1_000),
            micros => format!("{micros}us"),
        };
        self.options.typed(flag, typed);
        Some(Span(micros))
    }

    /// All that was said, checked.
    ///
    /// # Errors
    /// Something that can't be.
    pub(super) fn asked(&self) -> Result<Asked, Failure> {
        if let Some(wrong) = &self.wrong {
            return Err(Failure::usage(wrong));
        }
        let target = match &self.source {
            Source::Command(words) => declared::command(words.clone()),
            Source::Named(name) => declared::find(name)?,
            Source::File(path) => declared::read(path)?,
        };
        let mut target = self.declared.on(target)?;
        target.name = self.name.clone().unwrap_or(target.name);
        if target.names_hotspec() {
            // The program that runs is somebody else's.
            target.requires.push("hotspec".to_owned());
        }
        Ok(self.options.asked(target, self.source.words(), !self.declared.environment.is_empty()))
    }
}

impl Source {
    /// What is typed for it: an option, and a command.
    fn words(&self) -> (Option<String>, Vec<String>) {
        match self {
            Self::Command(words) => (None, words.clone()),
            Self::Named(name) => (Some(name.clone()), Vec::new()),
            Self::File(path) => (Some(as_path(path)), Vec::new()),
        }
    }
}

/// A path as the command line takes it for one.
fn as_path(path: &Path) -> String {
    let text = path.display().to_string();
    if text.contains('/') { text } else { format!("./{text}") }
}

/// Setters that differ in what they set only.
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $kind:ty = $flag:literal $($to:ident).+ $by:ident;)*) => {
        impl Target {
            $($(#[$doc])*
            #[must_use]
            pub fn $name(mut self, value: $kind) -> Self {
                self.declared.$($to).+ = setters!(@$by self, $flag, value);
                self
            })*
        }
    };
    (@limit $self:ident, $flag:literal, $value:ident) => { $self.limit($flag, $value) };
    (@path $self:ident, $flag:literal, $value:ident) => { $self.options.typed($flag, $value) };
}

setters! {
    /// From the trigger to a successor that serves. Default: 10 s.
    ready_max: Duration = "--ready-max" limits.ready_max limit;
    /// How long an idle connection may be kept while draining. Default: 15 s.
    idle_max: Duration = "--idle-max" limits.idle_max limit;
    /// From the successor's first answer to the beginning of the drain. Default: 1 s.
    drain_start_max: Duration = "--drain-start-max" limits.drain_start_max limit;
    /// How long in-flight work may take to drain. Default: 30 s.
    drain_max: Duration = "--drain-max" limits.drain_max limit;
    /// From the old generation's last connection to its own end. Default: `idle_max` + 1 s.
    exit_max: Duration = "--exit-max" limits.exit_max limit;
    /// How much longer than in control a new connection may wait. Default: 1 s.
    stall_max: Duration = "--stall-max" limits.stall_max limit;
    /// When it cuts what is left of the drain. Default: never.
    hard_limit: Duration = "--hard-limit" limits.hard_limit limit;
    /// The path that answers at once. Default: `/`.
    path: impl Into<String> = "--path" endpoints.fast path;
    /// One that answers after `{ms}` milliseconds.
    slow_path: impl Into<String> = "--slow-path" endpoints.slow path;
    /// One that sends `{chunks}` chunks, one every `{ms}` milliseconds.
    stream_path: impl Into<String> = "--stream-path" endpoints.stream path;
    /// One with a body larger than socket buffers; `{n}` stands for how many bytes are wanted.
    large_path: impl Into<String> = "--large-path" endpoints.large path;
    /// One that takes a POST and answers when it is read whole. Default: the one that answers at once.
    upload_path: impl Into<String> = "--upload-path" endpoints.upload path;
    /// One that answers 204.
    no_content_path: impl Into<String> = "--no-content-path" endpoints.no_content path;
    /// One that answers 304.
    not_modified_path: impl Into<String> = "--not-modified-path" endpoints.not_modified path;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_could_be_typed() {
        let target = Target::command("./server")
            .args(["--listen", "{address}"])
            .restart_command("kill -HUP 1")
            .restart(Signal::SIGUSR2)
            .idle_max(Duration::from_secs(9))
            .idle_max(Duration::from_millis(1500))
            .scenarios(["idle"])
            .exclude(["load", "descriptors"]);
        let asked = target.asked().expect("it can be");
        assert_eq!(asked.target.restart[0].signal.as_deref(), Some("SIGUSR2"));
        let typed = asked.typed.expect("words");
        let options: Vec<String> = typed.options.iter().map(|option| option.join(" ")).collect();
        assert_eq!(
            options,
            ["--restart SIGUSR2", "--idle-max 1500ms", "--exclude load", "--exclude descriptors"]
        );
        assert_eq!(typed.selectors, ["idle"]);
        assert_eq!(typed.command, ["./server", "--listen", "{address}"]);
    }

    #[test]
    fn a_target_that_hotspec_itself_starts_needs_it_in_the_path() {
        let asked = Target::named("reference").asked().expect("it is known");
        assert_eq!(asked.target.requires, ["hotspec"]);
        assert!(asked.target.hotspec.is_none(), "not the program that runs");
    }
}
