#!/usr/bin/env python3
"""A saboteur: a hot restart that never says 100 while it drains.

A server that drains takes no new work, so it does not ask for a body. But it does not refuse it either:
the request has been read, and its body is waited for. So both sides wait.
"""
# clause: protocol.expect-continue
# falls-with: in-flight.completes, in-flight.upload, keep-alive.fin-not-reset
# profile: reload
# options: --socket-flag --socket

import sys

sys.dont_write_bytecode = True

from idle_closed_at_once import Connection, Server, main  # noqa: E402


class Unwelcoming(Connection):
    def welcome(self):
        # The fault: who is not to send a body has to be told so.
        if not self.server.draining:
            yield from super().welcome()


class Faulty(Server):
    connection = Unwelcoming


if __name__ == "__main__":
    main(Faulty)
