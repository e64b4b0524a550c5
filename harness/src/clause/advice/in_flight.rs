//! The group `in-flight`.

use super::Advice;

pub(super) const ADVICE: &[Advice] = &[
    Advice {
        clause: "in-flight.completes",
        seen: "Requests whose last byte was sent before the trigger; in one scenario the server stands still (SIGSTOP) meanwhile, so that it can't have read them. The answer is compared with control's: status, framing, length, hash.",
        breaks: &[
            "The old process exits when its listener is closed, with handlers still at work.",
            "The worker gets SIGTERM or SIGKILL after a time that is shorter than a request.",
            "A handler is cancelled with the task that accepted its connection.",
        ],
        mend: &[
            ("any", "Count requests from accept to last byte written, and exit at zero."),
            (
                "Gunicorn",
                "--graceful-timeout above the longest request (30 s by default): then the worker is killed.",
            ),
            ("uWSGI", "`worker-reload-mercy` and `reload-mercy` (60 s) above the longest request."),
            (
                "PM2",
                "Close on SIGINT, and set `kill_timeout` above the longest request: its default is 1.6 s.",
            ),
            (
                "Go",
                "Wait for http.Server.Shutdown to return before main returns: Serve returns at once with ErrServerClosed.",
            ),
            (
                "Rust, tokio",
                "Join the connections' tasks (a JoinSet, or hyper-util's GracefulShutdown) before the runtime is dropped: that cancels them.",
            ),
        ],
    },
    Advice {
        clause: "in-flight.slow-response",
        seen: "A response that is asked for before the trigger and takes longer than idle_max, silent in one scenario and a chunk at a time in another, is awaited to its end.",
        breaks: &[
            "One deadline for all connections when the drain begins, working ones included.",
            "An idle timer that looks at bytes read only, while the server is the one who works.",
            "A drain limit below what the application's own timeouts allow.",
        ],
        mend: &[
            (
                "nginx",
                "worker_shutdown_timeout cuts whatever is open: leave it out, or above the longest response.",
            ),
            (
                "HAProxy",
                "hard-stop-after above the longest response; `timeout server` above the longest silence.",
            ),
            ("Envoy", "--parent-shutdown-time-s above the longest response (900 s by default)."),
            (
                "Caddy",
                "grace_period above it (none by default); streams of a proxy end with a reload unless stream_close_delay says otherwise.",
            ),
            ("uvicorn", "--timeout-graceful-shutdown above it, or none."),
            ("Puma", "force_shutdown_after and worker_shutdown_timeout above it."),
        ],
    },
    Advice {
        clause: "in-flight.upload",
        seen: "A POST whose body is sent piece by piece from before the trigger until 2 × idle_max later, with no pause above idle_max/4; its answer tells how much arrived.",
        breaks: &[
            "A read deadline that is set on every connection when the drain begins, and never moved on as bytes arrive.",
            "Reading stops with accepting: one flag for both.",
            "The body is read by a thread that was told to stop.",
        ],
        mend: &[
            (
                "any",
                "Let the idle limit run only while no request is under way, and restart a body's limit with each byte.",
            ),
            (
                "Go",
                "Server.ReadTimeout covers the whole body: use ReadHeaderTimeout, and http.ResponseController.SetReadDeadline for each read.",
            ),
            (
                "nginx",
                "client_body_timeout counts between two reads; worker_shutdown_timeout counts from the drain on.",
            ),
            ("httpd", "RequestReadTimeout body=20,MinRate=500 extends with what arrives."),
            ("Node.js", "server.requestTimeout (300 s by default) covers head and body together."),
        ],
    },
    Advice {
        clause: "in-flight.partial-head",
        seen: "Half a request head before the trigger and the rest while the old generation drains; judged by what comes back.",
        breaks: &[
            "A connection with no complete request counts as idle and is closed when the drain begins.",
            "The worker drops what its parser holds.",
        ],
        mend: &[
            (
                "any",
                "A connection from which one byte of a request was read is no longer idle: give it the header timeout.",
            ),
            (
                "nginx, HAProxy, httpd",
                "They wait for it: client_header_timeout, `timeout http-request`, RequestReadTimeout header.",
            ),
            (
                "uvicorn",
                "Half-sent requests are dropped at the end of a worker: put a proxy before it that sends whole requests only.",
            ),
            (
                "Go",
                "A connection is in StateActive from the first byte of a request on, and Shutdown waits for it; Server.ReadHeaderTimeout bounds that.",
            ),
            (
                "Rust, hyper",
                "Call http1::Connection::graceful_shutdown() only after the idle limit, and let header_read_timeout (with a timer set) bound what was begun.",
            ),
        ],
    },
    Advice {
        clause: "in-flight.slow-reader",
        seen: "A body larger than all socket buffers, read a little at a time from before the trigger until long after it, by length and hash.",
        breaks: &[
            "The process exits, or closes by RST, when its last write(2) returned: what the kernel could not send yet is lost if unread bytes of the client lie in the buffer.",
            "A write timeout that does not move on with each byte.",
            "The drain counts handlers, and a handler is done when its bytes are in a queue of the process.",
        ],
        mend: &[
            (
                "any",
                "shutdown(SHUT_WR) after the last byte, read until the client closes (bounded), then close: a lingering close, RFC 9112 §9.6.",
            ),
            ("nginx", "send_timeout counts between two writes; lingering_close is on by default."),
            (
                "Go",
                "Server.WriteTimeout is for the whole response: leave it out, or set deadlines by http.ResponseController.",
            ),
            ("HAProxy", "`timeout client` counts while the client does not read."),
        ],
    },
    Advice {
        clause: "in-flight.not-truncated",
        seen: "Every response of every lane: its bytes against its Content-Length, its last chunk, or, where the end of the connection frames it, against control's hash.",
        breaks: &[
            "An exit or a kill amid a body.",
            "A close with unread bytes of the client (a pipelined request, the rest of an upload): the kernel sends RST, and what was under way is gone.",
            "SO_LINGER with a time of 0 somewhere in the way out.",
        ],
        mend: &[
            (
                "any",
                "Frame every response (Content-Length or chunked), so that a client can tell; close by shutdown(SHUT_WR) and read to the end first.",
            ),
            ("nginx", "lingering_close on (the default) or always, lingering_timeout 5s."),
            ("uWSGI", "Send SIGHUP: SIGTERM reloads brutally unless `die-on-term` is set."),
            (
                "systemd",
                "TimeoutStopSec above the longest drain: after it comes SIGKILL. KillMode=mixed spares workers the first SIGTERM.",
            ),
        ],
    },
    Advice {
        clause: "in-flight.close-announced",
        seen: "Requests begun before the drain whose end the harness decides (last byte of a body or of a head); their answers, after Td + δ, are searched for the token `close` in Connection.",
        breaks: &[
            "Whether to keep alive is decided when the request is read, and not when the head is written.",
            "The application wrote its own Connection or Keep-Alive header.",
        ],
        mend: &[
            ("any", "Ask whether the server drains in the moment in which the head is serialized."),
            (
                "Gunicorn",
                "gthread and the async workers decide at the beginning of a request: running ones are answered without it.",
            ),
            ("h2o", "Keep-alive is off only for requests that were parsed after the signal, by design."),
            (
                "Go",
                "net/http asks when it writes the head, once Shutdown was called: call it before the handlers end.",
            ),
            (
                "Node.js",
                "res.setHeader('Connection', 'close') in whatever writes the head while the server closes.",
            ),
            (
                "Rust, hyper",
                "graceful_shutdown() on the connection is enough since hyper 1.5: the next head that is written says close.",
            ),
        ],
    },
    Advice {
        clause: "in-flight.executed-once",
        seen: "hotspec's own origin behind the proxy counts each POST by an id that the lane chose. A target that is no proxy can't be asked.",
        breaks: &[
            "The proxy repeats a request whose upstream connection ended, POST included.",
            "An old worker hands its requests on to the new one, and both send them.",
        ],
        mend: &[
            (
                "nginx",
                "proxy_next_upstream leaves POST alone unless it says `non_idempotent`: take that out.",
            ),
            (
                "HAProxy",
                "retry-on conn-failure (the default) repeats only what never left; with more, `http-request disable-l7-retry if METH_POST`.",
            ),
            (
                "Envoy",
                "retry_on: connect-failure and refused-stream are safe; 5xx, gateway-error and reset repeat what was sent.",
            ),
            ("Caddy", "What was sent already is repeated for GET alone by default: leave lb_retry_match so."),
        ],
    },
    Advice {
        clause: "in-flight.no-drain-errors",
        seen: "Statuses 500, 502 and 503 from T0 to Tx where control had none on that path.",
        breaks: &[
            "A draining server answers what it accepted with 503.",
            "The thread pool is shut down before the queue before it is empty.",
            "The health check is switched off at the same moment as the service.",
        ],
        mend: &[
            ("any", "Whatever was accepted is answered; say no by not accepting."),
            (
                "Puma",
                "\"Unable to add work while shutting down\" in its log is this: `drain_on_shutdown true`, and the phased restart of a cluster.",
            ),
            (
                "Java",
                "Let the connector stop accepting before ExecutorService.shutdown(): what is submitted after that throws RejectedExecutionException.",
            ),
            (
                "Python",
                "ThreadPoolExecutor.shutdown() refuses what comes after it: call it when no connection is left.",
            ),
        ],
    },
];
