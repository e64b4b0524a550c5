#!/usr/bin/env python3
"""A saboteur: a proxy that is less patient with its origin while it drains, and asks again.

An origin that has not answered within a second is taken for gone, lest it keep the old process, and the request is
sent once more on another connection. That is right for a GET. A POST that the origin was still at work on is executed
twice, and the client gets one answer and never knows.

Written from scratch, with a thread for each connection.
"""
# clause: in-flight.executed-once
# falls-with: in-flight.upload, in-flight.close-announced
# profile: reload
# target: post_repeated.toml

import http.client
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time

IDLE_MAX = 60.0
IDLE_MAX_DRAINING = 3.0
HEAD_MAX_DRAINING = 9.0  # for a request head that was begun
BODY_SILENCE_MAX = 20.0
LINGER = 2.0
ORIGIN_MAX = 60.0
ORIGIN_MAX_DRAINING = 1.0
BACKLOG = 1024
# They concern one connection, and not the message.
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "expect", "host", "te", "upgrade"}


class Server:
    def __init__(self, listener, origin, command):
        self.listener = listener
        self.origin = origin
        self.command = command
        self.draining = None  # since when
        self.told, self.tell = os.pipe()  # reads as ended as soon as the server drains
        self.threads = []

    def run(self, parent):
        came, wake = socket.socketpair()
        came.setblocking(False)
        wake.setblocking(False)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        for each in (signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD):
            signal.signal(each, lambda *_: None)
        if parent:
            os.kill(parent, signal.SIGUSR1)
        successor = None
        while True:
            ready, _, _ = select.select([came, self.listener], [], [])
            numbers = came.recv(4096) if came in ready else b""
            if successor and signal.SIGUSR1 in numbers:
                break
            if successor and successor.poll() is not None:
                successor = None
            if not successor and signal.SIGHUP in numbers:
                fd = self.listener.fileno()
                successor = subprocess.Popen([*self.command, "--socket", str(fd)], pass_fds=[fd])
            if self.listener in ready:
                self.accept()
        self.listener.close()
        self.draining = time.monotonic()
        os.close(self.tell)
        for thread in self.threads:
            thread.join()

    def accept(self):
        try:
            sock, _ = self.listener.accept()
        except BlockingIOError:
            return
        sock.setblocking(True)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.threads = [thread for thread in self.threads if thread.is_alive()]
        self.threads.append(threading.Thread(target=Connection(self, sock).serve))
        self.threads[-1].start()

    def ask(self, method, target, headers, body):
        """The origin's status, headers and body."""
        limits = [ORIGIN_MAX_DRAINING, ORIGIN_MAX] if self.draining else [ORIGIN_MAX]
        while True:
            upstream = http.client.HTTPConnection(*self.origin, timeout=limits.pop(0))
            try:
                upstream.request(method, target, body, headers)
                answer = upstream.getresponse()
                return answer.status, answer.reason, answer.getheaders(), answer.read()
            except OSError as error:
                # The fault: a POST must not be sent again once its body has gone out.
                if not limits:
                    return 502, "Bad Gateway", [], f"{error}\n".encode()
            finally:
                upstream.close()


class Connection:
    def __init__(self, server, sock):
        self.server = server
        self.sock = sock
        self.buffer = b""

    def serve(self):
        try:
            while self.exchange():
                pass
        except OSError:
            pass
        try:
            self.linger()
        except OSError:
            pass
        self.sock.close()

    def exchange(self):
        """Says whether the connection goes on."""
        head = self.read_head()
        if head is None:
            return False
        lines = head.decode("latin-1").split("\r\n")
        method, target, version = lines[0].split(" ")
        fields = [line.split(":", 1) for line in lines[1:] if line]
        fields = {name.lower(): value.strip() for name, value in fields}
        if fields.get("expect") == "100-continue" and not self.buffer:
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self.read_chunks() if "transfer-encoding" in fields else self.read(int(fields.get("content-length", 0)))
        passed_on = {name: value for name, value in fields.items() if name not in HOP_BY_HOP}
        status, reason, headers, body = self.server.ask(method, target, passed_on, body)
        # Asked last, so that it is true of the moment at which the head is written.
        asked_to_close = "close" in fields.get("connection", "").lower() or version == "HTTP/1.0"
        goes_on = not asked_to_close and not self.server.draining
        headers = [(name, value) for name, value in headers if name.lower() not in HOP_BY_HOP]
        headers += [("Content-Length", len(body))] + ([] if goes_on else [("Connection", "close")])
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        self.sock.sendall(f"HTTP/1.1 {status} {reason}\r\n{head}\r\n".encode("latin-1") + body)
        return goes_on

    def read_head(self):
        """Returns None when the client is done, or was silent for too long."""
        since = time.monotonic()
        while b"\r\n\r\n" not in self.buffer:
            draining = self.server.draining
            if draining:
                limit = max(since, draining) + (HEAD_MAX_DRAINING if self.buffer else IDLE_MAX_DRAINING)
            else:
                limit = since + IDLE_MAX
            watched = [self.sock] if draining else [self.sock, self.server.told]
            ready, _, _ = select.select(watched, [], [], max(0.0, limit - time.monotonic()))
            if self.sock in ready:
                data = self.sock.recv(65536)
                if not data:
                    return None
                self.buffer += data
            elif not ready and self.server.draining == draining:
                return None
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return head

    def read_more(self):
        ready, _, _ = select.select([self.sock], [], [], BODY_SILENCE_MAX)
        data = self.sock.recv(65536) if ready else b""
        if not data:
            raise ConnectionAbortedError
        self.buffer += data

    def read(self, length):
        while len(self.buffer) < length:
            self.read_more()
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return body

    def read_line(self):
        while b"\r\n" not in self.buffer:
            self.read_more()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def read_chunks(self):
        body = b""
        while size := int(self.read_line().split(b";")[0], 16):
            body += self.read(size)
            self.read_line()
        while self.read_line():
            pass
        return body

    def linger(self):
        """Ends our side and reads what still comes until the client ends its own, so that no late byte turns the end of
        file into a reset."""
        self.sock.shutdown(socket.SHUT_WR)
        until = time.monotonic() + LINGER
        while time.monotonic() < until:
            ready, _, _ = select.select([self.sock], [], [], max(0.0, until - time.monotonic()))
            if ready and not self.sock.recv(65536):
                return


def main():
    given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
    fd = given.pop("--socket", None)
    host, _, port = given["--listen"].rpartition(":")
    if fd is None:
        listener = socket.socket(socket.AF_INET6 if host.startswith("[") else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host.strip("[]"), int(port)))
        listener.listen(BACKLOG)
    else:
        os.set_inheritable(int(fd), False)
        listener = socket.socket(fileno=int(fd))
    listener.setblocking(False)
    origin_host, _, origin_port = given["--origin"].rpartition(":")
    program = os.path.abspath(sys.argv[0])
    command = [program, *(word for pair in given.items() for word in pair)]
    Server(listener, (origin_host, int(origin_port)), command).run(os.getppid() if fd else None)


if __name__ == "__main__":
    main()
