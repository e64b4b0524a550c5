//! What the kernel counts on the target's side, written down for a scenario.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::client::address::Address;
use crate::history::Recorder;
use crate::history::event::{Micros, Scope, What};
use crate::witness::counters::Counters;

/// Reads the counters of the network namespace in which the target is; about 0.2 ms each time.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The warden, which is where the target is, and whose traffic is counted there.
    of: Option<(i32, Scope)>,
    last: Option<(Micros, Counters)>,
}

impl Ledger {
    /// For a target below this warden. Of unix sockets nothing is counted.
    pub(super) fn of(address: &Address, warden: i32, own_network: bool) -> Self {
        let Address::Tcp(_) = address else { return Self::default() };
        let scope = match (own_network, is_elsewhere(warden)) {
            (false, _) => Scope::Shared,
            (true, true) => Scope::Target,
            (true, false) => Scope::Both,
        };
        Self { of: Some((warden, scope)), last: None }
    }

    /// Writes down by how much they grew since the last time, which the first time is nothing. What happens in the microseconds
    /// of reading may be counted or not: the moment written down is the one before.
    pub(super) fn read(&mut self, recorder: &Recorder) {
        let Some((warden, scope)) = self.of else { return };
        let at = recorder.now();
        let Ok(now) = Counters::read_of(warden) else { return };
        if let Some((from, before)) = &self.last {
            let growth = now.since(before).into_iter().map(|(name, grown)| (name.to_owned(), grown));
            recorder.record_at(at, What::Counters { scope, from: *from, growth: growth.collect() });
        }
        self.last = Some((at, now));
    }
}

/// Whether a process is in another network namespace than the calling thread, which is where the lanes are.
fn is_elsewhere(pid: i32) -> bool {
    let identity = |path: &str| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
    let (theirs, ours) = (identity(&format!("/proc/{pid}/ns/net")), identity("/proc/thread-self/ns/net"));
    theirs.is_some() && theirs != ours
}
