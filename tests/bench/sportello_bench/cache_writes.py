"""Writes through the proxy to tables whose results are kept: each is an invalidation, and its cost is what a write costs without a cache and
what it costs with one."""
import sys

import psycopg
from sportello_testing.waiting import wait_until

from . import figures, summary
from .cache_misses import DATABASE
from .cached import USER, Cached
from .pgbench import Load

_LOAD = "\\set k random(0, 999)\nUPDATE counters SET v = v + 1 WHERE k = :k;\n"


def _is_invalidated(proxy):
    """One client's read is answered from memory, and after another's write it is not."""
    where = dict(host="127.0.0.1", port=proxy.port, user=USER, dbname=DATABASE, autocommit=True)
    with psycopg.connect(**where) as reader, psycopg.connect(**where) as writer:
        for _ in range(2):
            reader.execute("SELECT sum(v) FROM counters")
        hits, gone = (int(proxy.rule()[name]) for name in ("hits", "invalidated"))
        writer.execute("UPDATE counters SET v = v + 1 WHERE k = 1")
        reader.execute("SELECT sum(v) FROM counters")
        return hits > 0 and int(proxy.rule()["invalidated"]) > gone


def measure(server, options):
    """Prints the table. No target: PostgreSQL is at its limit long before the cache is; cache_bench says what that stands."""
    off = Cached(server, options.sportello, DATABASE, name="no cache")
    on = Cached(server, options.sportello, DATABASE, {"invalidation": "proxy", "rules": [{"name": "counters", "tables": ["counters"], "ttl": "1h"}]},
                name="table with results kept")
    load = Load([(_LOAD, 1)], DATABASE, USER, clients=options.clients, protocol="extended")
    cells = {each.name: [] for each in (off, on)}
    try:
        for contender in (off, on):
            contender.start()
        wait_until(lambda: _is_invalidated(on), "a write invalidates", 20)
        for number in range(-1, options.rounds):     # round -1 opens links and fills caches
            for contender in (off, on):
                before = figures.cpu_us(contender.pid)
                run = load.run(contender.port, options.seconds if number >= 0 else 1)
                if number >= 0:
                    cells[contender.name].append({"rate": run.rate, "cpu_us": (figures.cpu_us(contender.pid) - before) / run.count})
        if not _is_invalidated(on):
            raise SystemExit("a write does not invalidate")
    finally:
        for contender in (off, on):
            contender.stop()
    print(f"writes: {cells}", file=sys.stderr, flush=True)
    print("\n## Writes through the proxy\n\n| | writes/s | CPU µs a write |\n|---|---:|---:|")
    for name, runs in cells.items():
        print(f"| {name} | {summary.median([run['rate'] for run in runs]):,.0f} | {summary.median([run['cpu_us'] for run in runs]):.1f} |")
    ratios = [b["cpu_us"] / a["cpu_us"] for a, b in zip(*cells.values())]
    print(f"\nEach write to a table with results kept is an invalidation: CPU × {summary.median(ratios):.2f}.", flush=True)
    return True
