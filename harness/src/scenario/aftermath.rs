//! What is written down of processes while all is quiet: what the target was given, what its processes are before the trigger
//! and after the old generation has gone, and who is left.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::conductor::Conductor;
use super::runner::Halt;
use crate::client::step::Anchor;
use crate::history::event::{Counted, FileId, Micros, What};
use crate::history::words::STREAMS;
use crate::target::warden::{CommandSpec, DescriptorLimit};
use crate::witness::process::facts;
use crate::witness::process::{Epoch, Facts, Redaction, Stat};

/// Who is left is counted so long after Tx; a zombie is one that stays for as long.
const COUNT_AFTER: Micros = 1_000_000;
/// The facts of so many processes are read at a time, the oldest first.
const FACTS_MAX: usize = 64;

/// How the environment of a command is told.
pub(super) fn redaction(command: &CommandSpec) -> Redaction {
    Redaction::new(command.env.iter().map(|(name, _)| name.as_os_str()))
}

/// What a command is given by a warden. All that is not said is inherited from the warden.
pub(super) fn given(
    command: &CommandSpec,
    limit: Option<DescriptorLimit>,
    warden: i32,
    started: i32,
    redaction: &Redaction,
) -> What {
    let own = Stat::read(warden).and_then(|stat| Facts::read(&stat.epoch, redaction));
    let mut properties = own.map(|facts| facts.properties).unwrap_or_default();
    let mut set = |name: &str, value: String| properties.insert(name.to_owned(), value);
    set("session", started.to_string());
    set("directory", resolved(&command.dir));
    for stream in STREAMS.iter().skip(1) {
        set(stream, resolved(&command.output));
    }
    for signals in ["blocked signals", "ignored signals"] {
        set(signals, format!("{:016x}", 0));
    }
    if let Some(DescriptorLimit { soft, hard }) = limit {
        let shown = |value: u64| if value == u64::MAX { "unlimited".to_owned() } else { value.to_string() };
        set("limit open files", format!("{} {}", shown(soft), shown(hard)));
    }
    facts::after_execution(&mut properties);
    let words = std::iter::once(&command.program).chain(&command.args);
    let variables = command.env.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()));
    What::Given {
        arguments: words.map(|word| OsStr::to_string_lossy(word).into_owned()).collect(),
        environment: facts::told(variables, redaction),
        properties,
    }
}

fn resolved(path: &Path) -> String {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}

impl Conductor<'_> {
    /// Before the trigger: what every process is, and who is there.
    pub(super) fn take_stock_before(&self) {
        self.record_facts();
        self.monitor.take_stock(FACTS_MAX);
        let all = self.monitor.below();
        let zombie = Stat::ended;
        self.recorder
            .record(What::Census { processes: all.iter().map(|stat| count(stat, zombie)).collect() });
    }

    /// After Tx: what is left; false if Tx has not come.
    pub(super) async fn take_stock_after(&mut self) -> Result<bool, Halt> {
        if !self.reached(Anchor::Tx) {
            return Ok(false);
        }
        self.take_stock().await?;
        Ok(true)
    }

    /// What every process is, and who is left; a second after Tx, if it has come. A master that executed itself anew may be
    /// at its start until then, with signals blocked.
    pub(super) async fn take_stock(&mut self) -> Result<(), Halt> {
        let tx = self.recorder.timeline(|timeline| timeline.tx()).map_or(0, |tx| tx.hi);
        self.until(tx.saturating_add(COUNT_AFTER), |_| false).await?;
        self.record_facts();
        self.monitor.take_stock(FACTS_MAX);
        let dead: Vec<Epoch> =
            self.monitor.below().iter().filter(|stat| stat.ended()).map(|stat| stat.epoch).collect();
        // Every process is a zombie for a moment.
        let stays = |epoch: &Epoch| {
            Stat::read(epoch.pid).is_some_and(|stat| stat.epoch.same_process(epoch) && stat.ended())
        };
        if !dead.is_empty() {
            self.until(self.recorder.now() + COUNT_AFTER, |_| !dead.iter().any(stays)).await?;
        }
        let stays = |stat: &Stat| stat.ended() && dead.iter().any(|epoch| epoch.same_process(&stat.epoch));
        let all = self.monitor.below();
        let counted = all.iter().filter(|stat| stays(stat) || !stat.ended());
        self.recorder.record(What::Census { processes: counted.map(|stat| count(stat, stays)).collect() });
        Ok(())
    }

    fn record_facts(&self) {
        for (proc, epoch) in self.monitor.alive().into_iter().take(FACTS_MAX) {
            if let Some(Facts { arguments, environment, properties }) = Facts::read(&epoch, &self.redaction) {
                self.recorder.record(What::Facts { proc, arguments, environment, properties });
            }
            // Where the program is not replaced nobody asks for it.
            if let Some(file) = self.arranged.copy.as_ref().and_then(|_| executes(&epoch)) {
                self.recorder.record(What::Executes { proc, file });
            }
        }
    }
}

/// The file that a process executes, if this user may know.
fn executes(epoch: &Epoch) -> Option<FileId> {
    let file = std::fs::metadata(format!("/proc/{}/exe", epoch.pid)).ok()?;
    let same = Stat::read(epoch.pid).is_some_and(|stat| stat.epoch == *epoch);
    same.then(|| FileId { device: file.dev(), inode: file.ino() })
}

fn count(stat: &Stat, zombie: impl Fn(&Stat) -> bool) -> Counted {
    Counted { pid: stat.epoch.pid, ppid: stat.ppid, name: stat.comm.clone(), zombie: zombie(stat) }
}
