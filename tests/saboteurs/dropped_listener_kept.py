#!/usr/bin/env python3
"""A saboteur: a hot restart that keeps a listener open which its configuration does not have any more.

All listeners are handed on, by number and in the order of the configuration. The successor takes those that it finds in
its own configuration, and forgets that it has to close the others: whoever connects there waits for ever, and no other
program can have the address.

Its server is the one of `idle_closed_at_once.py`, which is right by the profile `reload`.
"""
# clause: descriptors.removed-listener-closed
# profile: reload
# target: dropped_listener_kept.toml

import os
import socket
import sys

sys.dont_write_bytecode = True  # nothing is to be left beside the sources

import idle_closed_at_once as base


class Server(base.Server):
    def __init__(self, listeners, is_successor, command):
        super().__init__(list(listeners.values()), is_successor, command)
        self.by_address = listeners

    def become_successor(self, predecessor):
        handed_on = []
        for address, listener in self.by_address.items():
            os.set_inheritable(listener.fileno(), True)
            handed_on.append(f"{address}={listener.fileno()}")
        self.command += ["--sockets", ",".join(handed_on)]
        super().become_successor(predecessor)


def configured(path):
    with open(path, encoding="utf-8") as file:
        lines = [line.split() for line in file]
    return [words[1] for words in lines if len(words) == 2 and words[0] == "listen"]


def bound(address):
    host, _, port = address.rpartition(":")
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, int(port)))
    listener.listen(base.BACKLOG)
    return listener


def main():
    arguments = sys.argv[1:]
    configuration = arguments[arguments.index("--config") + 1]
    inherited = {}
    if "--sockets" in arguments:
        pairs = arguments[arguments.index("--sockets") + 1].split(",")
        inherited = dict(pair.split("=") for pair in pairs)
    listeners = {}
    for address in configured(configuration):
        # The fault: what is left in `inherited` has to be closed.
        fd = inherited.pop(address, None)
        listeners[address] = socket.socket(fileno=int(fd)) if fd else bound(address)
    for listener in listeners.values():
        os.set_inheritable(listener.fileno(), False)
        listener.setblocking(False)
    program = os.path.abspath(sys.argv[0])
    Server(listeners, bool(inherited) or "--sockets" in arguments, [program, "--config", configuration]).run()


if __name__ == "__main__":
    main()
