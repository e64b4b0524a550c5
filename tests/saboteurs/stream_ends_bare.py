#!/usr/bin/env python3
"""A saboteur: a hot restart that ends streams without their last chunk.

A stream of events would go on for ever, so it is ended when the server drains: its handler returns, and
the connection is closed. Nobody writes the chunk by which a client knows the end from a failure.
"""
# clause: protocol.server-sent-events
# falls-with: in-flight.completes, in-flight.slow-response, in-flight.not-truncated, drain.waits
# profile: reload
# level: should
# options: --socket-flag --socket --stream-path /stream?chunks={chunks}&ms={ms}

import sys

sys.dont_write_bytecode = True

from idle_closed_at_once import Connection, Server, main  # noqa: E402


class Terse(Connection):
    def is_streamed_enough(self):
        # The fault is that nothing is written after this.
        return bool(self.server.draining)


class Faulty(Server):
    connection = Terse


if __name__ == "__main__":
    main(Faulty)
