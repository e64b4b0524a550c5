#!/usr/bin/env python3
"""A saboteur: a hot restart that drops clients that closed their sending side.

When it begins to drain it looks which clients are still there. Whoever shows an end of file has gone, it
thinks, and need not be waited for; but such a client has only said that it will send no more.
"""
# clause: protocol.half-close
# shown-by: half-close-slow
# falls-with: in-flight.completes, in-flight.slow-response, drain.waits, keep-alive.fin-not-reset
# profile: reload
# level: should
# options: --socket-flag --socket

import socket
import sys

sys.dont_write_bytecode = True

from idle_closed_at_once import Server, main  # noqa: E402


class Faulty(Server):
    def drain(self):
        super().drain()
        for connection in list(self.connections):
            try:
                gone = not connection.sock.recv(1, socket.MSG_PEEK)
            except OSError:
                continue
            if gone:
                # The fault: an answer is owed all the same.
                self.watch(connection, 0)
                self.connections.discard(connection)
                connection.waiting = None
                connection.sock.close()


if __name__ == "__main__":
    main(Faulty)
