//! What is heard on the wire between lanes and the target, written down for a scenario.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::client::address::Address;
use crate::history::Recorder;
use crate::history::event::What;
use crate::witness::packets::pcapng::{Capture, Packet};
use crate::witness::packets::{Heard, Segment, Tap};

/// Whoever resets more connections than this in a phase is not listened to any further: a history has an end. Refused ones are
/// counted apart: a listener that was shut down makes tens of thousands of them, each of which its lane tells anyway.
const RESETS_MAX: u32 = 20_000;
/// So many bytes of packets are kept of an attempt.
const KEPT_MAX: u64 = 32 << 20;

/// Hears the wire from the target's first answer on.
#[derive(Debug, Default)]
pub(super) struct Wire {
    tap: Option<Tap>,
    target: Option<SocketAddr>,
    /// Of each connection, by the lane's end.
    ended: HashMap<SocketAddr, Ended>,
    kept: Option<Kept>,
    segments: u64,
    lost_before: u64,
    resets: u32,
    refused: u32,
}

/// The file that all segments are kept in until it is known whose are wanted.
#[derive(Debug)]
struct Kept {
    capture: Capture,
    unix_ns: u64,
}

/// How far a connection has come: which sides have sent FIN or RST.
#[derive(Clone, Copy, Debug, Default)]
struct Ended {
    lane: bool,
    target: bool,
    /// The lane's SYN was heard, and the target's not yet.
    asks: bool,
}

impl Wire {
    /// Begins to hear, on an interface of the calling thread's network namespace, and to keep what is heard in a file. What
    /// is on a unix socket is on no wire.
    pub(super) fn begin(&mut self, address: &Address, interface: &str, recorder: &Recorder, file: &Path) {
        let Address::Tcp(target) = address else { return };
        match Tap::open(interface) {
            Ok(tap) => {
                self.tap = Some(tap);
                self.keep(interface, recorder, file);
            }
            Err(error) => recorder.record(What::Deaf { why: format!("packets: {error}") }),
        }
        self.target = Some(*target);
    }

    /// Nobody hears anything, for this reason.
    pub(super) fn deaf(recorder: &Recorder, why: &str) {
        recorder.record(What::Deaf { why: format!("packets: {why}") });
    }

    fn keep(&mut self, interface: &str, recorder: &Recorder, file: &Path) {
        match Capture::create(file, interface) {
            Ok(capture) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
                let unix_ns = now.saturating_sub(recorder.now().saturating_mul(1000));
                recorder.record(What::Clock { unix_ns });
                self.kept = Some(Kept { capture, unix_ns });
            }
            Err(error) => self.keep_no_more(recorder, &error.to_string()),
        }
    }

    /// Packets are told to people; nothing is judged by the file.
    fn keep_no_more(&mut self, recorder: &Recorder, why: &str) {
        self.kept = None;
        recorder.record(What::Note { text: format!("packets are not kept any more: {why}") });
    }

    /// Writes down the resets that came since the last time; returns whether there were any.
    pub(super) fn hear(&mut self, recorder: &Recorder) -> bool {
        let (Some(tap), Some(target)) = (self.tap.as_mut(), self.target) else { return false };
        let before = (self.resets, self.refused);
        for heard in tap.read() {
            let segment = heard.segment;
            let by_target = same(segment.source, target);
            if !by_target && !same(segment.destination, target) {
                continue;
            }
            self.segments += 1;
            if let Some(kept) = &mut self.kept
                && let Err(why) = kept.add(&heard, recorder)
            {
                self.keep_no_more(recorder, &why);
            }
            let lane = if by_target { segment.destination } else { segment.source };
            let ended = self.ended.entry(lane).or_default();
            let Some(reset) = note(ended, lane.port(), by_target, segment) else { continue };
            if self.has_room_for(&reset) {
                recorder.record_at(recorder.at(heard.at), reset);
            }
        }
        (self.resets, self.refused) != before
    }

    /// Counts a reset; whether there is room for it in the history.
    fn has_room_for(&mut self, reset: &What) -> bool {
        let refused = matches!(reset, What::Reset { refused: true, .. });
        let count = if refused { &mut self.refused } else { &mut self.resets };
        let room = *count < RESETS_MAX;
        *count += u32::from(room);
        room
    }

    /// A phase is over: writes down how well it was heard.
    pub(super) fn tell(&mut self, recorder: &Recorder) {
        self.hear(recorder);
        let Some(tap) = self.tap.as_mut() else { return };
        match tap.lost() {
            Ok(lost) => {
                let beyond = u64::from(self.resets == RESETS_MAX);
                let lost_now = lost.saturating_sub(self.lost_before) + beyond;
                recorder.record(What::Heard { segments: self.segments, lost: lost_now });
                self.lost_before = lost;
            }
            Err(error) => recorder.record(What::Deaf { why: format!("packets: {error}") }),
        }
        (self.segments, self.resets, self.refused) = (0, 0, 0);
    }
}

impl Kept {
    fn add(&mut self, heard: &Heard, recorder: &Recorder) -> Result<(), String> {
        if self.capture.bytes() > KEPT_MAX {
            return Err(format!("they are more than {} MiB", KEPT_MAX >> 20));
        }
        let packet = Packet {
            at_ns: self.unix_ns.saturating_add(recorder.at(heard.at).saturating_mul(1000)),
            length: heard.segment.frame_bytes,
            frame: heard.frame.clone(),
            comment: String::new(),
        };
        self.capture.write(&packet).map_err(|error| error.to_string())
    }
}

/// Whether a packet's end is the target's: whoever listens on every address answers from the one that was asked.
fn same(end: SocketAddr, target: SocketAddr) -> bool {
    end.port() == target.port() && (end.ip() == target.ip() || target.ip().is_unspecified())
}

/// Keeps which side has ended a connection; returns what is to be written down of the segment.
fn note(ended: &mut Ended, port: u16, by_target: bool, segment: Segment) -> Option<What> {
    let flags = segment.flags;
    if flags.syn() {
        if !by_target {
            *ended = Ended::default();
        }
        ended.asks = !by_target;
    }
    let reset = flags.rst().then_some(What::Reset {
        port,
        by_target,
        ack: flags.ack(),
        lane_ended: ended.lane,
        target_ended: ended.target,
        refused: by_target && ended.asks,
    });
    if flags.fin() || flags.rst() {
        if by_target {
            ended.target = true;
        } else {
            ended.lane = true;
        }
    }
    reset
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::witness::packets::Flags;

    const SYN: u8 = 0x02;
    const SYN_ACK: u8 = 0x12;
    const FIN_ACK: u8 = 0x11;
    const RST_ACK: u8 = 0x14;
    const RST: u8 = 0x04;

    fn fed(segments: &[(bool, u8)]) -> Vec<(bool, bool, bool, bool)> {
        let (target, lane) = ("127.0.0.1:8080".parse().unwrap(), "127.0.0.1:40000".parse().unwrap());
        let mut ended = Ended::default();
        let mut written = Vec::new();
        for (by_target, flags) in segments {
            let (source, destination) = if *by_target { (target, lane) } else { (lane, target) };
            let segment = Segment { source, destination, flags: Flags(*flags), sequence: 1, frame_bytes: 54 };
            if let Some(What::Reset { by_target, ack, lane_ended, target_ended, .. }) =
                note(&mut ended, 40_000, *by_target, segment)
            {
                written.push((by_target, ack, lane_ended, target_ended));
            }
        }
        written
    }

    #[test]
    fn a_reset_is_told_with_what_came_before_it() {
        assert_eq!(fed(&[(false, SYN), (true, RST_ACK)]), [(true, true, false, false)]);
        assert_eq!(fed(&[(true, FIN_ACK), (true, RST)]), [(true, false, false, true)]);
        assert_eq!(fed(&[(false, FIN_ACK), (true, RST_ACK)]), [(true, true, true, false)]);
        assert_eq!(
            fed(&[(false, RST_ACK), (true, RST)]),
            [(false, true, false, false), (true, false, true, false)]
        );
    }

    #[test]
    fn an_answer_to_the_first_segment_is_told_from_one_that_breaks_a_connection_off() {
        let (target, lane) = ("127.0.0.1:8080".parse().unwrap(), "127.0.0.1:40000".parse().unwrap());
        let mut ended = Ended::default();
        let mut hear = |by_target, flags| {
            let (source, destination) = if by_target { (target, lane) } else { (lane, target) };
            let segment = Segment { source, destination, flags: Flags(flags), sequence: 1, frame_bytes: 54 };
            match note(&mut ended, 40_000, by_target, segment) {
                Some(What::Reset { refused, .. }) => Some(refused),
                _ => None,
            }
        };
        assert_eq!((hear(false, SYN), hear(true, RST_ACK)), (None, Some(true)));
        assert_eq!((hear(false, SYN), hear(true, SYN_ACK), hear(true, RST_ACK)), (None, None, Some(false)));
        assert_eq!((hear(false, SYN), hear(false, RST)), (None, Some(false)));
    }

    #[test]
    fn refused_connections_take_no_room_from_resets() {
        let reset = |refused| What::Reset {
            port: 40_000,
            by_target: true,
            ack: true,
            lane_ended: false,
            target_ended: false,
            refused,
        };
        let mut wire = Wire::default();
        assert!((0..RESETS_MAX).all(|_| wire.has_room_for(&reset(true))));
        assert!(!wire.has_room_for(&reset(true)));
        assert_eq!((wire.resets, wire.has_room_for(&reset(false))), (0, true));
    }

    #[test]
    fn a_new_connection_on_the_same_port_begins_anew() {
        assert_eq!(fed(&[(false, FIN_ACK), (false, SYN), (true, RST_ACK)]), [(true, true, false, false)]);
    }
}
