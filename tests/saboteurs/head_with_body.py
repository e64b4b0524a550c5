#!/usr/bin/env python3
"""A saboteur: a hot restart that answers HEAD with a body while it drains.

The last answer on a connection is written by a function of its own, which says `Connection: close`. The
method was looked at by the other one.
"""
# clause: protocol.no-body
# shown-by: no-body
# falls-with: keep-alive.close-honoured, keep-alive.only-one, keep-alive.fin-not-reset, availability.no-wire-reset
# profile: reload
# options: --socket-flag --socket

import sys

sys.dont_write_bytecode = True

from idle_closed_at_once import Connection, Server, main  # noqa: E402


class Wordy(Connection):
    def has_body(self, request):
        # The fault: HEAD has none, draining or not.
        return self.server.draining or super().has_body(request)


class Faulty(Server):
    connection = Wordy


if __name__ == "__main__":
    main(Faulty)
