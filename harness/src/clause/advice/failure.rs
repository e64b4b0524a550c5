//! The group `failure`.

use super::Advice;

pub(super) const ADVICE: &[Advice] = &[
    Advice {
        clause: "failure.bad-config",
        seen: "The target is restarted with a configuration that it can't use; the old generation has to serve on, and a restart with a good one has to succeed afterwards.",
        breaks: &[
            "The old configuration is thrown away before the new one is known to be good.",
            "The successor's failure ends the master too.",
        ],
        mend: &[
            ("any", "Parse, open and bind everything first; take over only then."),
            (
                "nginx, httpd, HAProxy",
                "They check first and stay with what they have: nginx -t, apachectl configtest and haproxy -c say so beforehand.",
            ),
            (
                "Gunicorn",
                "Code that can't be imported can end the master at SIGHUP: use SIGUSR2, whose old master stays.",
            ),
            (
                "Envoy",
                "hot-restarter.py kills all epochs when one exits with a failure: validate with `envoy --mode validate` before the trigger.",
            ),
        ],
    },
    Advice {
        clause: "failure.exits-early",
        seen: "The successor's program exits with a failure before it is ready; lanes go on meanwhile, and a good restart follows.",
        breaks: &[
            "The old process drains when it has forked, not when its successor is ready.",
            "A flag that says `restarting` is never taken back.",
            "The parent ends with its child.",
        ],
        mend: &[
            ("any", "Reap the successor, forget it, clear the flag, log its status, serve on."),
            ("Go, endless", "runningServersForked is never reset: a dead child blocks all later restarts."),
            ("Go, facebookgo/grace", "An error of StartProcess ends the parent: log it and go on instead."),
            (
                "Go, overseer",
                "The master exits with its child's code: check the new binary (its own PreUpgrade hook) first.",
            ),
            ("Puma", "SIGUSR2 executes in place, so there is no way back: use phased restarts."),
        ],
    },
    Advice {
        clause: "failure.killed-early",
        seen: "The successor is killed before it is ready; lanes go on meanwhile, and a good restart follows.",
        breaks: &[
            "Only an exit status is looked at, and a death by signal is none.",
            "The end of the readiness pipe without a byte is taken for readiness.",
        ],
        mend: &[
            ("any", "Ready is one particular byte or message; an end of file before it is a failure."),
            ("C", "WIFSIGNALED beside WIFEXITED in whatever waits."),
            ("shellflip", "exit_on_error is true by default: a failed child ends the restart task."),
        ],
    },
    Advice {
        clause: "failure.hangs-early",
        seen: "The successor is held before it is ready, for longer than ready_max; the old generation has to serve on, and to restart once it is let go or ended.",
        breaks: &[
            "The old process waits for its successor in the thread that accepts.",
            "No limit on a start: the next trigger is refused for ever.",
        ],
        mend: &[
            (
                "any",
                "Wait for the successor beside serving, end it after a documented time, and take the next trigger then.",
            ),
            ("Go", "tableflip.Options.UpgradeTimeout (1 min by default) kills it."),
            (
                "PM2",
                "listen_timeout ends the old worker although the new one is not ready: make it longer than any start.",
            ),
        ],
    },
    Advice {
        clause: "failure.no-program",
        seen: "The program is missing, not executable or cut off on the path that leads to it at the trigger; afterwards it is put back, and a restart has to succeed.",
        breaks: &[
            "The process executes in place: a failed exec after everything was closed leaves nothing.",
            "An error of fork or exec is fatal to the parent.",
            "The child of a failed exec runs the parent's exit handlers: it unlinks sockets and pid files.",
        ],
        mend: &[
            ("any", "fork first, exec in the child, _exit(127) there if that fails."),
            ("Go, endless", "A failed fork ends in log.Fatalf: log and serve on."),
            ("Python", "os._exit, not sys.exit, in a child whose os.execv failed."),
            ("nginx", "A failed upgrade renames the pid file back and goes on."),
        ],
    },
    Advice {
        clause: "failure.program-replaced",
        seen: "The program's file is replaced before the trigger, by rename and behind a switched symbolic link; /proc/PID/exe tells by inode which file the successor executes.",
        breaks: &[
            "/proc/self/exe is executed: that is the old file, deleted or not.",
            "The path was resolved once, links and all, and leads into the old release.",
            "A relative path, or a working directory that a deploy has removed.",
        ],
        mend: &[
            ("any", "Keep the path as it was given, made absolute, and don't resolve links."),
            ("Go", "os.Args[0], made absolute, instead of os.Executable()."),
            (
                "Rust",
                "std::env::args_os().next(), made absolute by std::path::absolute, instead of current_exe().",
            ),
            (
                "Unicorn",
                "`working_directory` by the link that a deploy switches, and START_CTX[0] for the program.",
            ),
        ],
    },
    Advice {
        clause: "failure.no-resources",
        seen: "fork or exec fails in the target at the trigger, and nothing else does; it has to serve on and restart afterwards.",
        breaks: &[
            "EAGAIN of fork(2) is not expected, and ends the process.",
            "Descriptors that were opened for the successor are not closed again.",
        ],
        mend: &[
            ("any", "Treat it as any failed start: log errno, close what was opened, stay as before."),
            ("systemd", "TasksMax= has to hold two generations, and LimitNOFILE= what both need."),
        ],
    },
    Advice {
        clause: "failure.reaped",
        seen: "A second after the successor failed, whether it is still there as a zombie (/proc/PID/stat).",
        breaks: &[
            "The parent waits for its child only where that became ready.",
            "A library forks, and nobody waits for what it forked.",
        ],
        mend: &[
            ("any", "waitpid with WNOHANG at every SIGCHLD, in a loop."),
            ("Go", "syscall.ForkExec needs a syscall.Wait4 of your own; exec.Cmd needs Wait()."),
            ("Falcore", "Its example never waits for the child: a failed one stays a zombie."),
        ],
    },
    Advice {
        clause: "failure.visible",
        seen: "What the target wrote after a restart that failed, and the status of the restart command.",
        breaks: &[
            "The successor's standard error goes to /dev/null.",
            "The reload command sends a signal and reports success.",
        ],
        mend: &[
            ("HAProxy", "`reload` on the master socket tells Success=1 or 0; a signal tells nobody."),
            (
                "systemd",
                "Type=notify-reload waits for READY=1; or ExecReload= with a check before the signal.",
            ),
            (
                "nginx",
                "ExecReload= with `nginx -t` before the signal; the reason of a later failure is in error_log.",
            ),
        ],
    },
    Advice {
        clause: "failure.dies-when-ready",
        seen: "The successor is killed after it said that it is ready and before the old generation is gone.",
        breaks: &[
            "The old process has closed its listener, and looks at nothing but its own connections.",
            "Nobody is left to notice: the old process exits in peace.",
        ],
        mend: &[
            (
                "any",
                "Keep the listener's descriptor open while draining; if the successor dies, accept again or say so and end with a failure.",
            ),
            (
                "systemd",
                "Restart=on-failure starts it anew; what comes in meanwhile waits in a .socket unit.",
            ),
        ],
    },
    Advice {
        clause: "failure.old-dies",
        seen: "The old generation is killed between the trigger and the successor's readiness.",
        breaks: &[
            "The successor dies of the signal that it sends to a parent that is gone.",
            "It asks its predecessor for the listening sockets, and there is nobody to ask.",
            "A parent-death signal ends it.",
        ],
        mend: &[
            (
                "any",
                "Inherit the sockets over exec instead of asking for them; signal only if getppid() still is who it was.",
            ),
            ("Pingora", "-u fails without an old process to hand the sockets over: start without it then."),
            ("Envoy", "It sets PR_SET_PDEATHSIG: start it from a supervisor that stays."),
        ],
    },
    Advice {
        clause: "failure.starved",
        seen: "The target gets under 5 % of a processor, in control too; the availability clauses have to hold.",
        breaks: &[
            "A fixed pause instead of a word from the successor.",
            "A timeout on the start that a busy machine exceeds.",
        ],
        mend: &[
            ("any", "Wait for events, and let limits end only what makes no progress."),
            (
                "Server::Starter",
                "--interval is a fixed pause: with a slow start the old workers go too soon.",
            ),
            (
                "hypercorn, uvicorn before 0.51",
                "Start a second instance, wait for its first answer, and only then end the first.",
            ),
        ],
    },
];
