#!/usr/bin/env python3
"""A saboteur: a hot restart whose successor listens anew, with a smaller backlog.

The listener that it inherits goes the way of one that it has just bound: it is told to listen, with what the language
takes for a good backlog, and not with what the first generation was given.

Its server is the one of `idle_closed_at_once.py`, which is right by the profile `reload`.
"""
# clause: descriptors.backlog-kept
# shown-by: five-restarts
# profile: reload
# level: should
# options: --socket-flag --socket
import sys

sys.dont_write_bytecode = True  # nothing is to be left beside the sources

import idle_closed_at_once as base


class Server(base.Server):
    def __init__(self, listeners, is_successor, command):
        super().__init__(listeners, is_successor, command)
        if is_successor:
            # The fault: it listens already.
            for listener in listeners:
                listener.listen()


if __name__ == "__main__":
    base.main(Server)
