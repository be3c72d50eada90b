"""A PostgreSQL server that answers by script: for what real ones never do.

A script is a function `script(connection)` that runs in a thread per accepted connection; it may log the client in with
`connection.accept_login()` and answers what it likes. What it returns or raises ends the connection. `connection.lines`
is what the client sent, one readable line a message.

    def lies(connection):
        connection.accept_login()
        connection.read()
        connection.send(wire.ready_for_query())          # an answer to nothing

    with WireServer(lies) as server: ... server.port ...
"""
import socket
import struct
import threading

from . import wire
from .login import ScramServer

DEADLINE_SECONDS = 20.0


class PeerGone(Exception):
    """The client closed."""


class ServerConnection:
    def __init__(self, accepted, number):
        self.socket = accepted
        self.number = number         # 0 for the first connection of this server
        self.lines = []
        self.startup = None          # the StartupMessage's parameters
        self.closed_by_peer = False  # it said Terminate or closed its side
        self._buffer = wire.MessageBuffer(typed=False)
        self.socket.settimeout(DEADLINE_SECONDS)

    def send(self, *messages):
        self.socket.sendall(b"".join(messages))

    def read(self):
        """(kind, body) of the next message; raises PeerGone at its end."""
        while (found := self._buffer.next()) is None:
            try:
                data = self.socket.recv(65536)
            except OSError as error:
                raise PeerGone() from error
            if not data:
                self.closed_by_peer = True
                raise PeerGone()
            self._buffer.feed(data)
        kind, body, _ = found
        self.closed_by_peer = kind == b"X"      # Terminate is a close with a word of goodbye
        self.lines.append(wire.trace_frontend(kind, body) if self._buffer.typed else wire.trace_startup(body))
        return kind, body

    def read_until(self, *kinds):
        while True:
            kind, body = self.read()
            if kind in kinds:
                return kind, body

    def wait_for_close(self):
        try:
            while True:
                self.read()
        except PeerGone:
            pass

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    # ---- the parts of a login ----

    def read_startup(self, ssl_answer=b"N"):
        """Answers encryption requests and reads the StartupMessage; a CancelRequest raises PeerGone."""
        while True:
            _, body = self.read()
            code = wire.Fields(body).int32()
            if code in (wire.SSL_CODE, wire.GSSENC_CODE):
                self.send(ssl_answer)
                continue
            if code == wire.CANCEL_CODE:
                raise PeerGone()
            pairs = body[4:].split(b"\0")
            self.startup = {name.decode(): value.decode() for name, value in zip(pairs[0::2], pairs[1::2]) if name}
            self._buffer.typed = True
            return self.startup

    def welcome(self, process_id=4711, secret_key=123456, **parameters):
        """All that follows a successful authentication, AuthenticationOk included; `parameters` are reported, too."""
        self.send(wire.authentication_ok(), *(wire.parameter_status(*pair) for pair in [*_PARAMETERS, *parameters.items()]),
                  wire.backend_key_data(process_id, secret_key), wire.ready_for_query())

    def accept_login(self):
        self.read_startup()
        self.welcome()

    def scram_challenge(self, password):
        """The SASL exchange up to the client's proof; returns the ScramServer and the client-final-message."""
        self.send(wire.authentication(10, b"SCRAM-SHA-256\0\0"))
        _, body = self.read()
        client_first = body[body.index(b"\0") + 5:]
        scram = ScramServer(password)
        self.send(wire.authentication(11, scram.first(client_first)))
        _, client_final = self.read()
        return scram, client_final


_PARAMETERS = [
    ("server_version", "15.0"), ("server_encoding", "UTF8"), ("client_encoding", "UTF8"), ("application_name", ""),
    ("is_superuser", "off"), ("session_authorization", "postgres"), ("DateStyle", "ISO, MDY"), ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"), ("integer_datetimes", "on"), ("standard_conforming_strings", "on"),
    ("default_transaction_read_only", "off"), ("in_hot_standby", "off"),
]


def answer_queries(connection, value="1"):
    """A well-behaved loop: every Query gets one row, every Sync its ReadyForQuery."""
    while True:
        kind, _ = connection.read()
        if kind == b"Q":
            connection.send(wire.row_description("value"), wire.data_row(value), wire.command_complete("SELECT 1"), wire.ready_for_query())
        elif kind == b"P":
            connection.send(wire.parse_complete())
        elif kind == b"B":
            connection.send(wire.bind_complete())
        elif kind == b"D":
            connection.send(wire.row_description("value"))
        elif kind == b"E":
            connection.send(wire.data_row(value), wire.command_complete("SELECT 1"))
        elif kind == b"S":
            connection.send(wire.ready_for_query())
        elif kind == b"X":
            raise PeerGone()


class WireServer:
    def __init__(self, script):
        self.script = script
        self.connections = []
        self.failures = []
        self._threads = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _accept(self):
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            connection = ServerConnection(accepted, len(self.connections))
            self.connections.append(connection)
            thread = threading.Thread(target=self._run, args=(connection,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _run(self, connection):
        try:
            self.script(connection)
        except (PeerGone, OSError):
            pass
        except Exception as error:  # shown by the test, which owns this server
            self.failures.append(error)
        finally:
            connection.socket.close()

    def close(self):
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        for connection in self.connections:
            try:
                connection.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join(DEADLINE_SECONDS)
        if self.failures:
            raise self.failures[0]
