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
];
