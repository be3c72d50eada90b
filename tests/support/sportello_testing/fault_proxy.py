"""A TCP relay between a client and a PostgreSQL server that injects faults at message boundaries.

            client  --[ to_server ]-->  FaultProxy  --[ to_server ]-->  PostgreSQL
                    <-[ to_client ]--               <-[ to_client ]--

Both directions are `Direction` objects with the faults a test switches on and off while traffic flows:

    slice_bytes = 1           every send carries so many bytes
    latency = 0.05            every message is delayed by so many seconds
    drop(b"K")                such messages never arrive
    stall_before(b"Z")        holds the stream before the next such message until resume()
    freeze() / resume()       nothing passes, nothing is read, connections stay open
    cut_after(n)              a connection and its other half are closed, once, when n more bytes have passed
and for the whole proxy: reset_all() (RST both ways), half_close_all(direction), drop_all(), refuse(True).

Startup messages have no type byte; they pass as kind b'' and can be stalled with stall_before(b""). TLS passes
through unparsed only while no message fault is on, since nothing can be seen in it.
"""
import socket
import struct
import threading
import time

from . import wire
from .waiting import DEFAULT_DEADLINE_SECONDS, wait_until


class Direction:
    def __init__(self, name, typed_from_start):
        self.name = name
        self.slice_bytes = 0
        self.latency = 0.0
        self.passed_bytes = 0
        self.stalled = 0             # pumps that stand still right now
        self._typed_from_start = typed_from_start
        self._frozen = False
        self._stall_kinds = frozenset()
        self._dropped_kinds = frozenset()
        self._cut_at = None
        self._changed = threading.Condition()

    def stall_before(self, *kinds):
        with self._changed:
            self._stall_kinds = frozenset(kinds)

    def drop(self, *kinds):
        self._dropped_kinds = frozenset(kinds)

    def freeze(self):
        with self._changed:
            self._frozen = True

    def resume(self):
        with self._changed:
            self._frozen = False
            self._stall_kinds = frozenset()
            self._changed.notify_all()

    def cut_after(self, count):
        with self._changed:
            self._cut_at = self.passed_bytes + count

    def wait_until_stalled(self, deadline=DEFAULT_DEADLINE_SECONDS):
        wait_until(lambda: self.stalled > 0, f"{self.name} stalls", deadline)

    # ---- used by the pumps ----

    def _stands_still(self, kind, pair):
        return not pair.closed and (self._frozen or kind in self._stall_kinds)

    def _hold(self, kind, pair):
        with self._changed:
            if not self._stands_still(kind, pair):
                return
            self.stalled += 1
            while self._stands_still(kind, pair):
                self._changed.wait(0.05)
            self.stalled -= 1

    def _allowed(self, count):
        """How many of count bytes may pass, and whether the connection is cut then."""
        with self._changed:
            if self._cut_at is None or self.passed_bytes + count < self._cut_at:
                self.passed_bytes += count
                return count, False
            left = max(0, self._cut_at - self.passed_bytes)
            self.passed_bytes += left
            self._cut_at = None      # one cut; connections made later pass
            return left, True


class _Pair:
    """One client connection and its server connection."""

    def __init__(self, client, server):
        self.client, self.server = client, server
        self.closed = False
        self.encrypted = False       # after 'S' to an SSLRequest nothing can be parsed
        self.ssl_asked = False

    def close(self, reset=False):
        self.closed = True
        for side in (self.client, self.server):
            try:
                if reset:
                    side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                else:
                    side.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        if reset:
            # close() alone leaves the descriptor in use while a pump sits in recv(); SHUT_RD wakes it without a FIN.
            for side in (self.client, self.server):
                try:
                    side.shutdown(socket.SHUT_RD)
                except OSError:
                    pass
                side.close()


class FaultProxy:
    def __init__(self, server_port, server_host="127.0.0.1", listen=("127.0.0.1", 0)):
        self.server_address = (server_host, server_port)
        self.to_server = Direction("to_server", typed_from_start=False)
        self.to_client = Direction("to_client", typed_from_start=True)
        self.accepted = 0
        self._refusing = False
        self._pairs = []
        self._threads = []
        self._listener = socket.create_server(listen, backlog=512)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- faults for all connections ----

    def refuse(self, on=True):
        """New connections are accepted and closed at once."""
        self._refusing = on

    def open_pairs(self):
        return [pair for pair in self._pairs if not pair.closed]

    def drop_all(self):
        for pair in self.open_pairs():
            pair.close()

    def reset_all(self):
        for pair in self.open_pairs():
            pair.close(reset=True)

    def half_close_all(self, direction):
        """The receiver of this direction reads an end of stream; the other way stays open."""
        for pair in self.open_pairs():
            receiver = pair.server if direction is self.to_server else pair.client
            try:
                receiver.shutdown(socket.SHUT_WR)
            except OSError:
                pass

    def close(self):
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        self.drop_all()
        self.to_server.resume()
        self.to_client.resume()
        for thread in self._threads:
            thread.join(10)

    # ---- relaying ----

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            if self._refusing:
                client.close()
                continue
            try:
                server = socket.create_connection(self.server_address, timeout=10)
            except OSError:
                client.close()
                continue
            for side in (client, server):
                side.settimeout(None)
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pair = _Pair(client, server)
            self._pairs.append(pair)
            for source, sink, direction in ((client, server, self.to_server), (server, client, self.to_client)):
                thread = threading.Thread(target=self._pump, args=(pair, source, sink, direction), daemon=True)
                thread.start()
                self._threads.append(thread)

    def _pump(self, pair, source, sink, direction):
        buffer = wire.MessageBuffer(typed=direction._typed_from_start)
        try:
            while True:
                direction._hold(None, pair)
                data = source.recv(65536)
                if not data and pair.closed:
                    return       # woken by a reset, which a FIN must not precede
                if not data:
                    break
                if pair.encrypted:
                    direction._hold(None, pair)
                    if not self._pass(pair, sink, direction, data):
                        return
                    continue
                if direction is self.to_client and pair.ssl_asked and data in (b"S", b"N"):
                    pair.ssl_asked = False
                    pair.encrypted = data == b"S"
                    sink.sendall(data)
                    continue
                buffer.feed(data)
                if not self._pass_messages(pair, sink, direction, buffer):
                    return
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pair.close()

    def _pass_messages(self, pair, sink, direction, buffer):
        """Whole messages one by one."""
        batch = b""
        plain = not (direction.latency or direction.slice_bytes or direction._stall_kinds or direction._frozen)
        while (found := buffer.next()) is not None:
            kind, body, raw = found
            if not buffer.typed:
                code = struct.unpack("!I", body[:4])[0] if len(body) >= 4 else 0
                pair.ssl_asked = code in (wire.SSL_CODE, wire.GSSENC_CODE)
                buffer.typed = not pair.ssl_asked
            if kind in direction._dropped_kinds:
                continue
            if plain and kind not in direction._stall_kinds and not direction._frozen:
                batch += raw
                continue
            if batch and not self._pass(pair, sink, direction, batch):
                return False
            batch = b""
            direction._hold(kind, pair)
            if direction.latency:
                time.sleep(direction.latency)
            if not self._pass(pair, sink, direction, raw):
                return False
        return not batch or self._pass(pair, sink, direction, batch)

    def _pass(self, pair, sink, direction, data):
        count, cut = direction._allowed(len(data))
        step = direction.slice_bytes or count or 1
        for at in range(0, count, step):
            sink.sendall(data[at:min(at + step, count)])
        if cut:
            pair.close()
        return not cut
