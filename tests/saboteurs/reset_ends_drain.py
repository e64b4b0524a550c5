#!/usr/bin/env python3
"""A saboteur: a hot restart whose drain ends with the first client that resets its connection.

While it drains, errors of connections are handed up to the loop that waits for all of them, and the
loop is over with the first one. What others have under way goes with it.
"""
# clause: protocol.client-abort
# shown-by: client-abort
# falls-with: in-flight.completes, in-flight.partial-head, in-flight.not-truncated, in-flight.slow-reader, in-flight.upload, drain.waits, drain.exits, keep-alive.fin-not-reset, availability.no-wire-reset
# profile: reload
# level: should
# options: --socket-flag --socket

import socket
import sys

sys.dont_write_bytecode = True

from idle_closed_at_once import Server, main  # noqa: E402


class ConnectionFailed(Exception):
    pass


class Faulty(Server):
    def on_event(self, connection):
        if self.draining:
            self.look_at(connection)
        super().on_event(connection)

    def look_at(self, connection):
        try:
            connection.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            pass
        except OSError as error:
            raise ConnectionFailed from error

    def run(self):
        try:
            super().run()
        except ConnectionFailed as error:
            # The fault: one connection failed, and not the drain.
            print(f"drained: {error.__cause__}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(Faulty)
