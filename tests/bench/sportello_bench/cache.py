"""The result cache, in parts: answers from memory beside other caches, misses, memory, writes through the proxy and past it.

Answers, interleaved: the portal's list of notaries (twenty rows), asked again and again by the same clients. All programs
that answer are held against what they cost: requests a second, and CPU time of all their processes a request."""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys

import psycopg

from sportello_testing import processes
from sportello_testing.ports import free_port, release_ports
from sportello_testing.postgres import Cluster, Template
from sportello_testing.toml_text import toml_text
from sportello_testing.waiting import wait_until

from . import cache_lag, cache_memory, cache_misses, cache_writes, figures, startup, summary
from .cached import USER, Cached
from .contenders import Process
from .loads import PGBENCH
from .pgbench import Load

_LEAST_HITS = 0.99   # with less it is no cache that is measured
_TREE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
_PORTAL = os.path.join(_TREE, "tests/portal")
DATABASE = "portal"


def _notary_list():
    with open(os.path.join(_PORTAL, "queries/notary_list.sql")) as file:
        lines = [line for line in file if not line.startswith("--")]
    return "".join(lines).replace("$1", "0").strip()


class Contender(Process):
    """One program that answers."""

    program = None  # where its Debian package has it

    def is_installed(self):
        if self.program is None or os.path.exists(self.program):
            return True
        print(f"no {self.program}: without {self.name}", file=sys.stderr)
        return False

    def cpu_us(self):
        return figures.family_cpu_us(self.pid)

    def load(self, seconds, clients, protocol):
        """Requests a second, and their number."""
        run = Load([(_notary_list(), 1)], DATABASE, USER, clients=clients, protocol=protocol).run(self.port, seconds)
        return run.rate, run.count

    def hits(self):
        """How many it says that it answered from memory since it was started; None of what has no cache, or does not count."""
        return None


class Server(Contender):
    """PostgreSQL itself."""

    name = "direct"

    def __init__(self, server):
        super().__init__(server)
        self.port = server.port

    def start(self):
        pass

    def stop(self):
        pass

    @property
    def pid(self):
        with open(os.path.join(self.server.data, "postmaster.pid")) as file:
            return int(file.readline())


class Sportello(Cached, Contender):
    def __init__(self, server, program, workers, cached=True):
        rules = {"invalidation": "proxy", "rules": [{"name": "notary_list", "ttl": "1h", "query": _notary_list()}]}
        super().__init__(server, program, DATABASE, rules if cached else None, workers, f"sportello w{workers}" if cached else "sportello, no cache")
        self._cached = cached

    def start(self):
        super().start()
        if self._cached:
            wait_until(self._is_hit, "the list is answered from memory", 20)

    def _is_hit(self):
        self.load(1, 1, "simple")
        return self.hits() > 0

    def hits(self):
        if not self._cached:
            return None
        return int(self.rule()["hits"])


class Pgpool(Contender):
    name = "pgpool-II"
    program = "/usr/sbin/pgpool"

    def command(self, directory):
        settings = {
            "listen_addresses": "'127.0.0.1'", "port": self.port, "unix_socket_directories": f"'{directory}'", "pcp_port": free_port(),
            "pcp_socket_dir": f"'{directory}'", "pid_file_name": f"'{directory}/pgpool.pid'", "backend_hostname0": "'127.0.0.1'",
            "backend_port0": self.server.port, "backend_clustering_mode": "'raw'", "num_init_children": 32, "memory_cache_enabled": "on",
            "memqcache_method": "'shmem'", "memqcache_oiddir": f"'{directory}'", "logdir": f"'{directory}'", "work_dir": f"'{directory}'",
            "sr_check_period": 0, "health_check_period": 0, "log_min_messages": "error",
        }
        text = "".join(f"{name} = {value}\n" for name, value in settings.items())
        return [self.program, "-n", "-f", processes.write_private_file(os.path.join(directory, "pgpool.conf"), text)]

    def start(self):
        super().start()
        wait_until(self._is_hit, "pgpool-II answers the list from its memory", 20)

    def _is_hit(self):
        before = self.hits()
        self.load(1, 1, "simple")
        return self.hits() > before

    def hits(self):
        with psycopg.connect(host="127.0.0.1", port=self.port, user=USER, dbname=DATABASE, autocommit=True, sslmode="disable",
                             row_factory=psycopg.rows.dict_row, cursor_factory=psycopg.ClientCursor) as connection:
            return int(connection.execute("SHOW POOL_CACHE").fetchone()["num_cache_hits"])


class Redis(Contender):
    name = "redis GET"
    program = "/usr/bin/redis-server"

    def __init__(self, server, size):
        super().__init__(server)
        self._size = size

    def command(self, directory):
        return [self.program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", directory]

    def load(self, seconds, clients, protocol):
        # As many requests as take about that long.
        self._bench(clients, 1000, "set")
        rate = self._bench(clients, 20_000, "get")
        count = max(20_000, int(rate * seconds))
        return self._bench(clients, count, "get"), count

    def _bench(self, clients, count, test):
        done = subprocess.run(["redis-benchmark", "-p", str(self.port), "-c", str(clients), "-n", str(count), "-d", str(self._size), "-t", test,
                               "--csv"], capture_output=True, text=True, check=True)
        return float(done.stdout.strip().splitlines()[-1].split(",")[1].strip('"'))


def _prepare(server):
    server.run(f"CREATE DATABASE {DATABASE}", dbname="postgres")
    server.run("CREATE EXTENSION IF NOT EXISTS postgis", dbname=DATABASE)
    for name, variables in (("schema", []), ("data", ["-v", "scale=0.1"]), ("indexes", [])):
        subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *variables, "-h", server.socket_directory, "-p", str(server.port), "-U", USER,
                        "-d", DATABASE, "-f", os.path.join(_PORTAL, name + ".sql")], check=True, capture_output=True)


def _size_of_answer(server):
    """Roughly what the server sends: the values and their framing."""
    rows = server.rows(_notary_list(), dbname=DATABASE)
    return sum(7 + sum(4 + len(str(value)) for value in row) for row in rows)


def _measure(contender, options):
    hits = contender.hits()
    before = contender.cpu_us()
    rate, count = contender.load(options.seconds, options.clients, options.protocol)
    sample = {"rate": rate, "cpu_us": (contender.cpu_us() - before) / count}
    if hits is not None:
        sample["hits"] = (contender.hits() - hits) / count
    return sample


def _median(runs, figure):
    return summary.median([run.get(figure) for run in runs])


def _checks(samples):
    def ratios(above, below, figure):
        return [a[figure] / b[figure] for a, b in zip(samples.get(above, []), samples.get(below, []))]
    checks = [summary.Check("hits ÷ direct", ratios("sportello w1", "direct", "rate"), 10, False),
              summary.Check("hits ÷ pgpool-II", ratios("sportello w1", "pgpool-II", "rate"), 5, False),
              summary.Check("CPU ÷ redis GET", ratios("sportello w1", "redis GET", "cpu_us"), 1.25, True)]
    return [check for check in checks if check.values]


def _answers(server, options):
    _prepare(server)
    size = _size_of_answer(server)
    contenders = [Server(server), Sportello(server, options.sportello, 1, cached=False), Sportello(server, options.sportello, 1),
                  Sportello(server, options.sportello, 2), Pgpool(server), Redis(server, size)]
    contenders = [each for each in contenders if re.search(options.only, each.name) and each.is_installed()]
    try:
        for contender in contenders:
            contender.start()
        samples = {each.name: [] for each in contenders}
        for number in range(options.rounds):
            for contender in contenders:
                samples[contender.name].append(_measure(contender, options))
                print(f"round {number + 1}: {contender.name}: {samples[contender.name][-1]}", file=sys.stderr, flush=True)
    finally:
        for contender in contenders:
            contender.stop()
    print(f"\n## Answers from memory\n\n{size} bytes, {options.protocol} protocol.\n")
    print("| | requests/s | CPU µs a request | answered from memory, it says |\n|---|---:|---:|---:|")
    good = True
    for name, runs in samples.items():
        hits = _median(runs, "hits")
        print(f"| {name} | {_median(runs, 'rate'):,.0f} | {_median(runs, 'cpu_us'):.1f} | {'–' if hits is None else format(hits, '.2%')} |")
        if hits is not None and hits < _LEAST_HITS:
            good = False
            print(f"\nFAIL: {name} does not answer from memory: its figures are not those of a cache.\n")
    for check in _checks(samples):
        good = good and check.passes
        print(f"\n{check.text() + ': FAIL' if not check.passes else f'{check.what} {statistics.median(check.values):.2f}: pass'}")
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"bytes": size, "samples": samples}, file, indent=1)
    return good


_PARTS = {"answers": _answers, "misses": cache_misses.measure, "memory": cache_memory.measure, "writes": cache_writes.measure, "lag": cache_lag.measure}


def _options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", default="", metavar="REGEX", help=f"only parts whose name matches: {', '.join(_PARTS)}")
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--quick", action="store_true", help="three rounds of one second, and 64 MB of results")
    parser.add_argument("--protocol", default="extended", choices=["simple", "extended", "prepared"], help="of answers")
    parser.add_argument("--only", default="", metavar="REGEX", help="answers: contenders whose name matches")
    parser.add_argument("--sportello", default=os.environ.get("SPORTELLO_BIN", os.path.join(_TREE, "build/release/proxy/sportello")), metavar="PATH")
    parser.add_argument("--json", metavar="FILE", help="writes every sample of answers there")
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.rounds = 1, 3
    return options


def _prepare_tables(server):
    """What the parts beside answers read and write."""
    server.run(f"CREATE DATABASE {cache_misses.DATABASE}", dbname="postgres")
    subprocess.run([PGBENCH, "-i", "-q", "-h", "127.0.0.1", "-p", str(server.port), "-U", USER, cache_misses.DATABASE], check=True,
                   capture_output=True)
    server.run("CREATE TABLE pages (id int PRIMARY KEY, body text)", "ALTER TABLE pages ALTER body SET STORAGE EXTERNAL",
               f"INSERT INTO pages SELECT g, repeat('x', {cache_memory.BODY_BYTES}) FROM generate_series(0, 999) g",
               "CREATE TABLE counters (k int PRIMARY KEY, v bigint)", "INSERT INTO counters SELECT g, 0 FROM generate_series(0, 999) g",
               "CREATE TABLE probe (v bigint)", "INSERT INTO probe VALUES (0)", "ALTER TABLE probe REPLICA IDENTITY FULL",
               "VACUUM ANALYZE", dbname=cache_misses.DATABASE)


def main():
    options = _options()
    startup.begin()
    directory, cluster, good = processes.private_directory("sp-bc-"), None, True
    try:
        # What is not flushed is not streamed: synchronous_commit, as the lag would else be that of the log writer.
        cluster = Cluster(Template(directory), settings={"shared_buffers": "256MB", "synchronous_commit": "on", "autovacuum": "off",
                                                         "wal_level": "logical", "max_wal_size": "'4GB'"})
        _prepare_tables(cluster.primary)
        print(f"{figures.machine()}; {options.clients} clients; {options.rounds} rounds of {options.seconds} s, interleaved.", flush=True)
        for name, measure in _PARTS.items():
            if re.search(options.parts, name):
                good = measure(cluster.primary, options) and good
        return 0 if good else 1
    finally:
        if cluster:
            cluster.destroy()
        processes.remove_directory(directory)
        release_ports()
