#!/usr/bin/env python3
"""A saboteur: a hot restart that hands its sessions on, and never forgets any.

Each generation adds its own to what it was handed, and hands all of it on: after enough restarts the machine's memory
is full of sessions that ended long ago.

Its server is the one of `idle_closed_at_once.py`, which is right by the profile `reload`.
"""
# clause: process.memory
# profile: reload
# level: should
# options: --socket-flag --socket

import os
import sys

sys.dont_write_bytecode = True  # nothing is to be left beside the sources

import idle_closed_at_once as base

SESSIONS = "SABOTEUR_SESSIONS_FD"


class Server(base.Server):
    def __init__(self, listeners, is_successor, command):
        super().__init__(listeners, is_successor, command)
        handed_on = os.environ.pop(SESSIONS, None)
        self.sessions = b""
        if handed_on:
            with open(int(handed_on), "rb") as sessions:
                self.sessions = sessions.read()
        # The fault: those that ended are kept with the others.
        self.sessions += os.urandom(1 << 20)

    def become_successor(self, predecessor):
        fd = os.memfd_create("sessions", 0)
        with open(fd, "wb", closefd=False) as sessions:
            sessions.write(self.sessions)
        os.lseek(fd, 0, os.SEEK_SET)
        os.environ[SESSIONS] = str(fd)
        super().become_successor(predecessor)


if __name__ == "__main__":
    base.main(Server)
