#!/usr/bin/env python3
"""A saboteur: a hot restart that takes an upload in chunks for an idle connection.

What it waits for when it begins to drain is told from the length that a request announced. A body in
chunks announces none, so nothing is outstanding, and the connection is closed like one that idles.
"""
# clause: protocol.chunked-upload
# falls-with: in-flight.completes, in-flight.not-truncated, in-flight.upload, drain.waits, keep-alive.fin-not-reset, availability.no-wire-reset
# profile: reload
# options: --socket-flag --socket

import sys

sys.dont_write_bytecode = True

from idle_closed_at_once import BODY, Connection, Server, main  # noqa: E402


class InChunks(Connection):
    unmeasured = False

    def read_chunks(self):
        self.unmeasured = True
        received = yield from super().read_chunks()
        self.unmeasured = False
        return received


class Faulty(Server):
    connection = InChunks

    def drain(self):
        super().drain()
        for connection in list(self.connections):
            # The fault: without a length nothing seems to be outstanding.
            if connection.waiting == BODY and connection.unmeasured:
                self.end_silence(connection)


if __name__ == "__main__":
    main(Faulty)
