#!/usr/bin/env python3
"""A saboteur: a hot restart whose successor inherits all open connections.

The connections are accepted without close-on-exec, so each of them is open in the successor too, which does not know
of it. Here both ends are told of the end by shutdown(2); where a server only closes, the client would wait for ever.

Its server is the one of `idle_closed_at_once.py`, which is right by the profile `reload`.
"""
# clause: descriptors.no-shared-connections
# shown-by: in-flight-upload
# falls-with: descriptors.no-growth
# profile: reload
# options: --socket-flag --socket

import os
import sys

sys.dont_write_bytecode = True  # nothing is to be left beside the sources

import idle_closed_at_once as base


class Connection(base.Connection):
    def __init__(self, server, sock):
        # The fault: accept(2) in place of accept4(2) with SOCK_CLOEXEC.
        os.set_inheritable(sock.fileno(), True)
        super().__init__(server, sock)


class Server(base.Server):
    connection = Connection


if __name__ == "__main__":
    base.main(Server)
