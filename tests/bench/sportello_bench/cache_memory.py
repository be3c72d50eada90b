"""What results of 4 kB take in memory: what the process grows by, and what SHOW CACHE counts, over the results' own bytes."""
import sys

from sportello_testing.waiting import wait_until

from . import figures
from .cache_misses import DATABASE
from .cached import USER, Cached
from .pgbench import Load

BODY_BYTES = 4000
_CLIENTS = 16
# RowDescription of one column "body", DataRow, CommandComplete "SELECT 1".
RESULT_BYTES = (1 + 4 + 2 + len("body") + 1 + 18) + (1 + 4 + 2 + 4 + BODY_BYTES) + (1 + 4 + len("SELECT 1") + 1)
_MOST = 1.15


def _load(first):
    """Each client counts from `first` on, in steps, so no key comes twice."""
    script = f"\\set n :n + 1\n\\set k :n * {_CLIENTS} + :client_id\nSELECT body FROM pages WHERE id = :k % 1000;\n"
    return Load([(script, 1)], DATABASE, USER, clients=_CLIENTS, protocol="prepared", variables={"n": first})


def measure(server, options):
    """Prints the table; true if it takes no more than 15 % beyond the results."""
    megabytes = 64 if options.quick else 1024
    each = (megabytes << 20) // RESULT_BYTES // _CLIENTS
    proxy = Cached(server, options.sportello, DATABASE, {
        "invalidation": "proxy", "max_memory": f"{int(megabytes * 1.25)}MB", "rules": [{"name": "pages", "tables": ["pages"], "ttl": "1h"}]})
    print(f"\n## What {megabytes} MB of results of {RESULT_BYTES} bytes take\n\n| | results | their bytes, MB | SHOW CACHE says, MB | "
          "the process grew by, MB | counted ÷ bytes | grown ÷ bytes | verdict |\n|---|---:|---:|---:|---:|---:|---:|---|")
    try:
        proxy.start()
        wait_until(lambda: _is_kept(proxy), "results are kept", 20)
        start = proxy.cache()
        before, entries, counted = figures.resident_bytes(proxy.pid), int(start["results"]), int(start["memory_bytes"])
        good = True
        for number, what in enumerate(("filled", "as much again, so that the oldest went")):
            print(f"memory: {what}: {each * _CLIENTS} reads", file=sys.stderr, flush=True)
            _load(1000 + number * each).run(proxy.port, each=each)
            now = proxy.cache()
            kept = int(now["results"]) - entries
            if number == 0 and kept != each * _CLIENTS:
                raise SystemExit(f"{kept} results are kept of {each * _CLIENTS}: {proxy.rule()}")
            payload, told, grown = kept * RESULT_BYTES, int(now["memory_bytes"]) - counted, figures.resident_bytes(proxy.pid) - before
            fits = max(told, grown) <= _MOST * payload
            good = good and fits
            print(f"| {what} | {kept:,} | {payload / 2**20:.1f} | {told / 2**20:.1f} | {grown / 2**20:.1f} | {told / payload:.3f} | {grown / payload:.3f} | "
                  f"{'pass' if fits else f'FAIL > {_MOST}'} |", flush=True)
        return good
    finally:
        proxy.stop()


def _is_kept(proxy):
    _load(0).run(proxy.port, each=20)    # twice the same keys: they were kept if the second time are hits
    return int(proxy.rule()["hits"]) > 0
