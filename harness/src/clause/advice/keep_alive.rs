//! The group `keep-alive`.

use super::Advice;

pub(super) const ADVICE: &[Advice] = &[
    Advice {
        clause: "keep-alive.close-announced",
        seen: "Answers on connections that the socket table gives to an old process, to requests sent after Td + δ; `close` counts as a token of Connection in any case.",
        breaks: &[
            "The drain closes the listener and tells the connections nothing.",
            "The header is set by a layer that does not know of the drain (the application, a framework, a proxy before it).",
            "The connection is closed after the answer, unannounced.",
        ],
        mend: &[
            ("nginx, HAProxy, httpd", "They announce it as soon as a worker is told to exit."),
            (
                "Pingora",
                "Answers while it drains carry no `Connection: close`: in response_filter insert it once shutdown was seen, and call session.set_keepalive(None).",
            ),
            (
                "Go",
                "Shutdown and SetKeepAlivesEnabled(false) both do it; a handler can by w.Header().Set(\"Connection\", \"close\").",
            ),
            (
                "Node.js",
                "Set it in a request listener once the server closes: res.setHeader('Connection', 'close').",
            ),
            (
                "Rust, hyper",
                "http1::Connection::graceful_shutdown() (since hyper 1.5 it says so in the head), or a `connection: close` header in the response: hyper closes after it.",
            ),
            (
                "Python, asyncio",
                "h11 and httptools leave it to the server: uvicorn's keep_alive flag decides after the answer; before it, set the header in a middleware.",
            ),
        ],
    },
    Advice {
        clause: "keep-alive.close-honoured",
        seen: "The time from the last body byte of an answer with `Connection: close` to the end of file on that connection, and any byte after it.",
        breaks: &[
            "The header was added by a filter, and the loop that reads requests does not know.",
            "The server waits for the client to close first, for as long as the keep-alive timeout.",
            "Another process still holds a descriptor of that connection: a close(2) sends no FIN while one is open.",
        ],
        mend: &[
            (
                "any",
                "After such an answer: shutdown(SHUT_WR) at once, and close when the client has closed or a second has passed.",
            ),
            (
                "Linux",
                "Open sockets with SOCK_CLOEXEC (accept4), so that no child that is executed keeps them.",
            ),
            (
                "nginx",
                "A module that adds the header by itself must clear r->keepalive too; `keepalive_timeout 0` does both.",
            ),
            (
                "Python",
                "Descriptors are not inherited over exec since 3.4, but os.fork() copies all: close accepted sockets in the child.",
            ),
        ],
    },
    Advice {
        clause: "keep-alive.one-last-request",
        seen: "Connections that were used shortly before the drain and then rest; each sends one request while the old generation drains, by Td + idle_max/2. End of file or RST instead of an answer is the breach.",
        breaks: &[
            "Idle connections are closed when the drain begins: a request that is on its way meets a closed socket.",
            "The server's library does so by itself: http.Server.Shutdown, server.close() of Node.js 19, graceful_shutdown() of hyper.",
        ],
        mend: &[
            (
                "nginx",
                "keepalive_min_timeout (1.27.4) keeps idle connections for so long after the drain began, and announces the close on the next answer.",
            ),
            (
                "HAProxy",
                "option idle-close-on-response keeps them until the next answer or `timeout http-keep-alive`.",
            ),
            (
                "Go",
                "Let handlers answer with `Connection: close` for the idle limit first (a flag that is read by a wrapping handler), and call Shutdown only then: it closes idle connections at once, as SetKeepAlivesEnabled(false) does.",
            ),
            (
                "Node.js",
                "net.Server.prototype.close.call(server) stops accepting and closes no idle connection, as server.close() does since Node 19: answer with `Connection: close` from then on.",
            ),
            (
                "Rust, hyper",
                "Answer with a `connection: close` header while draining, and call graceful_shutdown() when the idle limit has passed.",
            ),
            ("h2o, nghttpx, Envoy", "They keep idle connections while they drain."),
        ],
    },
    Advice {
        clause: "keep-alive.fresh-request",
        seen: "Connections that the old process has accepted (the socket table says so) and that never sent a byte; each sends its first request while it drains.",
        breaks: &[
            "What never sent a byte is closed first when the drain begins.",
            "Such a connection is closed with its request already in the buffer, and the kernel sends RST.",
        ],
        mend: &[
            (
                "nginx, HAProxy, httpd",
                "They keep it until client_header_timeout, `timeout http-request`, RequestReadTimeout.",
            ),
            ("Go", "Shutdown closes StateNew connections after 5 s: call it later, as for idle ones."),
            (
                "Node.js",
                "Leave them to server.headersTimeout: a list of sockets from the connection event that is destroyed at the stop is what closes them.",
            ),
            (
                "Puma",
                "It closes them at once: a proxy before it that opens connections only with a request in hand avoids that.",
            ),
        ],
    },
    Advice {
        clause: "keep-alive.answered-throughout",
        seen: "Every request of steady traffic on connections that were not announced to close, from T0 to Tx, and those of a client with an ordinary pool (reqwest, its retries off).",
        breaks: &[
            "Any unannounced close: at the drain, at an idle limit that is shorter than while serving, at the exit.",
            "An answer that says close on one connection, and the process closes others with it.",
        ],
        mend: &[
            (
                "any",
                "While draining close a connection only right after an answer that announced it, or after the idle limit has passed in silence.",
            ),
            ("nginx", "keepalive_min_timeout above the clients' longest pause."),
            ("HAProxy", "option idle-close-on-response; and close-spread-time, so that not all go at once."),
            (
                "clients",
                "Where the server can't be mended: repeat idempotent requests once, and keep the pool's idle timeout below the server's.",
            ),
        ],
    },
    Advice {
        clause: "keep-alive.only-one",
        seen: "Requests that a lane sends on after an answer of the drain, on a connection that stayed open: whether any of them is answered by an old process.",
        breaks: &[
            "The answer says close and the connection loop goes on reading.",
            "Pipelined requests are all answered after the one that announced the close.",
        ],
        mend: &[
            (
                "any",
                "Leave the connection's loop after the answer that announced the close, whatever the buffer still holds; read and drop it before the close.",
            ),
            (
                "Rust, hyper",
                "A `connection: close` in the response ends the connection; one in a header map of a proxied answer is stripped as hop-by-hop, so set it last.",
            ),
            (
                "Python, asyncio",
                "Close the transport by write_eof() and close() after the answer instead of waiting for data_received().",
            ),
        ],
    },
    Advice {
        clause: "keep-alive.not-before-ready",
        seen: "Answers between the trigger and the successor's first one that say close where control says none; in one scenario the successor's start is held up for 5 × stall_max.",
        breaks: &[
            "The trigger's handler sets the draining flag, and only then starts the successor.",
            "Stop and start in one script: SIGTERM to the old, then the new.",
        ],
        mend: &[
            (
                "any",
                "Drain on the successor's word (a signal, a byte in a pipe), never on the trigger: if it fails, nothing has happened.",
            ),
            ("Go", "tableflip's Upgrader: drain when Exit() fires, which is after the child's Ready()."),
            (
                "Pingora",
                "The documented order is SIGQUIT to the old process and then the new one with -u: start the new one first, it waits for the sockets.",
            ),
            ("Einhorn, Server::Starter", "Ack by hand or a long enough interval: a fixed second is a guess."),
        ],
    },
    Advice {
        clause: "keep-alive.fin-not-reset",
        seen: "How each connection with nothing unanswered ends, as the lane's own socket tells: end of file, or ECONNRESET. An RST that answers bytes which the lane sent after the server's FIN is the lane's own doing and does not count.",
        breaks: &[
            "A close(2) with unread bytes in the receive buffer.",
            "SO_LINGER with a time of 0, to get rid of connections quickly.",
            "A listening socket that is closed with connections in its queue.",
            "A process that ends with unread bytes: the kernel closes for it, the same way.",
        ],
        mend: &[
            ("any", "shutdown(SHUT_WR), read until end of file or for a second, close."),
            ("C", "Take SO_LINGER{1, 0} out of the shutdown path."),
            ("nginx", "reset_timedout_connection off (the default)."),
            ("Go", "(*net.TCPConn).SetLinger(0) is what does it; leave the default."),
            (
                "Gunicorn, gthread",
                "A late request on an idle connection is accepted, never read, and reset seconds later: use a --keep-alive that ends before the worker does, behind a proxy.",
            ),
        ],
    },
    Advice {
        clause: "keep-alive.crossing-request",
        seen: "Requests that were sent while the server's FIN was on its way: a whole answer or not one byte is in order.",
        breaks: &[
            "The server begins an answer on a connection that it has decided to close.",
            "Timer and reader act on the same connection without a lock: the timer closes amid the answer.",
        ],
        mend: &[
            (
                "any",
                "Decide once, in one place: either the connection is being read from, or it is being closed.",
            ),
            ("Go", "Conn.SetReadDeadline in the loop that reads, not Close from another goroutine."),
            ("Rust, tokio", "One select! over read and timer in the connection's own task."),
        ],
    },
    Advice {
        clause: "keep-alive.normal-otherwise",
        seen: "Before the trigger and on the successor's connections: at which request a close is announced, and how long an idle connection lasts, against the control phase.",
        breaks: &[
            "The draining flag is inherited, or never reset in a process that restarts in itself.",
            "The successor starts with other limits: arguments or environment were lost.",
            "The new workers meet all that waited for them at once, are short of threads, and close idle connections.",
        ],
        mend: &[
            ("any", "Make the flag part of the old generation's state: the successor starts with none."),
            ("Go", "A http.Server that was shut down stays so (ErrServerClosed): make a new one."),
            (
                "httpd",
                "The event MPM closes idle connections when all threads are busy: more ThreadsPerChild, a higher AsyncRequestWorkerFactor.",
            ),
            (
                "nginx",
                "keepalive_requests (1000 by default) closes by count in control as well, and is no breach.",
            ),
        ],
    },
    Advice {
        clause: "keep-alive.kept-on-failed-restart",
        seen: "The program is spoilt on the path that it was started by, and a restart is tried; once it is seen to be over, connections of every age are asked on, and what their answers announce is compared with the control phase.",
        breaks: &[
            "The draining flag is set at the trigger, and nobody takes it back when the successor fails.",
            "The server can begin to drain and has no way to end it, short of exiting.",
        ],
        mend: &[
            ("any", "Begin to drain when the successor says that it is ready, and not a moment earlier."),
            ("Go", "SetKeepAlivesEnabled(false) belongs after the successor's message, before Shutdown."),
            (
                "Rust, hyper",
                "Call graceful_shutdown on connections when the successor is ready; it can't be taken back.",
            ),
        ],
    },
];
