//! The group `repeat`.

use super::Advice;

const GENERATIONS: &str = "New and used connections throughout, how every process ended (the warden, or a pidfd from Linux 6.15 on), and who is left when nobody drains any more: processes, their listening sockets, zombies.";

pub(super) const ADVICE: &[Advice] = &[
    Advice {
        clause: "repeat.many",
        seen: "Twenty restarts under load; the processes' descriptors are counted after each, with no connection open.",
        breaks: &[
            "A flag `restarting` that is set and never reset.",
            "SIGHUP ignored or blocked across exec, and taken for nohup(1) by the next generation.",
            "A descriptor without FD_CLOEXEC: one more with each generation.",
        ],
        mend: &[
            (
                "any",
                "Reset the flag where the successor is ready, where it has failed, and where it took too long.",
            ),
            (
                "C",
                "O_CLOEXEC, SOCK_CLOEXEC, accept4(2), pipe2(2); close_range(2) with CLOSE_RANGE_CLOEXEC before exec.",
            ),
        ],
    },
    Advice {
        clause: "repeat.double-trigger",
        seen: GENERATIONS,
        breaks: &[
            "A second successor is forked while the first is starting, and both serve.",
            "The handler takes something that is there once: a listener moved out, a channel closed.",
            "A second fork amid the first: handlers that run on several threads.",
        ],
        mend: &[
            (
                "any",
                "One restart at a time: note that another one is wanted, and begin it when the first is ready or has failed.",
            ),
            (
                "Rust",
                "An enum for where the process is in its restart, and one task that owns it and reads the signals.",
            ),
            ("systemd", "ExecReload runs once at a time: `systemctl reload` waits for the last one."),
        ],
    },
    Advice {
        clause: "repeat.while-draining",
        seen: GENERATIONS,
        breaks: &[
            "Signals get their default meaning back when the drain begins, and that of SIGHUP is to end the process.",
            "The task that reads signals is gone by then, or panics on a channel that was closed.",
        ],
        mend: &[
            (
                "any",
                "Keep the handler for as long as the process lives, and pass the signal over while it drains.",
            ),
            ("Go", "Do not call signal.Reset or signal.Stop for it before the drain is over."),
        ],
    },
    Advice {
        clause: "repeat.at-start",
        seen: "The trigger right after the first answered request, and in profile falcore one to the successor in the moment in which it is seen; how the process ends.",
        breaks: &[
            "The program listens first and installs its handlers later: until then the signal ends it.",
            "The successor has the signal's default meaning between exec and its handler.",
        ],
        mend: &[
            (
                "any",
                "Block the signals first of all in main, and read them by signalfd(2) or sigwait(3) when all is ready.",
            ),
            ("any", "Block or ignore the signal before exec: both are passed on."),
            ("Python", "signal.pthread_sigmask before anything is imported that takes long."),
        ],
    },
    Advice {
        clause: "repeat.successor-triggered",
        seen: GENERATIONS,
        breaks: &[
            "Whom to tell of readiness stands in a variable that the first generation set: the third tells the first.",
            "A successor that refuses while its parent drains, and remembers that it is restarting.",
        ],
        mend: &[
            ("any", "Tell the parent that is there at the start, by a pidfd, and check that it still is."),
            ("nginx", "A new master ignores USR2 while the old one lives: end that by QUIT first."),
        ],
    },
    Advice {
        clause: "repeat.process-group",
        seen: "The signal to the whole group of the process that the trigger is for; a new generation, and how every process ends.",
        breaks: &[
            "A helper that knows nothing of restarts dies, and the server takes that for a reason to stop.",
            "Workers take the signal for one that is meant for their master.",
        ],
        mend: &[
            (
                "any",
                "Helpers get a group of their own: setpgid(2), process_group(0) in Rust, Setpgid in Go, process_group=0 in Python.",
            ),
            ("any", "Workers ignore the trigger, or let their master alone decide."),
        ],
    },
    Advice {
        clause: "repeat.storm",
        seen: "A hundred triggers 250 ms apart under load; how processes end, who is left, and their descriptors before and after.",
        breaks: &[
            "A descriptor that each generation hands down to the next.",
            "Each trigger starts a process, and nothing bounds how many.",
            "A service manager that gives up after too many starts.",
        ],
        mend: &[
            ("any", "One restart at a time, and one more for all that came meanwhile."),
            ("any", "FD_CLOEXEC on all but the listeners."),
        ],
    },
    Advice {
        clause: "repeat.terminate-amid",
        seen: "SIGTERM to the old main process when the successor has answered; what new connections get from then on, and where a master stays who is left.",
        breaks: &[
            "The old process ends its whole group, and its successor is in it.",
            "It removes the pid file or the unix socket that is its successor's by then.",
            "PR_SET_PDEATHSIG: the successor ends with its parent.",
        ],
        mend: &[
            ("any", "End your own children by their pids, and not the group."),
            (
                "systemd",
                "Type=notify and MAINPID=: it stops the successor then, and not the process that it started.",
            ),
        ],
    },
];
