//! Every witness, and how it is tried.

use std::fs;
use std::io;
use std::net::{Ipv6Addr, TcpListener};
use std::path::Path;

use super::child::Cat;
use super::{Lack, Place};
use crate::target::namespace::{self, Isolation};
use crate::target::network::{MIGRATE_REQ, Network};
use crate::target::quota::Quota;
use crate::target::refusal::Refusal;
use crate::target::warden::{CommandSpec, Event, Warden, WardenSpec};
use crate::witness::counters::Counters;
use crate::witness::packets::Tap;
use crate::witness::pid_file;
use crate::witness::process::{Exit, Pidfd, Urgency, may_compare, sockets};
use crate::witness::socket_table::SocketTable;

/// A user other than root and other than whoever calls: "nobody" on most systems; nobody has to have that name.
const ANOTHER_USER: u32 = 65_534;
/// What ordinary users have to do for what only root may.
const SUDO: &str = "run as root (sudo)";

/// What can be tried.
pub(super) struct Witness {
    pub(super) name: &'static str,
    pub(super) shows: &'static str,
    pub(super) without: &'static str,
    pub(super) attempt: fn(&Place) -> Result<String, Lack>,
}

/// All of them.
pub(super) const ALL: &[Witness] = &[
    Witness {
        name: "network-namespace",
        shows: "ports, sockets, counters and packets of each target's own",
        without: "they are shared with everything else on this machine, and nothing can be proved by them",
        attempt: network_namespace,
    },
    Witness {
        name: "two-networks",
        shows: "what the server's side sends and counts, apart from its clients'",
        without: "--isolation full is refused; both sides are in one network, told apart by their ports",
        attempt: two_networks,
    },
    Witness {
        name: "migrate-req",
        shows: "whether the kernel moves queued connections to another SO_REUSEPORT listener (net.ipv4.tcp_migrate_req)",
        without: "only the machine's own setting is put to the test",
        attempt: migrate_req,
    },
    Witness {
        name: "ipv6",
        shows: "listeners on IPv6",
        without: "scenarios on IPv6 are unsupported",
        attempt: ipv6,
    },
    Witness {
        name: "packets",
        shows: "every SYN, FIN and RST that was sent, whoever noticed it",
        without: "availability.no-wire-reset is no-evidence, and no packets of failed lanes are kept",
        attempt: packets,
    },
    Witness {
        name: "counters",
        shows: "how often the kernel reset, dropped or refused connections, and why",
        without: "no cause is told by them",
        attempt: counters,
    },
    Witness {
        name: "tcp-sockets",
        shows: "listening TCP sockets, their queues, and whose a connection is",
        without: "clauses that need to know which process answers are no-evidence",
        attempt: tcp_sockets,
    },
    Witness {
        name: "unix-sockets",
        shows: "the same of unix sockets",
        without: "on unix sockets those clauses are no-evidence",
        attempt: unix_sockets,
    },
    Witness {
        name: "descriptors",
        shows: "what processes of the target's hold open",
        without: "nobody can tell whose a listening socket or a connection is",
        attempt: own_descriptors,
    },
    Witness {
        name: "other-users",
        shows: "the same of processes that have changed their user",
        without: "of targets that change their user, processes and their descriptors are not seen",
        attempt: others_descriptors,
    },
    Witness {
        name: "open-files",
        shows: "files that two processes share (kcmp)",
        without: "descriptors.no-strays is no-evidence",
        attempt: open_files,
    },
    Witness {
        name: "exits",
        shows: "how a process ended that its own parent reaped (pidfd)",
        without: "of such processes only the end is known, and not the status",
        attempt: exits,
    },
    Witness {
        name: "pid-file",
        shows: "a pid file that is empty for microseconds (inotify, pagemap)",
        without: "it has to be seen empty by chance",
        attempt: pid_file,
    },
    Witness {
        name: "real-time",
        shows: "the moment of the handover, watched without being kept waiting",
        without: "moments are missed more often on a busy machine, and tried again",
        attempt: real_time,
    },
    Witness {
        name: "processor-quota",
        shows: "a target that gets 4 % of a processor (control group)",
        without: "it is stopped for 96 % of the time instead",
        attempt: quota,
    },
    Witness {
        name: "refused-calls",
        shows: "a restart whose forks or executions fail (seccomp notification)",
        without: "failure.no-resources is no-evidence",
        attempt: refused_calls,
    },
    Witness {
        name: "pid-namespace",
        shows: "a target as process 1, as in a container",
        without: "process.pid-1 can't be put to the test",
        attempt: pid_namespace,
    },
];

fn network_namespace(place: &Place) -> Result<String, Lack> {
    match &place.network {
        Ok(_) if place.root => Ok("one for each scenario".to_owned()),
        Ok(_) => Ok("one for each scenario, in a user namespace".to_owned()),
        Err(denied) => Err(denied.into()),
    }
}

/// What needs a network namespace of its own can't be had without.
fn own_network(place: &Place) -> Result<(), Lack> {
    place.network.as_ref().map(drop).map_err(|denied| Lack {
        why: "it needs a network namespace of its own".to_owned(),
        command: Some(denied.remedy.command.clone()),
    })
}

fn two_networks(place: &Place) -> Result<String, Lack> {
    own_network(place)?;
    // A thread of its own, as this one is to stay where it is.
    let entered = std::thread::spawn(|| Network::enter(Isolation::Full, None).map(drop)).join();
    match entered {
        Ok(Ok(())) => Ok("two namespaces and a veth pair, with --isolation full".to_owned()),
        Ok(Err(denied)) => Err((&denied).into()),
        Err(_) => Err(Lack::new("the thread that tried it panicked", None)),
    }
}

fn migrate_req(place: &Place) -> Result<String, Lack> {
    own_network(place)?;
    let path = MIGRATE_REQ;
    if !Path::new(path).exists() {
        return Err(Lack::new(format!("{path} is not there: the kernel is older than 5.14"), None));
    }
    fs::write(path, "1").and_then(|()| fs::write(path, "0")).map_err(|error| {
        Lack::new(format!("writing {path} failed: {error}"), "mount -o remount,rw /proc/sys")
    })?;
    Ok("both values, with --migrate-req".to_owned())
}

fn ipv6(_: &Place) -> Result<String, Lack> {
    match TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
        Ok(_) => Ok("on ::1".to_owned()),
        Err(error) => {
            let there = Path::new("/proc/sys/net/ipv6").exists();
            let command = there.then_some("sudo sysctl -w net.ipv6.conf.all.disable_ipv6=0");
            Err(Lack::new(format!("listening on ::1 failed: {error}"), command))
        }
    }
}

fn packets(place: &Place) -> Result<String, Lack> {
    match (Tap::open("lo"), &place.network) {
        (Ok(_), Ok(_)) => Ok("of each scenario's own network".to_owned()),
        (Ok(_), Err(_)) => Ok("on the loopback that everybody shares".to_owned()),
        (Err(error), Ok(_)) => Err(Lack::new(format!("opening a packet socket failed: {error}"), None)),
        (Err(error), Err(denied)) => Err(Lack {
            why: format!("opening a packet socket failed: {error}"),
            command: Some(denied.remedy.command.clone()),
        }),
    }
}

fn counters(place: &Place) -> Result<String, Lack> {
    let counters = Counters::read()
        .map_err(|error| Lack::new(format!("reading /proc/thread-self/net failed: {error}"), None))?;
    if counters.iter().next().is_none() {
        return Err(Lack::new("/proc/thread-self/net has none of them", None));
    }
    Ok(if place.network.is_ok() {
        "of each scenario's own network".to_owned()
    } else {
        "of everybody in this network together, so that they prove nothing".to_owned()
    })
}

fn tcp_sockets(_: &Place) -> Result<String, Lack> {
    let opened = SocketTable::open().and_then(|mut table| table.listeners());
    opened
        .map(|_| "by sock_diag".to_owned())
        .map_err(|error| Lack::new(format!("asking sock_diag failed: {error}"), "sudo modprobe tcp_diag"))
}

fn unix_sockets(_: &Place) -> Result<String, Lack> {
    let opened = SocketTable::open().and_then(|mut table| table.unix_listeners());
    opened
        .map(|_| "by sock_diag".to_owned())
        .map_err(|error| Lack::new(format!("asking sock_diag failed: {error}"), "sudo modprobe unix_diag"))
}

fn cat(user: Option<u32>) -> Result<Cat, Lack> {
    Cat::start(user).map_err(|error| Lack::new(format!("starting `cat` to look at failed: {error}"), None))
}

fn own_descriptors(_: &Place) -> Result<String, Lack> {
    let child = cat(None)?;
    sockets(child.pid())
        .map(|_| "of this user's processes".to_owned())
        .map_err(|error| Lack::new(error, SUDO))
}

fn others_descriptors(place: &Place) -> Result<String, Lack> {
    if !place.root {
        return Err(Lack::new("an ordinary user may not look at processes of others", SUDO));
    }
    let start = |error: io::Error| {
        Lack::new(
            format!("starting a process as another user failed: {error}"),
            "docker run --cap-add SETUID --cap-add SETGID",
        )
    };
    let child = Cat::start(Some(ANOTHER_USER)).map_err(start)?;
    sockets(child.pid())
        .map(|_| "of every user's processes".to_owned())
        .map_err(|error| Lack::new(error, "docker run --cap-add SYS_PTRACE"))
}

fn open_files(_: &Place) -> Result<String, Lack> {
    let (one, other) = (cat(None)?, cat(None)?);
    if may_compare(one.pid(), other.pid()) {
        return Ok("by kcmp(2)".to_owned());
    }
    let error = io::Error::last_os_error();
    let command = (error.raw_os_error() != Some(libc::ENOSYS)).then_some("docker run --cap-add SYS_PTRACE");
    Err(Lack::new(format!("kcmp(2) failed: {error}"), command))
}

fn exits(_: &Place) -> Result<String, Lack> {
    let mut child = cat(None)?;
    let opened = child.epoch().and_then(Pidfd::open);
    let pidfd = opened.map_err(|error| Lack::new(format!("pidfd_open(2) failed: {error}"), None))?;
    child.end().map_err(|error| Lack::new(error, None))?;
    match pidfd.and_then(|pidfd| pidfd.exit()) {
        Some(Exit::Code(0)) => Ok("by PIDFD_GET_INFO".to_owned()),
        _ => Err(Lack::new("the kernel has no PIDFD_GET_INFO, which came with Linux 6.15", None)),
    }
}

fn pid_file(_: &Place) -> Result<String, Lack> {
    let proved = tempfile::tempdir().and_then(|dir| pid_file::sees_a_cut(&dir.path().join("pid")));
    match proved {
        Ok(true) => Ok("even where it was not caught".to_owned()),
        Ok(false) => Err(Lack::new(
            format!(
                "the page of a file can't be watched in {}, by its file system or by the limit of locked memory",
                std::env::temp_dir().display()
            ),
            "ulimit -l unlimited",
        )),
        Err(error) => Err(Lack::new(
            format!("inotify failed: {error}"),
            "sudo sysctl -w fs.inotify.max_user_instances=1024",
        )),
    }
}

fn real_time(_: &Place) -> Result<String, Lack> {
    if Urgency::ask().is_granted() {
        return Ok("by SCHED_FIFO, for milliseconds".to_owned());
    }
    let error = io::Error::last_os_error();
    Err(Lack::new(format!("sched_setscheduler(2) failed: {error}"), "sudo prlimit --pid $$ --rtprio=1"))
}

fn quota(place: &Place) -> Result<String, Lack> {
    let command = if place.root {
        "docker run --cgroupns host -v /sys/fs/cgroup:/sys/fs/cgroup:rw"
    } else if Path::new("/run/systemd/system").exists() {
        "systemd-run --user --scope -p Delegate=yes"
    } else {
        SUDO
    };
    Quota::make().map(|_| "by a control group".to_owned()).map_err(|why| Lack::new(why, command))
}

/// A program is started that the kernel asks about.
fn refused_calls(_: &Place) -> Result<String, Lack> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let started = || -> io::Result<Option<String>> {
        let mut refusal = Refusal::start()?;
        let mut command = CommandSpec::new("cat");
        command.asked_about = true;
        let spec =
            WardenSpec { commands: vec![command], inherited: refusal.inherited(), ..WardenSpec::default() };
        runtime?.block_on(async {
            let mut warden = Warden::start(&spec).map_err(io::Error::other)?;
            refusal.hand_over();
            // Its standard input is empty: it ends at once.
            warden.start_command(0).await.map_err(io::Error::other)?;
            while let Some(event) = warden.next_event().await.map_err(io::Error::other)? {
                if matches!(event, Event::Exited { .. }) {
                    break;
                }
            }
            warden.end().await.map_err(io::Error::other)
        })?;
        Ok(refusal.unable())
    };
    match started() {
        Ok(None) => Ok("by seccomp notification".to_owned()),
        Ok(Some(why)) => Err(Lack::new(why, "docker run --security-opt seccomp=unconfined")),
        Err(error) => Err(Lack::new(error, None)),
    }
}

fn pid_namespace(place: &Place) -> Result<String, Lack> {
    let Err(error) = namespace::try_pid_namespace() else { return Ok("where it is asked for".to_owned()) };
    let why = error.to_string();
    match &place.network {
        Err(denied) => Err(Lack { why, command: Some(denied.remedy.command.clone()) }),
        Ok(_) => Err(Lack::new(why, "sudo sysctl -w user.max_pid_namespaces=10000")),
    }
}
