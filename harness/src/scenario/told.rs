//! What the operator and the service manager are told: the pid file and the notify socket, watched for a scenario.

use crate::history::Recorder;
use crate::history::event::What;
use crate::target::file::Target;
use crate::target::launch::Launch;
use crate::witness::notify::{Notice, NotifySocket, NotifyWatch};
use crate::witness::pid_file::{PidFileWatch, Sight};

use super::monitor::Monitor;

/// A target that touches its pid file or talks more often than this is not listened to any further.
const MAX: u32 = 10_000;

/// Both watches, as far as the target declares what they watch.
#[derive(Debug, Default)]
pub(super) struct Told {
    socket: Option<NotifySocket>,
    notify: Option<NotifyWatch>,
    pid_file: Option<PidFileWatch>,
    heard: u32,
}

impl Told {
    /// Makes the notify socket, and lets the target's commands know of it.
    ///
    /// # Errors
    /// The socket can't be made.
    pub(super) fn prepare(target: &Target, launch: &mut Launch) -> std::io::Result<Self> {
        let socket = if target.notify { Some(NotifySocket::bind()?) } else { None };
        launch.notify = socket.as_ref().map(|socket| socket.path().to_owned());
        Ok(Self { socket, ..Self::default() })
    }

    /// The target is about to be started below the warden: from now on it is listened to.
    ///
    /// # Errors
    /// No thread could be had.
    pub(super) fn listen(&mut self, warden: i32) -> std::io::Result<()> {
        self.notify = self.socket.take().map(|socket| socket.listen(warden)).transpose()?;
        Ok(())
    }

    /// Begins to watch the pid file, if the target declares one. The trigger comes next.
    pub(super) fn watch_pid_file(&mut self, launch: &Launch, warden: i32, recorder: &Recorder) {
        let Some(file) = &launch.target.pid_file else { return };
        let path = launch.dir.join(launch.fill(file));
        match PidFileWatch::begin(&path, warden) {
            Ok(watch) => self.pid_file = Some(watch),
            Err(error) => {
                let text = format!("failed to watch the pid file {}: {error}", path.display());
                recorder.record(What::Note { text });
            }
        }
    }

    /// Writes down what came since the last time.
    pub(super) fn hear(&mut self, recorder: &Recorder, monitor: &Monitor) {
        let notices = self.notify.as_ref().map(NotifyWatch::notices).unwrap_or_default();
        let sights = self.pid_file.as_ref().map(PidFileWatch::sights).unwrap_or_default();
        self.write(notices, sights, recorder, monitor);
    }

    /// Ends both watches. The target is still there.
    pub(super) fn end(&mut self, recorder: &Recorder, monitor: &Monitor) {
        let notices = self.notify.take().map(NotifyWatch::end).unwrap_or_default();
        let sights = self.pid_file.take().map(PidFileWatch::end).unwrap_or_default();
        self.write(notices, sights, recorder, monitor);
    }

    fn write(&mut self, notices: Vec<Notice>, sights: Vec<Sight>, recorder: &Recorder, monitor: &Monitor) {
        // Whoever is named may have been born since the last look, and whoever was named may go in a moment.
        if !notices.is_empty() || !sights.is_empty() {
            monitor.look();
        }
        for notice in notices {
            let message = notice.message;
            let what = What::Notified {
                pid: notice.pid,
                ready: message.ready,
                reloading: message.reloading,
                stopping: message.stopping,
                main_pid: message.main_pid,
                alive: notice.alive,
            };
            self.write_one(recorder.at(notice.at), what, recorder);
        }
        for sight in sights {
            let Sight { state, pid, alive, former_alive, from, at } = sight;
            let what = What::PidFile { state, pid, alive, former_alive, from: recorder.at(from) };
            self.write_one(recorder.at(at), what, recorder);
        }
    }

    fn write_one(&mut self, at: u64, what: What, recorder: &Recorder) {
        self.heard = self.heard.saturating_add(1);
        if self.heard < MAX {
            recorder.record_at(at, what);
        } else if self.heard == MAX {
            let text =
                "the pid file and the notify socket are not watched any further: the target does too much";
            recorder.record(What::Note { text: text.to_owned() });
        }
    }
}
