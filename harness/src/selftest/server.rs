//! A small server with a hot restart as Falcore's: SIGHUP, fork and exec with the listener's descriptor, SIGUSR1 from the
//! successor when it accepts, drain, exit. `hotspec selftest-server FAULT --listen ADDRESS [--socket FD | --successor]`.

use std::ffi::OsString;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::{Pid, getppid, pipe2};
use socket2::{Domain, Socket, Type};

use super::connection::{self, Drain};
use super::faults::Fault;

/// Serves until it is replaced. The words are those after the verb.
pub fn main(words: impl Iterator<Item = OsString>) -> ExitCode {
    let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    match run(&words) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("selftest-server: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Arguments {
    fault: Fault,
    listen: SocketAddr,
    socket: Option<i32>,
    successor: bool,
}

impl Arguments {
    fn parse(words: &[String]) -> io::Result<Self> {
        let wrong = || io::Error::new(io::ErrorKind::InvalidInput, "expected FAULT --listen ADDRESS");
        let (fault, rest) = words.split_first().ok_or_else(wrong)?;
        let after = |flag: &str| {
            let at = rest.iter().position(|word| word == flag)?;
            rest.get(at + 1)
        };
        Ok(Self {
            fault: Fault::named(fault).ok_or_else(wrong)?,
            listen: after("--listen").and_then(|text| text.parse().ok()).ok_or_else(wrong)?,
            socket: after("--socket").and_then(|text| text.parse().ok()),
            successor: rest.iter().any(|word| word == "--successor"),
        })
    }

    fn listener(&self) -> io::Result<TcpListener> {
        if let Some(fd) = self.socket {
            // SAFETY: the predecessor left it open for this process, and named it to nobody else.
            let socket = unsafe { Socket::from_raw_fd(fd) };
            socket.set_cloexec(true)?;
            return Ok(socket.into());
        }
        let socket = Socket::new(Domain::for_address(self.listen), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(self.fault == Fault::QueueLost)?;
        socket.bind(&self.listen.into())?;
        socket.listen(1024)?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    }
}

/// How many connections are open.
#[derive(Default)]
struct Open {
    count: Mutex<usize>,
    none: Condvar,
}

impl Open {
    fn add(&self) {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    }

    fn remove(&self) {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count -= 1;
        if *count == 0 {
            self.none.notify_all();
        }
    }

    fn wait_for_none(&self) {
        let count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.none.wait_while(count, |count| *count > 0).unwrap_or_else(PoisonError::into_inner));
    }
}

/// The thread that accepts, and what ends it: the end of a pipe.
struct Acceptor {
    thread: JoinHandle<TcpListener>,
    stop: OwnedFd,
}

impl Acceptor {
    fn start(listener: TcpListener, open: &Arc<Open>, drain: &Arc<Drain>, fault: Fault) -> io::Result<Self> {
        let (stopped, stop) = pipe2(OFlag::O_CLOEXEC)?;
        let (open, drain) = (Arc::clone(open), Arc::clone(drain));
        let thread = std::thread::Builder::new().spawn(move || {
            accept(&listener, &stopped, &open, &drain, fault);
            listener
        })?;
        Ok(Self { thread, stop })
    }

    /// The listener, which nobody accepts from any more.
    fn stop(self) -> io::Result<TcpListener> {
        drop(self.stop);
        self.thread.join().map_err(|_| io::Error::other("the acceptor panicked"))
    }
}

fn accept(listener: &TcpListener, stopped: &OwnedFd, open: &Arc<Open>, drain: &Arc<Drain>, fault: Fault) {
    loop {
        let mut watched = [
            PollFd::new(listener.as_fd(), PollFlags::POLLIN),
            PollFd::new(stopped.as_fd(), PollFlags::POLLIN),
        ];
        if poll(&mut watched, PollTimeout::NONE).is_err() || watched[1].any().unwrap_or(true) {
            return;
        }
        // Another process may have been quicker.
        let Ok((stream, _)) = listener.accept() else { continue };
        open.add();
        let (open_there, drain) = (Arc::clone(open), Arc::clone(drain));
        let served = std::thread::Builder::new().spawn(move || {
            // How a connection ends is the client's to tell.
            let _ = stream.set_nonblocking(false).and_then(|()| connection::serve(&stream, &drain, fault));
            drop(stream);
            open_there.remove();
        });
        if served.is_err() {
            open.remove();
        }
    }
}

fn run(words: &[String]) -> io::Result<ExitCode> {
    let arguments = Arguments::parse(words)?;
    let fault = arguments.fault;
    let before = SigSet::thread_get_mask()?;
    // Blocked in every thread, and taken by this one.
    let signals = SigSet::from_iter([Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGCHLD]);
    signals.thread_block()?;
    let parent = getppid();
    let (begun, begin) = pipe2(OFlag::O_CLOEXEC)?;
    let drain = Arc::new(Drain { since: OnceLock::new(), begun });
    let open = Arc::new(Open::default());
    let listener = arguments.listener()?;
    let socket = listener.as_raw_fd();
    let mut acceptor = Some(Acceptor::start(listener, &open, &drain, fault)?);
    tell(&arguments, parent);
    let begin_drain = || {
        let _ = drain.since.set(Instant::now());
    };
    let mut begin = Some(begin);
    let mut kept = None;
    let mut successor: Option<Child> = None;
    loop {
        match signals.wait()? {
            Signal::SIGHUP if successor.is_none() && fault != Fault::Ignores => {
                if matches!(fault, Fault::Gap | Fault::Stalls | Fault::TooEarly) {
                    kept = acceptor.take().map(Acceptor::stop).transpose()?;
                }
                if fault == Fault::Gap {
                    kept = None;
                }
                if matches!(fault, Fault::Stalls | Fault::TooEarly) {
                    begin_drain();
                    drop(begin.take());
                }
                if fault == Fault::Stalls {
                    open.wait_for_none();
                }
                successor = start(words, fault, socket, before).ok();
            }
            Signal::SIGUSR1 if successor.is_some() && fault != Fault::NeverDrains => break,
            // A successor that ended before it was ready.
            Signal::SIGCHLD => {
                let ended = successor.as_mut().is_some_and(|child| !matches!(child.try_wait(), Ok(None)));
                successor = successor.filter(|_| !ended);
            }
            _ => {}
        }
    }
    if fault != Fault::AcceptsOn {
        drop(acceptor.map(Acceptor::stop).transpose()?);
    }
    drop(kept);
    if fault == Fault::Killed {
        return Ok(ExitCode::SUCCESS);
    }
    begin_drain();
    drop(begin.take());
    open.wait_for_none();
    if fault == Fault::NeverExits {
        loop {
            std::thread::park();
        }
    }
    Ok(if fault == Fault::ExitStatus { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Tells the predecessor, if it still is the parent, that this one accepts.
fn tell(arguments: &Arguments, parent: Pid) {
    if (arguments.socket.is_some() || arguments.successor) && getppid() == parent {
        let _ = kill(parent, Signal::SIGUSR1);
    }
}

/// The same program with the same arguments, and the flag that names the listener.
fn start(words: &[String], fault: Fault, socket: i32, mask: SigSet) -> io::Result<Child> {
    let program = std::env::args_os().next().unwrap_or_default();
    let mut command = Command::new(program);
    command.arg(super::VERB);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--socket" => {
                words.next();
            }
            "--successor" => {}
            _ => {
                command.arg(word);
            }
        }
    }
    let binds = matches!(fault, Fault::Gap | Fault::QueueLost);
    if binds {
        command.arg("--successor");
    } else {
        command.args(["--socket".to_owned(), socket.to_string()]);
    }
    if fault == Fault::NoEnvironment {
        command.env_clear();
    }
    // SAFETY: only system calls that are safe between fork and exec; the descriptor is open in the parent.
    unsafe {
        command.pre_exec(move || {
            if !binds && libc::fcntl(socket, libc::F_SETFD, 0) == -1 {
                return Err(io::Error::last_os_error());
            }
            mask.thread_set_mask().map_err(io::Error::from)
        });
    }
    command.spawn()
}
