//! From what is asked for to a plan, and to runs that are stored and judged.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use super::asked::Asked;
use super::audience::Audience;
use super::baseline::Baseline;
use super::judged::{self, Judged};
use super::run_dir::{Files, MANIFEST, RunDir};
use super::select::{Selection, select};
use super::session::Session;
use super::{isolation, known, packets, shard};
use crate::declaration::Documented;
use crate::exit::{self, Failure};
use crate::history::recorder::Origin;
use crate::manifest::{self, Manifest, ScenarioEntry, Shard, Waits};
use crate::scenario::builtin;
use crate::scenario::endpoint::EndpointName;
use crate::scenario::file::{Scenario, SuccessorStart};
use crate::scenario::plan::Plan;
use crate::scenario::runner::Job;
use crate::target::builtin as targets;
use crate::target::file::{Target, TriggerStep};
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

/// A run that can be made, any number of times.
#[derive(Clone)]
pub(crate) struct Prepared {
    asked: Asked,
    /// What the target needs and this machine does not have.
    missing: Option<String>,
    selection: Selection,
    shard: Option<Shard>,
    isolation: Isolation,
    isolation_why: Option<String>,
    descriptor_limit: Option<DescriptorLimit>,
    baseline: Option<Baseline>,
    /// Fixes the plan: given, or drawn.
    pub(crate) seed: u64,
}

impl Prepared {
    /// Resolves what is asked for. Called before any thread exists where the process is hotspec's own: it may enter a user
    /// namespace.
    ///
    /// # Errors
    /// Whatever keeps a run from being made, but for what the machine does not have.
    pub(crate) fn of(asked: Asked) -> Result<Self, Failure> {
        if asked.part.is_some() && asked.baseline.is_some() {
            return Err(Failure::usage(
                "a part of a run is not held against a baseline; `hotspec merge … --baseline FILE` holds the whole against one",
            ));
        }
        let target = &asked.target;
        let missing = targets::missing(target);
        let missing = missing.map(|what| format!("target {} can't run here: {what}", target.name));
        let scenarios = builtin::scenarios().map_err(Failure::own)?;
        known::check(target, &scenarios)?;
        let baseline = asked.baseline.as_deref();
        let baseline = baseline.map(|path| Baseline::read(path, target.profile)).transpose()?;
        let mut selection = select(&asked.selectors, &asked.exclude, asked.all, target.profile, scenarios)?;
        let shard = asked.part.map(|part| shard::keep_part(part, &mut selection, target)).transpose()?;
        let (isolation, isolation_why) = isolation::choose(asked.isolation, target, asked.is_own)?;
        if isolation == Isolation::None && asked.migrate_req.is_some() {
            let why = isolation_why.unwrap_or_default();
            return Err(Failure::usage(format!(
                "--migrate-req is a setting of a network of its own, and there is none: {why}"
            )));
        }
        Ok(Self {
            // Parts of one run have one seed, and each is made by a program that knows nothing of the others.
            seed: asked.seed.unwrap_or_else(|| if asked.part.is_some() { 1 } else { rand::random() }),
            asked,
            missing,
            selection,
            shard,
            isolation,
            isolation_why,
            descriptor_limit: raise_descriptor_limit(),
            baseline,
        })
    }

    /// The same, if the machine has all that the target needs.
    ///
    /// # Errors
    /// It does not.
    pub(crate) fn startable(self) -> Result<Self, Failure> {
        match &self.missing {
            Some(missing) => Err(Failure::new(exit::INVALID, missing)),
            None => Ok(self),
        }
    }

    /// One of its scenarios, by itself.
    pub(crate) fn only(&self, scenario: &str) -> Self {
        Self { selection: self.selection.only(scenario), ..self.clone() }
    }

    /// What is run.
    pub(crate) fn target(&self) -> &Target {
        &self.asked.target
    }

    /// What the target needs and this machine does not have.
    pub(crate) fn missing(&self) -> Option<&str> {
        self.missing.as_deref()
    }

    /// What its runs are held against.
    pub(crate) fn baseline(&self) -> Option<&Baseline> {
        self.baseline.as_ref()
    }

    /// Runs, stores and judges.
    ///
    /// # Errors
    /// Something can't be written or read; what happens within the run is told by its result.
    pub(crate) fn make(
        &self,
        session: &Session,
        run_dir: &RunDir,
        seed: u64,
        audience: &mut dyn Audience,
    ) -> Result<Judged, Failure> {
        let Self { asked, selection, isolation, .. } = self;
        let manifest = self.manifest(seed);
        let text = serde_json::to_string_pretty(&manifest).map_err(Failure::own)?;
        let path = run_dir.path.join(MANIFEST);
        fs::write(&path, text).map_err(|error| {
            Failure::own(format!(
                "failed to write {}: {error}; --run-dir names another place",
                path.display()
            ))
        })?;
        audience.begin(&manifest, &run_dir.path);
        let jobs = Jobs {
            target: &asked.target,
            selection,
            manifest: &manifest,
            dir: &run_dir.path,
            isolation: *isolation,
            origin: Origin::now(monotonic_ns()),
            descriptor_limit: self.descriptor_limit,
        };
        let at_once = at_once(self);
        let mut problems = session.run_all(jobs.of(|_| true)?, at_once, audience)?;
        let mut judged = judged::judge(&run_dir.path)?;
        for _ in 0..asked.again {
            let undecided = judged.undecided(self.baseline.as_ref());
            if undecided.is_empty() || session.is_broken_off() || !problems.is_empty() {
                break;
            }
            let few = at_once.min(AT_ONCE_AGAIN * processors::available());
            problems = session.run_all(jobs.of(|name| undecided.contains(name))?, few, audience)?;
            judged = judged::judge(&run_dir.path)?;
        }
        if let Err(failure) = packets::keep_failed(&run_dir.path, &judged) {
            audience.trouble(failure);
        }
        judged.add_problems(problems, session.is_broken_off());
        Ok(judged)
    }

    /// The scenarios, each with why it can't be run, if so.
    pub(crate) fn scenarios(&self) -> Vec<ScenarioEntry> {
        let (target, scenarios) = (self.target(), &self.selection.scenarios);
        let limits = target.limits.resolve();
        let no_ipv6 = scenarios.iter().any(|(scenario, _)| scenario.listener == ListenKind::Ipv6)
            && !isolation::has_ipv6(self.isolation);
        let machine_lacks = |scenario: &Scenario| {
            (no_ipv6 && scenario.listener == ListenKind::Ipv6).then(|| {
                format!("scenario {}: this machine has no IPv6 (nobody can listen on ::1)", scenario.name)
            })
        };
        let entry = |(scenario, clauses): &(Scenario, Vec<String>)| ScenarioEntry {
            name: scenario.name.clone(),
            title: scenario.title.clone(),
            clauses: clauses.clone(),
            unsupported: Plan::unsupported(scenario, target).or_else(|| machine_lacks(scenario)),
            assumed: assumed(scenario, target),
            by_link: scenario.program.is_some()
                || matches!(scenario.successor, Some(SuccessorStart::Slow | SuccessorStart::Orphaned))
                || scenario.failing.iter().any(|fault| fault.by_path()),
            waits: Some(Waits::of(scenario, &target.endpoints, &limits)),
        };
        scenarios.iter().map(entry).collect()
    }

    /// What a run with this seed will be.
    pub(crate) fn manifest(&self, seed: u64) -> Manifest {
        let Self { asked, selection, isolation, isolation_why, .. } = self;
        let target = &asked.target;
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
            migrate_req: asked.migrate_req,
            limits: target.limits,
            level: asked.level,
            clauses: selection.clauses.clone(),
            scenarios: self.scenarios(),
            slow: selection.slow.clone(),
            known: target.known.clone(),
            version: version::ask(&target.version),
            successor: Documented {
                flag: target.successor.flag.clone(),
                arguments: target.successor.arguments.clone(),
                variables: target.successor.variables.clone(),
            },
            kernel: kernel(),
            typed: asked.typed.clone(),
            found: asked.found.clone(),
            shard: self.shard.clone(),
        }
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
            attempt: files.attempt,
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

/// Lanes need descriptors: raises the process's soft limit, and returns what the target is to get. That is what the process had
/// before the first run, however many runs it makes.
fn raise_descriptor_limit() -> Option<DescriptorLimit> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    static BEFORE: OnceLock<Option<DescriptorLimit>> = OnceLock::new();
    *BEFORE.get_or_init(|| {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
        Some(DescriptorLimit { soft, hard })
    })
}

/// How many scenarios at a time. Without a network of their own, targets that choose their own port would collide.
fn at_once(prepared: &Prepared) -> usize {
    let is_up = prepared.target().running.is_some();
    if is_up || prepared.isolation == Isolation::None && !prepared.target().names_address() {
        return 1;
    }
    prepared.asked.jobs.map_or_else(usual_at_once, usize::from)
}

/// How many scenarios at a time if it is not said.
pub(crate) fn usual_at_once() -> usize {
    AT_ONCE * processors::available()
}
