#!/usr/bin/env python3
"""A saboteur: a hot restart that a SIGHUP right after the start makes a stop.

The first generation serves from a thread at once, so that nobody waits for it, and loads the part that
restarts it afterwards: modules that are needed for that alone. Until they are loaded SIGHUP has its default
meaning, which is to end the process. A successor starts with the signal blocked and tells its parent when it
is through, so every later restart is in order.
"""
# clause: repeat.at-start
# shown-by: triggered-at-start
# falls-with: availability.not-refused
# profile: reload

import http.server
import os
import signal
import socket
import sys
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "server"
    draining = False

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        if Handler.draining:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(b"it works\n")

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.answer(b"it works\n")

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    # Requests that are under way are waited for at the end.
    daemon_threads = False
    request_queue_size = 1024


def arguments():
    args, plain, fd = sys.argv[1:], [], None
    while args:
        if args[0] == "--socket":
            fd = int(args[1])
        else:
            plain += args[:2]
        del args[:2]
    address = plain[plain.index("--listen") + 1] if "--listen" in plain else "127.0.0.1:8080"
    return plain, address, fd


def main():
    plain, address, fd = arguments()
    host, _, port = address.rpartition(":")
    server = Server((host, int(port)), Handler, bind_and_activate=False)
    if fd is None:
        server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.server_bind()
        server.server_activate()
    else:
        server.socket.close()
        server.socket = socket.socket(fileno=fd)
        os.set_inheritable(fd, False)
    # The fault: what is below has to be there before this line.
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    serving.start()

    import asyncio  # noqa: F401, PLC0415
    import multiprocessing.connection  # noqa: F401, PLC0415
    import ssl  # noqa: F401, PLC0415
    import subprocess  # noqa: PLC0415
    import unittest.mock  # noqa: F401, PLC0415
    import xmlrpc.client  # noqa: F401, PLC0415

    both = {signal.SIGHUP, signal.SIGUSR1}
    for each in both:
        signal.signal(each, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, both)
    if fd is not None:
        os.kill(os.getppid(), signal.SIGUSR1)
    successor = None
    while True:
        came = signal.sigwait(both)
        if came == signal.SIGUSR1 and successor:
            break
        if came == signal.SIGHUP and (successor is None or successor.poll() is not None):
            number = server.fileno()
            command = [os.path.abspath(sys.argv[0]), *plain, "--socket", str(number)]
            successor = subprocess.Popen(command, pass_fds=[number])
    Handler.draining = True
    server.shutdown()
    server.server_close()


if __name__ == "__main__":
    main()
