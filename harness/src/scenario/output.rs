//! The target's output and the path of its unix socket, watched for a scenario.

use std::path::Path;

use crate::client::address::Address;
use crate::history::event::What;
use crate::history::{Micros, Recorder};
use crate::target::launch::Launch;
use crate::witness::output::{Outcry, OutputReader};
use crate::witness::socket_path::{Change, SocketPathWatch};

/// More outcries are not told.
const OUTCRIES_MAX: usize = 100;
/// More changes of a path are not told.
const CHANGES_MAX: usize = 1_000;

/// What the target writes: standard output and error, and the logs that it declares.
#[derive(Debug)]
pub(super) struct Output {
    readers: Vec<OutputReader>,
    looked: Micros,
    told: usize,
}

impl Output {
    /// Nothing is read yet.
    pub(super) fn of(launch: &Launch) -> Self {
        // What a server writes that was up already is not ours to read.
        if launch.target.running.is_some() {
            return Self { readers: Vec::new(), looked: 0, told: 0 };
        }
        let logs = launch.target.logs.iter().map(|log| launch.dir.join(launch.fill(log)));
        let readers = std::iter::once(launch.output.clone()).chain(logs);
        Self { readers: readers.map(|path| OutputReader::new(&path)).collect(), looked: 0, told: 0 }
    }

    /// Writes down what was found in what came since the last look.
    pub(super) fn look(&mut self, recorder: &Recorder) {
        let before = recorder.now();
        let mut found: Vec<Outcry> = Vec::new();
        for reader in &mut self.readers {
            // A log that can't be read shows nothing; that much was read is told at the end.
            found.extend(reader.read().unwrap_or_default());
        }
        let room = OUTCRIES_MAX.saturating_sub(self.told);
        for Outcry { kind, text } in found.into_iter().take(room) {
            self.told += 1;
            recorder.record(What::Outcry { kind: kind.to_owned(), text, from: self.looked });
        }
        self.looked = before;
    }

    /// Reads the rest, and writes down how much it was.
    pub(super) fn end(&mut self, recorder: &Recorder) {
        self.look(recorder);
        if self.readers.is_empty() {
            return;
        }
        let bytes = self.readers.iter().map(OutputReader::bytes).sum();
        recorder.record(What::OutputRead { bytes });
    }
}

/// The path of the target's unix socket.
#[derive(Debug, Default)]
pub(super) struct SocketPath {
    watch: Option<SocketPathWatch>,
    looked: Micros,
    told: usize,
}

impl SocketPath {
    /// Begins to watch, if the address is a path.
    pub(super) fn watch(&mut self, address: &Address, recorder: &Recorder) {
        let Address::Unix(path) = address else { return };
        self.watch = match begin(path, recorder) {
            Ok(watch) => Some(watch),
            Err(error) => {
                let text = format!("failed to watch {}: {error}", path.display());
                recorder.record(What::Note { text });
                None
            }
        };
        self.looked = recorder.now();
    }

    /// Writes down what happened since the last look.
    pub(super) fn look(&mut self, recorder: &Recorder) {
        let Some(watch) = &self.watch else { return };
        let before = recorder.now();
        for change in watch.changes().unwrap_or_default() {
            self.told += 1;
            if change == Change::Lost || self.told > CHANGES_MAX {
                let text = "the unix socket's path is not watched any further: too much happens to it";
                recorder.record(What::Note { text: text.to_owned() });
                self.watch = None;
                return;
            }
            recorder.record(What::SocketPath { present: change == Change::Present, from: self.looked });
        }
        self.looked = before;
    }

    /// Ends the watch. The target is still there.
    pub(super) fn end(&mut self, recorder: &Recorder) {
        self.look(recorder);
        self.watch = None;
    }
}

/// The watch first: what happens between it and the look is told as well.
fn begin(path: &Path, recorder: &Recorder) -> std::io::Result<SocketPathWatch> {
    let watch = SocketPathWatch::begin(path)?;
    let from = recorder.now();
    recorder.record(What::SocketPath { present: path.exists(), from });
    Ok(watch)
}
