"""A client that speaks raw protocol: it sends any bytes, reads messages, and keeps what it saw as readable lines.

    client = WireClient(port=6432)
    client.login("alice", "app", password="secret")
    assert client.query("SELECT 1") == ["RowDescription ?column?", "DataRow 1", "CommandComplete SELECT 1", "ReadyForQuery I"]

Every read has a deadline: a peer that hangs fails the test by name instead of blocking the run.
"""
import socket
import ssl
import struct
import time

from . import wire
from .login import ScramClient, md5_answer
from .waiting import DEFAULT_DEADLINE_SECONDS, DeadlineExceeded


class ConnectionClosed(Exception):
    """The peer closed (or reset) the connection; `reset` tells which."""

    def __init__(self, seen, reset=False):
        super().__init__(f"connection {'reset' if reset else 'closed'} by peer after {seen[-5:]}")
        self.reset = reset


class LoginFailed(Exception):
    """The server refused the login; `fields` are those of its ErrorResponse."""

    def __init__(self, fields):
        super().__init__(f"{fields.get('C')} {fields.get('M')}")
        self.fields = fields

    @property
    def sqlstate(self):
        return self.fields.get("C")


class WireClient:
    def __init__(self, port=None, host="127.0.0.1", unix_path=None, deadline=DEFAULT_DEADLINE_SECONDS):
        self.deadline = deadline
        self.lines = []              # every message seen, printed
        self.parameters = {}         # ParameterStatus values, newest
        self.process_id = self.secret_key = None
        self.one_byte_sends = False
        self.last_error = None
        self._buffer = wire.MessageBuffer()
        if unix_path:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(deadline)
            self.socket.connect(unix_path)
        else:
            self.socket = socket.create_connection((host, port), timeout=deadline)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- sending ----

    def send(self, *messages):
        data = b"".join(messages)
        if not self.one_byte_sends:
            self.socket.sendall(data)
            return
        for at in range(len(data)):
            self.socket.sendall(data[at:at + 1])

    def send_ignoring_close(self, *messages):
        """Sends to a peer that may hang up in the middle, as it should on hostile input."""
        try:
            self.send(*messages)
        except OSError:
            pass

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Closes with RST: as if the client's machine had lost power and come back."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()

    def terminate(self):
        self.send_ignoring_close(wire.terminate())
        self.close()

    # ---- reading ----

    def read_byte(self):
        """One raw byte: the answer to SSLRequest or GSSENCRequest."""
        answer = self.socket.recv(1)
        if not answer:
            raise ConnectionClosed(self.lines)
        return answer

    def _receive(self, end):
        left = end - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded(f"no message in time; seen so far: {self.lines[-10:]}")
        self.socket.settimeout(left)
        try:
            data = self.socket.recv(65536)
        except (socket.timeout, ssl.SSLWantReadError):
            raise DeadlineExceeded(f"no message in time; seen so far: {self.lines[-10:]}") from None
        except (ConnectionResetError, BrokenPipeError):
            raise ConnectionClosed(self.lines, reset=True) from None
        except ssl.SSLError:
            raise ConnectionClosed(self.lines) from None
        if not data:
            raise ConnectionClosed(self.lines)
        self._buffer.feed(data)

    def read_message(self, deadline=None):
        """(kind, body) of the next message, noted in `lines`."""
        end = time.monotonic() + (deadline or self.deadline)
        while (found := self._buffer.next()) is None:
            self._receive(end)
        kind, body, _ = found
        self._note(kind, body)
        return kind, body

    def _note(self, kind, body):
        self.lines.append(wire.trace_backend(kind, body))
        if self.lines[-1].startswith("Malformed"):
            return
        if kind == b"S":
            fields = wire.Fields(body)
            name = fields.cstring()
            self.parameters[name] = fields.cstring()
        elif kind == b"K":
            self.process_id = wire.Fields(body).int32()
            self.secret_key = body[4:]
        elif kind == b"E":
            self.last_error = wire.error_fields(body)

    def read_until(self, *beginnings, deadline=None):
        """Lines up to and including the first that starts with one of these."""
        end = time.monotonic() + (deadline or self.deadline)
        first = len(self.lines)
        while True:
            self.read_message(deadline=max(0.001, end - time.monotonic()))
            if self.lines[-1].startswith(beginnings):
                return self.lines[first:]

    def read_until_ready(self, count=1, deadline=None):
        lines = []
        for _ in range(count):
            lines += self.read_until("ReadyForQuery", deadline=deadline)
        return lines

    def read_until_closed(self, deadline=None):
        """All lines until the peer closes; fails if it does not."""
        end = time.monotonic() + (deadline or self.deadline)
        first = len(self.lines)
        while True:
            try:
                self.read_message(deadline=max(0.001, end - time.monotonic()))
            except ConnectionClosed:
                return self.lines[first:]

    def hears_nothing(self, seconds):
        """True if no byte arrives for so long."""
        try:
            self.read_message(deadline=seconds)
        except DeadlineExceeded:
            return True
        return False

    # ---- conversations ----

    def start_tls(self, context=None, server_hostname=None):
        self.send(wire.ssl_request())
        answer = self.read_byte()
        if answer != b"S":
            raise ConnectionClosed([f"SSLRequest answered {answer!r}"])
        self.wrap_tls(context, server_hostname)

    def wrap_tls(self, context=None, server_hostname=None):
        if context is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket, server_hostname=server_hostname)

    def login(self, user, database, password=None, protocol=wire.PROTOCOL_3_0, **parameters):
        self.send(wire.startup(user, database, protocol=protocol, **parameters))
        return self.finish_login(user, password)

    def finish_login(self, user, password=None):
        """Answers whatever the server asks, until ReadyForQuery; raises LoginFailed if it refuses."""
        first = len(self.lines)
        scram = None
        while True:
            kind, body = self.read_message()
            if kind == b"E":
                raise LoginFailed(wire.error_fields(body))
            if kind == b"Z":
                return self.lines[first:]
            if kind != b"R":
                continue
            code = wire.Fields(body).int32()
            if code == 3:
                self.send(wire.password(password or ""))
            elif code == 5:
                self.send(wire.password(md5_answer(user, password or "", body[4:8])))
            elif code == 10:
                scram = ScramClient(password or "")
                self.send(wire.sasl_initial_response("SCRAM-SHA-256", scram.first()))
            elif code == 11:
                self.send(wire.sasl_response(scram.final(body[4:])))
            elif code == 12:
                assert scram.verify(body[4:]), "wrong SCRAM server signature"

    def query(self, sql, deadline=None):
        self.send(wire.query(sql))
        return self.read_until_ready(deadline=deadline)

    def hold_link(self):
        """Begins a transaction on a server: BEGIN alone may be answered without one."""
        return self.query("BEGIN; SELECT 1")

    def value(self, sql, deadline=None):
        """The first column of the first row, as text; fails on an error."""
        for line in self.query(sql, deadline=deadline):
            if line.startswith("DataRow"):
                return line[len("DataRow "):]
            assert not line.startswith("ErrorResponse"), line
        return None

    def extended(self, sql, values=(), name="", types=()):
        """Parse, Bind, Describe, Execute, Sync in one write."""
        self.send(wire.parse(name, sql, types), wire.bind("", name, values), wire.describe_portal(), wire.execute(), wire.sync())
        return self.read_until_ready()

    def exchange(self, *messages, ready=1):
        """Sends messages in one write and returns the lines up to the given number of ReadyForQuery."""
        self.send(*messages)
        return self.read_until_ready(ready)


def errors(lines):
    """The SQLSTATEs of the ErrorResponse lines."""
    return [line.split(" ")[2] for line in lines if line.startswith("ErrorResponse")]


def rows(lines):
    return [line[len("DataRow "):] for line in lines if line.startswith("DataRow")]
