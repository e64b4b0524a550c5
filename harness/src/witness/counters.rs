//! What a network namespace counted: /proc/net/snmp and /proc/net/netstat.
//!
//! They count every socket of the namespace, the harness's own lanes included: an equality needs a namespace of one's own
//! and clients that send no resets themselves (they do by closing with unread data).

use std::collections::BTreeMap;
use std::{fs, io};

/// The counters that are read. A kernel that lacks one leaves it out.
pub const NAMES: [&str; 21] = [
    // /proc/net/snmp, Tcp: RFC 4022.
    "ActiveOpens",
    "PassiveOpens",
    "AttemptFails",
    "EstabResets",
    "InErrs",
    "OutRsts",
    "RetransSegs",
    // /proc/net/netstat, TcpExt: linux/snmp.h.
    "ListenDrops",
    "ListenOverflows",
    "TCPAbortFailed",
    "TCPAbortOnClose",
    "TCPAbortOnData",
    "TCPAbortOnLinger",
    "TCPAbortOnMemory",
    "TCPAbortOnTimeout",
    "TCPMigrateReqFailure",
    "TCPMigrateReqSuccess",
    "TCPReqQFullDoCookies",
    "TCPReqQFullDrop",
    "TCPSynRetrans",
    "TCPTimeouts",
];

/// The counters of one network namespace at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters(BTreeMap<&'static str, u64>);

impl Counters {
    /// Reads those of the calling thread's network namespace; about 0.2 ms.
    ///
    /// # Errors
    /// /proc/thread-self/net can't be read.
    pub fn read() -> io::Result<Self> {
        let snmp = fs::read_to_string("/proc/thread-self/net/snmp")?;
        let netstat = fs::read_to_string("/proc/thread-self/net/netstat")?;
        Ok(Self::parse(&snmp, &netstat))
    }

    /// Reads those of the network namespace that a process is in.
    ///
    /// # Errors
    /// There is no such process, or its /proc/PID/net can't be read.
    pub fn read_of(pid: i32) -> io::Result<Self> {
        let snmp = fs::read_to_string(format!("/proc/{pid}/net/snmp"))?;
        let netstat = fs::read_to_string(format!("/proc/{pid}/net/netstat"))?;
        Ok(Self::parse(&snmp, &netstat))
    }

    /// Parses the text of the two files: pairs of lines with one prefix, names in the first and values in the second.
    #[must_use]
    pub fn parse(snmp: &str, netstat: &str) -> Self {
        let tcp = section(snmp, "Tcp:");
        let extended = section(netstat, "TcpExt:");
        let known = |name: &str| NAMES.into_iter().find(|known| *known == name);
        Self(
            tcp.chain(extended)
                .filter_map(|(name, value)| Some((known(name)?, value.parse().ok()?)))
                .collect(),
        )
    }

    /// One counter; `None` where the kernel does not have it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }

    /// All counters, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().map(|(name, value)| (*name, *value))
    }

    /// How much each grew since `earlier`; those that did not grow are left out.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> BTreeMap<&'static str, u64> {
        let growth = |(name, value): (&'static str, u64)| {
            let grown = value.saturating_sub(earlier.get(name).unwrap_or(0));
            (grown > 0).then_some((name, grown))
        };
        self.iter().filter_map(growth).collect()
    }
}

/// Name and value of each column in the two lines that begin with `prefix`.
fn section<'a>(text: &'a str, prefix: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(prefix));
    let names = lines.next().unwrap_or_default().split_ascii_whitespace();
    names.zip(lines.next().unwrap_or_default().split_ascii_whitespace())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const SNMP: &str = "Ip: Forwarding OutRsts\nIp: 1 99\n\
        Tcp: RtoAlgorithm MaxConn AttemptFails EstabResets OutRsts\nTcp: 1 -1 3 4 5\n";

    #[test]
    fn counters_are_taken_by_name_from_their_own_section() {
        let counters = Counters::parse(
            SNMP,
            "TcpExt: SyncookiesSent ListenDrops New\nTcpExt: 0 7 8\nIpExt: ListenDrops\nIpExt: 1\n",
        );
        assert_eq!(
            counters.iter().collect::<Vec<_>>(),
            [("AttemptFails", 3), ("EstabResets", 4), ("ListenDrops", 7), ("OutRsts", 5),]
        );
        assert_eq!(counters.get("New"), None);
    }

    #[test]
    fn a_text_cut_anywhere_gives_fewer_counters_and_no_panic() {
        for length in 0..SNMP.len() {
            assert!(Counters::parse(&SNMP[..length], "TcpExt:").0.len() <= 3);
        }
    }

    #[test]
    fn growth_is_what_was_added_and_nothing_else() {
        let earlier = Counters::parse("Tcp: AttemptFails OutRsts\nTcp: 3 5", "");
        let later = Counters::parse("Tcp: AttemptFails OutRsts EstabResets\nTcp: 3 9 2", "");
        assert_eq!(later.since(&earlier), BTreeMap::from([("EstabResets", 2), ("OutRsts", 4)]));
    }

    #[test]
    fn every_known_counter_exists_in_this_kernel_or_is_left_out() {
        let counters = Counters::read().unwrap();
        assert!(counters.get("OutRsts").is_some() && counters.get("ListenDrops").is_some());
    }
}
