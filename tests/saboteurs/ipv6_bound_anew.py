#!/usr/bin/env python3
"""A saboteur: a hot restart that does not hand its IPv6 listeners on.

A listener is one whose name has two parts, host and port; that of IPv6 has four. It is closed, and the
successor, which finds its address missing, binds it anew.
"""
# clause: protocol.ipv6
# falls-with: availability.not-refused, availability.answered, availability.queue-kept, availability.no-stall, availability.listener-present, availability.same-listener, availability.no-wire-reset, keep-alive.fin-not-reset, keep-alive.answered-throughout, in-flight.completes, drain.exit-undisturbing, descriptors.unix-path
# profile: reload
# options: --listen-on ipv6=[{host}]:{port}

import sys

sys.dont_write_bytecode = True

from idle_closed_at_once import Server, main  # noqa: E402


class Faulty(Server):
    def hands_on(self, listener):
        # The fault: flow and scope belong to the name too.
        return len(listener.getsockname()) == 2


if __name__ == "__main__":
    main(Faulty)
