//! The packets of a run that was judged: those of lanes that failed stay, as files that Wireshark opens.

use std::fs;
use std::io;
use std::path::Path;

use super::judged::Judged;
use super::run_dir::Files;
use crate::exit::Failure;
use crate::report::packets;
use crate::witness::packets::pcapng::{self, Capture, Packet};

/// The interface's name in the files.
const INTERFACE: &str = "hotspec";

/// Leaves of each attempt's packets those of lanes on which something is broken; a file without any is removed.
///
/// # Errors
/// A file can't be read or written.
pub(crate) fn keep_failed(dir: &Path, judged: &Judged) -> Result<(), Failure> {
    for (scenario, attempts) in judged.histories() {
        let mut after = 0;
        for (files, events) in Files::made(dir, scenario).zip(attempts) {
            let failed = |error: io::Error| {
                Failure::own(format!("failed to keep packets in {}: {error}", files.packets.display()))
            };
            let all = match fs::read(&files.packets) {
                Ok(all) => all,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(error)),
            };
            let kept = packets::of_failed(&judged.result, scenario, events, after, pcapng::read(&all));
            replace(&files.packets, &kept).map_err(failed)?;
            after = events.iter().map(|event| event.t).max().unwrap_or(after);
        }
    }
    Ok(())
}

fn replace(path: &Path, packets: &[Packet]) -> io::Result<()> {
    if packets.is_empty() {
        return fs::remove_file(path);
    }
    let mut capture = Capture::create(path, INTERFACE)?;
    for packet in packets {
        capture.write(packet)?;
    }
    capture.finish()
}
