//! `hotspec soak`: the same run again and again, added up.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::args::{ReportFormat, SoakArgs};
use super::sinks::Sinks;
use super::watching::Watching;
use super::{interrupt, present, run, running};
use crate::clause::sum::Sum;
use crate::exit::{self, Failure};
use crate::report;
use crate::run::format::Format;
use crate::run::judged::Judged;
use crate::run::prepared::Prepared;
use crate::run::run_dir::{self, RunDir, SOAK};
use crate::run::session::Session;

/// Restarts that are judged unless the command line says otherwise: fewer than 1 % lose anything then, at 95 %.
const RESTARTS: u64 = 300;
/// So many failed passes are kept on the disk.
const KEPT_MAX: usize = 20;

/// Runs until enough was judged or something fails; tells the sum.
///
/// # Errors
/// Whatever keeps runs from being made; what happens within them is told by the sum.
pub(super) fn soak(args: &SoakArgs) -> Result<u8, Failure> {
    if args
        .run
        .report
        .iter()
        .any(|report| !matches!(report.format, ReportFormat::Whole(Format::Human | Format::Json)))
    {
        return Err(Failure::usage(
            "a soak is reported as human or json; `hotspec check DIR --report FORMAT` tells one of its passes",
        ));
    }
    if args.run.dry_run {
        return Err(Failure::usage("`hotspec run --dry-run` says what each pass would run"));
    }
    if args.run.shard.is_some() {
        return Err(Failure::usage(
            "a soak is not divided by --shard; on each machine give it a --seed of its own",
        ));
    }
    if args.run.baseline.is_some() {
        return Err(Failure::usage(
            "one run is held against a baseline, not the sum of many; see `hotspec diff`",
        ));
    }
    let prepared = run::prepare(&args.run)?;
    running::is_there(prepared.target())?;
    let mut sinks = Sinks::open(&args.run.report)?;
    let dir = RunDir::create_for_many(args.run.run_dir.as_deref())?;
    let session = interrupt::session(args.run.beside)?;
    let target = prepared.target();
    let sum = Sum::new(&target.name, target.profile, args.run.level, prepared.seed);
    let mut soak = Soak { args, prepared: &prepared, dir: &dir, sum, begun: Instant::now(), last: None };
    soak.store()?;
    let ended = soak.passes(&session);
    let sum = soak.sum;
    let json = report::json::sum(&sum).map_err(Failure::own)?;
    let shown = dir.path.display().to_string();
    let text = |format| {
        Ok(match format {
            Format::Json => json.clone(),
            _ => report::soak::render(&sum, &shown, 100, false),
        })
    };
    let taken = sinks.take_stdout();
    sinks.write(text);
    if !taken {
        let page = report::soak::render(&sum, &shown, present::width(), present::colour());
        sinks.troubles.note(present::print(&page));
    }
    sinks.troubles.note(ended);
    sinks.troubles.end(sum.status())
}

struct Soak<'a> {
    args: &'a SoakArgs,
    prepared: &'a Prepared,
    dir: &'a RunDir,
    sum: Sum,
    begun: Instant,
    /// The directory of the last pass, if it goes with the next one.
    last: Option<PathBuf>,
}

impl Soak<'_> {
    /// Pass after pass.
    ///
    /// # Errors
    /// hotspec's own fault. What was added up until then stays.
    fn passes(&mut self, session: &Session) -> Result<(), Failure> {
        while !self.is_enough() && !session.is_broken_off() {
            let failed = self.pass(session)?;
            if (failed && !self.args.keep_going) || self.sum.is_barren() {
                break;
            }
        }
        self.sum.interrupted |= session.is_broken_off();
        self.store()
    }

    fn wanted(&self) -> Option<u64> {
        self.args.lasting.is_none().then(|| self.args.restarts.unwrap_or(RESTARTS))
    }

    fn is_enough(&self) -> bool {
        let enough = self.wanted().is_some_and(|wanted| self.sum.restarts >= wanted);
        let lasted = |span: crate::declaration::Span| self.begun.elapsed() >= Duration::from_micros(span.0);
        enough || self.args.lasting.is_some_and(lasted)
    }

    /// One pass, in a directory of its own. Returns whether it failed.
    fn pass(&mut self, session: &Session) -> Result<bool, Failure> {
        let number = self.sum.passes + 1;
        let run_dir = self.dir.within(&format!("pass-{number:05}"))?;
        let seed = self.sum.seed.wrapping_add(number - 1);
        let mut quiet = Sinks::default();
        let judged = self.prepared.make(session, &run_dir, seed, &mut Watching::of(&mut quiet))?;
        quiet.troubles.end(exit::CONFORMS)?;
        judged.store(&run_dir.path)?;
        let before = self.sum.restarts;
        let failed = self.sum.add(&judged.result);
        self.keep(&run_dir.path, failed);
        self.store()?;
        if failed {
            self.tell(&judged, &run_dir.path)?;
        }
        let added = self.sum.restarts.saturating_sub(before);
        exit::say(&report::soak::progress(&self.sum, added, self.wanted()));
        Ok(failed)
    }

    /// The report of a pass that failed goes where the sum goes, unless that is for programs.
    fn tell(&self, judged: &Judged, dir: &Path) -> Result<(), Failure> {
        if self.args.run.report.iter().all(|report| report.path.is_some()) {
            present::print_human(judged, dir)?;
            present::print("\n")?;
        }
        Ok(())
    }

    /// Removes the directory of the pass before, unless that failed.
    fn keep(&mut self, dir: &Path, failed: bool) {
        if let Some(last) = self.last.take() {
            let _ = fs::remove_dir_all(last);
        }
        let keeps = failed && self.sum.failures.iter().filter(|one| one.dir.is_some()).count() < KEPT_MAX;
        if !keeps {
            self.last = Some(dir.to_owned());
        } else if let Some(one) = self.sum.failures.last_mut() {
            one.dir = Some(dir.display().to_string());
        }
    }

    /// Stores the sum so far.
    fn store(&mut self) -> Result<(), Failure> {
        self.sum.took_us = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let text = report::json::sum(&self.sum).map_err(Failure::own)?;
        let path = self.dir.path.join(SOAK);
        run_dir::replace(&path, &text)
            .map_err(|error| Failure::own(format!("failed to write {}: {error}", path.display())))
    }
}
