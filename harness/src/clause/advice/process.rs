//! The group `process`.

use super::Advice;

pub(super) const ADVICE: &[Advice] = &[
    Advice {
        clause: "process.new-generation",
        seen: "Processes below the target, each 20 ms (/proc/PID/stat: pid, start time, start of stack), and the first answer on a connection that a process born after the trigger owns.",
        breaks: &[
            "The trigger is ignored: no handler, a signal that is blocked, a process that is not the one who restarts.",
            "The successor fails at once: a relative path after chdir(2), a directory that a deploy has removed, arguments that were lost.",
            "It starts, and takes longer than ready_max.",
            "exec of /proc/self/exe runs the old image again after the file was replaced.",
        ],
        mend: &[
            (
                "hotspec",
                "--restart names the signal, --restart-command another way; --ready-max how long a start may take.",
            ),
            (
                "any",
                "Keep the absolute path of the program from the start (argv[0] resolved once), and the directory it is to run in.",
            ),
            (
                "Go",
                "os.Executable() is the resolved path of the running file: where a deploy switches a symbolic link, use os.Args[0], made absolute at the start.",
            ),
            (
                "Unicorn",
                "Unicorn::HttpServer::START_CTX[0] where the release directory changes; `working_directory` with a symbolic link.",
            ),
            (
                "nginx",
                "A reload keeps the program; SIGUSR2 executes a new one by the path it was started by: start it by an absolute one.",
            ),
        ],
    },
    Advice {
        clause: "process.effective",
        seen: "The marker in answers ({marker} in the target's files, or the process that owns the connection): after Tr + drain_start_max no new connection may show the old one.",
        breaks: &[
            "The configuration is read by the master alone, once, at its start.",
            "An invalid configuration is refused, and the reload reports success.",
            "One of several workers was not replaced.",
            "A preloaded application: new workers are forked from a master that holds the old code.",
        ],
        mend: &[
            ("nginx", "nginx -t first, and watch error_log: a reload that fails leaves the old workers."),
            ("HAProxy", "The master socket's `reload` tells Success=1 or 0 (2.7); a signal tells nothing."),
            (
                "Gunicorn, Puma",
                "Without preloading SIGHUP and phased restarts load new code; with --preload or preload_app! only SIGUSR2 does.",
            ),
            ("Caddy", "`caddy reload --force` where the configuration is the same text."),
            ("httpd", "apachectl configtest first; ServerLimit and ThreadLimit change at a cold start only."),
        ],
    },
    Advice {
        clause: "process.exit-zero",
        seen: "The warden above the target reaps what has no other parent; of all others a pidfd that was opened early tells the status (PIDFD_GET_INFO, Linux 6.15).",
        breaks: &[
            "SIGTERM with its default action at the end of the drain: the status is 143.",
            "exit(1) because Serve returned an error that only means `closed`.",
            "A panic or a crash in the way out: a double close, a destructor of a global, a second signal.",
        ],
        mend: &[
            ("Go", "errors.Is(err, http.ErrServerClosed) is no failure; close a channel once (sync.Once)."),
            ("Falcore", "A second SIGUSR1, or StopAccepting called twice, panics: guard it."),
            ("Python", "signal.signal(SIGTERM, …) and return from main, instead of the default action."),
            (
                "Node.js",
                "process.exitCode = 0 and let the loop run empty; an unhandled rejection exits with 1.",
            ),
            ("systemd", "SuccessExitStatus=143 is how Java services say that it is meant."),
        ],
    },
    Advice {
        clause: "process.one-left",
        seen: "A census of the target's processes while all is quiet, before the trigger and one second after Tx: trees that serve, roles by name, and how many of each.",
        breaks: &[
            "Two triggers made two successors, which share the socket from then on.",
            "A helper (a logger, a watcher, a cache) of the old generation is not ended with it.",
            "The new generation started fewer workers: a limit on processes, a port of a worker's own that was still taken.",
        ],
        mend: &[
            (
                "any",
                "One restart at a time: refuse, queue or chain the next one; end helpers by a pipe whose other end dies with their generation, or PR_SET_PDEATHSIG.",
            ),
            (
                "nginx",
                "After SIGUSR2 send SIGQUIT to the old master (nginx.pid.oldbin): it stays until it is told to go.",
            ),
            (
                "Unicorn, Gunicorn",
                "The same: SIGQUIT (Gunicorn: SIGTERM) to the master in the pid file with .oldbin or .2.",
            ),
            ("httpd", "A piped logger has to end at the end of its input: one that ignores that stays."),
            (
                "h2o",
                "A logger that inherited the listening socket keeps it: close descriptors before the exec (SOCK_CLOEXEC).",
            ),
        ],
    },
    Advice {
        clause: "process.no-zombies",
        seen: "The same census: state Z in /proc/PID/stat, twice, a second apart; and processes of a name that control never showed that serve nobody and have lost their parent.",
        breaks: &[
            "A parent that never waits for its successor, or for a helper it started.",
            "A handler of SIGCHLD that waits once, where several children ended: signals merge.",
            "A pid 1 in a container that does not reap.",
        ],
        mend: &[
            ("C", "waitpid(-1, …, WNOHANG) in a loop until it gives 0; or SIGCHLD set to SIG_IGN."),
            ("Go", "cmd.Wait() in a goroutine for each cmd.Start(); syscall.ForkExec leaves that to you."),
            ("Python", "subprocess.Popen must be polled or waited for; asyncio does so."),
            ("Rust", "Child::wait() in a thread, or tokio's process::Child, which reaps in the background."),
            ("containers", "docker run --init, or tini, as pid 1."),
        ],
    },
    Advice {
        clause: "process.pid-1",
        seen: "Where the target declares that it survives, it is started as process 1 of a PID namespace with no init above it, restarted, and asked on by new connections.",
        breaks: &[
            "A parent that ends when its successor is ready: process 1 takes all others with it.",
            "A master that executes itself anew and forgets the children it had: as process 1 it has to reap them.",
            "A signal with no handler: the kernel does not deliver it to process 1.",
        ],
        mend: &[
            (
                "any",
                "Stay above the generations: a small parent that starts them, waits for them and ends with the last.",
            ),
            (
                "containers",
                "docker run --init, tini or dumb-init above a server that forks its successor; and say `needs-init`.",
            ),
            ("nginx", "Reload by HUP, which keeps the master; the upgrade by USR2 needs an init."),
            ("Puma, Unicorn, Gunicorn", "A master that executes in place, or stays, keeps its pid."),
        ],
    },
    Advice {
        clause: "process.ready-before-drain",
        seen: "The program is started through a path of hotspec's own, on which the next generation is held up for 5 × stall_max before it runs; new connections meanwhile must be answered by the old one, as fast as in control.",
        breaks: &[
            "The old process stops accepting at the trigger.",
            "A fixed pause instead of a word from the successor: fine on a quiet machine.",
            "The successor says that it is ready before it has loaded its application.",
        ],
        mend: &[
            (
                "any",
                "The successor writes a byte into an inherited pipe (or signals) when its accept loop is about to start; only that begins the drain.",
            ),
            (
                "nginx",
                "A reload tells old workers to quit 100 ms after it forked new ones; what takes long (certificates, lua) happens before the fork, in the master.",
            ),
            (
                "HAProxy",
                "The master waits for the worker's word; -sf signals the old process once the new one is bound.",
            ),
            ("Server::Starter", "--interval is a guess at how long a start takes: make it longer than that."),
            ("PM2", "wait_ready and process.send('ready')."),
            (
                "systemd",
                "Type=notify and READY=1 when it serves, and a reload that starts the successor first.",
            ),
        ],
    },
    Advice {
        clause: "process.descriptor-flag",
        seen: "Descriptors that the successor's command line names, between its exec and its first accept: whether /proc/PID/fd shows the listening socket's inode there.",
        breaks: &[
            "The flag names the number that the descriptor has in the parent, and dup2(2) put it elsewhere.",
            "The descriptor is closed on exec: FD_CLOEXEC was not cleared in the child.",
            "The flag is added once more with each generation.",
        ],
        mend: &[
            ("Go", "ExtraFiles[0] becomes 3, whatever its number was: pass `-socket 3`."),
            (
                "Rust",
                "std opens everything with FD_CLOEXEC: fcntl(fd, F_SETFD, 0) in CommandExt::pre_exec, or the crate command-fds.",
            ),
            ("Python", "pass_fds=[fd] keeps the number."),
            ("C", "dup2(fd, fd) leaves FD_CLOEXEC as it is: clear it by fcntl."),
        ],
    },
    Advice {
        clause: "process.readiness-signal",
        seen: "The harness opens the socket and executes the target with the flag: the warden, which is its parent then, tells every signal it gets, with the sender's pid. In a second scenario the parent is killed before.",
        breaks: &[
            "The signal is sent before the accept loop runs.",
            "kill(getppid(), SIGUSR1) after the parent has gone: whoever adopted the process gets it, and dies of it.",
            "It is sent once per listener.",
        ],
        mend: &[
            (
                "any",
                "Keep the parent's pid from before the exec (a variable), and signal only if getppid() still is that one.",
            ),
            (
                "Linux",
                "A pidfd of the parent, inherited, and pidfd_send_signal(2): no other process can get that signal.",
            ),
            (
                "Go, endless",
                "It sends SIGTERM to its parent before Serve, once for each listener: write into an inherited pipe instead, when all accept loops run.",
            ),
        ],
    },
    Advice {
        clause: "process.arguments-kept",
        seen: "/proc/PID/cmdline of each main process while all is quiet, against the first generation's and the one before; what the target documents (--socket-flag, [successor]) is left out.",
        breaks: &[
            "The successor is executed with a list of its own: `-socket 3` and nothing else.",
            "Flags are appended to os.Args each time, and pile up.",
            "setproctitle(3) wrote over the arguments, and they are read back from there.",
        ],
        mend: &[
            (
                "any",
                "Copy argv before anything changes it; replace the flag where it is, append it where it isn't.",
            ),
            ("Falcore", "Its example's forker passes the socket flag alone: append os.Args[1:]."),
            ("Go", "Build the list from os.Args with the old flag removed, before flag.Parse()."),
            ("Python", "sys.orig_argv (3.10) has the interpreter's own options too; sys.argv has not."),
            ("Rust", "std::env::args_os() stays as it was passed, whatever was parsed from it."),
        ],
    },
    Advice {
        clause: "process.environment-kept",
        seen: "/proc/PID/environ (names, and keyed hashes of values), cwd, status (ids, umask, capabilities), limits, stat (nice, session), affinity of each main process, against the first generation's and the one before.",
        breaks: &[
            "execve(2) with an empty or home-made list of variables.",
            "chdir(2) of a daemon: relative paths mean something else in the successor.",
            "Privileges, limits or a umask that are set at the start, and set again from what is left of them.",
            "setsid(2) in each generation.",
        ],
        mend: &[
            (
                "Go",
                "syscall.ProcAttr.Env nil is an empty environment: pass os.Environ(). exec.Cmd.Env nil inherits.",
            ),
            (
                "any",
                "Remember umask, limits and directory as they were passed, and restore them before the exec.",
            ),
            (
                "Go",
                "Since 1.19 the runtime raises the soft limit of open files; what os/exec and package syscall start gets the original one, what a C library forks does not.",
            ),
            (
                "systemd",
                "What a unit sets (LimitNOFILE=, UMask=, Nice=) goes to the first process; a successor that is started by a script of another unit has that one's.",
            ),
            (
                "Python",
                "os.execv hands the environment on; env= of subprocess replaces all of it, so start from dict(os.environ).",
            ),
        ],
    },
    Advice {
        clause: "process.stdio-kept",
        seen: "What descriptors 0 to 2 of each main process refer to (/proc/PID/fd), as far as the first generation has them as they were passed.",
        breaks: &[
            "The successor is started with its output to /dev/null, or to a pipe whose reader is the old process: SIGPIPE when that has gone.",
            "A daemonizing start that closes 0 to 2 in each generation.",
            "A descriptor 0 to 2 that is free is given to the next socket that is opened.",
        ],
        mend: &[
            ("Go", "cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr: nil is /dev/null."),
            (
                "Python",
                "subprocess.Popen inherits them unless told otherwise; PIPE needs a reader that lives.",
            ),
            (
                "Node.js",
                "child_process.spawn(…, { stdio: 'inherit' }): the default is three pipes to the parent.",
            ),
            ("Rust", "Command::spawn() inherits; Command::output() makes pipes."),
        ],
    },
    Advice {
        clause: "process.signals-kept",
        seen: "SigBlk and SigIgn in /proc/PID/status of each main process.",
        breaks: &[
            "The successor is forked from a thread that blocks signals (signalfd, sigwait), or from within the handler, where the trigger is blocked: exec keeps the mask.",
            "nohup, or SIGPIPE set to SIG_IGN: exec keeps what is ignored.",
        ],
        mend: &[
            (
                "C",
                "sigprocmask(SIG_SETMASK, …) to what it was at the start, between fork and exec; posix_spawnattr_setsigmask and setsigdefault.",
            ),
            (
                "Rust",
                "std::process::Command sets SIGPIPE to its default and hands the mask on (since 1.66): clear it in CommandExt::pre_exec.",
            ),
            (
                "Python",
                "Popen(restore_signals=True) restores SIGPIPE; signal.pthread_sigmask in preexec_fn the rest.",
            ),
            (
                "Go",
                "os/exec hands on the mask that the process was started with; what signal.Ignore ignores is inherited, so signal.Reset first.",
            ),
        ],
    },
    Advice {
        clause: "process.pid-file",
        seen: "inotify on the file's directory and the file's first page (mapped, locked, never touched): each content that it had, and whether the process it named was alive then.",
        breaks: &[
            "The file is cut to nothing and written again: for a moment it is empty.",
            "The old process removes it at its exit, although it names the new one by then.",
            "The successor writes it at its start, dies before it is ready, and nobody writes the old pid back.",
            "It is written by whoever started the first generation only.",
        ],
        mend: &[
            (
                "any",
                "Write another file and rename(2) it over; write it when the successor is ready and before the old one goes; remove it only if it names oneself.",
            ),
            (
                "HAProxy",
                "The master removes and makes it anew at each reload: point scripts at the master's pid by systemd's MAINPID instead.",
            ),
            ("Go", "tableflip.Options.PIDFile does it by rename, at Ready()."),
            ("Gunicorn", "During SIGUSR2 the new master's file is NAME.2, and NAME is missing for a moment."),
            ("systemd", "With Type=notify no pid file is needed: MAINPID= in a notification."),
        ],
    },
    Advice {
        clause: "process.pid-file-present",
        seen: "inotify on the file's directory: whether the name was gone (unlink, rename away) at any time between the trigger and the end.",
        breaks: &[
            "unlink(2), then open(2) with O_CREAT.",
            "The old generation's exit removes it after the new one has written it.",
        ],
        mend: &[
            ("any", "rename(2) a finished file over it."),
            (
                "HAProxy",
                "It unlinks first (haproxy.c, main): admit it in a [[known]] entry, or do without a pid file.",
            ),
            (
                "nginx",
                "A reload leaves it alone; an upgrade (SIGUSR2) renames it to .oldbin and writes a new one.",
            ),
        ],
    },
    Advice {
        clause: "process.notify",
        seen: "hotspec's own NOTIFY_SOCKET: each message with its sender (SCM_CREDENTIALS) and time; MAINPID is looked up at once.",
        breaks: &[
            "READY=1 is told by the first generation alone.",
            "MAINPID is not told: the service manager takes the old process's exit for the end of the service.",
            "NOTIFY_SOCKET was removed from the environment (sd_notify with unset_environment), and the successor has none.",
            "LISTEN_PID names the first process, and libraries ignore the sockets.",
        ],
        mend: &[
            (
                "systemd",
                "Type=notify and NotifyAccess=all (or exec): by default only the main process may speak.",
            ),
            (
                "C",
                "sd_notifyf(0, \"MAINPID=%d\\nREADY=1\", pid) from the old process before it goes, or from the new one.",
            ),
            (
                "Go",
                "tableflip: call daemon.SdNotify(false, …) with MAINPID after Ready(); false keeps the variable.",
            ),
            ("Gunicorn", "A release that tells MAINPID after SIGUSR2, or PIDFile= with Type=forking."),
            (
                "any",
                "A process that stays says RELOADING=1 with MONOTONIC_USEC= first, then READY=1 (Type=notify-reload, systemd 253).",
            ),
        ],
    },
];
