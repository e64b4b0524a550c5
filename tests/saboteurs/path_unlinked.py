#!/usr/bin/env python3
"""A saboteur: a hot restart whose old process unlinks the unix socket's path when it ends.

It is what a program owes that ends for good. Here the path is the successor's by then, which listens on behind it, and
nobody can connect any more.

Its server is the one of `idle_closed_at_once.py`, which is right by the profile `reload`.
"""
# clause: descriptors.unix-path
# shown-by: zero-traffic-unix
# falls-with: availability.not-refused, availability.answered, availability.no-stall, availability.listener-present, availability.same-listener, availability.successor-serves, process.new-generation, process.effective, drain.exits, drain.starts, protocol.unix
# profile: reload
# options: --socket-flag --socket --listen-on unix=unix:{socket}

import os
import socket
import sys

sys.dont_write_bytecode = True  # nothing is to be left beside the sources

import idle_closed_at_once as base


class Server(base.Server):
    def __init__(self, listeners, is_successor, command):
        super().__init__(listeners, is_successor, command)
        addresses = [base.address_of(listener) for listener in listeners]
        names = [address.removeprefix("unix:") for address in addresses if address.startswith("unix:")]
        self.paths = [name for name in names if not name.startswith("@")]

    def run(self):
        super().run()
        # The fault: it is the successor's now.
        for path in self.paths:
            os.unlink(path)


if __name__ == "__main__":
    base.main(Server)
