//! The lookout: a thread beside the scenario's own that watches the handover closely, since what matters there lasts
//! microseconds. It stops the old generation in the moment of the successor's birth where that is wanted, and connects in
//! the very moment in which no listening socket is there, on whichever of the target's addresses.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::{Socket, Type};

use super::door::Door;
use crate::client::address::Address;
use crate::history::event::ConnectTrouble;
use crate::witness::process::{Epoch, FreezeError, Frozen, Tree, Urgency, freeze};
use crate::witness::socket_table::SocketTable;

/// For this long the lookout is attentive: it looks again after [`BLINK`]. It never spins, since others may be on the lookout
/// too, and whoever it watches needs a processor.
const ATTENTIVE: Duration = Duration::from_millis(250);
/// From one attentive look to the next.
const BLINK: Duration = Duration::from_micros(30);
/// For this long it goes before all others: a successor that has to wait for a processor takes longer to come up, and so does
/// what is to be seen.
const URGENT: Duration = Duration::from_secs(5);
/// From one look to the next after [`ATTENTIVE`] …
const PAUSE: Duration = Duration::from_millis(1);
/// … from one to the next when the old generation drains: who listens is settled then …
const CALM: Duration = Duration::from_millis(10);
/// … until this long after it began.
const WATCH_MAX: Duration = Duration::from_secs(12);
/// A stop that takes longer fails.
const STOP_WITHIN: Duration = Duration::from_secs(1);
/// A connection that is not refused at once is not waited for.
const KNOCK_WITHIN: Duration = Duration::from_millis(200);

/// What the lookout is to do.
#[derive(Debug)]
pub(super) struct Orders {
    /// Where the target listens.
    pub(super) address: Address,
    /// Where else it listens.
    pub(super) further: Vec<SocketAddr>,
    /// The warden and everything alive below it.
    pub(super) parents: Vec<i32>,
    /// Everything that is there, the dead that nobody has reaped included.
    pub(super) known: Vec<i32>,
    /// The command that is the trigger: it is a child of the warden, and no successor.
    pub(super) command: Vec<String>,
    /// Stop these when a child is born.
    pub(super) stop: Option<Vec<Epoch>>,
}

/// What the lookout saw.
#[derive(Debug)]
pub(super) enum Sight {
    /// A successor was born, and the old generation was stopped, or not.
    Stopped(Result<Frozen, FreezeError>),
    /// No listening socket was there, and a connection was refused.
    Refused {
        /// Where.
        address: Address,
        /// The last sample that showed one.
        present: Instant,
        /// The attempt began.
        from: Instant,
        /// It was refused.
        at: Instant,
        /// How.
        why: ConnectTrouble,
        /// The error number.
        errno: i32,
    },
}

/// A lookout at work. Dropped, it is called back.
#[derive(Debug)]
pub(super) struct Lookout {
    sights: mpsc::Receiver<Sight>,
    watches: Arc<AtomicBool>,
    calm: Arc<AtomicBool>,
    called_back: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Lookout {
    /// Sends a lookout from the calling thread, in its network namespace, with the table of the server's, where the machine
    /// shows that. It is at its post when it [`Lookout::watches`].
    ///
    /// # Errors
    /// No thread could be had.
    pub(super) fn send(orders: Orders, table: Option<SocketTable>) -> std::io::Result<Self> {
        let (sender, sights) = mpsc::channel();
        let watches = Arc::new(AtomicBool::new(false));
        let ready = Arc::clone(&watches);
        let calm = Arc::new(AtomicBool::new(false));
        let is_calm = Arc::clone(&calm);
        let called_back = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&called_back);
        // A new thread begins in its maker's namespaces.
        let thread = std::thread::Builder::new().name("lookout".to_owned()).spawn(move || {
            let mut urgency = Some(Urgency::ask());
            let mut watch = Watch::new(orders, table, sender);
            ready.store(true, Ordering::Release);
            let begun = Instant::now();
            while !flag.load(Ordering::Relaxed) && begun.elapsed() < WATCH_MAX {
                let looked = Instant::now();
                watch.look();
                let calm = is_calm.load(Ordering::Relaxed);
                if calm || begun.elapsed() >= URGENT {
                    urgency = None;
                }
                let pause = if begun.elapsed() < ATTENTIVE {
                    BLINK
                } else if calm {
                    CALM
                } else {
                    PAUSE
                };
                // A look at many sockets takes long, and others need the processor too.
                std::thread::sleep(pause.max(looked.elapsed()));
            }
            drop(urgency);
        })?;
        Ok(Self { sights, watches, calm, called_back, thread: Some(thread) })
    }

    /// Whether it is at its post.
    pub(super) fn watches(&self) -> bool {
        self.watches.load(Ordering::Acquire)
    }

    /// The old generation drains: a closer look is not needed any more.
    pub(super) fn be_calm(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }

    /// What was seen since the last time.
    pub(super) fn sights(&self) -> impl Iterator<Item = Sight> + '_ {
        self.sights.try_iter()
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        self.called_back.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Watch {
    orders: Orders,
    sights: mpsc::Sender<Sight>,
    nursery: Nursery,
    /// The listening sockets on the address, where the machine shows them.
    door: Option<(Door, SocketTable)>,
    present: Instant,
    further: Vec<Further>,
}

/// Another address of the target.
struct Further {
    address: SocketAddr,
    /// When a listening socket was last seen there.
    present: Instant,
    /// One is missing, and somebody was refused.
    told: bool,
}

impl Watch {
    fn new(orders: Orders, table: Option<SocketTable>, sights: mpsc::Sender<Sight>) -> Self {
        let nursery = Nursery::new(&orders);
        let door = table.and_then(|mut table| {
            let door = Door::of(&orders.address, &mut table).ok()?;
            Some((door, table))
        });
        let present = Instant::now();
        let further =
            orders.further.iter().map(|address| Further { address: *address, present, told: false });
        Self { further: further.collect(), orders, sights, nursery, door, present }
    }

    fn look(&mut self) {
        if self.orders.stop.is_some() {
            if self.nursery.has_newborn()
                && let Some(old) = self.orders.stop.take()
            {
                let _ = self.sights.send(Sight::Stopped(freeze(&old, STOP_WITHIN)));
            }
            return;
        }
        let Some((door, table)) = &mut self.door else { return };
        let Ok(open) = door.is_open(table) else { return };
        let from = Instant::now();
        if open {
            self.present = from;
        } else if let Some((why, errno)) = knock(&self.orders.address) {
            let (address, present, at) = (self.orders.address.clone(), self.present, Instant::now());
            let _ = self.sights.send(Sight::Refused { address, present, from, at, why, errno });
            // One refusal tells it; the next look may find the successor's socket.
            std::thread::sleep(PAUSE);
        }
        self.look_further();
    }

    /// Looks at all other addresses at once. What the table leaves out is asked for by itself, and whoever is missing then
    /// counts only if somebody is refused.
    fn look_further(&mut self) {
        let Some((_, table)) = self.door.as_mut().filter(|_| !self.further.is_empty()) else { return };
        let seen = Instant::now();
        let Ok(rows) = table.listeners() else { return };
        for further in &mut self.further {
            if rows.iter().any(|row| row.takes(further.address)) {
                (further.present, further.told) = (seen, false);
                continue;
            }
            if further.told || !matches!(table.is_listened_on(further.address), Ok(false)) {
                continue;
            }
            let (address, from) = (Address::Tcp(further.address), Instant::now());
            if let Some((why, errno)) = knock(&address) {
                let (present, at) = (further.present, Instant::now());
                let _ = self.sights.send(Sight::Refused { address, present, from, at, why, errno });
                further.told = true;
            }
        }
    }
}

/// Connects, and says how it was refused, if it was.
fn knock(address: &Address) -> Option<(ConnectTrouble, i32)> {
    let address = address.sock_addr().ok()?;
    let socket = Socket::new(i32::from(address.family()).into(), Type::STREAM, None).ok()?;
    // The socket does not block meanwhile: a unix listener with a full queue would keep it waiting for ever.
    let errno = socket.connect_timeout(&address, KNOCK_WITHIN).err()?.raw_os_error()?;
    let why = match errno {
        libc::ECONNREFUSED => ConnectTrouble::Refused,
        libc::ENOENT => ConnectTrouble::Missing,
        _ => return None,
    };
    Some((why, errno))
}

/// Looks for children that were not there before.
#[derive(Debug)]
struct Nursery {
    parents: Vec<i32>,
    known: BTreeSet<i32>,
    tree: Option<Tree>,
    /// Command lines of what the warden starts: its own until that has executed the command, and the command's.
    started: [Vec<u8>; 2],
}

impl Nursery {
    fn new(orders: &Orders) -> Self {
        let parents = orders.parents.clone();
        let known = parents.iter().chain(&orders.known).copied().collect();
        let command: Vec<u8> =
            orders.command.iter().flat_map(|word| word.bytes().chain(std::iter::once(0))).collect();
        let started = [command_line(std::process::id() as i32), command];
        let root = parents.first().copied().unwrap_or(0);
        // Many kernels are built without the list of children; then the whole of /proc has to do.
        let tree = if children(root).is_some() { None } else { Tree::new(root).ok() };
        Self { parents, known, tree, started }
    }

    fn has_newborn(&mut self) -> bool {
        let new: Vec<(i32, i32)> = match &mut self.tree {
            Some(tree) => {
                let all = tree.descendants().unwrap_or_default();
                all.iter().map(|stat| (stat.ppid, stat.epoch.pid)).collect()
            }
            None => {
                let of = |parent: &i32| children(*parent).map(|all| (*parent, all));
                let all = self.parents.iter().filter_map(of);
                all.flat_map(|(parent, all)| all.into_iter().map(move |pid| (parent, pid))).collect()
            }
        };
        let new = new.into_iter().filter(|(_, pid)| !self.known.contains(pid));
        let warden = self.parents.first().copied();
        let is_started =
            |parent: i32, pid: i32| Some(parent) == warden && self.started.contains(&command_line(pid));
        new.into_iter().any(|(parent, pid)| !is_started(parent, pid))
    }
}

/// As the process was executed; empty if it has none (any more).
fn command_line(pid: i32) -> Vec<u8> {
    std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()
}

/// The children of a process's first thread, as /proc/PID/task/PID/children lists them (proc_pid_task(5)).
fn children(pid: i32) -> Option<Vec<i32>> {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    Some(list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect())
}
