#!/usr/bin/env python3
"""A saboteur: a hot restart in which a thread of the old process fails, and nobody notices.

The thread that counts what waits in the queue asks the listener, which is no more when the process drains. All else
goes on: no client and no exit status tells of it, only the output does.

Its server is the one of `idle_closed_at_once.py`, which is right by the profile `reload`.
"""
# clause: process.clean-log
# shown-by: in-flight-upload
# profile: reload
# level: should
# options: --socket-flag --socket

import socket
import sys

sys.dont_write_bytecode = True  # nothing is to be left beside the sources

import threading

import idle_closed_at_once as base

EVERY = 0.25


class Server(base.Server):
    def run(self):
        self.ended = threading.Event()
        threading.Thread(target=self.count, daemon=True).start()
        super().run()
        self.ended.set()

    def count(self):
        self.queued = 0
        while not self.ended.wait(EVERY):
            # The fault: there is none while the process drains.
            info = self.listeners[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
            self.queued = info[24]


if __name__ == "__main__":
    base.main(Server)
