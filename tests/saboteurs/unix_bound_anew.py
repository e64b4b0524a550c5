#!/usr/bin/env python3
"""A saboteur: a hot restart that does not hand its unix sockets on.

Who wants to listen on a path removes what is there and binds it, so the successor does: it needs no
descriptor for that. But the old process lets its own go first, and nobody listens in between.
"""
# clause: protocol.unix
# falls-with: availability.not-refused, availability.answered, availability.queue-kept, availability.no-stall, availability.listener-present, availability.same-listener, availability.no-wire-reset, keep-alive.fin-not-reset, keep-alive.answered-throughout, in-flight.completes, drain.exit-undisturbing, descriptors.unix-path
# profile: reload
# options: --listen-on unix=unix:{socket}

import socket
import sys

sys.dont_write_bytecode = True

from idle_closed_at_once import Server, main  # noqa: E402


class Faulty(Server):
    def hands_on(self, listener):
        # The fault: that it can be bound again does not mean that nothing is lost.
        return listener.family != socket.AF_UNIX


if __name__ == "__main__":
    main(Faulty)
