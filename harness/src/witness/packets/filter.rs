//! The filter that the kernel runs on each frame: classic BPF, as packet(7) and socket(7) describe it.

use libc::sock_filter;

/// Enough of a frame for Ethernet, IP and TCP headers with all their options.
pub(super) const SNAP_BYTES: u32 = 192;

const LOAD_HALF: u16 = 0x28;
const LOAD_BYTE: u16 = 0x30;
const LOAD_BYTE_INDEXED: u16 = 0x50;
const LOAD_X_HEADER_LENGTH: u16 = 0xb1;
const JUMP: u16 = 0x05;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_SET: u16 = 0x45;
const RETURN: u16 = 0x06;

/// SKF_AD_OFF + SKF_AD_PKTTYPE of linux/filter.h: how the frame came to the socket.
const PACKET_TYPE: u32 = 0xffff_f004;
/// linux/if_packet.h.
const PACKET_OUTGOING: u32 = 4;
/// FIN, SYN or RST.
const BEGINS_OR_ENDS: u32 = 0x07;

/// Where in the program outgoing frames are told apart.
const OUTGOING_AT: usize = 15;

const fn op(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

/// Lets TCP segments with FIN, SYN or RST pass, over IPv4 and IPv6, each once: the loopback shows a frame when it leaves and
/// when it arrives, and the former is dropped. Jumps count from the next instruction; the last but one accepts and the last drops.
const PROGRAM: [sock_filter; 18] = [
    op(LOAD_HALF, 0, 0, 12),
    op(JUMP_IF_EQUAL, 0, 7, 0x0800),
    // IPv4: TCP, and no fragment but the first.
    op(LOAD_BYTE, 0, 0, 23),
    op(JUMP_IF_EQUAL, 0, 13, 6),
    op(LOAD_HALF, 0, 0, 20),
    op(JUMP_IF_SET, 11, 0, 0x1fff),
    op(LOAD_X_HEADER_LENGTH, 0, 0, 14),
    op(LOAD_BYTE_INDEXED, 0, 0, 14 + 13),
    op(JUMP, 0, 0, 4),
    // IPv6 without extension headers: nobody puts any between loopback addresses.
    op(JUMP_IF_EQUAL, 0, 7, 0x86dd),
    op(LOAD_BYTE, 0, 0, 14 + 6),
    op(JUMP_IF_EQUAL, 0, 5, 6),
    op(LOAD_BYTE, 0, 0, 14 + 40 + 13),
    op(JUMP_IF_SET, 0, 3, BEGINS_OR_ENDS),
    op(LOAD_HALF, 0, 0, PACKET_TYPE),
    op(JUMP_IF_EQUAL, 1, 0, PACKET_OUTGOING),
    op(RETURN, 0, 0, SNAP_BYTES),
    op(RETURN, 0, 0, 0),
];

/// The program for the loopback, or for another interface: there a frame is shown once, on its way out or in.
pub(super) fn program(loopback: bool) -> [sock_filter; 18] {
    let mut program = PROGRAM;
    if !loopback {
        program[OUTGOING_AT] = op(JUMP, 0, 0, 0);
    }
    program
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::super::segment::tests::{frame_v4, frame_v6};
    use super::*;

    /// Runs the program as the kernel does; 0 drops. An access beyond the frame drops it too.
    fn run(frame: &[u8], packet_type: u32) -> u32 {
        run_on(true, frame, packet_type)
    }

    fn run_on(loopback: bool, frame: &[u8], packet_type: u32) -> u32 {
        let program = program(loopback);
        let (mut a, mut x, mut at) = (0_u32, 0_u32, 0_usize);
        let byte = |at: u32| frame.get(at as usize).map(|byte| u32::from(*byte));
        loop {
            let instruction = program[at];
            at += 1;
            let k = instruction.k;
            let taken = |jump: bool| usize::from(if jump { instruction.jt } else { instruction.jf });
            match instruction.code {
                LOAD_HALF if k == PACKET_TYPE => a = packet_type,
                LOAD_HALF => match (byte(k), byte(k + 1)) {
                    (Some(high), Some(low)) => a = high << 8 | low,
                    _ => return 0,
                },
                LOAD_BYTE => match byte(k) {
                    Some(value) => a = value,
                    None => return 0,
                },
                LOAD_BYTE_INDEXED => match byte(x + k) {
                    Some(value) => a = value,
                    None => return 0,
                },
                LOAD_X_HEADER_LENGTH => match byte(k) {
                    Some(value) => x = (value & 0xf) * 4,
                    None => return 0,
                },
                JUMP => at += k as usize,
                JUMP_IF_EQUAL => at += taken(a == k),
                JUMP_IF_SET => at += taken(a & k != 0),
                RETURN => return k,
                other => panic!("no such instruction: {other:#x}"),
            }
        }
    }

    #[test]
    fn what_begins_or_ends_a_connection_passes_once() {
        for flags in [0x01, 0x02, 0x04, 0x11, 0x12, 0x14] {
            for frame in [frame_v4(flags, 0), frame_v6(flags, 0)] {
                assert_eq!(run(&frame, 0), SNAP_BYTES, "{flags:#x}");
                assert_eq!(run(&frame, PACKET_OUTGOING), 0, "{flags:#x} on its way out");
                assert_eq!(run_on(false, &frame, PACKET_OUTGOING), SNAP_BYTES, "{flags:#x} on a cable");
                assert_eq!(run_on(false, &frame, 0), SNAP_BYTES, "{flags:#x} on a cable");
            }
        }
    }

    #[test]
    fn data_other_protocols_later_fragments_and_stumps_do_not() {
        for flags in [0x10, 0x18] {
            assert_eq!(run(&frame_v4(flags, 9), 0), 0);
            assert_eq!(run(&frame_v6(flags, 9), 0), 0);
        }
        let mut udp = frame_v4(0x02, 0);
        udp[23] = 17;
        assert_eq!(run(&udp, 0), 0);
        let mut fragment = frame_v4(0x02, 0);
        fragment[21] = 7;
        assert_eq!(run(&fragment, 0), 0);
        let mut arp = frame_v4(0x02, 0);
        arp[13] = 6;
        assert_eq!(run(&arp, 0), 0);
        let whole = frame_v4(0x02, 0);
        for length in 0..whole.len().min(48) {
            assert_eq!(run(&whole[..length], 0), 0, "{length} bytes");
        }
    }
}
