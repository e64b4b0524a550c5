//! What a successor inherits, who is told, and the command line.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::common::{Client, Server, field, is_nonblocking, sockets, status, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn of_process(pid: i32, file: &str) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap();
    let parts = bytes.split(|byte| *byte == 0).filter(|p| !p.is_empty());
    parts.map(|p| String::from_utf8_lossy(p).into_owned()).collect()
}

fn environment(pid: i32) -> BTreeSet<String> {
    let all = of_process(pid, "environ").into_iter();
    all.filter(|v| !v.starts_with("REFERENCE_SERVER_")).collect()
}

/// Generation by generation: the pid of the one that serves, once its parent is gone.
fn restart_times(server: &mut Server, count: usize) -> Vec<i32> {
    let mut pids = vec![server.pid()];
    for generation in 0..count {
        kill(Pid::from_raw(pids[generation]), Signal::SIGHUP).unwrap();
        let line = server.wait_log_nth("successor is ready: draining", generation);
        pids.push(field(&line, "successor=").parse().unwrap());
    }
    pids
}

#[test]
fn arguments_environment_and_signals_are_kept() {
    let mut command = Command::new(crate::common::program());
    command
        .args(["--listen", "127.0.0.1:0", "--marker", "a b", "--idle-timeout=5s"])
        .env("KEPT", "yes")
        .current_dir("/");
    let server = Server::start_command(command);
    let look = |pid: i32| {
        let signals = ["SigBlk", "SigIgn", "SigCgt"].map(|key| status(pid, key));
        let cwd = fs::read_link(format!("/proc/{pid}/cwd")).unwrap();
        (of_process(pid, "cmdline"), environment(pid), signals, cwd)
    };
    let (arguments, environment, signals, cwd) = look(server.pid());
    assert!(environment.contains("KEPT=yes") && cwd == Path::new("/"));
    let mut serving = server.pid();
    for generation in 0..3 {
        kill(Pid::from_raw(serving), Signal::SIGHUP).unwrap();
        let line = server.wait_log_nth("successor is ready: draining", generation);
        serving = field(&line, "successor=").parse().unwrap();
        let (its_arguments, its_environment, its_signals, its_cwd) = look(serving);
        let (kept, added) = its_arguments.split_at(arguments.len());
        assert_eq!(kept, arguments);
        assert!(added.len() == 2 && added[0] == "--socket");
        assert_eq!(its_environment, environment);
        assert_eq!(its_signals, signals);
        assert_eq!(its_cwd, cwd);
    }
    assert_eq!(server.who()["marker"], "a b");
}

#[test]
fn nothing_but_listeners_and_standard_streams_is_inherited() {
    let stray = fs::File::open("/dev/null").unwrap();
    let number = stray.as_raw_fd();
    let mut command = Command::new(crate::common::program());
    command.args(["--listen", "127.0.0.1:0"]);
    // SAFETY: fcntl is async-signal-safe.
    unsafe {
        command.pre_exec(move || {
            libc::fcntl(number, libc::F_SETFD, 0);
            Ok(())
        });
    }
    let mut server = Server::start_command(command);
    let _client = server.connect();
    server.connect().get("/");
    let before = sockets(server.pid());
    let descriptors = |pid: i32| fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let pids = restart_times(&mut server, 3);
    assert!(server.wait_exit().success());
    // Its listener has the number and the inode from before; a socket of ours is gone.
    let after = sockets(pids[3]);
    assert_eq!(after[0], before[0]);
    wait_for("as many descriptors in each generation", || {
        (descriptors(pids[3]) <= before.len() + 12).then_some(())
    });
    let links: Vec<_> = fs::read_dir(format!("/proc/{}/fd", pids[3]))
        .unwrap()
        .flatten()
        .filter(|e| e.file_name().to_str().unwrap().parse::<i32>().unwrap() > 2)
        .filter_map(|e| fs::read_link(e.path()).ok())
        .collect();
    assert!(!links.contains(&Path::new("/dev/null").to_owned()), "{links:?}");
}

#[test]
fn the_listener_never_becomes_blocking() {
    let server = Server::start::<&str>(&[]);
    let (fd, _) = sockets(server.pid())[0];
    // Seen in the successor from the fork on, and in the parent until it lets go.
    assert_eq!(is_nonblocking(server.pid(), fd), Some(true));
    server.signal(Signal::SIGHUP);
    let line = server.wait_log("successor started");
    let successor = field(&line, "successor=").parse().unwrap();
    wait_for("the drain", || {
        assert_eq!(is_nonblocking(successor, fd), Some(true));
        assert_ne!(is_nonblocking(server.pid(), fd), Some(false));
        (server.count_log("drained") == 1).then_some(())
    });
    assert_eq!(is_nonblocking(successor, fd), Some(true));
}

/// A shell plays the parent: it holds the listener, and counts the signals it gets.
fn shell_parent(extra: &str) -> (Server, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let fd = listener.as_raw_fd();
    let script = format!(
        "trap 'echo told >&2' USR1; {} --socket {fd} {extra} & while :; do wait $!; sleep 0.01; done",
        crate::common::program().display()
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script]);
    // SAFETY: fcntl is async-signal-safe.
    unsafe {
        command.pre_exec(move || {
            libc::fcntl(fd, libc::F_SETFD, 0);
            Ok(())
        });
    }
    (Server::spawn(command), listener)
}

#[test]
fn any_parent_gets_exactly_one_readiness_signal() {
    let (server, listener) = shell_parent("--idle-timeout 200ms");
    server.wait_log("told");
    let line = server.wait_log("ready, told the parent pid=");
    let pid: i32 = field(&line, " pid=").parse().unwrap();
    let mut client = Client::tcp(listener.local_addr().unwrap());
    assert_eq!(client.get("/").body, b"hello\n");
    // The next generation tells its own parent, and nobody else.
    kill(Pid::from_raw(pid), Signal::SIGHUP).unwrap();
    server.wait_log("successor is ready: draining");
    server.wait_log("drained");
    server.wait_log_nth("told the parent", 1);
    assert_eq!(server.log().iter().filter(|l| *l == "told").count(), 1);
}

#[test]
fn nobody_is_told_in_place_of_a_parent_that_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let gate = directory.path().join("gate");
    nix::unistd::mkfifo(&gate, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let (server, listener) = shell_parent(&format!("--marker @{}", gate.display()));
    let shell = server.pid();
    let pid = wait_for("the server, past its first step", || {
        let pid = *crate::common::children(shell).first()?;
        let mask = u64::from_str_radix(&status(pid, "SigBlk")?, 16).unwrap();
        let usr1 = 1 << (Signal::SIGUSR1 as i32 - 1);
        let own_exec = fs::read_link(format!("/proc/{pid}/exe")).ok()? == crate::common::program();
        (own_exec && mask & usr1 != 0).then_some(pid)
    });
    kill(Pid::from_raw(shell), Signal::SIGKILL).unwrap();
    wait_for("another parent", || (status(pid, "PPid")? != shell.to_string()).then_some(()));
    fs::write(&gate, "late\n").unwrap();
    server.wait_log("the parent is gone, nobody is told");
    let mut client = Client::tcp(listener.local_addr().unwrap());
    assert_eq!(client.get("/").body, b"hello\n");
}

#[test]
fn the_pid_file_is_never_absent_and_names_the_main_process() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("server.pid");
    let mut server = Server::start(&["--idle-timeout", "200ms", "--pid-file", path.to_str().unwrap()]);
    let read = || fs::read_to_string(&path).unwrap().trim().parse::<i32>().unwrap();
    assert_eq!(read(), server.pid());
    let stop = AtomicBool::new(false);
    let pids = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                assert!(Path::new(&format!("/proc/{}", read())).exists());
            }
        });
        let pids = restart_times(&mut server, 3);
        assert!(server.wait_exit().success());
        stop.store(true, Ordering::Relaxed);
        watch.join().unwrap();
        pids
    });
    assert_eq!(read(), pids[3]);
    kill(Pid::from_raw(pids[3]), Signal::SIGTERM).unwrap();
    wait_for("the pid file's end", || (!path.exists()).then_some(()));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn the_service_manager_is_told_of_each_step() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(crate::common::PATIENCE)).unwrap();
    let next = || {
        let mut buffer = [0; 1024];
        let count = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..count].to_vec()).unwrap()
    };
    let mut command = Command::new(crate::common::program());
    command.args(["--listen", "127.0.0.1:0", "--idle-timeout", "200ms"]).env("NOTIFY_SOCKET", &path);
    let mut server = Server::start_command(command);
    assert_eq!(next(), "READY=1\n");
    let successor = server.restart();
    let reloading = next();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(next(), format!("MAINPID={successor}\nREADY=1\n"));
    assert!(server.wait_exit().success());
    kill(Pid::from_raw(successor), Signal::SIGTERM).unwrap();
    // From the successor: the old process ended without a word.
    assert_eq!(next(), "STOPPING=1\n");
}

#[test]
fn unix_sockets_of_both_kinds_are_handed_over() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let name = format!("reference-server-test-{}", std::process::id());
    let mut command = Command::new(crate::common::program());
    command
        .args(["--listen", &format!("unix:{}", path.display())])
        .args(["--listen", &format!("unix:@{name}")]);
    let mut server = Server::spawn(command);
    server.wait_log("ready pid=");
    let connect_abstract = || {
        use std::os::linux::net::SocketAddrExt;
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        UnixStream::connect_addr(&address).unwrap()
    };
    let mut clients = [Client::new(UnixStream::connect(&path).unwrap()), Client::new(connect_abstract())];
    for client in &mut clients {
        assert!(!client.get("/").announces_close());
    }
    let successor = server.restart();
    for client in &mut clients {
        assert!(client.get("/").announces_close());
        client.expect_fin();
    }
    assert!(server.wait_exit().success());
    for stream in [UnixStream::connect(&path).unwrap(), connect_abstract()] {
        assert!(!Client::new(stream).get("/").announces_close());
    }
    kill(Pid::from_raw(successor), Signal::SIGTERM).unwrap();
    wait_for("the path's end", || (!path.exists()).then_some(()));
}

#[test]
fn a_hundred_listeners_are_handed_over() {
    let mut command = Command::new(crate::common::program());
    for i in 0..100 {
        let ip = if i % 2 == 0 { "127.0.0.1" } else { "[::1]" };
        command.args(["--listen", &format!("{ip}:0")]);
    }
    let mut server = Server::start_command(command);
    server.wait_log_nth("listening address=", 99);
    server.restart();
    assert!(server.wait_exit().success());
    for n in 100..200 {
        let line = server.wait_log_nth("listening address=", n);
        let mut client = Client::tcp(field(&line, "address=").parse().unwrap());
        assert_eq!(client.get("/").body, b"hello\n");
    }
}

#[test]
fn wrong_arguments_are_explained_and_exit_with_64() {
    for (arguments, explanation) in [
        (vec!["--listen", "localhost"], "127.0.0.1:8080"),
        (vec!["--socket", "x"], "descriptor numbers above 2"),
        (vec!["--socket", "1"], "descriptor numbers above 2"),
        (vec!["--idle-timeout", "soon"], "such as 500ms"),
        (vec!["--no-such-flag"], "unexpected argument"),
    ] {
        let output = Command::new(crate::common::program()).args(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains(explanation), "{text}");
    }
}

#[test]
fn what_keeps_it_from_serving_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (arguments, explanation) in [
        (["--listen", &address], address.as_str()),
        (["--socket", "77"], "descriptor 77 was not inherited"),
        (["--marker", "@/no/such/file"], "/no/such/file"),
    ] {
        let mut child = Command::new(crate::common::program())
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(1), "{arguments:?}");
        let mut text = String::new();
        child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        assert!(text.contains(explanation), "{text}");
    }
}

#[test]
fn a_descriptor_that_does_not_listen_is_named() {
    let file = fs::File::open("/dev/null").unwrap();
    let fd = file.as_raw_fd();
    let mut command = Command::new(crate::common::program());
    command.args(["--socket", &fd.to_string()]);
    // SAFETY: fcntl is async-signal-safe.
    unsafe {
        command.pre_exec(move || {
            libc::fcntl(fd, libc::F_SETFD, 0);
            Ok(())
        });
    }
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("is not a listening stream socket"), "{text}");
}

#[test]
fn a_closed_log_does_not_matter() {
    let (reader, writer) = std::io::pipe().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let mut child = Command::new(crate::common::program())
        .args(["--listen", &format!("unix:{}", path.display())])
        .stderr(writer)
        .spawn()
        .unwrap();
    drop(reader);
    let generation = || {
        let mut client = Client::new(UnixStream::connect(&path).ok()?);
        let answer = client.get("/generation");
        let who: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        Some((who["generation"].as_u64()?, who["pid"].as_i64()?))
    };
    wait_for("the server", &generation);
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGHUP).unwrap();
    let successor = wait_for("the successor", || generation().filter(|(g, _)| *g == 1)).1;
    assert!(child.wait().unwrap().success());
    kill(Pid::from_raw(successor as i32), Signal::SIGTERM).unwrap();
}

#[test]
fn a_malformed_request_is_refused_and_ends_its_connection() {
    let server = Server::start::<&str>(&[]);
    let mut client = server.connect();
    client.send("no HTTP at all\r\n\r\nmore\r\n");
    let answer = client.response();
    assert!(answer.status() == 400 && answer.announces_close());
    client.expect_fin();
}

#[test]
fn pages_explain_what_they_take() {
    let server = Server::start::<&str>(&[]);
    let mut client = server.connect();
    assert_eq!(client.get("/nothing").status(), 404);
    assert_eq!(client.get("/echo").header("allow").as_deref(), Some("post, put"));
    for path in ["/slow?ms=x", "/bytes?n=99999999999999", "/stream?chunks=-1"] {
        let answer = client.get(path);
        assert_eq!(answer.status(), 400);
        assert!(String::from_utf8_lossy(&answer.body).contains("whole number"));
    }
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n");
    let answer = client.response();
    assert!(answer.status() == 413 && answer.announces_close());
    client.expect_fin();
}
