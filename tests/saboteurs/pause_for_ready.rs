//! A saboteur: a hot restart by SO_REUSEPORT in which the old process gives its successor half a second to start.
//!
//! It was measured: the successor is there after a tenth of a second, so five times that is plenty. But what takes a tenth of a
//! second of a processor takes as long as the machine wants, and while it deploys everything at once it has none to spare. Then
//! the old listener is gone before there is another.
//!
//! clause: failure.starved
//! falls-with: availability.not-refused, availability.answered
//! profile: reload

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::time::Duration;

use common::{Args, Connections, Restart, Rules};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

/// "Plenty".
const PAUSE: Duration = Duration::from_millis(500);
/// What the start takes, in time of a processor.
const START_UP: Duration = Duration::from_millis(100);

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let args = Args::parse()?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut restart = Restart::on_hangup(&args, None)?;
    prepare();
    let listener = common::bind_beside(args.listen)?;

    let mut connections = Connections::new(Rules::default());
    let mut over: Option<Instant> = None;
    loop {
        let enough = async {
            match over {
                Some(over) => tokio::time::sleep_until(over).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // It starts the successor; nobody says that that is ready.
            () = restart.successor_ready() => {}
            // The fault: a time takes the place of the successor's word.
            _ = hangup.recv() => over = Some(Instant::now() + PAUSE),
            () = enough => break,
            accepted = listener.accept() => connections.serve(accepted.map(|(stream, _)| stream)).await,
        }
    }
    drop(listener);
    tokio::select! {
        () = connections.drain() => {}
        () = restart.reap_while_draining() => {}
    }
    Ok(())
}

/// What a server does before it listens: reads its configuration, compiles its routes, fills its tables.
fn prepare() {
    let mut table = vec![0_u64; 1 << 10];
    while used() < START_UP {
        for entry in &mut table {
            let mut hasher = DefaultHasher::new();
            entry.hash(&mut hasher);
            *entry = hasher.finish();
        }
    }
}

/// The processor time that this process has used.
fn used() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return START_UP };
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(micros.unsigned_abs())
}
