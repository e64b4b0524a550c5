//! Who watches a run while it is made: reports that are written line by line, and a line on a terminal.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::sinks::Sinks;
use crate::exit::{self, Failure};
use crate::manifest::Manifest;
use crate::run::audience::Audience;
use crate::scenario::progress::{Doing, News, Progress};

/// Hands on what a run tells.
pub(super) struct Watching<'a> {
    sinks: &'a mut Sinks,
    /// While scenarios run.
    bar: Option<Bar>,
}

impl<'a> Watching<'a> {
    pub(super) fn of(sinks: &'a mut Sinks) -> Self {
        Self { sinks, bar: None }
    }
}

impl Audience for Watching<'_> {
    fn begin(&mut self, manifest: &Manifest, run_dir: &Path) {
        self.sinks.begin(manifest, run_dir);
    }

    fn run(&mut self, scenarios: usize) {
        self.bar = Some(Bar::new(scenarios));
    }

    fn hear(&mut self, progress: &Progress) {
        if let Some(bar) = &mut self.bar {
            bar.show(progress);
        }
        self.sinks.hear(progress);
    }

    fn say(&mut self, line: &str) {
        self.bar = None;
        exit::say(&format!("hotspec: {line}"));
    }

    fn rest(&mut self) {
        self.bar = None;
    }

    fn trouble(&mut self, failure: Failure) {
        self.sinks.troubles.note::<()>(Err(failure));
    }
}

/// One line on a terminal that says what goes on; nothing elsewhere.
struct Bar {
    bar: Option<ProgressBar>,
    doing: BTreeMap<String, Doing>,
}

impl Bar {
    fn new(scenarios: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(scenarios as u64);
            let style =
                ProgressStyle::with_template("{spinner} {pos}/{len} scenarios  {elapsed}  {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { bar, doing: BTreeMap::new() }
    }

    fn show(&mut self, news: &Progress) {
        let Some(bar) = &self.bar else { return };
        match &news.news {
            News::Doing(doing) => {
                self.doing.insert(news.scenario.clone(), *doing);
            }
            News::Instant { .. } => return,
            News::Over { .. } => {
                self.doing.remove(&news.scenario);
                bar.inc(1);
            }
        }
        let mut count: BTreeMap<&str, usize> = BTreeMap::new();
        for doing in self.doing.values() {
            *count.entry(doing.as_str()).or_default() += 1;
        }
        let message: Vec<String> = count.iter().map(|(doing, many)| format!("{many} {doing}")).collect();
        bar.set_message(message.join(", "));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
