#!/usr/bin/env python3
"""A saboteur: a hot restart after which the successor holds one descriptor more than its predecessor.

The library that reads the table of media types is written in C and knows nothing of close-on-exec: what it has
opened, and keeps open, is inherited by the next generation, which opens it once more.

Its server is the one of `idle_closed_at_once.py`, which is right by the profile `reload`.
"""
# clause: descriptors.no-growth
# profile: reload
# options: --socket-flag --socket

import os
import sys

sys.dont_write_bytecode = True  # nothing is to be left beside the sources

import idle_closed_at_once as base


class Server(base.Server):
    def __init__(self, listeners, is_successor, command):
        super().__init__(listeners, is_successor, command)
        # The fault: O_CLOEXEC is missing.
        self.media_types = base.LIBC.open(os.fsencode(__file__), os.O_RDONLY)


if __name__ == "__main__":
    base.main(Server)
