#!/usr/bin/env python3
"""A saboteur: a hot restart that hands 32 listeners on and no more.

Their descriptors go into an array of fixed size. What does not fit is closed, and the successor binds it
anew.
"""
# clause: protocol.many-listeners
# falls-with: availability.not-refused, availability.answered, availability.queue-kept, availability.no-stall, availability.listener-present, availability.same-listener, availability.no-wire-reset, keep-alive.fin-not-reset, keep-alive.answered-throughout, in-flight.completes, drain.exit-undisturbing, descriptors.unix-path
# profile: reload
# options: --each-listener {address}

import sys

sys.dont_write_bytecode = True

from idle_closed_at_once import Server, main  # noqa: E402


HANDED_ON_MAX = 32


class Faulty(Server):
    def hands_on(self, listener):
        # The fault: there may be more.
        return self.listeners.index(listener) < HANDED_ON_MAX


if __name__ == "__main__":
    main(Faulty)
