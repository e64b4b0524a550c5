//! The group `availability`.

use super::Advice;

pub(super) const ADVICE: &[Advice] = &[
    Advice {
        clause: "availability.not-refused",
        seen: "Every connect of every lane, a new one each 1.5 ms while the restart is under way, and one more in any moment in which the socket table shows no listening socket; judged by the connect's errno.",
        breaks: &[
            "The old process closes its listening socket before the new one listens: stop first, start then.",
            "The new process binds anew, and fails while the old one still holds the address (EADDRINUSE).",
            "A bind address that changed in the configuration makes some servers close all their sockets first.",
        ],
        mend: &[
            (
                "any",
                "Hand the listening socket on (inherited over exec, or by SCM_RIGHTS) and never close the last descriptor of it.",
            ),
            (
                "HAProxy",
                "Reload the master (-W or -Ws, SIGUSR2); without a master start the new process with `-x SOCKET`, where `stats socket SOCKET … expose-fd listeners` is configured, and `-sf PID`.",
            ),
            (
                "systemd",
                "Put the socket into a .socket unit: systemd keeps it through every restart of the service.",
            ),
            (
                "Python",
                "socket.set_inheritable(True) and subprocess.Popen(pass_fds=[…]); take it over by socket.socket(fileno=FD). uvicorn takes it by --fd.",
            ),
            (
                "Go",
                "exec.Cmd.ExtraFiles with (*net.TCPListener).File(), then net.FileListener(os.NewFile(3, \"\")); or cloudflare/tableflip.",
            ),
            (
                "Node.js",
                "Let the cluster's primary hold the socket, and replace its workers one after another, each after the `listening` event of the next.",
            ),
        ],
    },
    Advice {
        clause: "availability.queue-kept",
        seen: "The old generation is stopped (SIGSTOP) when its successor is born, connections are made that nobody accepts, and it goes on; the socket table shows that they had no owner, and their own sockets whether they were reset.",
        breaks: &[
            "Each generation has a socket of its own by SO_REUSEPORT, and the old one's is closed with what waits in its queue: the kernel resets all of that.",
            "The old process closes a socket that it did not hand on.",
            "It calls shutdown(2) on a listening socket: that empties the queue for everybody who shares it.",
        ],
        mend: &[
            (
                "any",
                "Share one socket between the generations instead of binding a second one: then the queue outlives each of them.",
            ),
            (
                "Linux",
                "With SO_REUSEPORT set net.ipv4.tcp_migrate_req=1 (Linux 5.14): what waits in a queue that is closed moves to another one.",
            ),
            (
                "HAProxy",
                "Hand the sockets over: `expose-fd listeners` and -x, or a master. With -sf alone each process binds its own by SO_REUSEPORT.",
            ),
            ("nginx", "Without `reuseport` at `listen` all workers share one queue, which the master keeps."),
            (
                "granian, hypercorn, shellflip",
                "They bind by SO_REUSEPORT: set tcp_migrate_req, or give them a socket that was opened before (hypercorn: --bind fd://N).",
            ),
        ],
    },
    Advice {
        clause: "availability.accepted-unread",
        seen: "The old generation is stopped right after it has accepted, the request is sent, and it goes on into the drain; judged by what that lane gets.",
        breaks: &[
            "At the drain every connection with no request read yet is closed as idle.",
            "The accept loop looks at the word to stop after accept(2) returned, and drops what it got.",
            "A close with the request unread in the socket's buffer: the kernel sends RST.",
        ],
        mend: &[
            (
                "any",
                "Treat an accepted connection as one that owes an answer: read from it for up to the idle limit before it may be closed.",
            ),
            (
                "Go",
                "http.Server.Shutdown spares connections in StateNew for 5 s only: read them longer by calling it later, once the handlers have answered with `Connection: close` for a while.",
            ),
            (
                "Node.js",
                "server.close() alone leaves new connections be; don't call closeAllConnections() before requestTimeout has passed.",
            ),
            (
                "Rust, hyper",
                "Do not drop a Connection future at the drain: call graceful_shutdown() on it and poll it to its end.",
            ),
        ],
    },
    Advice {
        clause: "availability.answered",
        seen: "New connections throughout the restart, each with one request that is sent at once; judged by whether one whole answer comes (status, framing, length, hash as in control).",
        breaks: &[
            "A worker that was told to stop accepts once more and exits without serving.",
            "The successor accepts before its application is loaded, and answers 500 or 503.",
            "The old process ends while connections that it accepted have not been read.",
        ],
        mend: &[
            (
                "any",
                "Stop accepting first, drain what was accepted, exit last; and accept in the successor only when it could answer.",
            ),
            (
                "Gunicorn",
                "SIGHUP does not wait until the new workers are ready: use SIGUSR2, wait for an answer of the new master's workers, and then send SIGTERM to the old one.",
            ),
            (
                "Puma",
                "Use the phased restart (SIGUSR1) of a cluster with `preload_app! false`; SIGUSR2 restarts the process as a whole.",
            ),
            (
                "PM2",
                "Set `wait_ready`, call process.send('ready') when listening, and a `listen_timeout` longer than the start takes: after it the old worker is killed all the same.",
            ),
            ("uvicorn", "Before 0.51 a reload stopped the old workers before it started new ones."),
        ],
    },
    Advice {
        clause: "availability.no-stall",
        seen: "The time from connect to first byte of each new connection on the fast path, against the longest of the control phase; where hotspec itself got no processor time, or no processor was free, it is in doubt, not a breach.",
        breaks: &[
            "One process restarts in itself: while it drains, nobody accepts, and all new connections wait in the queue.",
            "The old process stops accepting at the trigger, long before its successor is ready.",
            "Loading the application blocks the loop that accepts.",
        ],
        mend: &[
            ("any", "Let the old generation accept until the new one has said that it is ready."),
            (
                "lighttpd",
                "server.graceful-restart-bg = \"enable\" lets the old process drain in the background; server.graceful-shutdown-timeout bounds how long.",
            ),
            (
                "Puma, uWSGI",
                "Restart worker by worker: Puma's phased restart (SIGUSR1), uWSGI's `touch-chain-reload` with `lazy-apps`.",
            ),
            (
                "httpd",
                "The parent looks for missing children once a second: keep spare threads (MinSpareThreads) and free slots (ServerLimit above MaxRequestWorkers / ThreadsPerChild).",
            ),
        ],
    },
    Advice {
        clause: "availability.listener-present",
        seen: "The kernel's socket table, asked every 20 ms for listening sockets on the target's address, and without a pause in scenarios that stop nothing; the longest gap between two looks stands in the report.",
        breaks: &[
            "Close, then bind: between the two nobody listens, even if no client happened to come.",
            "A unix socket whose path is unlinked by the old process after the new one has bound it.",
        ],
        mend: &[
            (
                "any",
                "Hand the socket on, or bind the new one (SO_REUSEPORT; on a unix path: bind another name and rename(2) it over) before the old one is closed.",
            ),
            (
                "Go",
                "(*net.UnixListener).SetUnlinkOnClose(false) before the old process closes a listener that was handed on.",
            ),
            ("systemd", "A .socket unit listens before, during and after."),
        ],
    },
    Advice {
        clause: "availability.same-listener",
        seen: "Inode and cookie of each listening socket before and after, from sock_diag, and how many connections wait in the queue of each for over 1 s.",
        breaks: &[
            "The successor binds by SO_REUSEPORT instead of taking the socket over.",
            "It inherits the socket and never accepts from it: part of the clients wait in a queue that nobody empties.",
            "Several sockets for one address, one per worker, and fewer workers after the restart.",
        ],
        mend: &[
            (
                "any",
                "Pass the descriptor on, and close it in the successor if it is not wanted there: a socket that is open has a queue.",
            ),
            ("HAProxy", "`expose-fd listeners` and -x, or a master."),
            (
                "Envoy",
                "Keep `--concurrency` as it was: sockets are handed over worker by worker, and what waits in those of a worker that is no more is lost.",
            ),
            (
                "Go",
                "net.FileListener duplicates the descriptor: close the os.File, and use the one listener only.",
            ),
        ],
    },
    Advice {
        clause: "availability.successor-serves",
        seen: "Who holds the server's side of each connection that was made after the drain began: the inode from sock_diag, and the process that has it in /proc/PID/fd.",
        breaks: &[
            "The old process drains its connections and goes on accepting from the shared socket.",
            "It is blocked in accept(2) when it is told to stop, and takes one more.",
            "The listening socket stays in a poller of the old process, or in a worker thread that was not told.",
        ],
        mend: &[
            (
                "any",
                "Take the listening socket out of the poller (EPOLL_CTL_DEL), wake whoever waits in accept, and close the descriptor.",
            ),
            (
                "C",
                "Never block in accept(2): a non-blocking socket in poll(2), beside an eventfd or a pipe that says stop.",
            ),
            (
                "Go",
                "Close the listener, or SetDeadline(time.Now()) on it; a tls.NewListener hides SetDeadline, so keep the TCP listener below it.",
            ),
            ("Pingora", "The old process accepts for 5 s more by design (CLOSE_TIMEOUT)."),
        ],
    },
    Advice {
        clause: "availability.no-overflow",
        seen: "TCP_INFO of each lane (retransmitted SYNs) and the listening socket's queue in sock_diag, with fewer connections at a time than the backlog holds.",
        breaks: &[
            "The successor calls listen(2) again on the inherited socket with a smaller backlog: it is the socket's, not the process's.",
            "A backlog of 5 or 128 written long ago, and nobody who accepts for a moment.",
            "net.core.somaxconn cuts what the server asks for.",
        ],
        mend: &[
            ("Linux", "Raise net.core.somaxconn (4096 since Linux 5.4) and ask for as much."),
            ("nginx", "`listen … backlog=4096`; its default is 511 on Linux."),
            ("HAProxy", "`backlog 4096` in the frontend; else it follows maxconn."),
            ("httpd", "ListenBacklog 4096; its default is 511."),
            ("Gunicorn", "--backlog 4096; its default is 2048."),
            ("Node.js", "server.listen({ port, backlog: 4096 }); its default is 511."),
        ],
    },
    Advice {
        clause: "availability.no-wire-reset",
        seen: "A packet socket on the scenario's loopback, which hears every SYN, FIN and RST and is told by the kernel how many it lost. It needs CAP_NET_RAW there.",
        breaks: &[
            "close(2) with bytes of the client still unread: the kernel sends RST instead of FIN, and may throw the last answer away.",
            "SO_LINGER with a time of zero, set to be spared TIME_WAIT.",
            "The listening socket is closed with connections in its queue.",
        ],
        mend: &[
            (
                "any language",
                "After the last answer shutdown(SHUT_WR), then read until the client ends its side or a few seconds have passed, then close(2).",
            ),
            (
                "nginx",
                "lingering_close on (the default); `reset_timedout_connection off`, which is the default too.",
            ),
            ("HAProxy", "Leave `option nolinger` out of frontends."),
            ("Go", "net/http lingers by itself; don't call SetLinger(0) on its connections."),
        ],
    },
];
