#!/usr/bin/env python3
"""A saboteur: a hot restart that sets the shared listener blocking when it drains.

The old process leaves the listener as it has found it, as tidy programs do, and forgets that O_NONBLOCK belongs to
the open file, which the successor accepts from. A connection that is reset between the successor's poll and its
accept stops it until the next one comes.

Its server is the one of `idle_closed_at_once.py`, which is right by the profile `reload`.
"""
# clause: descriptors.nonblocking-kept
# shown-by: five-restarts
# profile: reload
# level: should
# options: --socket-flag --socket

import socket
import sys

sys.dont_write_bytecode = True  # nothing is to be left beside the sources

import idle_closed_at_once as base


class Server(base.Server):
    def accept(self, listener):
        """One at a time: poll says when there is another."""
        try:
            sock, _ = listener.accept()
        except OSError:
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = base.Connection(self, sock)
        self.connections.add(connection)
        self.resume(connection, None)

    def drain(self):
        # The fault: the flag is the successor's as well.
        for listener in self.listeners:
            listener.setblocking(True)
        super().drain()


if __name__ == "__main__":
    base.main(Server)
