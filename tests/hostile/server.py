#!/usr/bin/env python3
"""A server that wants to be more than text: whatever it may choose, it fills with markup, escape sequences, commands of
pipelines and bytes that are no UTF-8. Nothing of it may come out of any report as more than text.

It answers in order until it is restarted. While it drains its answers are malformed, each in another way, so that they are
shown; it cries out, and what its successor is given differs.

Its server is the one of `../saboteurs/idle_closed_at_once.py`.
"""

import itertools
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../saboteurs"))

import idle_closed_at_once as base  # noqa: E402

EVILS = [
    b"<script>pwned()</script>",
    b"]]>--><img src=x onerror=pwned()>",
    b"\"'>|`pwned`|",
    b"\x1b[2J\x1b]8;;http://pwned\x07pwned\x1b]8;;\x07",
    b"\x9b31m\xe2\x80\xaedenwp\xc2\x9b2J",
    b"\xff\xfe\xf0\x28pwned\xc3",
    b"\xef\xbb\xbf\xe2\x80\xa8pwned\xe2\x80\x8b",
    b"[pwned](javascript:pwned()) &lt;b&gt; &#60;i&#62;",
    b"##[group]pwned ##vso[task.x]pwned # SKIP # TODO pwned",
    b"%0A::error::pwned\\n::set-output name=x::pwned",
]
# As a line of its own, and after a CR that is no end of a line for some.
COMMANDS = b"\n::error title=pwned::pwned\n##[error]pwned\r::error::pwned\r\n  ::stop-commands::pwned\n"
ALL = b" ".join(EVILS)
OUTCRIES = [
    b"thread 'main' panicked at " + ALL + b":1:2:\n",
    b"thread 'worker" + ALL + b"' panicked at src/main.rs:1:2:\n",
    b"Traceback (most recent call last):\n  File \"" + ALL + b"\"\n\n",
    b"==1==ERROR: AddressSanitizer: " + ALL + b"\n",
    b"panic: " + ALL + b"\n\ngoroutine 1 [running]:\n",
]


def malformed():
    """Each in another way."""
    for evil in itertools.cycle(EVILS):
        text = evil.replace(b"\r", b"").replace(b"\n", b"")
        yield b"HTTP/1.1 2" + text + b"00 OK\r\nContent-Length: 0\r\n\r\n"
        yield b"HTTP/1.1 200 OK\r\nX " + text + b": pwned\r\nContent-Length: 0\r\n\r\n"
        yield b"HTTP/1.1 200 OK\r\nX-Evil: a\0" + text + b"\r\nContent-Length: 0\r\n\r\n"
        yield b"HTTP/1.1 200 OK\r\nContent-Length: " + text + b"\r\n\r\n"
        yield b"HTTP/1.1 503 " + text + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + text + b"\r\n"
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nit works\n" + ALL
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\nConnection: close\r\n\r\n" + ALL
        yield ALL + COMMANDS


BAD = malformed()


class Connection(base.Connection):
    def respond(self, request, received):
        if not self.server.draining:
            goes_on = yield from super().respond(request, received)
            return goes_on
        yield from self.write(next(BAD))
        return False

    def write(self, data):
        status, line, rest = data.partition(b" OK\r\n")
        if line and status.startswith(b"HTTP/1.1 200"):
            reason = b" ".join(evil.replace(b"\x1b", b"").replace(b"\x07", b"") for evil in EVILS)
            data = status + b" " + reason + b"\r\nX-Evil: " + reason + b"\r\n" + rest
        if self.server.draining:
            data = data.replace(b"\r\nX-Evil: ", b"\r\nX-Pwned: ")
        yield from super().write(data)


class Server(base.Server):
    connection = Connection

    def run(self):
        cry(1, [ALL + COMMANDS])
        super().run()

    def become_successor(self, predecessor):
        # By the name that it was started by.
        self.command = [sys.executable, *self.command, "--pwned=" + os.fsdecode(ALL)]
        os.environ["PWNED<script>`|"] = os.fsdecode(ALL)
        super().become_successor(predecessor)

    def drain(self):
        cry(2, [ALL + COMMANDS, *OUTCRIES])
        super().drain()


def cry(fd, lines):
    for line in lines:
        os.write(fd, line)


if __name__ == "__main__":
    if sys.argv[1:] == ["--version"]:
        cry(1, [ALL + COMMANDS])
    else:
        sys.argv = [word for word in sys.argv if not word.startswith("--pwned=")]
        base.main(Server)
