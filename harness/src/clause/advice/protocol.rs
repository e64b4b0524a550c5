//! The group `protocol`.

use super::Advice;

pub(super) const ADVICE: &[Advice] = &[
    Advice {
        clause: "protocol.http10",
        seen: "HTTP/1.0 requests with no Connection header on new connections from T0 on: one whole answer, then end of file.",
        breaks: &[
            "The answer is framed by the end of the connection, and the process exits by RST.",
            "The connection is kept open although the client did not ask for that: the client waits for an end that does not come.",
        ],
        mend: &[
            (
                "any",
                "Without `Connection: keep-alive` in a request of HTTP/1.0: answer, shutdown(SHUT_WR), close.",
            ),
            (
                "nginx",
                "As a proxy: proxy_http_version 1.1, so that upstreams need not frame by the end of the connection.",
            ),
            (
                "Go, hyper, Node.js",
                "They do so by themselves unless a handler writes its own Connection header.",
            ),
        ],
    },
    Advice {
        clause: "protocol.http10-keep-alive",
        seen: "HTTP/1.0 requests with `Connection: keep-alive`: answers of an old process after Td + δ are searched for the promise, and their connections watched to the end.",
        breaks: &[
            "The promise is copied from the request, and the draining flag is asked for HTTP/1.1 alone.",
            "`Connection: close` is left out for HTTP/1.0, and keep-alive is not.",
        ],
        mend: &[
            (
                "any",
                "One decision for both versions: may this connection be used again? Only then write `keep-alive`.",
            ),
            (
                "nginx",
                "`keepalive_disable` and r->keepalive cover both; a module that writes the header by itself must ask.",
            ),
            (
                "Rust, hyper",
                "graceful_shutdown() drops the promise; a header of the application's own stays.",
            ),
        ],
    },
    Advice {
        clause: "protocol.pipelined",
        seen: "Several requests sent at once, the first answer larger than the socket buffers and read slowly while the old generation drains: how many answers come, in which order, which one says close, and how the connection ends.",
        breaks: &[
            "After the last answer the socket is closed with requests unread in its buffer: RST, which overtakes the answer.",
            "All that is in the buffer is answered although the first answer said close.",
            "The requests that are left are dropped, and no answer announced the close.",
        ],
        mend: &[
            (
                "any",
                "Announce the close on the answer after which reading stops, then shutdown(SHUT_WR) and read what is left before the close.",
            ),
            ("nginx", "lingering_close always, where clients pipeline."),
            (
                "Cowboy",
                "It answers the current request with `connection: close` and leaves the rest, as it should.",
            ),
            (
                "Falcore",
                "What is pipelined behind the last answer is dropped with its connection: read it before the close.",
            ),
        ],
    },
    Advice {
        clause: "protocol.chunked-upload",
        seen: "A chunked request body that is sent from before the trigger until long into the drain, and its answer.",
        breaks: &[
            "A read deadline for the whole body when the drain begins.",
            "A body of unknown length is given up first, as nobody can tell how long it takes.",
        ],
        mend: &[
            ("any", "Restart the body's limit with each chunk."),
            (
                "nginx",
                "client_body_timeout counts between two reads; proxy_request_buffering off hands chunks on as they come.",
            ),
            ("Go", "http.ResponseController.SetReadDeadline after each read."),
        ],
    },
    Advice {
        clause: "protocol.expect-continue",
        seen: "Expect: 100-continue before the trigger, and the body when 100 has come, while the old generation drains.",
        breaks: &[
            "The drain closes a connection that waits for its body, as no byte came for a while.",
            "100 is sent, and the body that follows is not read.",
        ],
        mend: &[
            ("any", "After 100 the request is in flight: give it the body's limit."),
            ("any", "Who wants no more says so by a final status with `Connection: close`, instead of 100."),
            ("Go", "Read from r.Body sends 100: a handler that never reads never asks for the body."),
        ],
    },
    Advice {
        clause: "protocol.no-body",
        seen: "HEAD, 204 and 304 across the restart: `Connection: close` in their heads, and no body after them.",
        breaks: &[
            "The announcement is written with the body, and there is none.",
            "A shared path for errors sends a body after HEAD.",
        ],
        mend: &[
            ("any", "Write Connection with the head, whatever follows."),
            ("Rust, hyper; Go", "They leave the body out by themselves; a raw writer beside them does not."),
        ],
    },
    Advice {
        clause: "protocol.half-close",
        seen: "A client that sends its request, closes its sending side and waits for the answer, across the restart.",
        breaks: &["End of file on the client's side is taken for its end, and the handler is cancelled."],
        mend: &[
            ("Rust, hyper", "http1::Builder::half_close(true)."),
            ("nginx", "proxy_ignore_client_abort on, where an upstream's answer is to be awaited."),
            ("Go", "net/http cancels the request's context at an end of file: don't tie the answer to it."),
            (
                "Node.js",
                "allowHalfOpen is true for http servers; don't destroy the socket in its 'end' event while an answer is under way.",
            ),
        ],
    },
    Advice {
        clause: "protocol.client-abort",
        seen: "Clients that reset their connections amid requests and answers while the old generation drains, and what becomes of the others.",
        breaks: &[
            "EPIPE or ECONNRESET is an error that nobody expects, or SIGPIPE ends the process.",
            "A count of connections is not decreased on that path, and the drain never ends.",
        ],
        mend: &[
            ("C", "signal(SIGPIPE, SIG_IGN) or MSG_NOSIGNAL."),
            ("any", "Decrease in a destructor or `finally`, not at the end of the good path."),
        ],
    },
    Advice {
        clause: "protocol.server-sent-events",
        seen: "A long event stream that is under way at the trigger: how it ends, and when.",
        breaks: &[
            "The stream has no end, so it is cut when the process exits.",
            "The stream is not known to the drain: a task of its own writes it.",
        ],
        mend: &[
            (
                "any",
                "Tell streams of the drain: send the last chunk (0), and let the client come back with Last-Event-ID.",
            ),
            ("Go", "Server.RegisterOnShutdown, and a channel that handlers select on."),
            ("Caddy, Traefik", "stream_close_delay of Caddy's reverse_proxy spares streams at a reload."),
        ],
    },
    Advice {
        clause: "protocol.upgraded",
        seen: "A WebSocket that is open at the trigger: whether it lives until drain_max or ends by a Close frame (1001, 1012).",
        breaks: &[
            "Hijacked connections are unknown to the server's own shutdown, and end with the process.",
            "A proxy cuts tunnels at a reload.",
        ],
        mend: &[
            (
                "Go",
                "Shutdown neither waits for nor closes hijacked connections: RegisterOnShutdown, and send Close 1001 yourself.",
            ),
            (
                "nginx",
                "Old workers stay for open tunnels: worker_shutdown_timeout bounds that, without a Close frame.",
            ),
            ("Node.js", "ws: server.clients.forEach(client => client.close(1012))."),
        ],
    },
    Advice {
        clause: "protocol.h2-goaway",
        seen: "GOAWAY on each HTTP/2 connection by the time at which the drain begins.",
        breaks: &[
            "Connection: close is a field of HTTP/1.1; HTTP/2 needs a frame, and nobody sends it.",
            "One GOAWAY with the last id at once: streams under way to the server are lost.",
        ],
        mend: &[
            ("any", "GOAWAY with 2^31-1 first, and the real last id a round trip later (RFC 9113 §6.8)."),
            ("Rust, hyper", "http2::Connection::graceful_shutdown() does both."),
            (
                "Go",
                "Shutdown sends it on connections that net/http made HTTP/2 itself; h2c needs http2.Server.",
            ),
        ],
    },
    Advice {
        clause: "protocol.h2-streams",
        seen: "Streams that are open at the GOAWAY, and those that cross it.",
        breaks: &[
            "Later streams are dropped in silence, and their clients wait.",
            "The connection is closed with streams below the last id open.",
        ],
        mend: &[
            (
                "any",
                "REFUSED_STREAM for what was not processed, so that clients may repeat it; close after the last stream.",
            ),
            ("Envoy", "--drain-time-s above the longest stream."),
        ],
    },
    Advice {
        clause: "protocol.tls-handshake",
        seen: "A handshake that begins before the drain and is finished in it.",
        breaks: &[
            "A connection with no request yet is closed, handshake or not.",
            "Certificates of the old process were unloaded when it began to drain.",
        ],
        mend: &[
            ("any", "Give a begun handshake the header timeout, and send close_notify before FIN."),
            ("Go", "(*tls.Conn).HandshakeContext with a deadline; Shutdown counts it as StateNew for 5 s."),
        ],
    },
    Advice {
        clause: "protocol.tls-exits",
        seen: "The end of an old generation behind a TLS listener with no further traffic.",
        breaks: &["The accept loop sets a deadline on a TCP listener, and behind TLS it has none."],
        mend: &[
            ("Go", "Keep the *net.TCPListener that tls.NewListener wraps, and close it or set its deadline."),
            ("Falcore", "ListenAndServeTLS waits in accept until one more connection comes."),
        ],
    },
    Advice {
        clause: "protocol.tls-resumption",
        seen: "Session tickets from before the restart, used after it.",
        breaks: &["Each process makes its own ticket keys at its start."],
        mend: &[
            ("nginx", "ssl_session_ticket_key with a file, or a shared ssl_session_cache."),
            ("HAProxy", "tls-ticket-keys on the bind line."),
            ("Go", "tls.Config.SetSessionTicketKeys with keys that all generations share."),
        ],
    },
    Advice {
        clause: "protocol.many-listeners",
        seen: "The same lanes with many listening sockets.",
        breaks: &[
            "A fixed number of descriptors in one message: SCM_RIGHTS takes 253 at most.",
            "Descriptors are keyed by address, and two listeners have the same one.",
        ],
        mend: &[
            ("any", "Send descriptors in batches, or inherit them over exec."),
            ("Pingora", "Its transfer takes 32 at most (MAX_FDS)."),
            ("systemd", "LISTEN_FDS counts from 3, with LISTEN_FDNAMES for their names."),
        ],
    },
    Advice {
        clause: "protocol.ipv6",
        seen: "Availability, keep-alive and drain on an IPv6 listener, as over IPv4.",
        breaks: &["The successor looks for its listener by an address in another notation, and binds anew."],
        mend: &[
            (
                "any",
                "Hand a socket on by descriptor, and don't write its address into a string and parse that: brackets and scopes get lost.",
            ),
            ("Linux", "IPV6_V6ONLY of both generations has to agree where one binds anew."),
        ],
    },
    Advice {
        clause: "protocol.unix",
        seen: "Availability, keep-alive and drain on a unix socket with a path, as over IPv4.",
        breaks: &[
            "The old process unlinks the path at its exit.",
            "The successor unlinks the path before it binds.",
        ],
        mend: &[
            ("any", "Inherit the socket, and never unlink a path that another generation listens on."),
            ("Go", "(*net.UnixListener).SetUnlinkOnClose(false)."),
            ("HAProxy", "expose-fd listeners hands unix sockets over as well."),
        ],
    },
    Advice {
        clause: "protocol.abstract",
        seen: "Availability, keep-alive and drain on an abstract unix socket, as over IPv4.",
        breaks: &["The successor binds anew: EADDRINUSE as long as its predecessor listens."],
        mend: &[
            (
                "any",
                "Inherit the socket: an abstract name can't be bound twice, and there is no SO_REUSEPORT for it.",
            ),
            (
                "HAProxy",
                "abns@ sockets go over by -x or a master only: nobody else can bind them while they are held.",
            ),
        ],
    },
];
