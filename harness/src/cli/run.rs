//! `hotspec run`: from arguments to a plan, to a stored run, to a verdict.

use std::fs;
use std::path::Path;

use super::args::RunArgs;
use super::baseline::Baseline;
use super::present::{self, Judged};
use super::run_dir::{Files, RunDir};
use super::select::{Selection, select};
use super::session::Session;
use super::{init, isolation, known, packets, shard, typed};
use crate::client::http1::Request;
use crate::declaration::Documented;
use crate::exit::{self, Failure};
use crate::history::recorder::Origin;
use crate::manifest::{self, Manifest, ScenarioEntry, Shard, Waits};
use crate::report;
use crate::scenario::builtin;
use crate::scenario::endpoint::{EndpointName, ask};
use crate::scenario::file::{Scenario, SuccessorStart};
use crate::scenario::plan::Plan;
use crate::scenario::runner::Job;
use crate::target::builtin as targets;
use crate::target::file::{Broken, Endpoints, FileSpec, Target, TriggerStep, parse_signal};
use crate::target::listen::ListenKind;
use crate::target::namespace::Isolation;
use crate::target::version;
use crate::target::warden::DescriptorLimit;
use crate::witness::process::monotonic_ns;
use crate::witness::processors;

/// Scenarios at the same time, for each processor: most of them wait most of the time.
const AT_ONCE: usize = 24;
/// The same where it is tried again: what could not be decided was mostly too slow.
const AT_ONCE_AGAIN: usize = 3;

/// What no configuration may hold, in whatever language it is written.
const NO_CONFIGURATION: &str = "\n}] ) no configuration has such a line \" ' <\n";

/// Runs, stores, judges, tells.
///
/// # Errors
/// Whatever keeps a run from being made; what happens within it is told by its result.
pub(super) fn run(args: &RunArgs) -> Result<u8, Failure> {
    let prepared = Prepared::of(args)?;
    if args.dry_run {
        let plan = manifest(&prepared, prepared.seed);
        present::print(&report::plan::render(&plan, present::width(), present::colour()));
        return Ok(exit::CONFORMS);
    }
    let sinks = present::open(&args.report)?;
    let run_dir = RunDir::create(args.run_dir.as_deref())?;
    let session = Session::begin(args.beside)?;
    let judged = prepared.make(&session, &run_dir, prepared.seed)?;
    judged.tell(&run_dir.path, sinks, prepared.baseline.as_ref())
}

/// A run that can be made, any number of times.
pub(super) struct Prepared<'a> {
    args: &'a RunArgs,
    target: Target,
    selection: Selection,
    shard: Option<Shard>,
    isolation: Isolation,
    isolation_why: Option<String>,
    descriptor_limit: Option<DescriptorLimit>,
    baseline: Option<Baseline>,
    /// Fixes the plan: given, or drawn.
    pub(super) seed: u64,
}

impl<'a> Prepared<'a> {
    /// Resolves what was typed. Called before any thread exists, as it may enter a user namespace.
    ///
    /// # Errors
    /// Whatever keeps a run from being made.
    pub(super) fn of(args: &'a RunArgs) -> Result<Self, Failure> {
        if args.shard.is_some() && args.baseline.is_some() {
            return Err(Failure::usage(
                "a part of a run is not held against a baseline; `hotspec merge … --baseline FILE` holds the whole against one",
            ));
        }
        let target = target(args)?;
        if let Some(missing) = targets::missing(&target) {
            return Err(Failure::new(
                exit::INVALID,
                format!("target {} can't run here: {missing}", target.name),
            ));
        }
        let scenarios = builtin::scenarios().map_err(Failure::own)?;
        known::check(&target, &scenarios)?;
        let baseline =
            args.baseline.as_deref().map(|path| Baseline::read(path, target.profile)).transpose()?;
        let mut selection = select(&args.selectors, &args.exclude, args.all, target.profile, scenarios)?;
        let shard = args.shard.map(|asked| shard::keep_part(asked, &mut selection, &target)).transpose()?;
        let (isolation, isolation_why) = isolation::choose(args.isolation, &target)?;
        if isolation == Isolation::None && args.migrate_req.is_some() {
            let why = isolation_why.unwrap_or_default();
            return Err(Failure::usage(format!(
                "--migrate-req is a setting of a network of its own, and there is none: {why}"
            )));
        }
        Ok(Self {
            args,
            target,
            selection,
            shard,
            isolation,
            isolation_why,
            descriptor_limit: raise_descriptor_limit(),
            baseline,
            // Parts of one run have one seed, and each is made by a program that knows nothing of the others.
            seed: args.seed.unwrap_or_else(|| if args.shard.is_some() { 1 } else { rand::random() }),
        })
    }

    /// What is run.
    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Runs, stores and judges.
    ///
    /// # Errors
    /// Something can't be written or read; what happens within the run is told by its result.
    pub(super) fn make(&self, session: &Session, run_dir: &RunDir, seed: u64) -> Result<Judged, Failure> {
        let Self { args, target, selection, isolation, .. } = self;
        let manifest = manifest(self, seed);
        let text = serde_json::to_string_pretty(&manifest).map_err(Failure::own)?;
        let path = run_dir.path.join("manifest.json");
        fs::write(&path, text)
            .map_err(|error| Failure::own(format!("failed to write {}: {error}", path.display())))?;
        let jobs = Jobs {
            target,
            selection,
            manifest: &manifest,
            dir: &run_dir.path,
            isolation: *isolation,
            origin: Origin::now(monotonic_ns()),
            descriptor_limit: self.descriptor_limit,
        };
        let at_once = at_once(args, target, *isolation);
        session.run_all(jobs.of(|_| true)?, at_once)?;
        let mut judged = present::judge(&run_dir.path)?;
        for _ in 0..args.again {
            let undecided = judged.undecided(self.baseline.as_ref());
            if undecided.is_empty() || session.is_broken_off() {
                break;
            }
            let few = at_once.min(AT_ONCE_AGAIN * processors::available());
            session.run_all(jobs.of(|name| undecided.contains(name))?, few)?;
            judged = present::judge(&run_dir.path)?;
        }
        packets::keep_failed(&run_dir.path, &judged)?;
        Ok(judged)
    }
}

/// The target, with what the command line says on top.
fn target(args: &RunArgs) -> Result<Target, Failure> {
    let mut target = match (&args.target, args.command.is_empty()) {
        (Some(name), _) => targets::find(name).map_err(|error| {
            let status = match error {
                crate::target::file::TargetError::Unknown { .. } => exit::USAGE,
                _ => exit::BAD_FILE,
            };
            Failure::new(status, error)
        })?,
        (None, true) if init::is_there() => {
            targets::find(init::FILE).map_err(|error| Failure::new(exit::BAD_FILE, error))?
        }
        (None, true) => targets::find(targets::REFERENCE).map_err(Failure::own)?,
        (None, false) => Target {
            name: "command".to_owned(),
            title: args.command.join(" "),
            start: args.command.clone(),
            restart: vec![TriggerStep { signal: Some("HUP".to_owned()), ..TriggerStep::default() }],
            // Where it would start when typed without hotspec before it: its paths are relative to that.
            directory: std::env::current_dir().ok(),
            ..Target::default()
        },
    };
    if let Some(signal) = &args.restart {
        parse_signal(signal).map_err(Failure::usage)?;
        target.restart = vec![TriggerStep { signal: Some(signal.clone()), ..TriggerStep::default() }];
    }
    if let Some(command) = &args.restart_command {
        let words = ["sh", "-c", command].map(str::to_owned).to_vec();
        target.restart = vec![TriggerStep { command: Some(words), ..TriggerStep::default() }];
    }
    target.profile = args.profile.unwrap_or(target.profile);
    target.model = args.model.map_or(target.model, Into::into);
    target.limits = target.limits.overridden_by(args.limits.declared());
    let given = &args.endpoints;
    for (endpoint, path) in [
        (&mut target.endpoints.fast, &given.path),
        (&mut target.endpoints.slow, &given.slow_path),
        (&mut target.endpoints.stream, &given.stream_path),
        (&mut target.endpoints.large, &given.large_path),
        (&mut target.endpoints.upload, &given.upload_path),
        (&mut target.endpoints.no_content, &given.no_content_path),
        (&mut target.endpoints.not_modified, &given.not_modified_path),
    ] {
        if path.is_some() {
            endpoint.clone_from(path);
        }
    }
    check_paths(&target.endpoints)?;
    let declared = &args.declared;
    target.successor.flag = declared.socket_flag.clone().or(target.successor.flag);
    target.pid_file = declared.pid_file.clone().or(target.pid_file);
    target.notify |= declared.notify;
    target.pid_1 = declared.pid_1.or(target.pid_1);
    target.successor.variables.extend(declared.successor_variable.iter().cloned());
    if let Some(path) = &declared.config {
        take_configuration(&mut target, path)?;
    }
    if !declared.listen_on.is_empty() {
        let given = declared.listen_on.iter().map(|arg| (arg.kind, arg.template.clone()));
        target.listen.extend(given);
        target.check_listen().map_err(|message| Failure::usage(format!("--listen-on: {message}")))?;
    }
    if declared.each_listener.is_some() {
        target.each_listener.clone_from(&declared.each_listener);
        target
            .check_each_listener()
            .map_err(|message| Failure::usage(format!("--each-listener: {message}")))?;
    }
    Ok(target)
}

/// A copy of this file is the target's configuration, and can be made invalid.
fn take_configuration(target: &mut Target, path: &Path) -> Result<(), Failure> {
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("--config: failed to read {}: {error}", path.display())))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let copy = format!("config/{name}");
    let commands = target.restart.iter_mut().filter_map(|step| step.command.as_mut());
    for word in commands.chain([&mut target.start]).flatten() {
        *word = word.replace("{config}", &format!("{{dir}}/{copy}"));
    }
    target.files.push(FileSpec { path: copy.clone(), text, bytes: None });
    target.broken = Some(Broken { file: copy, text: None, append: Some(NO_CONFIGURATION.to_owned()) });
    Ok(())
}

/// Every path must be one that can be asked for.
fn check_paths(endpoints: &Endpoints) -> Result<(), Failure> {
    for name in EndpointName::ALL {
        let path = ask(endpoints, name, 1_000_000).path;
        if !path.starts_with('/') {
            return Err(Failure::usage(format!("expected a path that begins with `/`, found `{path}`")));
        }
        Request::get(&path, "localhost").encode().map_err(Failure::usage)?;
    }
    Ok(())
}

fn manifest(prepared: &Prepared<'_>, seed: u64) -> Manifest {
    let Prepared { args, target, selection, isolation, isolation_why, .. } = prepared;
    let limits = target.limits.resolve();
    let no_ipv6 = selection.scenarios.iter().any(|(scenario, _)| scenario.listener == ListenKind::Ipv6)
        && !isolation::has_ipv6(*isolation);
    let machine_lacks = |scenario: &Scenario| {
        (no_ipv6 && scenario.listener == ListenKind::Ipv6).then(|| {
            format!("scenario {}: this machine has no IPv6 (nobody can listen on ::1)", scenario.name)
        })
    };
    let scenarios = selection.scenarios.iter().map(|(scenario, clauses)| ScenarioEntry {
        name: scenario.name.clone(),
        title: scenario.title.clone(),
        clauses: clauses.clone(),
        unsupported: Plan::unsupported(scenario, target).or_else(|| machine_lacks(scenario)),
        assumed: assumed(scenario, target),
        by_link: scenario.program.is_some()
            || matches!(scenario.successor, Some(SuccessorStart::Slow | SuccessorStart::Orphaned))
            || scenario.failing.iter().any(|fault| fault.by_path()),
        waits: Some(Waits::of(scenario, &target.endpoints, &limits)),
    });
    Manifest {
        schema: manifest::SCHEMA,
        hotspec: env!("CARGO_PKG_VERSION").to_owned(),
        target: target.name.clone(),
        command: target.start.clone(),
        restart: target.restart.iter().map(TriggerStep::describe).collect(),
        profile: target.profile,
        model: target.model,
        seed,
        isolation: isolation.to_string(),
        isolation_why: isolation_why.clone(),
        migrate_req: args.migrate_req.map(|value| value != 0),
        limits: target.limits,
        level: args.level,
        clauses: selection.clauses.clone(),
        scenarios: scenarios.collect(),
        slow: selection.slow.clone(),
        known: target.known.clone(),
        version: version::ask(&target.version),
        successor: Documented {
            flag: target.successor.flag.clone(),
            arguments: target.successor.arguments.clone(),
            variables: target.successor.variables.clone(),
        },
        kernel: kernel(),
        typed: Some(typed::take_apart(std::env::args_os())),
        found: (target.path.as_deref() == Some(Path::new(init::FILE)) && args.target.is_none())
            .then(|| init::FILE.to_owned()),
        shard: prepared.shard.clone(),
    }
}

/// What the target was not told to have, and the scenario takes for granted.
fn assumed(scenario: &Scenario, target: &Target) -> Option<String> {
    let uploads = scenario.needs.contains(&EndpointName::Upload) && target.endpoints.upload.is_none();
    uploads.then(|| "a path for uploads".to_owned()).or_else(|| scenario.assumes.clone())
}

fn kernel() -> String {
    nix::sys::utsname::uname()
        .map_or_else(|_| String::new(), |name| name.release().to_string_lossy().into_owned())
}

/// What all jobs of a run have in common.
struct Jobs<'a> {
    target: &'a Target,
    selection: &'a Selection,
    manifest: &'a Manifest,
    dir: &'a Path,
    isolation: Isolation,
    origin: Origin,
    descriptor_limit: Option<DescriptorLimit>,
}

impl Jobs<'_> {
    /// One for each scenario that is wanted and that the target can be put through. Who waits longest comes first, so that
    /// nobody is waited for in the end.
    fn of(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<Job>, Failure> {
        let scenarios = self.selection.scenarios.iter().zip(&self.manifest.scenarios);
        let mut jobs = scenarios
            .filter(|(_, entry)| entry.unsupported.is_none() && wanted(&entry.name))
            .map(|((scenario, _), entry)| Ok((entry, self.job(scenario)?)))
            .collect::<Result<Vec<_>, Failure>>()?;
        jobs.sort_by_key(|(entry, job)| {
            std::cmp::Reverse(entry.waits.map(|waits| waits.least(job.plan.restarts)))
        });
        Ok(jobs.into_iter().map(|(_, job)| job).collect())
    }

    fn job(&self, scenario: &Scenario) -> Result<Job, Failure> {
        let limits = self.manifest.limits.resolve();
        let files = Files::next(self.dir, &scenario.name);
        fs::create_dir_all(&files.target)
            .map_err(|error| Failure::own(format!("failed to make {}: {error}", files.target.display())))?;
        Ok(Job {
            target: self.target.clone(),
            plan: Plan::new(scenario, &self.target.endpoints, &limits, self.manifest.seed),
            limits,
            model: self.target.model,
            dir: files.target,
            history: files.history,
            output: files.output,
            packets: files.packets,
            isolation: isolation::of_scenario(self.isolation, scenario),
            migrate_req: self.manifest.migrate_req,
            origin: self.origin,
            seed: self.manifest.seed,
            descriptor_limit: self.descriptor_limit,
        })
    }
}

/// Lanes need descriptors: raises our own soft limit, and returns what the target is to get.
fn raise_descriptor_limit() -> Option<DescriptorLimit> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    Some(DescriptorLimit { soft, hard })
}

/// How many scenarios at a time. Without a network of their own, targets that choose their own port would collide.
fn at_once(args: &RunArgs, target: &Target, isolation: Isolation) -> usize {
    if isolation == Isolation::None && !target.names_address() {
        return 1;
    }
    args.jobs.map_or(AT_ONCE * processors::available(), usize::from)
}
