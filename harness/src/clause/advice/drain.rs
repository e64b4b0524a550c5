//! The group `drain`.

use super::Advice;

pub(super) const ADVICE: &[Advice] = &[
    Advice {
        clause: "drain.starts",
        seen: "Two busy and two idle connections kept on each old process that listens, new connections every 1.5 ms, and who holds the listening socket: the first announced close, end of file, or closed listener that control does not show.",
        breaks: &[
            "The successor never says that it is ready, or says it to the wrong process (getppid() after its parent was gone).",
            "The old process waits for its next connection or timer before it looks at the flag.",
            "The signal came while it was blocked, or was handled by a thread that nobody joins.",
        ],
        mend: &[
            ("any", "Wake the loop from the signal handler: an eventfd, a self-pipe, signalfd(2)."),
            (
                "Envoy",
                "--drain-strategy immediate, or a shorter --drain-time-s: by default the closes are spread over 600 s.",
            ),
            ("Pingora", "It drains after 5 s (CLOSE_TIMEOUT): tell hotspec --drain-start-max 6s."),
            (
                "Go",
                "signal.Notify to a buffered channel: with an unbuffered one that nobody reads the signal is lost.",
            ),
        ],
    },
    Advice {
        clause: "drain.exits",
        seen: "When the last process of the old generation is gone or a zombie (a pidfd, /proc/PID/stat), against the end of its last connection; in one scenario nobody connects after the trigger until it is gone, or until ready_max, drain_start_max and exit_max are over.",
        breaks: &[
            "A thread stays in accept(2), and one more connection would be needed to free it.",
            "A thread, task or timer that is not a daemon: metrics, logs, connection pools to a database.",
            "A connection with no limit: one that never sent a byte, a WebSocket, a long poll.",
            "A count of connections that was increased and not decreased, on an error path.",
        ],
        mend: &[
            ("any", "A hard limit on the drain: log what is left, and go."),
            ("nginx", "worker_shutdown_timeout 30s."),
            ("HAProxy", "hard-stop-after 30s in `global`."),
            (
                "Go",
                "Wrap the TCP listener before tls.NewListener, so that its deadline or close frees Accept; give Shutdown a context with a deadline.",
            ),
            ("Node.js", "server.closeAllConnections() after a limit; unref() on timers."),
            ("Python", "threading.Thread(daemon=True), or join them: the interpreter waits for all others."),
            ("Java", "Executors with daemon threads, or System.exit() at the end of the drain."),
        ],
    },
    Advice {
        clause: "drain.waits",
        seen: "Whole answers for all that was in flight, whichever way the old process went; its exit alone is no breach.",
        breaks: &[
            "A time limit of the process's own or of its supervisor that is below drain_max.",
            "exit() in a signal handler.",
            "A panic, or an uncaught exception, in the way out.",
        ],
        mend: &[
            (
                "systemd",
                "TimeoutStopSec and, for a reload, that nothing sends SIGTERM to the old process; KillMode=process where generations overlap.",
            ),
            ("PM2", "kill_timeout (1.6 s by default)."),
            ("Gunicorn, uWSGI, Puma", "--graceful-timeout; reload-mercy; worker_shutdown_timeout."),
            ("Kubernetes", "terminationGracePeriodSeconds above the drain, preStop included."),
            (
                "Falcore",
                "Each connection gets a read deadline of 3 s when the server stops accepting, uploads included.",
            ),
        ],
    },
    Advice {
        clause: "drain.hard-limit",
        seen: "Endless uploads are kept up past the declared limit; judged by when the old processes are gone.",
        breaks: &[
            "The limit is looked at between requests only.",
            "It ends the wait, and a handler's thread keeps the process.",
            "A timer that is set anew by each byte.",
        ],
        mend: &[
            ("nginx", "worker_shutdown_timeout is it: declare the same as --hard-limit."),
            ("HAProxy", "hard-stop-after."),
            ("Go", "When Shutdown's context ends call Server.Close(), and then os.Exit or return from main."),
            ("uvicorn", "--timeout-graceful-shutdown cancels tasks; a handler in a thread goes on."),
            (
                "Rust, tokio",
                "tokio::time::timeout around the join, then Runtime::shutdown_timeout: blocking tasks can't be cancelled.",
            ),
        ],
    },
    Advice {
        clause: "drain.stops-accepting",
        seen: "The owner of each connection made after Td + δ, looked up in the socket table and /proc/PID/fd.",
        breaks: &[
            "The listening socket stays registered in a poller, in one thread of several, or in a worker process that was not told.",
            "accept(2) is called once more after the word to stop.",
        ],
        mend: &[
            ("any", "Tell every acceptor, and wait until each has said that it stopped."),
            (
                "C",
                "epoll_ctl(EPOLL_CTL_DEL) before close(2): the socket lives on in the successor, so closing a descriptor does not take it out of epoll.",
            ),
            ("Go", "Listener.Close() on each of the listeners that were made from the same file."),
            ("Rust, tokio", "Drop the TcpListener itself: a clone in another task accepts on."),
        ],
    },
    Advice {
        clause: "drain.quiet",
        seen: "utime and stime of the old processes (/proc/PID/stat) every half second while only silent connections are left.",
        breaks: &[
            "A shared listening socket that was closed and not removed from epoll: each new connection wakes the process, which finds no descriptor for it.",
            "A loop that polls the count of connections without a sleep.",
            "End of file on a half-closed connection that level-triggered epoll tells again and again.",
        ],
        mend: &[
            ("C", "EPOLL_CTL_DEL before close(2) (epoll(7), question 6)."),
            (
                "libuv, Node.js",
                "Stop the handle (uv_close, server.close()) in each process that polls it, before the descriptor is passed on.",
            ),
            (
                "Go",
                "Shutdown polls with growing pauses of up to 500 ms; loops of your own should wait on a channel or sync.WaitGroup.",
            ),
            ("Python", "selectors.unregister() before socket.close()."),
        ],
    },
    Advice {
        clause: "drain.exit-undisturbing",
        seen: "New connections and steady traffic on the successor from the old generation's exit through settle; what goes wrong there and not in control is a breach.",
        breaks: &[
            "The exit calls shutdown(2) on a socket that is shared, or unlinks the path that the successor listens on.",
            "It removes a pid file, lock or shared memory segment that is the successor's by now.",
            "It sends a signal to its process group.",
        ],
        mend: &[
            (
                "any",
                "Before an exit handler removes a name, look whether it is still yours: inode of the socket, pid in the file.",
            ),
            ("Go", "(*net.UnixListener).SetUnlinkOnClose(false) in the old process."),
            (
                "Node.js, libuv",
                "A unix server unlinks its path at close: listen on a descriptor ({ fd }) instead, or bind another name and rename it.",
            ),
            (
                "Gunicorn",
                "The old master leaves a unix socket's path alone only while the new one is its child.",
            ),
            ("uWSGI", "`vacuum` compares the inode first."),
        ],
    },
];
