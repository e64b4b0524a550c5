//! What reports go to: opened before the run, so that one that can't be written is told before an hour is spent.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::args::{ReportArg, ReportFormat};
use super::present;
use crate::clause::result::RunResult;
use crate::exit::Failure;
use crate::manifest::Manifest;
use crate::report::events::{self, Begun, Ended, Line, Of};
use crate::run::format::Format;
use crate::run::run_dir;
use crate::scenario::progress::{Doing, News, Progress, Stopped};

/// Everything that was asked for by `--report`.
#[derive(Default)]
pub(super) struct Sinks {
    /// Written once, at the end.
    whole: Vec<(Format, Sink)>,
    /// Written line by line, while the run goes on.
    live: Vec<Sink>,
    /// What could not be written. The first is told by the exit status, all are told.
    pub(super) troubles: Troubles,
}

/// Things that could not be written. Everything else is written nevertheless.
#[derive(Default)]
pub(super) struct Troubles(Vec<Failure>);

impl Troubles {
    /// Notes one, if it is one.
    pub(super) fn note<T>(&mut self, done: Result<T, Failure>) -> Option<T> {
        done.map_err(|failure| self.0.push(failure)).ok()
    }

    /// The status where nothing is missing. Else all but the last are told here.
    ///
    /// # Errors
    /// The last of them.
    pub(super) fn end(mut self, status: u8) -> Result<u8, Failure> {
        let Some(last) = self.0.pop() else { return Ok(status) };
        self.tell();
        Err(last)
    }

    fn tell(&mut self) {
        for failure in self.0.drain(..) {
            failure.tell();
        }
    }

    /// The status that the program will end with.
    fn status(&self, status: u8) -> u8 {
        self.0.last().map_or(status, |failure| failure.status)
    }
}

struct Sink {
    /// None: standard output.
    to: Option<To>,
    is_begun: bool,
    is_broken: bool,
}

/// A file, or what is named like one.
struct To {
    file: File,
    /// Without symbolic links, so that what is replaced is what they lead to.
    path: PathBuf,
    meta: Metadata,
    /// It was not there before, and nothing is in it yet.
    is_new: bool,
}

/// Where nothing comes to be written, nobody finds an empty report.
impl Drop for To {
    fn drop(&mut self) {
        if self.is_new {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Sinks {
    /// Opens all of them. What a file held stays there until something else is written to it.
    ///
    /// # Errors
    /// A file that can't be written, or that two reports are to go to.
    pub(super) fn open(reports: &[ReportArg]) -> Result<Self, Failure> {
        let mut sinks = Self::default();
        for report in reports {
            let to = report.path.as_deref().map(To::open).transpose()?;
            if let Some(twice) = to.as_ref().and_then(|to| {
                sinks.all().filter_map(|sink| sink.to.as_ref()).find(|other| other.is_same(to))
            }) {
                return Err(Failure::usage(format!(
                    "two reports go to {}; name another file for one of them",
                    twice.path.display()
                )));
            }
            let sink = Sink { to, is_begun: false, is_broken: false };
            match report.format {
                ReportFormat::Whole(format) => sinks.whole.push((format, sink)),
                ReportFormat::Ndjson => sinks.live.push(sink),
            }
        }
        Ok(sinks)
    }

    fn all(&self) -> impl Iterator<Item = &Sink> {
        self.whole.iter().map(|(_, sink)| sink).chain(&self.live)
    }

    /// Whether standard output is taken.
    pub(super) fn take_stdout(&self) -> bool {
        self.all().any(|sink| sink.to.is_none())
    }

    /// What will be run.
    pub(super) fn begin(&mut self, manifest: &Manifest, run_dir: &Path) {
        self.line(&Line::RunBegun(Begun::of(manifest, &run_dir.display().to_string())));
    }

    /// What a scenario tells while it runs.
    pub(super) fn hear(&mut self, progress: &Progress) {
        let of = Of { scenario: &progress.scenario, attempt: progress.attempt, at_us: progress.at_us };
        self.line(&match &progress.news {
            News::Doing(Doing::Starting) => Line::ScenarioBegun { of },
            News::Doing(doing) => Line::Phase { of, phase: doing.word() },
            News::Instant { instant, restart } => Line::Instant { of, instant, restart: *restart },
            News::Over { stopped, connections, restarts } => {
                let (ended, why) = match stopped {
                    None => (Ended::Complete, None),
                    Some(Stopped::Interrupted) => (Ended::Interrupted, None),
                    Some(Stopped::Failed(stage, why)) => ((*stage).into(), Some(why.as_str())),
                };
                Line::ScenarioOver { of, ended, why, connections: *connections, restarts: *restarts }
            }
        });
    }

    /// Writes a line to each that wants lines, and hands it to the system at once. One that can't be written gets none any more.
    pub(super) fn line(&mut self, line: &Line<'_>) {
        if self.live.is_empty() {
            return;
        }
        let Some(text) = self.troubles.note(events::render(line).map_err(Failure::own)) else { return };
        for sink in self.live.iter_mut().filter(|sink| !sink.is_broken) {
            let written = sink.add(&text);
            sink.is_broken = written.is_err();
            self.troubles.note(written);
        }
    }

    /// Writes each report, in the words for its format. One that can't be written keeps none of the others from it.
    pub(super) fn write(&mut self, text: impl Fn(Format) -> Result<String, Failure>) {
        for (format, mut sink) in std::mem::take(&mut self.whole) {
            let written = text(format).and_then(|text| sink.put(&text));
            self.troubles.note(written);
        }
    }

    /// Writes what is said of each clause and of the run, and ends with the status that is the program's.
    ///
    /// # Errors
    /// Something could not be written; all but the last of it was told.
    pub(super) fn end(mut self, run: &RunResult, status: u8) -> Result<u8, Failure> {
        events::clauses(run).for_each(|line| self.line(&line));
        let status = self.troubles.status(status);
        self.line(&events::over(run, status));
        self.troubles.end(status)
    }

    /// The last line, where nothing could be judged. What could not be written is told here.
    pub(super) fn fail(&mut self, failure: &Failure) {
        self.line(&Line::RunFailed { status: failure.status, message: &failure.message });
        self.troubles.tell();
    }
}

impl Sink {
    /// Replaces what is there.
    fn put(&mut self, text: &str) -> Result<(), Failure> {
        let Some(to) = &mut self.to else { return present::print(text) };
        let put = to.put(text);
        put.map_err(|error| to.cant_write(&error))
    }

    /// Adds a line; the first one takes the place of what is there.
    fn add(&mut self, line: &str) -> Result<(), Failure> {
        let Some(to) = &mut self.to else { return present::print(line) };
        let first = !std::mem::replace(&mut self.is_begun, true);
        to.is_new = false;
        let cleared = if first && to.meta.is_file() { to.file.set_len(0) } else { Ok(()) };
        let written = cleared.and_then(|()| to.file.write_all(line.as_bytes()));
        written.map_err(|error| to.cant_write(&error))
    }
}

impl To {
    fn open(path: &Path) -> Result<Self, Failure> {
        let open = || {
            let (file, is_new) = match File::options().write(true).create_new(true).open(path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    (File::options().write(true).create(true).truncate(false).open(path)?, false)
                }
                made => (made?, true),
            };
            let meta = file.metadata()?;
            let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
            Ok(Self { file, path, meta, is_new })
        };
        open().map_err(|error: io::Error| {
            Failure::usage(format!(
                "failed to write the report {}: {error}; name another file",
                path.display()
            ))
        })
    }

    fn is_same(&self, other: &Self) -> bool {
        let place = |to: &Self| (to.meta.dev(), to.meta.ino());
        self.meta.is_file() && place(self) == place(other)
    }

    /// A file is replaced as a whole: whoever reads it meanwhile, or after the disk was full, finds what was there before.
    fn put(&mut self, text: &str) -> io::Result<()> {
        if self.meta.is_file() {
            match run_dir::replace(&self.path, text) {
                Ok(()) => {
                    self.is_new = false;
                    return Ok(());
                }
                Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
                    return Err(error);
                }
                // The file may be written, and its directory not.
                Err(_) => self.file.set_len(0)?,
            }
        }
        self.is_new = false;
        self.file.write_all(text.as_bytes())
    }

    fn cant_write(&self, error: &io::Error) -> Failure {
        let todo = "make room there, or name another file; `hotspec check DIR --report FORMAT` writes it from the stored run";
        Failure::own(format!("failed to write {}: {error}; {todo}", self.path.display()))
    }
}
