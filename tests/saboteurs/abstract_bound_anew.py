#!/usr/bin/env python3
"""A saboteur: a hot restart that does not hand its abstract unix sockets on.

Listeners are told apart by their names, and the name of an abstract one begins with a NUL byte: as a
text it is empty. One without a name is not handed on. It is closed, and the successor binds it anew.
"""
# clause: protocol.abstract
# falls-with: availability.not-refused, availability.answered, availability.queue-kept, availability.no-stall, availability.listener-present, availability.same-listener, availability.no-wire-reset, keep-alive.fin-not-reset, keep-alive.answered-throughout, in-flight.completes, drain.exit-undisturbing, descriptors.unix-path
# profile: reload
# options: --listen-on abstract=unix:@{socket}

import sys

sys.dont_write_bytecode = True

from idle_closed_at_once import Server, main  # noqa: E402


class Faulty(Server):
    def hands_on(self, listener):
        name = listener.getsockname()
        text = name.split(b"\0")[0] if isinstance(name, bytes) else name
        # The fault: the name goes on behind the NUL byte.
        return bool(text)


if __name__ == "__main__":
    main(Faulty)
