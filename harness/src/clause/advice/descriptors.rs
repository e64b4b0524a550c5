//! What helps with clauses on descriptors, and on what grows or fails unseen.

use super::Advice;

pub(super) const ADVICE: &[Advice] = &[
    Advice {
        clause: "descriptors.no-growth",
        seen: "/proc/PID/fd of every process, counted by kind before each of 21 restarts, after the same requests to each generation.",
        breaks: &[
            "A descriptor without FD_CLOEXEC is inherited, and the successor opens its own beside it.",
            "Listeners or pipes of the last restart stay open in a master.",
        ],
        mend: &[
            ("C", "O_CLOEXEC, SOCK_CLOEXEC, EPOLL_CLOEXEC, pipe2(2), and fopen(path, \"re\")."),
            (
                "any",
                "close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) between fork and exec, and then clear the flag of what is handed on.",
            ),
            (
                "Rust, Go, Python",
                "Their own calls set it; look at what C libraries open, and at what is set inheritable.",
            ),
        ],
    },
    Advice {
        clause: "descriptors.no-shared-connections",
        seen: "/proc/PID/fd of the old processes and of the successor: a connection of a lane that both hold when the successor serves.",
        breaks: &["Connections are accepted without SOCK_CLOEXEC, and the successor inherits them all."],
        mend: &[
            ("C", "accept4(2) with SOCK_CLOEXEC; between accept(2) and fcntl(2) a fork may come."),
            ("any", "close_range(2) between fork and exec."),
        ],
    },
    Advice {
        clause: "descriptors.no-strays",
        seen: "Open files that an old process and its successor both hold once that serves: sockets and pipes by inode, others by kcmp(2).",
        breaks: &[
            "Self-pipes, epoll instances, logs or lock files are opened without close-on-exec.",
            "The parent's own end of the readiness pipe is passed on with the child's.",
        ],
        mend: &[
            ("C", "pipe2(2) with O_CLOEXEC, EPOLL_CLOEXEC, O_CLOEXEC."),
            (
                "Python",
                "subprocess: close_fds=True and pass_fds for what is handed on; os.set_inheritable on that alone.",
            ),
        ],
    },
    Advice {
        clause: "descriptors.nonblocking-kept",
        seen: "The flags of the listening socket in /proc/PID/fdinfo, every 20 ms.",
        breaks: &[
            "The old process sets the listener blocking before it closes it: the flag is the open file's, and so the successor's.",
            "The successor takes the socket over as a blocking one, and sets it non-blocking later.",
        ],
        mend: &[
            ("Rust", "Drop the listener as it is; set_nonblocking(true) once, in the first generation."),
            ("Python", "socket.socket(fileno=fd) leaves the flag alone; setblocking and settimeout do not."),
            (
                "Go",
                "net.FileListener needs O_NONBLOCK; File() returns a duplicate, and Fd() on it sets it blocking.",
            ),
        ],
    },
    Advice {
        clause: "descriptors.backlog-kept",
        seen: "The backlog of each listening socket in the kernel's table (sock_diag), before and after.",
        breaks: &["The successor calls listen(2) on the socket that it inherits, with another number."],
        mend: &[("any", "Do not call listen(2) on an inherited socket, or call it with the same number.")],
    },
    Advice {
        clause: "descriptors.not-shut-down",
        seen: "The kernel's table of listening sockets, against what /proc/PID/fd says is held: held, and no longer in it.",
        breaks: &["shutdown(2) on the listener, to wake threads that wait in accept(2)."],
        mend: &[
            ("any", "Close the descriptor, and wake threads by an eventfd or a pipe that they poll too."),
            ("Java", "Close the channel that was inherited, and no copy of it; see Socket.shutdownInput."),
        ],
    },
    Advice {
        clause: "descriptors.unix-path",
        seen: "inotify on the path's directory, which keeps the order of events, and every connect.",
        breaks: &[
            "The old process unlinks its path when it ends, though it is the successor's by then.",
            "The successor unlinks the path and binds it anew: nobody can connect between the two.",
        ],
        mend: &[
            (
                "any",
                "Hand the socket on; or bind beside it and rename(2) over it, and let whoever is replaced unlink nothing.",
            ),
            ("Go", "UnixListener.SetUnlinkOnClose(false) in the old process."),
            ("systemd", "Socket activation: the path is the service manager's."),
        ],
    },
    Advice {
        clause: "descriptors.removed-listener-closed",
        seen: "Who holds the socket that listened at the dropped address (/proc/PID/fd), when the old generation is gone.",
        breaks: &["All sockets are handed on, and those that the new configuration does not name stay open."],
        mend: &[(
            "any",
            "Close what is left when all that the configuration names was found among the inherited ones.",
        )],
    },
    Advice {
        clause: "process.memory",
        seen: "RssAnon, RssShmem and VmSwap in /proc/PID/status, before each of 21 restarts, after the same requests to each generation.",
        breaks: &["What is handed on grows with each generation, or a master keeps something of each."],
        mend: &[(
            "any",
            "Hand on what is still needed, and measure a process that has restarted a hundred times.",
        )],
    },
    Advice {
        clause: "process.clean-log",
        seen: "The target's standard output and error, and the logs that its file declares, line by line from its start.",
        breaks: &[
            "A thread uses what the drain has closed: a listener, a channel, a log.",
            "Destructors run while other threads still work.",
        ],
        mend: &[
            ("Rust", "A channel whose other end is gone is the end of a loop, and no unwrap."),
            ("any", "End background threads before what they use, and wait for them."),
        ],
    },
];
