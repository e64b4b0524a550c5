#!/usr/bin/env python3
"""A saboteur: a hot restart that closes idle keep-alive connections as soon as it drains.

It is what most servers do, and right by the profile `reload`: the client that sends its next request
just then gets an end of file without a byte, and may send it again. It is not what the profile
`falcore` asks for, which lets each idle connection have one last request. Connections that were never
used get their first request; whatever is in flight is completed and says that it closes.

Written from scratch: one thread, one selector, and one generator for each connection, which yields
what it waits for. Others are made of it, each with a fault of its own and without this one's effect on the profile
`reload`.
"""
# clause: keep-alive.one-last-request
# falls-with: availability.answered, keep-alive.answered-throughout, idle.not-early, load.closed-loop, repeat.many, repeat.double-trigger, repeat.while-draining, repeat.successor-triggered, repeat.storm
# profile: falcore
# passes: reload
# options: --socket-flag --socket

import collections
import ctypes
import fcntl
import heapq
import itertools
import os
import selectors
import signal
import socket
import struct
import sys
import termios
import time

IDLE_MAX = 60.0
FRESH_MAX_DRAINING = 3.0
HEAD_MAX_DRAINING = 9.0  # for a request head that was begun
BODY_SILENCE_MAX = 20.0
WRITE_SILENCE_MAX = 60.0
LINGER = 2.0
READY_MAX = 10.0  # a successor that is not ready by then is ended
HEAD_SIZE_MAX = 32 << 10
READ_SIZE = 64 << 10
BACKLOG = 1024

BLOCK = (b"abcdefghijklmnopqrstuvwxyz" * 2521)[: 64 << 10]
REASONS = {200: "OK", 204: "No Content", 304: "Not Modified", 400: "Bad Request", 404: "Not Found", 408: "Request Timeout"}

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1  # see prctl(2)
# Sent by the kernel when the predecessor ends, and blocked from before exec, so that it can be looked for after it.
PARENT_GONE = signal.SIGUSR2

# What a connection waits for.
FRESH, IDLE, HEAD, BODY, WRITE, SLEEP, LINGERING = range(7)

Request = collections.namedtuple("Request", "method path query http10 keep_alive expects chunked length")


class BadRequest(Exception):
    pass


class Silence(Exception):
    pass


def parse(head):
    lines = head.decode("latin-1").split("\r\n")
    try:
        method, target, version = lines[0].split(" ")
        fields = [line.split(":", 1) for line in lines[1:] if line]
        fields = [(name.lower(), value.strip().lower()) for name, value in fields]
        length = int(dict(fields).get("content-length", "0"))
    except ValueError as error:
        raise BadRequest from error
    if version not in ("HTTP/1.0", "HTTP/1.1") or length < 0:
        raise BadRequest
    connection = [t.strip() for name, value in fields if name == "connection" for t in value.split(",")]
    http10 = version == "HTTP/1.0"
    path, _, query = target.partition("?")
    return Request(
        method=method,
        path=path,
        query=dict(pair.partition("=")[::2] for pair in query.split("&")),
        http10=http10,
        keep_alive="close" not in connection and (not http10 or "keep-alive" in connection),
        expects=dict(fields).get("expect") == "100-continue",
        chunked=dict(fields).get("transfer-encoding", "").endswith("chunked"),
        length=length,
    )


def number(request, name, default):
    try:
        return max(0, int(request.query[name]))
    except (KeyError, ValueError):
        return default


class Connection:
    def __init__(self, server, sock):
        self.server = server
        self.sock = sock
        self.buffer = bytearray()
        self.used = False
        self.events = 0  # what the selector watches
        self.waiting = None
        self.since = 0.0
        self.wake = 0.0  # when a wait for SLEEP is over
        self.scheduled = None  # the earliest entry in the server's heap of limits
        self.life = self.live()

    def live(self):
        try:
            yield from self.talk()
        except BadRequest:
            yield from self.refuse(400)
        except (Silence, OSError):
            pass
        yield from self.linger()

    def talk(self):
        while True:
            head = yield from self.read_head()
            if head is None:
                return
            request = parse(head)
            self.used = True
            if request.expects and not self.buffer:
                yield from self.welcome()
            try:
                if request.chunked:
                    received = yield from self.read_chunks()
                else:
                    received = yield from self.skip(request.length)
            except Silence:
                yield from self.refuse(408)
                return
            goes_on = yield from self.respond(request, received)
            if not goes_on:
                return

    def welcome(self):
        """Asks for the body."""
        yield from self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def read_head(self):
        """Returns None when the client is done."""
        since = None
        while True:
            while self.buffer[:2] == b"\r\n":
                del self.buffer[:2]
            end = self.buffer.find(b"\r\n\r\n")
            if end >= 0:
                head = bytes(self.buffer[:end])
                del self.buffer[: end + 4]
                return head
            if len(self.buffer) > HEAD_SIZE_MAX:
                raise BadRequest
            if self.buffer:
                since = since or time.monotonic()
                data = yield HEAD, since
            else:
                data = yield (IDLE if self.used else FRESH), time.monotonic()
            if not data:
                return None
            self.buffer += data

    def read_body(self):
        data = yield BODY, time.monotonic()
        if not data:
            raise ConnectionAbortedError
        self.buffer += data

    def skip(self, length):
        left = length
        while True:
            taken = min(left, len(self.buffer))
            del self.buffer[:taken]
            left -= taken
            if not left:
                return length
            yield from self.read_body()

    def read_line(self):
        while b"\r\n" not in self.buffer:
            yield from self.read_body()
        line, _, _ = self.buffer.partition(b"\r\n")
        del self.buffer[: len(line) + 2]
        return line

    def read_chunks(self):
        received = 0
        while True:
            line = yield from self.read_line()
            try:
                size = int(line.split(b";")[0], 16)
            except ValueError as error:
                raise BadRequest from error
            if not size:
                while (yield from self.read_line()):
                    pass
                return received
            received += yield from self.skip(size)
            yield from self.read_line()

    def respond(self, request, received):
        """Says whether the connection goes on."""
        status, block = 200, b"it works\n"
        length = None
        if request.path == "/echo":
            block = b"%d\n" % received
        elif request.path == "/bytes":
            block, length = BLOCK, number(request, "n", 0)
        elif request.path == "/slow":
            self.wake = time.monotonic() + number(request, "ms", 1000) / 1000
            yield SLEEP, time.monotonic()
            block = b"it works, slowly\n"
        elif request.path == "/stream" and not request.http10:
            goes_on = yield from self.stream(request)
            return goes_on
        elif request.path == "/status" and number(request, "code", 204) in (204, 304):
            status, block = number(request, "code", 204), b""
        elif request.path != "/":
            status, block = 404, b"not found\n"
        length = len(block) if length is None else length
        # Asked last, so that it is true of the moment at which the head is written.
        goes_on = request.keep_alive and not self.server.draining
        connection = "Connection: close\r\n"
        if goes_on:
            connection = "Connection: keep-alive\r\n" if request.http10 else ""
        framing = "" if status in (204, 304) else f"Content-Length: {length}\r\n"
        head = f"HTTP/1.1 {status} {REASONS[status]}\r\n{framing}{connection}\r\n"
        left = length if self.has_body(request) else 0
        yield from self.write(head.encode() + block[:left])
        left -= min(left, len(block))
        while left:
            yield from self.write(block[:left])
            left -= min(left, len(block))
            yield WRITE, time.monotonic()  # others want their turn
        return goes_on

    def has_body(self, request):
        return request.method != "HEAD"

    def stream(self, request):
        """Chunk after chunk. Says whether the connection goes on."""
        goes_on = request.keep_alive and not self.server.draining
        connection = "" if goes_on else "Connection: close\r\n"
        head = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{connection}\r\n"
        yield from self.write(head.encode())
        if not self.has_body(request):
            return goes_on
        for _ in range(number(request, "chunks", 10)):
            self.wake = time.monotonic() + number(request, "ms", 100) / 1000
            yield SLEEP, time.monotonic()
            if self.is_streamed_enough():
                return False
            yield from self.write(b"8\r\n: tick\r\n\r\n")
        yield from self.write(b"0\r\n\r\n")
        return goes_on

    def is_streamed_enough(self):
        return False

    def refuse(self, status):
        head = f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        try:
            yield from self.write(head.encode())
        except (Silence, OSError):
            pass

    def write(self, data):
        view = memoryview(data)
        while view:
            try:
                view = view[self.sock.send(view) :]
            except BlockingIOError:
                yield WRITE, time.monotonic()

    def unsent(self):
        """What the client's kernel has not yet acknowledged."""
        return struct.unpack("i", fcntl.ioctl(self.sock, termios.TIOCOUTQ, bytes(4)))[0]

    def linger(self):
        """Ends our side and reads what still comes until the client ends its own, so that no late byte
        turns the end of file, or what the client has still to read before it, into a reset."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
            since, progress, unsent = time.monotonic(), time.monotonic(), self.unsent()
            while True:
                try:
                    if not (yield LINGERING, since):
                        return
                except Silence:
                    now, before, unsent = time.monotonic(), unsent, self.unsent()
                    if unsent < before:
                        progress = now
                    if not unsent and not before or now - progress > WRITE_SILENCE_MAX:
                        return
                    since = now
        except OSError:
            return


def predecessor():
    """The parent, unless it is another one than started this process."""
    parent = os.getppid()
    LIBC.prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0)
    gone = signal.sigtimedwait({PARENT_GONE}, 0)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {PARENT_GONE})
    return None if gone else parent


class Server:
    connection = Connection

    def __init__(self, listeners, is_successor, command):
        self.listeners = listeners
        self.command = command
        self.parent = predecessor() if is_successor else None
        self.selector = selectors.DefaultSelector()
        self.connections = set()
        self.limits = []
        self.ordinal = itertools.count()
        self.draining = None  # since when
        self.successor = None
        self.successor_limit = None
        self.again = False  # SIGHUP came while a successor was starting

    def run(self):
        wakeup, wakeup_writer = socket.socketpair()
        wakeup.setblocking(False)
        wakeup_writer.setblocking(False)
        signal.set_wakeup_fd(wakeup_writer.fileno(), warn_on_full_buffer=False)
        for each in (signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD):
            signal.signal(each, lambda *_: None)
        # A predecessor starts us with SIGHUP blocked, so that it isn't fatal before this line.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        self.selector.register(wakeup, selectors.EVENT_READ, None)
        for listener in self.listeners:
            self.selector.register(listener, selectors.EVENT_READ, None)
        if self.parent and os.getppid() == self.parent:
            os.kill(self.parent, signal.SIGUSR1)
        while not self.draining or self.connections:
            ready = self.selector.select(self.timeout())
            for key, _ in ready:
                if key.fileobj is wakeup:
                    self.on_signals(wakeup)
            for key, _ in ready:
                if key.fileobj in self.listeners:
                    self.accept(key.fileobj)
                elif key.data and key.data in self.connections and key.data.events:
                    self.on_event(key.data)
            self.on_limits()

    def timeout(self):
        limits = [self.limits[0][0]] if self.limits else []
        if self.successor_limit:
            limits.append(self.successor_limit)
        return max(0.0, min(limits) - time.monotonic()) if limits else None

    # The restart.

    def on_signals(self, wakeup):
        try:
            numbers = wakeup.recv(4096)
        except BlockingIOError:
            return
        # Readiness comes first: who has told it and is gone by now has still told it.
        if signal.SIGUSR1 in numbers and self.successor and not self.draining:
            self.drain()
        if signal.SIGCHLD in numbers:
            self.reap()
        if signal.SIGHUP in numbers and not self.draining:
            self.restart()

    def restart(self):
        if self.successor:
            self.again = True
            return
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        try:
            # Not waiting for the exec: whatever keeps it must not keep us from serving.
            this = os.getpid()
            self.let_go([listener for listener in self.listeners if not self.hands_on(listener)])
            self.successor = os.fork()
            if not self.successor:
                self.become_successor(this)
            self.successor_limit = time.monotonic() + READY_MAX
        except OSError as error:
            print(f"cannot fork: {error}", file=sys.stderr, flush=True)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})

    def become_successor(self, predecessor):
        try:
            signal.pthread_sigmask(signal.SIG_BLOCK, {PARENT_GONE})
            LIBC.prctl(PR_SET_PDEATHSIG, PARENT_GONE, 0, 0, 0)
            if os.getppid() != predecessor:
                os.kill(os.getpid(), PARENT_GONE)
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            for listener in self.listeners:
                os.set_inheritable(listener.fileno(), True)
            sockets = ",".join(str(listener.fileno()) for listener in self.listeners)
            os.execv(self.command[0], [*self.command, "--socket", sockets])
        except OSError as error:
            print(f"cannot execute {self.command[0]}: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(127)

    def hands_on(self, _listener):
        """Whether the successor gets this one; it binds anew what it does not get."""
        return True

    def let_go(self, listeners):
        for listener in listeners:
            self.selector.unregister(listener)
            self.listeners.remove(listener)
            listener.close()

    def reap(self, options=os.WNOHANG):
        if not self.successor:
            return
        pid, status = os.waitpid(self.successor, options)
        if not pid:
            return
        code = os.waitstatus_to_exitcode(status)
        print(f"the successor ended: {code}", file=sys.stderr, flush=True)
        self.successor = self.successor_limit = None
        if self.again and not self.draining:
            self.again = False
            self.restart()

    def drain(self):
        self.draining = time.monotonic()
        self.successor_limit = None
        self.let_go(list(self.listeners))
        for connection in list(self.connections):
            if connection.waiting == IDLE:
                # The fault, if it is one: it might wait for one last request.
                self.end_silence(connection)
            else:
                self.schedule(connection)

    # The connections.

    def accept(self, listener):
        for _ in range(64):
            try:
                sock, _ = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                print(f"cannot accept: {error}", file=sys.stderr, flush=True)
                time.sleep(0.01)  # out of descriptors, most likely: let connections end meanwhile
                return
            sock.setblocking(False)
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = self.connection(self, sock)
            self.connections.add(connection)
            self.resume(connection, None)

    def on_event(self, connection):
        if connection.waiting == WRITE:
            self.resume(connection, None)
            return
        try:
            data = connection.sock.recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError as error:
            self.resume(connection, error)
            return
        self.resume(connection, data)

    def resume(self, connection, outcome):
        """Lets a connection go on, until it waits again or is over."""
        try:
            if isinstance(outcome, Exception):
                connection.waiting, connection.since = connection.life.throw(outcome)
            else:
                connection.waiting, connection.since = connection.life.send(outcome)
        except StopIteration:
            self.watch(connection, 0)
            self.connections.discard(connection)
            connection.waiting = None
            connection.sock.close()
            return
        if connection.waiting == IDLE and self.draining:
            self.end_silence(connection)
            return
        events = {WRITE: selectors.EVENT_WRITE, SLEEP: 0}.get(connection.waiting, selectors.EVENT_READ)
        self.watch(connection, events)
        self.schedule(connection)

    def watch(self, connection, events):
        if events == connection.events:
            return
        if not events:
            self.selector.unregister(connection.sock)
        elif connection.events:
            self.selector.modify(connection.sock, events, connection)
        else:
            self.selector.register(connection.sock, events, connection)
        connection.events = events

    def end_silence(self, connection):
        """Ends a wait, unless what it waits for is there by now."""
        if connection.waiting in (FRESH, IDLE, HEAD, BODY):
            try:
                outcome = connection.sock.recv(READ_SIZE)
            except BlockingIOError:
                outcome = Silence()
            except OSError as error:
                outcome = error
        else:
            outcome = None if connection.waiting == SLEEP else Silence()
        self.resume(connection, outcome)

    def limit(self, connection):
        since, draining = connection.since, self.draining
        if connection.waiting == SLEEP:
            return connection.wake
        if draining and connection.waiting == FRESH:
            return draining + FRESH_MAX_DRAINING
        if draining and connection.waiting == HEAD:
            return max(since, draining) + HEAD_MAX_DRAINING
        limits = {BODY: BODY_SILENCE_MAX, WRITE: WRITE_SILENCE_MAX, LINGERING: LINGER}
        return since + limits.get(connection.waiting, IDLE_MAX)

    def schedule(self, connection):
        limit = self.limit(connection)
        if connection.scheduled is None or limit < connection.scheduled:
            connection.scheduled = limit
            heapq.heappush(self.limits, (limit, next(self.ordinal), connection))
            if len(self.limits) > 1000 + 2 * len(self.connections):
                self.limits = [each for each in self.limits if self.is_current(each)]
                heapq.heapify(self.limits)

    def is_current(self, entry):
        at, _, connection = entry
        return connection.scheduled == at and connection in self.connections

    def on_limits(self):
        now = time.monotonic()
        while self.limits and self.limits[0][0] <= now:
            entry = heapq.heappop(self.limits)
            connection = entry[2]
            if self.is_current(entry):
                connection.scheduled = None
                if self.limit(connection) <= now:
                    self.end_silence(connection)
                else:
                    self.schedule(connection)
        if self.successor_limit and self.successor_limit <= now:
            print("the successor is not ready in time", file=sys.stderr, flush=True)
            os.kill(self.successor, signal.SIGKILL)
            self.reap(0)


def bind(address):
    if address.startswith("unix:"):
        family, name = socket.AF_UNIX, address.removeprefix("unix:")
        if name.startswith("@"):
            name = "\0" + name[1:]
        elif os.path.exists(name):
            os.unlink(name)
    else:
        host, _, port = address.rpartition(":")
        family, name = (socket.AF_INET6 if host.startswith("[") else socket.AF_INET), (host.strip("[]"), int(port))
    listener = socket.socket(family, socket.SOCK_STREAM)
    if family != socket.AF_UNIX:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setblocking(False)
    listener.bind(name)
    listener.listen(BACKLOG)
    return listener


def address_of(listener):
    """As it was given to `bind`."""
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        name = name if isinstance(name, str) else name.decode().replace("\0", "@", 1)
        return "unix:" + name
    host = f"[{name[0]}]" if listener.family == socket.AF_INET6 else name[0]
    return f"{host}:{name[1]}"


def inherit(fd):
    os.set_inheritable(fd, False)
    listener = socket.socket(fileno=fd)
    # O_NONBLOCK is shared with the predecessor, which has set it: this only tells Python of it.
    listener.setblocking(False)
    return listener


def main(server=Server):
    args, addresses, sockets = sys.argv[1:], [], None
    plain = []
    while args:
        flag, args = args[0], args[1:]
        if flag == "--listen" and args:
            plain.append(flag)
            while args and not args[0].startswith("--"):
                addresses.append(args[0])
                plain.append(args.pop(0))
        elif flag == "--socket" and args:
            sockets = [int(fd) for fd in args.pop(0).split(",") if fd]
        else:
            sys.exit("usage: [--listen ADDRESS...]")
    listeners = [inherit(fd) for fd in sockets or []]
    there = {address_of(listener) for listener in listeners}
    listeners += [bind(address) for address in addresses or ["127.0.0.1:8080"] if address not in there]
    # The path as it was given, so that what a symbolic link leads to later is what runs then.
    program = os.path.abspath(sys.argv[0])
    server(listeners, sockets is not None, [program, *plain]).run()


if __name__ == "__main__":
    main()
