"""How far the cache is behind writes past the proxy: what SHOW CACHE says of the log's follower, and how long after a commit was
acknowledged an old answer is still served."""
import subprocess
import sys
import threading
import time

import psycopg
from sportello_testing.waiting import wait_until

from . import summary
from .cache_misses import DATABASE
from .cached import USER, Cached
from .pgbench import Load, finish

RATE = 5000
_MOST_MS = 50
_LOAD = "\\set k random(0, 999)\nUPDATE counters SET v = v + 1 WHERE k = :k;\n"
_EVERY_S = 0.1
_FOLLOWED = "as soon as the log tells"     # in SHOW CACHE's guarantee


def _set_up(proxy):
    """The publication, as a DBA would make it."""
    sql = subprocess.run([proxy.program, "setup-sql", proxy.config_path], capture_output=True, text=True, timeout=60, check=True).stdout
    subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(proxy.server.port), "-U", USER, DATABASE], input=sql,
                   capture_output=True, text=True, timeout=60, check=True)


class _Probe(threading.Thread):
    """Writes past the proxy and reads through it until the answer is the new one."""

    def __init__(self, proxy):
        super().__init__(daemon=True)
        self._proxy, self.ended = proxy, threading.Event()
        self.old_ms, self.problem = [], None

    def run(self):
        try:
            self._probe()
        except (psycopg.Error, OSError) as problem:
            self.problem = problem

    def _probe(self):
        past = dict(host="127.0.0.1", port=self._proxy.server.port, user=USER, dbname=DATABASE, autocommit=True)
        with psycopg.connect(**past) as writer, psycopg.connect(**{**past, "port": self._proxy.port}) as reader:
            number = 0
            while not self.ended.wait(_EVERY_S):
                number += 1
                reader.execute("SELECT v FROM probe")
                writer.execute("UPDATE probe SET v = %s", [number])
                acknowledged = time.monotonic()
                while reader.execute("SELECT v FROM probe").fetchone()[0] != number:
                    pass
                self.old_ms.append((time.monotonic() - acknowledged) * 1000)


def _percentiles(values):
    values = sorted(values)
    return {"median": summary.median(values), "p95": values[min(len(values) - 1, int(len(values) * 0.95))], "max": values[-1]}


def measure(server, options):
    """Prints the table; true if the P95 of both is below 50 ms, at the full rate."""
    proxy = Cached(server, options.sportello, DATABASE, {"invalidation": "wal", "rules": [
        {"name": "counters", "tables": ["counters"], "ttl": "1h"}, {"name": "probe", "tables": ["probe"], "ttl": "1h"}]})
    seconds = 5 if options.quick else max(20, options.seconds * options.rounds)
    lags, guards = [], []
    try:
        proxy.start()
        _set_up(proxy)
        wait_until(lambda: _FOLLOWED in proxy.cache()["guarantee"], "the log is followed", 40, poll=0.2)
        started = Load([(_LOAD, 1)], DATABASE, USER, clients=options.clients, protocol="prepared", rate=RATE).start(server.port, seconds)
        probe = _Probe(proxy)
        probe.start()
        with proxy.console() as console:
            before = console.show("CACHE")[0]
            while started[0].poll() is None:
                now = console.show("CACHE")[0]
                lags.append(None if now["lag_us"] is None else int(now["lag_us"]) / 1000)
                guards.append(now["guarantee"])
                time.sleep(_EVERY_S)
            commits = int(console.show("CACHE")[0]["commits"]) - int(before["commits"])
        probe.ended.set()
        run = finish(*started, patience=60)
        probe.join(30)
        hits = int(proxy.rule(1)["hits"])
    finally:
        proxy.stop()
    if probe.problem or not probe.old_ms or not hits:
        raise SystemExit(f"the probe: {probe.problem or f'{len(probe.old_ms)} writes, {hits} hits'}")
    followed = sum(_FOLLOWED in words for words in guards)
    others = "".join(f" ({guards.count(words)} ×: {words})" for words in sorted(set(guards)) if _FOLLOWED not in words)
    known = [lag for lag in lags if lag is not None]
    print(f"lag: {lags}; {probe.old_ms}", file=sys.stderr, flush=True)
    print(f"\n## Writes past the proxy\n\n{run.rate:,.0f} writes a second (asked for: {RATE:,}) for {seconds} s, {commits:,} commits read from "
          f"the log; the log was followed in {followed} of {len(guards)} looks{others}, its lag known in {len(known)}.\n\n| ms | samples | median | P95 | max | verdict |\n"
          "|---|---:|---:|---:|---:|---|")
    good = run.rate > 0.95 * RATE
    for what, values in (("SHOW CACHE, lag_us", known), ("acknowledged until the old answer is gone", probe.old_ms)):
        seen = _percentiles(values) if values else None
        fits = seen is not None and seen["p95"] < _MOST_MS
        good = good and fits
        figures = "– | – | –" if seen is None else " | ".join(f"{value:.1f}" for value in seen.values())
        print(f"| {what} | {len(values)} | {figures} | {'pass' if fits else f'FAIL: P95 is not below {_MOST_MS}'} |", flush=True)
    if run.rate <= 0.95 * RATE:
        print("\nFAIL: the machine does not reach that rate of writes.")
    return good
