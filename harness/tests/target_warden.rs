//! The warden: what it starts, and what it tells.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use hotspec::target::warden::{CommandSpec, DescriptorLimit, Event, Step, Warden, WardenError, WardenSpec};
use hotspec::witness::process::{Exit, Pidfd};
use support::*;

#[tokio::test]
async fn a_command_gets_its_arguments_environment_directory_and_output() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("output");
    fs::write(&output, "kept\n").unwrap();
    let command = shell("echo $0 $1 $WORD; pwd; cat; echo error >&2; exit 7", &output)
        .args(["zero", "one"])
        .env("WORD", "two")
        .dir(dir.path());
    let mut warden = warden_of([command]);
    let started = warden.start_command(0).await.unwrap();
    assert_eq!(next_exit(&mut warden).await, (started.pid, Some(0), Exit::Code(7)));
    let home = dir.path().canonicalize().unwrap();
    assert_eq!(
        fs::read_to_string(&output).unwrap(),
        format!("kept\nzero one two\n{}\nerror\n", home.display())
    );
    warden.end().await.unwrap();
}

#[tokio::test]
async fn a_command_starts_with_default_signals_its_own_session_and_only_standard_descriptors() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("output");
    // The test's own thread blocks a signal, and Rust ignores SIGPIPE.
    let mut mask = nix::sys::signal::SigSet::empty();
    mask.add(nix::sys::signal::SIGUSR1);
    mask.thread_block().unwrap();
    let script = "echo $$; exec cat /proc/self/stat /proc/self/status /proc/self/limits";
    let mut warden = Warden::start(&WardenSpec {
        commands: vec![
            shell(script, &output),
            CommandSpec::new("ls").args(["/proc/self/fd"]).output(dir.path().join("fds")),
        ],
        descriptor_limit: Some(DescriptorLimit { soft: 77, hard: 99 }),
        ..WardenSpec::default()
    })
    .unwrap();
    warden.start_command(0).await.unwrap();
    next_exit(&mut warden).await;
    warden.start_command(1).await.unwrap();
    next_exit(&mut warden).await;
    warden.end().await.unwrap();
    let text = fs::read_to_string(&output).unwrap();
    for set in ["SigBlk", "SigIgn", "SigCgt", "SigPnd", "ShdPnd"] {
        assert!(text.contains(&format!("{set}:\t0000000000000000")), "{text}");
    }
    let limit = text.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(limit.split_whitespace().collect::<Vec<_>>()[3..5], ["77", "99"]);
    let pid = text.lines().next().unwrap();
    let stat = text.lines().nth(1).unwrap();
    assert_eq!(stat.split(' ').nth(5), Some(pid), "the session is its own: {stat}");
    // The fourth is the directory that ls reads.
    assert_eq!(fs::read_to_string(dir.path().join("fds")).unwrap(), "0\n1\n2\n3\n");
}

#[tokio::test]
async fn a_descriptor_is_kept_for_the_command_that_is_to_inherit_it_and_for_no_other() {
    use std::os::fd::AsRawFd;

    let dir = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let links = |name: &str| {
        let script = "readlink /proc/self/fd/0 >/dev/null; for fd in /proc/$$/fd/*; do readlink $fd; done";
        shell(script, &dir.path().join(name))
    };
    let mut heir = links("heir");
    heir.inherits_as = Some(20);
    let mut warden = Warden::start(&WardenSpec {
        commands: vec![heir, links("other")],
        inherited: Some(listener.as_raw_fd()),
        ..WardenSpec::default()
    })
    .unwrap();
    let socket = fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd())).unwrap();
    drop(listener);
    for index in 0..2 {
        warden.start_command(index).await.unwrap();
        next_exit(&mut warden).await;
    }
    warden.end().await.unwrap();
    let told = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    let socket = socket.to_str().unwrap();
    assert!(told("heir").lines().any(|line| line == socket), "{}", told("heir"));
    assert!(!told("other").contains("socket:"), "{}", told("other"));
}

#[tokio::test]
async fn a_program_that_cannot_be_executed_gives_the_step_and_its_errno() {
    let dir = tempfile::tempdir().unwrap();
    let executable = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        CommandSpec::new(path)
    };
    let commands = [
        (executable("no-format", "neither ELF nor script"), Step::Execute, libc::ENOEXEC),
        (executable("no-interpreter", "#!/nowhere/sh\n"), Step::Execute, libc::ENOENT),
        (CommandSpec::new("/bin/cat").dir("/nowhere"), Step::Directory, libc::ENOENT),
        (CommandSpec::new("cat").output(dir.path().join("none/output")), Step::Output, libc::ENOENT),
        (CommandSpec::new("cat").args(["x".repeat(1 << 20)]), Step::Execute, libc::E2BIG),
    ];
    let mut warden = warden_of(commands.iter().map(|(command, ..)| command.clone()));
    for (index, (command, wanted_step, errno)) in commands.iter().enumerate() {
        match warden.start_command(index).await {
            Err(WardenError::NotStarted { index: seen, step, source, .. }) => {
                assert_eq!((seen, step, source.raw_os_error()), (index, *wanted_step, Some(*errno)));
            }
            other => panic!("{command:?} gave {other:?}"),
        }
    }
    assert!(matches!(warden.start_command(9).await, Err(WardenError::NoCommand { index: 9, known: 5 })));
    warden.end().await.unwrap();
    assert!(
        matches!(warden.next_event().await, Ok(Some(Event::Ended { .. }))),
        "failed starts leave no exits"
    );
    assert!(matches!(warden.next_event().await, Ok(None)));
}

#[test]
fn a_missing_program_is_told_before_anything_is_forked() {
    let error = Warden::start(&WardenSpec {
        commands: vec![CommandSpec::new("no-such-program-anywhere")],
        ..WardenSpec::default()
    })
    .unwrap_err();
    assert!(matches!(&error, WardenError::Command(_)), "{error}");
    assert!(error.to_string().contains("install it or give its path"), "{error}");
}

#[tokio::test]
async fn an_end_by_signal_is_told_as_one() {
    let mut warden = warden_of([
        shell("kill -ABRT $$", "/dev/null".as_ref()),
        shell("kill -PIPE $$", "/dev/null".as_ref()),
    ]);
    warden.start_command(0).await.unwrap();
    assert!(matches!(next_exit(&mut warden).await.2, Exit::Signal { signo: libc::SIGABRT, .. }));
    warden.start_command(1).await.unwrap();
    assert_eq!(next_exit(&mut warden).await.2, Exit::Signal { signo: libc::SIGPIPE, core: false });
    warden.end().await.unwrap();
}

#[tokio::test]
async fn a_daemon_that_forks_twice_is_reaped_with_its_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("output");
    let mut warden =
        warden_of([shell("(setsid sh -c 'sh -c \"echo \\$\\$; exit 42\" & exit 43' &)", &output)]);
    let started = warden.start_command(0).await.unwrap();
    let mut exits = Vec::new();
    while exits.len() < 3 {
        exits.push(next_exit(&mut warden).await);
    }
    let daemon = lines(&output, 1)[0].parse().unwrap();
    assert!(exits.contains(&(started.pid, Some(0), Exit::Code(0))), "{exits:?}");
    assert!(exits.contains(&(daemon, None, Exit::Code(42))), "{exits:?}");
    assert!(exits.iter().any(|(_, command, exit)| command.is_none() && *exit == Exit::Code(43)), "{exits:?}");
    warden.end().await.unwrap();
}

#[tokio::test]
async fn signals_to_the_warden_are_told_and_survived() {
    let mut warden = warden_of([shell("kill -TERM $PPID", "/dev/null".as_ref())]);
    let own = i32::try_from(std::process::id()).unwrap();
    let signals = [
        libc::SIGHUP,
        libc::SIGINT,
        libc::SIGQUIT,
        libc::SIGTERM,
        libc::SIGUSR1,
        libc::SIGUSR2,
        libc::SIGCHLD,
        libc::SIGCONT,
        libc::SIGTSTP,
        libc::SIGTTIN,
        libc::SIGTTOU,
        libc::SIGPIPE,
        libc::SIGALRM,
        libc::SIGSEGV,
        libc::SIGWINCH,
        32,
        33,
        64,
    ];
    for signo in signals {
        // SAFETY: a signal to our own child, which is not reaped.
        assert_eq!(unsafe { libc::kill(warden.pid(), signo) }, 0);
        match in_time("a signal", warden.next_event()).await.unwrap() {
            Some(Event::Signalled { signo: seen, from_pid, from_uid, .. }) => {
                assert_eq!((seen, from_pid, from_uid), (signo, own, nix::unistd::getuid().as_raw()));
            }
            other => panic!("signal {signo} gave {other:?}"),
        }
    }
    let started = warden.start_command(0).await.unwrap();
    match in_time("a signal", warden.next_event()).await.unwrap() {
        Some(Event::Signalled { signo, from_pid, .. }) => {
            assert_eq!((signo, from_pid), (libc::SIGTERM, started.pid))
        }
        other => panic!("{other:?}"),
    }
    warden.end().await.unwrap();
}

#[tokio::test]
async fn a_start_that_is_no_longer_waited_for_comes_as_an_event() {
    let mut warden = warden_of([CommandSpec::new("true")]);
    tokio::select! {
        biased;
        started = warden.start_command(0) => panic!("too early: {started:?}"),
        () = std::future::ready(()) => {}
    }
    let told = in_time("the start", warden.next_event()).await.unwrap();
    assert!(matches!(told, Some(Event::Started(started)) if started.command == 0), "{told:?}");
    assert_eq!(next_exit(&mut warden).await.1, Some(0));
    warden.end().await.unwrap();
}

#[tokio::test]
async fn more_events_than_the_socket_holds_are_neither_lost_nor_a_deadlock() {
    let script = "i=0; while [ $i -lt 2000 ]; do (true &); i=$((i+1)); done";
    let mut warden = warden_of([shell(script, "/dev/null".as_ref()), CommandSpec::new("true")]);
    let target = Pidfd::open(epoch(warden.start_command(0).await.unwrap().pid)).unwrap().unwrap();
    in_time("the target's end", target.exited()).await.unwrap();
    // Nothing was read so far: the answer to this start comes behind all the exits.
    in_time("a start", warden.start_command(1)).await.unwrap();
    in_time("the end", warden.end()).await.unwrap();
    let mut exits = 0;
    while let Some(event) = warden.next_event().await.unwrap() {
        exits += usize::from(matches!(event, Event::Exited { .. }));
    }
    assert_eq!(exits, 2002);
}

#[tokio::test]
async fn two_hundred_wardens_start_among_busy_allocating_threads() {
    let busy = BusyThreads::start(4);
    let begun = Instant::now();
    let mut forked = std::time::Duration::ZERO;
    for _ in 0..200 {
        let before = Instant::now();
        let mut warden = warden_of([CommandSpec::new("true")]);
        forked += before.elapsed();
        let started = in_time("a start", warden.start_command(0)).await.unwrap();
        assert_eq!(next_exit(&mut warden).await, (started.pid, Some(0), Exit::Code(0)));
        in_time("the end", warden.end()).await.unwrap();
    }
    println!("200 wardens: {:?} each to fork, {:?} each in all", forked / 200, begun.elapsed() / 200);
    drop(busy);
}

#[test]
fn wardens_of_many_threads_live_side_by_side_and_end_on_their_own() {
    let busy = BusyThreads::start(2);
    let threads: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    for _ in 0..10 {
                        let mut warden = warden_of([CommandSpec::new("sleep").args(["1000"])]);
                        let target = epoch(warden.start_command(0).await.unwrap().pid);
                        assert!(lives(&target));
                        // Half by the end of file: it must come though other wardens were forked meanwhile.
                        if target.pid % 2 == 0 {
                            in_time("the end", warden.end()).await.unwrap();
                        }
                        drop(warden);
                        assert!(!lives(&target));
                    }
                });
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    drop(busy);
}
