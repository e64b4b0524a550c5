#!/usr/bin/env python3
"""A saboteur: a hot restart whose old process unlinks the unix socket's path when it ends.

It is what a program owes that ends for good. Here the path is the successor's by then, which listens on behind it, and
nobody can connect any more.

Its server is the one of `idle_closed_at_once.py`, which is right by the profile `reload`.
"""
# clause: descriptors.unix-path
# falls-with: availability.not-refused, availability.answered, availability.no-stall, availability.listener-present, availability.same-listener, availability.successor-serves, process.new-generation, process.effective, drain.exits, drain.starts, protocol.unix
# profile: reload
# options: --socket-flag --socket --listen-on unix=unix:{socket}

import os
import socket
import sys

sys.dont_write_bytecode = True  # nothing is to be left beside the sources

import idle_closed_at_once as base


class Connection(base.Connection):
    def unsent(self):
        return 0  # TIOCOUTQ counts what the client has not read, and close(2) leaves that to it


class Server(base.Server):
    path = None

    def accept(self):
        for _ in range(64):
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setblocking(False)
            connection = Connection(self, sock)
            self.connections.add(connection)
            self.resume(connection, None)

    def run(self):
        super().run()
        # The fault: it is the successor's now.
        os.unlink(self.path)


def main():
    arguments = sys.argv[1:]
    address, plain = arguments[arguments.index("--listen") + 1], arguments[:2]
    if not address.startswith("unix:"):
        return base.main()
    Server.path = address.removeprefix("unix:")
    if "--socket" in arguments:
        fd = int(arguments[arguments.index("--socket") + 1])
        os.set_inheritable(fd, False)
        listener = socket.socket(fileno=fd)
    else:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(Server.path)
        listener.listen(base.BACKLOG)
    listener.setblocking(False)
    program = os.path.abspath(sys.argv[0])
    return Server(listener, "--socket" in arguments, [program, *plain]).run()


if __name__ == "__main__":
    main()
