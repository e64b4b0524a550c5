//! The group `idle`.

use super::Advice;

pub(super) const ADVICE: &[Advice] = &[
    Advice {
        clause: "idle.timed-out",
        seen: "Connections of the old generation that were used once and then say nothing: when, and how (FIN or RST), each ends.",
        breaks: &[
            "No idle timeout at all, or one that is switched off with the drain.",
            "The timer belongs to the accept loop, which has ended.",
            "The timeout is longer than idle_max says: then say so to hotspec (--idle-max).",
        ],
        mend: &[
            ("nginx", "keepalive_timeout (75 s by default); a worker that exits closes idle ones at once."),
            (
                "HAProxy",
                "timeout http-keep-alive; without it `timeout http-request`, without that `timeout client` counts.",
            ),
            (
                "Go",
                "Server.IdleTimeout; where it is 0, ReadTimeout counts, and where that is 0, nothing does.",
            ),
            ("Node.js", "server.keepAliveTimeout (5 s by default)."),
            ("Gunicorn, uvicorn", "--keep-alive 2; --timeout-keep-alive 5."),
            (
                "Rust, hyper",
                "http1::Builder::header_read_timeout with a timer counts from the last answer since hyper 1.6; else a timeout of your own and graceful_shutdown().",
            ),
        ],
    },
    Advice {
        clause: "idle.fresh-timed-out",
        seen: "Connections that the old process accepted and that never sent a byte: when each ends, and whether the old generation outlives drain_max for them.",
        breaks: &[
            "The idle limit counts from the last answer, and there was none.",
            "The drain waits for every connection, and such a one has no timer.",
            "A thread per connection that blocks in its first read.",
        ],
        mend: &[
            (
                "nginx",
                "client_header_timeout (60 s by default) is what ends it: lower it to what a drain may take.",
            ),
            ("HAProxy", "timeout http-request 10s."),
            (
                "httpd",
                "RequestReadTimeout header=20-40,MinRate=500; with AcceptFilter http none, else the kernel keeps the connection to itself.",
            ),
            (
                "Unicorn, Starlet",
                "The worker waits in its first read: unicorn's `timeout` kills it, Starlet's --timeout bounds it; a proxy before them keeps such connections away.",
            ),
            (
                "Go, facebookgo/grace",
                "Server.ReadHeaderTimeout: without it a connection with no request keeps the old process.",
            ),
            (
                "Rust, hyper",
                "http1::Builder::header_read_timeout (30 s by default) counts only where a timer is set: .timer(TokioTimer::new()).",
            ),
        ],
    },
    Advice {
        clause: "idle.partial-head-bounded",
        seen: "Half a request head, then silence, throughout the drain: whether the connection ends (408 or end of file) and the old generation with it by drain_max.",
        breaks: &[
            "The header timeout restarts with each byte, or is off.",
            "A connection with a begun request counts as in flight, and in flight has no limit.",
        ],
        mend: &[
            ("nginx", "client_header_timeout; worker_shutdown_timeout as the last resort."),
            ("HAProxy", "timeout http-request counts from the first byte and covers the whole head."),
            ("httpd", "RequestReadTimeout header=20-40,MinRate=500 (mod_reqtimeout)."),
            ("Go", "Server.ReadHeaderTimeout."),
            (
                "Node.js",
                "server.headersTimeout (60 s by default); it is looked at every connectionsCheckingInterval, 30 s by default.",
            ),
            ("Rust, hyper", "http1::Builder::header_read_timeout, with a timer."),
        ],
    },
    Advice {
        clause: "idle.half-closed-bounded",
        seen: "A client that had its answer, or sent half a head, and then closed its sending side (shutdown(SHUT_WR)) but stays: whether the old generation is gone by drain_max.",
        breaks: &[
            "read(2) gives 0 and is taken for nothing new: the loop spins, or waits for ever.",
            "With EPOLLET the end of file is told once; whoever does not read to it misses it.",
        ],
        mend: &[
            ("any", "A read of 0 bytes ends the connection, once what was asked before is answered."),
            ("C", "EPOLLRDHUP tells a half-close without a read."),
            (
                "Node.js",
                "allowHalfOpen is true for http servers: end the socket in its 'end' event when nothing is under way.",
            ),
            (
                "Python, asyncio",
                "Protocol.eof_received() must return a false value, or the transport stays half open.",
            ),
        ],
    },
    Advice {
        clause: "idle.not-early",
        seen: "Connections that were used shortly before the drain: none may end within idle_max/2 of it unless an answer announced that.",
        breaks: &[
            "All idle connections are closed when the drain begins.",
            "While draining another, shorter idle limit holds.",
        ],
        mend: &[
            ("nginx", "keepalive_min_timeout (1.27.4)."),
            ("HAProxy", "option idle-close-on-response."),
            (
                "Go, Node.js, hyper",
                "As for keep-alive.one-last-request: announce first, and shut down when the idle limit has passed.",
            ),
            (
                "Falcore",
                "Each connection gets a read deadline of 3 s when the drain begins: idle_max is that.",
            ),
        ],
    },
];
