#!/usr/bin/env python3
"""A saboteur: a hot restart whose successor inherits a pipe of its predecessor's.

The pipe by which signal handlers wake the main loop is made by pipe(2), without close-on-exec. The successor has both
of its ends, and makes a pipe of its own.

Its server is the one of `idle_closed_at_once.py`, which is right by the profile `reload`.
"""
# clause: descriptors.no-strays
# shown-by: in-flight-upload
# falls-with: descriptors.no-growth
# profile: reload
# level: should
# options: --socket-flag --socket

import ctypes
import sys

sys.dont_write_bytecode = True  # nothing is to be left beside the sources

import idle_closed_at_once as base


class Server(base.Server):
    def __init__(self, listeners, is_successor, command):
        super().__init__(listeners, is_successor, command)
        # The fault: pipe2(2) with O_CLOEXEC it has to be.
        self.wakeup_pipe = (ctypes.c_int * 2)()
        base.LIBC.pipe(self.wakeup_pipe)


if __name__ == "__main__":
    base.main(Server)
