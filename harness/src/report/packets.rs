//! Which of the packets that were kept belong to lanes that failed, for whoever wants to see them in Wireshark.

use std::collections::BTreeMap;

use crate::clause::result::RunResult;
use crate::history::event::{Event, LaneId, Micros, What};
use crate::witness::packets::Segment;
use crate::witness::packets::pcapng::Packet;

/// Segments of a connection may come for so long after its end.
const AFTERMATH: Micros = 1_000_000;
/// The kernel's clock and ours may be so far apart.
const SLACK: Micros = 1_000;

/// A connection on which something is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Failed {
    /// `role#number`.
    lane: String,
    /// The port of its end; none if it was never connected.
    port: Option<u16>,
    opened: Micros,
    ended: Micros,
}

/// Of the packets that were kept of one attempt at a scenario, those of lanes on which something is broken, each with its lane and
/// its time in the history as comment. `after` is when the attempt before it was over.
pub fn of_failed(
    run: &RunResult,
    scenario: &str,
    events: &[Event],
    after: Micros,
    packets: Vec<Packet>,
) -> Vec<Packet> {
    let clock = events.iter().find_map(|event| match event.what {
        What::Clock { unix_ns } => Some(unix_ns),
        _ => None,
    });
    let Some(unix_ns) = clock else { return Vec::new() };
    let failed = failed(run, scenario, events, after);
    if failed.is_empty() {
        return Vec::new();
    }
    // A connection that never came about has no port in the history: it is the one that began meanwhile and got no answer but RST.
    let mut refused: BTreeMap<u16, &Failed> = BTreeMap::new();
    let mut kept = Vec::new();
    for mut packet in packets {
        let Some(segment) = Segment::parse(&packet.frame) else { continue };
        let at = packet.at_ns.saturating_sub(unix_ns) / 1000;
        let ports = [segment.source.port(), segment.destination.port()];
        let during = |one: &&Failed| one.opened <= at + SLACK && at <= one.ended + AFTERMATH;
        let mut found =
            failed.iter().filter(during).find(|one| one.port.is_some_and(|port| ports.contains(&port)));
        if found.is_none() {
            if segment.flags.syn() && !segment.flags.ack() {
                refused.remove(&ports[0]);
                let unanswered = |one: &&Failed| one.port.is_none() && at <= one.ended + SLACK;
                if let Some(one) = failed.iter().filter(during).find(unanswered) {
                    refused.insert(ports[0], one);
                }
            }
            found = ports.iter().find_map(|port| refused.get(port).copied()).filter(during);
        }
        if let Some(one) = found {
            packet.comment = format!("{}, t={at} in the history", one.lane);
            kept.push(packet);
        }
    }
    kept
}

/// The lanes of this attempt on which something is broken.
fn failed(run: &RunResult, scenario: &str, events: &[Event], after: Micros) -> Vec<Failed> {
    let until = events.iter().map(|event| event.t).max().unwrap_or_default();
    let violations = run.clauses.iter().flat_map(|clause| clause.violations.iter().chain(&clause.known));
    let names: BTreeMap<LaneId, &str> = violations
        .filter(|one| one.scenario == scenario && (after..=until).contains(&one.at_us))
        .filter_map(|one| {
            let name = one.lane.as_deref()?;
            Some((name.rsplit_once('#')?.1.parse().ok()?, name))
        })
        .collect();
    let mut failed: BTreeMap<LaneId, Failed> = BTreeMap::new();
    for event in events {
        let Some((lane, name)) = event.what.lane().and_then(|lane| Some((lane, names.get(&lane)?))) else {
            continue;
        };
        let one = failed.entry(lane).or_insert_with(|| Failed {
            lane: (*name).to_owned(),
            port: None,
            opened: event.t,
            ended: event.t,
        });
        one.ended = one.ended.max(event.t);
        if let What::Connected { port, .. } = &event.what {
            one.port = *port;
        }
    }
    failed.into_values().collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::super::human::sample;
    use super::*;

    const UNIX_NS: u64 = 1_700_000_000_000_000_000;
    const SYN: u8 = 0x02;
    const SYN_ACK: u8 = 0x12;
    const RST_ACK: u8 = 0x14;

    /// A segment between the server's port and a lane's at `t`.
    fn packet(t: Micros, port: u16, by_server: bool, flags: u8) -> Packet {
        let (source, destination) = if by_server { (8080, port) } else { (port, 8080) };
        let mut frame = vec![0; 12];
        frame.extend([0x08, 0x00, 0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
        frame.extend(source.to_be_bytes());
        frame.extend(destination.to_be_bytes());
        frame.extend([0, 0, 0, 1, 0, 0, 0, 0, 5 << 4, flags, 0, 0, 0, 0, 0, 0]);
        Packet { at_ns: UNIX_NS + t * 1000, length: 54, frame, comment: String::new() }
    }

    /// Lane 2 of the sample broke, on port 40002 from 100 ms on.
    fn history() -> (RunResult, Vec<Event>, Micros) {
        let mut events = sample::history();
        let at = sample::violation("idle-last-request", "idle#2", "reset").at_us;
        for event in &mut events {
            if let What::Connected { lane: 2, port, .. } = &mut event.what {
                *port = Some(40_002);
            }
        }
        events.push(Event { t: 0, what: What::Clock { unix_ns: UNIX_NS } });
        (sample::failing(), events, at)
    }

    #[test]
    fn those_of_the_lane_that_failed_are_kept_and_named() {
        let (run, events, at) = history();
        let packets = vec![
            packet(at - 100, 40_001, true, RST_ACK),
            packet(at, 40_002, true, RST_ACK),
            packet(at + 60_000_000, 40_002, false, SYN),
        ];
        let kept = of_failed(&run, "idle-last-request", &events, 0, packets.clone());
        assert_eq!(kept.len(), 1, "{kept:?}");
        assert_eq!(kept[0].frame, packets[1].frame);
        assert_eq!(kept[0].comment, format!("idle#2, t={at} in the history"));
        // What is broken was broken in this attempt, and in no later one.
        assert!(of_failed(&run, "idle-last-request", &events, at + 1, packets).is_empty());
    }

    #[test]
    fn a_connection_that_never_came_about_is_found_by_when_it_began() {
        let (mut run, mut events, at) = history();
        let violation = sample::violation("idle-last-request", "new#77", "refused");
        run.clauses[0].violations.push(violation);
        let open = What::Open { lane: 77, role: "new".to_owned(), address: "127.0.0.1:8080".to_owned() };
        events.push(Event { t: at, what: open });
        let why = crate::history::event::ConnectTrouble::Refused;
        events.push(Event { t: at + 300, what: What::ConnectFailed { lane: 77, why, errno: Some(111) } });
        let packets = vec![
            packet(at - 50_000, 50_000, false, SYN),
            packet(at - 49_900, 50_000, true, SYN_ACK),
            packet(at + 100, 50_001, false, SYN),
            packet(at + 120, 50_001, true, RST_ACK),
        ];
        let kept = of_failed(&run, "idle-last-request", &events, 0, packets.clone());
        let frames: Vec<&[u8]> = kept.iter().map(|packet| &packet.frame[..]).collect();
        assert_eq!(frames, [&packets[2].frame[..], &packets[3].frame[..]]);
        assert!(kept[0].comment.starts_with("new#77, "));
    }
}
