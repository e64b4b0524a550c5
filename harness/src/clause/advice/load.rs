//! The group `load`.

use super::Advice;

pub(super) const ADVICE: &[Advice] = &[
    Advice {
        clause: "load.closed-loop",
        seen: "Each request of 64 clients that keep their connections busy through twenty restarts: what came back, and how the connection ended. Judged by client sockets alone.",
        breaks: &[
            "Idle connections are closed in the moment in which the drain begins, and a request is on its way.",
            "A table, a queue or a channel of the drain holds a fixed number of connections, and those beyond it are dropped.",
            "A connection is taken for idle between the last byte of one answer and the first of the next request.",
        ],
        mend: &[
            (
                "any",
                "Answer one more request on each connection, with `Connection: close`, before it is closed; or close with FIN only what has been idle for some seconds.",
            ),
            ("hyper", "Call graceful_shutdown() on every connection, and await each; never abort its task."),
            (
                "clients",
                "Where the server closes idle connections unannounced, as most do, retry requests that may be repeated when a reused connection ends without a byte.",
            ),
        ],
    },
    Advice {
        clause: "load.new-connections",
        seen: "Each of 175 connections a second that are opened at a steady rate through twenty restarts, whatever became of those before. Judged by client sockets alone.",
        breaks: &[
            "The successor accepts before it can serve, and drops what finds no place in its queue.",
            "The old process accepts once more after it stopped reading, and closes what it accepted.",
            "A gap between two listening sockets that one connection at a time rarely meets.",
        ],
        mend: &[
            (
                "any",
                "Accept only when there is somebody to serve: the kernel's queue keeps the others, and loses none.",
            ),
            ("any", "Stop accepting first, then serve what was accepted, and only then close."),
        ],
    },
    Advice {
        clause: "load.latency",
        seen: "The time from sending a request (the first one on a connection: from connecting) to the first byte of its response, of all that were sent from T0 to Tx; control's 99.9th percentile is the measure.",
        breaks: &[
            "Caches, pools and compiled code are cold when the successor says that it is ready.",
            "Tables are computed when the first request asks for them, and all others wait.",
            "Both generations together have more threads, or take more memory, than the machine has.",
        ],
        mend: &[
            (
                "any",
                "Warm up before readiness is told: compute tables, open pools, ask yourself one request.",
            ),
            (
                "JVM, PHP and others with a compiler at run time",
                "Send the successor some traffic of your own before it takes over.",
            ),
        ],
    },
    Advice {
        clause: "load.idle-mass",
        seen: "2,000 idle connections across a restart, opened spread out: three in five ask once more while the old generation drains, the others say nothing. Each is served or ended by FIN, and the old generation goes. A server that has no room for so many in control is left out.",
        breaks: &[
            "A table or a sweep of the drain holds a fixed number of connections, and those beyond it are forgotten: nobody times them out.",
            "All are closed in one go, and those that come back at once overflow the backlog.",
            "A list that is searched for each connection that is closed.",
            "Two generations need twice the descriptors.",
        ],
        mend: &[
            ("HAProxy", "close-spread-time spreads the closes."),
            ("Envoy", "--drain-strategy gradual (the default) spreads them over --drain-time-s."),
            ("systemd", "LimitNOFILE= for twice the connections."),
        ],
    },
];
