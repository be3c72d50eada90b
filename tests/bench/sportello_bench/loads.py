"""What is done to a contender. Each load runs once and returns a Sample; a load that fails raises LoadFailed.

CPU time is that of the proxy's process alone, all threads, from just before the load to just after it. Latencies are
pgbench's own, one log line a transaction.
"""
import dataclasses
import glob
import os
import re
import socket
import struct
import subprocess
import tempfile
import time

from . import figures
from .contenders import DATABASE, USER

PGBENCH = "/usr/lib/postgresql/15/bin/pgbench"
SCALE = 20

_ENVIRONMENT = {**os.environ, "PGSSLMODE": "disable", "PGGSSENCMODE": "disable"}


class LoadFailed(Exception):
    """The load did not end as it should; what it said is the text."""


@dataclasses.dataclass
class Sample:
    """One run. What a load does not measure is None."""

    rate: float = None             # transactions a second, MB a second; of idle clients none
    p50_ms: float = None
    p95_ms: float = None
    p99_ms: float = None
    cpu_us: float = None           # of the proxy: per transaction, per MB
    resident_mb: float = None      # of the proxy, after the load
    growth_mb: float = None        # its peak during the load, less what it had before
    client_bytes: float = None     # per idle client


class _Meter:
    """The proxy's CPU time and memory between two moments; of no proxy, nothing."""

    def __init__(self, pid):
        self._pid = pid
        if pid:
            figures.reset_peak(pid)
            self._resident = figures.resident_bytes(pid)
            self._cpu_us = figures.cpu_us(pid)

    def fill(self, sample, units):
        if self._pid:
            sample.cpu_us = (figures.cpu_us(self._pid) - self._cpu_us) / units
            sample.resident_mb = figures.resident_bytes(self._pid) / 2**20
            sample.growth_mb = (figures.peak_bytes(self._pid) - self._resident) / 2**20
        return sample


# ---- pgbench ----

def _percentile(ordered, percent):
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def _latencies_ms(directory):
    latencies = []
    for path in glob.glob(os.path.join(directory, "log.*")):
        with open(path) as file:
            latencies += [int(line.split(" ", 3)[2]) for line in file]
    latencies.sort()
    return [us / 1000 for us in latencies]


def pgbench(contender, seconds, script, protocol, clients, reconnect=False):
    """script: "select-only" or "tpcb-like"; with reconnect each transaction has a connection of its own."""
    command = [PGBENCH, "-n", "-h", "127.0.0.1", "-p", str(contender.port), "-U", USER, "-b", script, "-M", protocol,
               "-c", str(clients), "-j", str(min(clients, 2)), "-T", str(seconds), "-s", str(SCALE)]
    with tempfile.TemporaryDirectory(prefix="sp-pb-") as directory:
        command += ["-l", "--log-prefix", os.path.join(directory, "log")] + (["-C"] if reconnect else []) + [DATABASE]
        meter = _Meter(contender.pid)
        try:
            done = subprocess.run(command, capture_output=True, text=True, env=_ENVIRONMENT, stdin=subprocess.DEVNULL,
                                  timeout=60 + 3 * seconds)
        except subprocess.TimeoutExpired:
            raise LoadFailed("pgbench hangs")
        count = re.search(r"transactions actually processed: (\d+)", done.stdout)
        tps = re.search(r"^tps = ([0-9.]+)", done.stdout, re.M)
        if done.returncode == 0 and count and int(count[1]) == 0:
            raise LoadFailed("no transaction in that time")
        if done.returncode != 0 or not count or not tps:
            raise LoadFailed((done.stderr.strip().splitlines() or [f"pgbench exits with {done.returncode}"])[-1])
        sample = meter.fill(Sample(rate=float(tps[1])), int(count[1]))
        latencies = _latencies_ms(directory)
    if latencies:
        sample.p50_ms, sample.p95_ms, sample.p99_ms = (_percentile(latencies, percent) for percent in (50, 95, 99))
    return sample


# ---- protocol by hand: thousands of clients, and a reader that is never the bottleneck ----

_READY = b"Z\0\0\0\5I"


def _connect(port):
    client = socket.create_connection(("127.0.0.1", port), timeout=30)
    words = b"user\0%s\0database\0%s\0\0" % (USER.encode(), DATABASE.encode())
    client.sendall(struct.pack("!ii", 8 + len(words), 196608) + words)
    return client


def _query(client, text):
    client.sendall(b"Q" + struct.pack("!i", 5 + len(text)) + text + b"\0")


def _read_until_ready(client, buffer):
    """Bytes read up to an idle ReadyForQuery; no row of our loads holds NULs, so none looks like one."""
    total, tail = 0, b""
    while True:
        size = client.recv_into(buffer)
        if size == 0:
            raise LoadFailed(f"closed after {total} bytes: {tail!r}")
        total += size
        tail = (tail + bytes(buffer[max(0, size - 200):size]))[-200:]
        if tail.endswith(_READY):
            return total
        if total < 4096 and tail.startswith(b"E"):
            raise LoadFailed(tail.decode(errors="replace"))


BULK_ROWS = 200_000
_BULK = {
    "select": b"SELECT repeat('x', 1000) FROM generate_series(1, %d)" % BULK_ROWS,
    "copy": b"COPY (SELECT repeat('x', 1000) FROM generate_series(1, %d)) TO STDOUT" % BULK_ROWS,
}


def bulk(contender, seconds, kind):
    """A result of 200 MB to a client that reads as fast as it comes. The proxy is fresh, so that its memory has not grown yet."""
    contender.stop()
    contender.start()
    buffer = bytearray(1 << 20)
    with _connect(contender.port) as client:
        _read_until_ready(client, buffer)
        _query(client, b"SELECT 1")
        _read_until_ready(client, buffer)
        meter = _Meter(contender.pid)
        started = time.monotonic()
        _query(client, _BULK[kind])
        megabytes = _read_until_ready(client, buffer) / 1e6
        elapsed = time.monotonic() - started
        return meter.fill(Sample(rate=megabytes / elapsed), megabytes)


def idle(contender, seconds, clients):
    """Clients that logged in, asked one thing, and are silent since. The proxy is fresh, so that memory of earlier
    loads is not taken for theirs; the pool is open before the count begins."""
    contender.stop()
    contender.start()
    buffer = bytearray(1 << 16)
    held = []
    try:
        for number in range(clients + 1):
            if number == 1:
                before = figures.resident_bytes(contender.pid)
            client = _connect(contender.port)
            held.append(client)
            _read_until_ready(client, buffer)
            _query(client, b"SELECT 1")
            _read_until_ready(client, buffer)
        time.sleep(1)
        after = figures.resident_bytes(contender.pid)
        return Sample(client_bytes=(after - before) / clients, resident_mb=after / 2**20)
    except OSError as problem:
        raise LoadFailed(f"client {len(held)}: {problem}")
    finally:
        for client in held:
            client.close()
