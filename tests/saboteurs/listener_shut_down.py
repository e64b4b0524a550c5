#!/usr/bin/env python3
"""A saboteur: a hot restart that shuts the shared listener down when it drains.

shutdown(2) is how to wake threads that wait in accept(2), in a program that is alone with its listener. Here the
successor has the same socket: it listens no longer, for both.

Its server is the one of `idle_closed_at_once.py`, which is right by the profile `reload`.
"""
# clause: descriptors.not-shut-down
# shown-by: new-connections
# falls-with: availability.not-refused, availability.answered, availability.no-stall, availability.listener-present, availability.same-listener, availability.successor-serves, availability.queue-kept, availability.no-overflow, process.new-generation, process.effective, process.one-left, process.exit-zero, process.no-zombies, keep-alive.normal-otherwise, keep-alive.fin-not-reset, keep-alive.close-announced, drain.starts, drain.exits, drain.exit-undisturbing, drain.stops-accepting, drain.waits, repeat.many, repeat.double-trigger, repeat.while-draining, repeat.successor-triggered, repeat.storm, load.new-connections, load.closed-loop, load.idle-mass
# profile: reload
# options: --socket-flag --socket

import socket
import sys

sys.dont_write_bytecode = True  # nothing is to be left beside the sources

import idle_closed_at_once as base


class Server(base.Server):
    def drain(self):
        # The fault: to close it is enough.
        for listener in self.listeners:
            listener.shutdown(socket.SHUT_RDWR)
        super().drain()


if __name__ == "__main__":
    base.main(Server)
