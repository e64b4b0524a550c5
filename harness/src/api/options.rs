//! How a target is run.

use std::path::PathBuf;

use super::target::Target;
use crate::clause::Level;
use crate::manifest::Typed;
use crate::run::asked::{AGAIN, Asked};
use crate::run::isolation::IsolationWanted;
use crate::target::file::Target as Spec;

/// How a target is run.
#[derive(Clone, Debug)]
pub(super) struct Options {
    selectors: Vec<String>,
    exclude: Vec<String>,
    all: bool,
    level: Level,
    seed: Option<u64>,
    jobs: Option<u16>,
    again: u32,
    baseline: Option<PathBuf>,
    pub(super) run_dir: Option<PathBuf>,
    isolation: IsolationWanted,
    migrate_req: Option<bool>,
    /// What would be typed for the same, by which a report says what to type next.
    typed: Vec<Vec<String>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            selectors: Vec::new(),
            exclude: Vec::new(),
            all: false,
            level: Level::Must,
            seed: None,
            jobs: None,
            again: AGAIN,
            baseline: None,
            run_dir: None,
            isolation: IsolationWanted::Auto,
            migrate_req: None,
            typed: Vec::new(),
        }
    }
}

impl Target {
    /// Only these scenarios: their names, with `*` for any part of one, or tags; any number of times. Without any, all of the profile.
    #[must_use]
    pub fn scenarios<S: Into<String>>(mut self, selectors: impl IntoIterator<Item = S>) -> Self {
        self.options.selectors.extend(selectors.into_iter().map(Into::into));
        self
    }

    /// Only what these clauses ask for: their ids, with `*` for any part of one, or groups; any number of times, and besides
    /// [`scenarios`](Self::scenarios).
    #[must_use]
    pub fn clauses<S: Into<String>>(self, selectors: impl IntoIterator<Item = S>) -> Self {
        self.scenarios(selectors)
    }

    /// Clauses, groups or scenarios to leave out.
    #[must_use]
    pub fn exclude<S: Into<String>>(mut self, selectors: impl IntoIterator<Item = S>) -> Self {
        for selector in selectors {
            let selector = self.options.also("--exclude", selector);
            self.options.exclude.push(selector);
        }
        self
    }

    /// Also the scenarios that take long by nature.
    #[must_use]
    pub fn all(mut self) -> Self {
        self.options.switch("--all");
        self.options.all = true;
        self
    }

    /// Whether SHOULD counts as well. Default: [`Level::Must`].
    #[must_use]
    pub fn level(mut self, level: Level) -> Self {
        self.options.typed("--level", if level == Level::Must { "must" } else { "should" });
        self.options.level = level;
        self
    }

    /// Fixes the plan: which lanes, which bytes, when. Default: drawn.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.options.typed("--seed", seed.to_string());
        self.options.seed = Some(seed);
        self
    }

    /// Scenarios at the same time, one at least. Default: 24 per processor, as most of them wait most of the time.
    #[must_use]
    pub fn jobs(mut self, jobs: u16) -> Self {
        let jobs = jobs.max(1);
        self.options.typed("--jobs", jobs.to_string());
        self.options.jobs = Some(jobs);
        self
    }

    /// How often a scenario that left something undecided is attempted again. Default: 2.
    #[must_use]
    pub fn again(mut self, times: u32) -> Self {
        self.options.typed("--again", times.to_string());
        self.options.again = times;
        self
    }

    /// Results of an earlier run (JSON, or its directory): whether the target conforms is told by what got worse since.
    #[must_use]
    pub fn baseline(mut self, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        self.options.typed("--baseline", path.display().to_string());
        self.options.baseline = Some(path);
        self
    }

    /// Where the run is stored: a directory that holds none yet. Default: a new one below `target/hotspec`, of which the newest 30
    /// are kept.
    #[must_use]
    pub fn run_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.options.run_dir = Some(path.into());
        self
    }

    /// The network that each scenario gets. Default: the best of net and none that the process permits as it is.
    #[must_use]
    pub fn isolation(mut self, isolation: IsolationWanted) -> Self {
        self.options.typed("--isolation", isolation.as_str());
        self.options.isolation = isolation;
        self
    }

    /// The value of net.ipv4.tcp_migrate_req in the target's network.
    #[must_use]
    pub fn migrate_req(mut self, value: bool) -> Self {
        self.options.typed("--migrate-req", u8::from(value).to_string());
        self.options.migrate_req = Some(value);
        self
    }
}

impl Options {
    /// What is asked for, with the target's own name and command as they are typed. Of what no option says there is nothing to type.
    pub(super) fn asked(
        &self,
        target: Spec,
        (name, command): (Option<String>, Vec<String>),
        untypable: bool,
    ) -> Asked {
        let named = name.map(|name| vec!["--target".to_owned(), name]);
        let typed = (!untypable).then(|| Typed {
            program: "hotspec".to_owned(),
            selectors: self.selectors.clone(),
            options: named.into_iter().chain(self.typed.clone()).collect(),
            command,
        });
        Asked {
            target,
            selectors: self.selectors.clone(),
            exclude: self.exclude.clone(),
            all: self.all,
            level: self.level,
            seed: self.seed,
            part: None,
            found: None,
            jobs: self.jobs,
            again: self.again,
            baseline: self.baseline.clone(),
            isolation: self.isolation,
            is_own: false,
            migrate_req: self.migrate_req,
            typed,
        }
    }

    /// Writes an option down in the place of what was said by it before; gives the value back.
    pub(super) fn typed(&mut self, flag: &str, value: impl Into<String>) -> Option<String> {
        self.forget(flag);
        Some(self.also(flag, value))
    }

    /// The same for one that can be there any number of times.
    pub(super) fn also(&mut self, flag: &str, value: impl Into<String>) -> String {
        let value = value.into();
        self.typed.push(vec![flag.to_owned(), value.clone()]);
        value
    }

    /// The same for one without a value.
    pub(super) fn switch(&mut self, flag: &str) {
        self.forget(flag);
        self.typed.push(vec![flag.to_owned()]);
    }

    /// Takes back what was said by an option.
    pub(super) fn forget(&mut self, flag: &str) {
        self.typed.retain(|option| option[0] != flag);
    }
}
