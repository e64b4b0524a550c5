//! `hotspec run`: from arguments to a plan, to a stored run, to a verdict.

use super::args::RunArgs;
use super::sinks::Sinks;
use super::watching::Watching;
use super::{init, interrupt, present, running, typed};
use crate::exit::{self, Failure};
use crate::report;
use crate::run::asked::Asked;
use crate::run::declared::{self, Declared};
use crate::run::prepared::Prepared;
use crate::run::run_dir::RunDir;
use crate::target::builtin as targets;
use crate::target::file::{Endpoints, Target};

/// Runs, stores, judges, tells.
///
/// # Errors
/// Whatever keeps a run from being made; what happens within it is told by its result.
pub(super) fn run(args: &RunArgs) -> Result<u8, Failure> {
    let prepared = prepare(args)?;
    if args.dry_run {
        let plan = prepared.manifest(prepared.seed);
        present::print(&report::plan::render(&plan, present::width(), present::colour()))?;
        return Ok(exit::CONFORMS);
    }
    running::is_there(prepared.target())?;
    let mut sinks = Sinks::open(&args.report)?;
    let run_dir = RunDir::create(args.run_dir.as_deref())?;
    let session = interrupt::session(args.beside)?;
    let made = prepared.make(&session, &run_dir, prepared.seed, &mut Watching::of(&mut sinks));
    let judged = made.inspect_err(|failure| sinks.fail(failure))?;
    present::tell(&judged, &run_dir.path, sinks, prepared.baseline())
}

/// Resolves what was typed. Called before any thread exists, as it may enter a user namespace.
///
/// # Errors
/// Whatever keeps a run from being made.
pub(super) fn prepare(args: &RunArgs) -> Result<Prepared, Failure> {
    Prepared::of(Asked {
        target: target(args)?,
        selectors: args.selectors.clone(),
        exclude: args.exclude.clone(),
        all: args.all,
        level: args.level,
        seed: args.seed,
        part: args.shard,
        found: is_found(args).then(|| init::FILE.to_owned()),
        jobs: args.jobs,
        again: args.again,
        baseline: args.baseline.clone(),
        isolation: args.isolation,
        is_own: true,
        migrate_req: args.migrate_req.map(|value| value != 0),
        typed: Some(typed::take_apart(std::env::args_os())),
    })?
    .startable()
}

/// Whether the target is that of the current directory's own file: nothing else is named, and there is one.
fn is_found(args: &RunArgs) -> bool {
    let nothing_named = args.target.is_none() && args.command.is_empty() && args.running.url.is_none();
    nothing_named && init::is_there()
}

/// The target, with what the command line says on top.
fn target(args: &RunArgs) -> Result<Target, Failure> {
    let mut target = match (&args.target, args.command.is_empty()) {
        _ if args.running.url.is_some() => {
            running::target(args.running.url.as_deref().unwrap_or_default(), args)?
        }
        (Some(name), _) => declared::find(name)?,
        (None, true) if is_found(args) => declared::find(init::FILE)?,
        (None, true) => declared::find(targets::REFERENCE)?,
        (None, false) => declared::command(args.command.clone()),
    };
    target.hotspec = std::env::current_exe().ok();
    let (paths, more) = (args.endpoints.clone(), args.declared.clone());
    let declared = Declared {
        restart: args.restart.clone(),
        restart_command: args.restart_command.clone(),
        profile: args.profile,
        model: args.model.map(Into::into),
        limits: args.limits.declared(),
        endpoints: Endpoints {
            fast: paths.path,
            slow: paths.slow_path,
            stream: paths.stream_path,
            large: paths.large_path,
            upload: paths.upload_path,
            no_content: paths.no_content_path,
            not_modified: paths.not_modified_path,
        },
        socket_flag: more.socket_flag,
        successor_variables: more.successor_variable,
        // With a URL it says where the main process is, and is not put to the test.
        pid_file: more.pid_file.filter(|_| args.running.url.is_none()),
        listen_on: more.listen_on.into_iter().map(|arg| (arg.kind, arg.template)).collect(),
        each_listener: more.each_listener,
        config: more.config,
        pid_1: more.pid_1,
        notify: more.notify,
        ..Declared::default()
    };
    declared.on(target)
}
