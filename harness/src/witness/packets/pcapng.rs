//! Packets in a file that Wireshark and tshark open: pcapng (draft-ietf-opsawg-pcapng), as much of it as is needed: a section
//! header, one Ethernet interface whose times are nanoseconds, and enhanced packet blocks, which may have a comment.
//!
//! Every block is its type, its length in bytes (a multiple of four), its body, and its length once more. Numbers are
//! little-endian, which the section header says.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::filter::SNAP_BYTES;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// LINKTYPE_ETHERNET.
const ETHERNET: u16 = 1;
/// Type, and length twice.
const AROUND: usize = 12;
/// Interface, time in two halves, both lengths.
const PACKET_HEAD: usize = 20;

/// Options of blocks.
mod option {
    pub(super) const COMMENT: u16 = 1;
    pub(super) const USER_APPLICATION: u16 = 4;
    pub(super) const INTERFACE_NAME: u16 = 2;
    pub(super) const TIME_RESOLUTION: u16 = 9;
}

/// A packet as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packet {
    /// Nanoseconds of the system's clock since 1970.
    pub at_ns: u64,
    /// Its length on the wire, in bytes.
    pub length: u32,
    /// Its first bytes, from the Ethernet header on.
    pub frame: Vec<u8>,
    /// Shown beside it, if not empty.
    pub comment: String,
}

/// A file that packets are written to, in the order in which they come.
#[derive(Debug)]
pub struct Capture {
    file: BufWriter<File>,
    bytes: u64,
}

impl Capture {
    /// Makes the file, of packets on this interface.
    ///
    /// # Errors
    /// It can't be written.
    pub fn create(path: &Path, interface: &str) -> io::Result<Self> {
        let mut capture = Self { file: BufWriter::new(File::create(path)?), bytes: 0 };
        let mut section = BYTE_ORDER.to_le_bytes().to_vec();
        // Version 1.0, of a length that is not said.
        section.extend([1, 0, 0, 0]);
        section.extend((-1_i64).to_le_bytes());
        let program = concat!("hotspec ", env!("CARGO_PKG_VERSION"));
        add_option(&mut section, option::USER_APPLICATION, program.as_bytes());
        end_options(&mut section);
        capture.block(SECTION, &section)?;
        let mut described = ETHERNET.to_le_bytes().to_vec();
        described.extend([0, 0]);
        described.extend(SNAP_BYTES.to_le_bytes());
        add_option(&mut described, option::INTERFACE_NAME, interface.as_bytes());
        // Times are counted in 10^-9 s.
        add_option(&mut described, option::TIME_RESOLUTION, &[9]);
        end_options(&mut described);
        capture.block(INTERFACE, &described)?;
        Ok(capture)
    }

    /// Adds a packet.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(&mut self, packet: &Packet) -> io::Result<()> {
        let mut body = Vec::with_capacity(PACKET_HEAD + packet.frame.len() + packet.comment.len() + AROUND);
        body.extend(0_u32.to_le_bytes());
        body.extend(((packet.at_ns >> 32) as u32).to_le_bytes());
        body.extend((packet.at_ns as u32).to_le_bytes());
        body.extend((packet.frame.len() as u32).to_le_bytes());
        body.extend(packet.length.to_le_bytes());
        body.extend(&packet.frame);
        pad(&mut body);
        if !packet.comment.is_empty() {
            add_option(&mut body, option::COMMENT, packet.comment.as_bytes());
            end_options(&mut body);
        }
        self.block(PACKET, &body)
    }

    /// How many bytes were written.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Hands all of it to the system.
    ///
    /// # Errors
    /// It can't be written.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// A body's length is a multiple of four already.
    fn block(&mut self, kind: u32, body: &[u8]) -> io::Result<()> {
        let length = (AROUND + body.len()) as u32;
        self.bytes += u64::from(length);
        self.file.write_all(&kind.to_le_bytes())?;
        self.file.write_all(&length.to_le_bytes())?;
        self.file.write_all(body)?;
        self.file.write_all(&length.to_le_bytes())
    }
}

fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

fn add_option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = value.get(..usize::from(u16::MAX)).unwrap_or(value);
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    body.extend(value);
    pad(body);
}

fn end_options(body: &mut Vec<u8>) {
    body.extend([0; 4]);
}

/// The packets of a file that [`Capture`] wrote. A last block that was cut off, as by a kill, is left out; so is whatever is no
/// packet.
pub fn read(mut file: &[u8]) -> Vec<Packet> {
    let mut packets = Vec::new();
    while let Some((kind, body, rest)) = block(file) {
        file = rest;
        if kind == PACKET {
            packets.extend(packet(body));
        }
    }
    packets
}

/// The first block's type and body, and what comes after it.
fn block(file: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    let (kind, length) = (number(file, 0)?, number(file, 4)? as usize);
    let body = file.get(8..length.checked_sub(4)?)?;
    Some((kind, body, file.get(length..)?))
}

fn packet(body: &[u8]) -> Option<Packet> {
    let (high, low) = (number(body, 4)?, number(body, 8)?);
    let (kept, length) = (number(body, 12)? as usize, number(body, 16)?);
    let frame = body.get(PACKET_HEAD..)?.get(..kept)?.to_vec();
    let mut options = body.get(PACKET_HEAD + kept.next_multiple_of(4)..).unwrap_or_default();
    let mut comment = String::new();
    while let Some((code, value, rest)) = one_option(options) {
        options = rest;
        if code == option::COMMENT {
            comment = String::from_utf8_lossy(value).into_owned();
        }
    }
    Some(Packet { at_ns: u64::from(high) << 32 | u64::from(low), length, frame, comment })
}

/// None at the end of them.
fn one_option(options: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let half = |at: usize| Some(u16::from_le_bytes(options.get(at..at + 2)?.try_into().ok()?));
    let (code, length) = (half(0)?, usize::from(half(2)?));
    let value = options.get(4..4 + length)?;
    (code != 0).then_some((code, value, options.get(4 + length.next_multiple_of(4)..)?))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(packets: &[Packet]) -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.pcapng");
        let mut capture = Capture::create(&path, "lo").unwrap();
        for packet in packets {
            capture.write(packet).unwrap();
        }
        let bytes = capture.bytes();
        capture.finish().unwrap();
        let file = std::fs::read(path).unwrap();
        assert_eq!(file.len() as u64, bytes);
        file
    }

    #[test]
    fn the_head_is_that_of_the_specification_byte_by_byte() {
        let file = written(&[]);
        let section_length = number(&file, 4).unwrap() as usize;
        assert_eq!(
            file[..16],
            [0x0a, 0x0d, 0x0d, 0x0a, file[4], 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0]
        );
        assert_eq!(file[16..24], [0xff; 8]);
        assert_eq!(number(&file, section_length - 4), Some(section_length as u32));
        let interface = &file[section_length..];
        assert_eq!(interface[..16], [1, 0, 0, 0, interface[4], 0, 0, 0, 1, 0, 0, 0, 192, 0, 0, 0]);
        // if_name "lo", if_tsresol 9, end of options.
        assert_eq!(interface[16..36], [2, 0, 2, 0, b'l', b'o', 0, 0, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(interface.len(), 40);
    }

    fn packets() -> impl Strategy<Value = Vec<Packet>> {
        let bytes = proptest::collection::vec(any::<u8>(), 0..80);
        let one = (any::<u64>(), any::<u32>(), bytes, ".{0,12}")
            .prop_map(|(at_ns, length, frame, comment)| Packet { at_ns, length, frame, comment });
        proptest::collection::vec(one, 0..4)
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_again_up_to_where_it_was_cut(all in packets(), cut in 0_usize..400) {
            let file = written(&all);
            prop_assert_eq!(file.len() % 4, 0);
            prop_assert_eq!(&read(&file), &all);
            let some = read(&file[..file.len().saturating_sub(cut)]);
            prop_assert!(some.len() <= all.len() && some[..] == all[..some.len()]);
        }

        #[test]
        fn no_file_makes_it_panic(file in proptest::collection::vec(any::<u8>(), 0..200)) {
            read(&file);
        }
    }
}
