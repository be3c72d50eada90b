"""Answers from memory, interleaved: the portal's list of notaries (twenty rows), asked again and again by the same clients. All programs
that answer are held against what they cost: requests a second, and CPU time of all their processes a request."""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

from sportello_testing import processes
from sportello_testing.ports import free_port, release_ports
from sportello_testing.postgres import Cluster, Template
from sportello_testing.toml_text import toml_text
from sportello_testing.waiting import wait_until

from . import figures
from .contenders import _Process
from .loads import PGBENCH

_TREE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
_PORTAL = os.path.join(_TREE, "tests/portal")
DATABASE = "portal"
USER = "postgres"


def _notary_list():
    with open(os.path.join(_PORTAL, "queries/notary_list.sql")) as file:
        lines = [line for line in file if not line.startswith("--")]
    return "".join(lines).replace("$1", "0").strip()


def _tree_of(pid):
    """The process and all that came of it."""
    found, pids = {pid}, [int(name) for name in os.listdir("/proc") if name.isdigit()]
    parents = {}
    for each in pids:
        try:
            with open(f"/proc/{each}/stat") as file:
                parents[each] = int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            pass
    grown = True
    while grown:
        more = {each for each, parent in parents.items() if parent in found} - found
        found |= more
        grown = bool(more)
    return found


class Contender(_Process):
    """One program that answers."""

    program = None  # where its Debian package has it

    def is_installed(self):
        if self.program is None or os.path.exists(self.program):
            return True
        print(f"no {self.program}: without {self.name}", file=sys.stderr)
        return False

    def cpu_us(self):
        """Of the whole family, those that ended included."""
        total = figures.ended_children_cpu_us(self.pid)
        for pid in _tree_of(self.pid):
            try:
                total += figures.cpu_us(pid)
            except OSError:
                pass  # it has ended meanwhile
        return total

    def load(self, seconds, clients, protocol):
        """Requests a second, and their number."""
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
            script.write(_notary_list())
            script.flush()
            command = [PGBENCH, "-n", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "-f", script.name, "-M", protocol,
                       "-c", str(clients), "-j", "1", "-T", str(seconds), DATABASE]
            done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60 + 3 * seconds, check=False,
                                  env={**os.environ, "PGSSLMODE": "disable", "PGGSSENCMODE": "disable"})
        count = re.search(r"transactions actually processed: (\d+)", done.stdout)
        rate = re.search(r"^tps = ([0-9.]+)", done.stdout, re.M)
        if done.returncode != 0 or not count or not rate:
            raise SystemExit(f"{self.name}: {done.stderr.strip()[-500:]}")
        return float(rate[1]), int(count[1])


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


class Sportello(Contender):
    def __init__(self, server, program, workers, cached=True):
        super().__init__(server)
        self._program, self._workers, self._cached = program, workers, cached
        self.name = f"sportello w{workers}" if cached else "sportello, no cache"

    def command(self, directory):
        config = {
            "sportello": {"listen_addr": "127.0.0.1", "listen_port": self.port, "auth_type": "trust", "workers": self._workers,
                          "monitor_user": USER, "admin_users": [USER], "log_connections": False, "log_disconnections": False,
                          "auth_file": processes.write_private_file(os.path.join(directory, "userlist.txt"), f'"{USER}" ""\n')},
            "databases": {DATABASE: {"primary": self.server.dsn(DATABASE)}},
        }
        if self._cached:
            config["cache"] = {"invalidation": "proxy", "rules": [{"name": "notary_list", "ttl": "1h", "query": _notary_list()}]}
        return [self._program, processes.write_private_file(os.path.join(directory, "sportello.toml"), toml_text(config))]

    def start(self):
        super().start()
        if self._cached:
            wait_until(self._is_hit, "the list is answered from memory", 20)

    def _is_hit(self):
        self.load(1, 1, "simple")
        done = subprocess.run(["psql", "-X", "-At", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "-d", "sportello", "-c",
                               "SHOW CACHE RULES"], capture_output=True, text=True, check=True)
        return int(done.stdout.split("|")[3]) > 0


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
    before = contender.cpu_us()
    rate, count = contender.load(options.seconds, options.clients, options.protocol)
    return {"rate": rate, "cpu_us": (contender.cpu_us() - before) / count}


def _options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--protocol", default="extended", choices=["simple", "extended", "prepared"])
    parser.add_argument("--only", default="", metavar="REGEX", help="contenders whose name matches")
    parser.add_argument("--sportello", default=os.path.join(_TREE, "build/release/proxy/sportello"), metavar="PATH")
    parser.add_argument("--json", metavar="FILE", help="writes every sample there")
    return parser.parse_args()


def main():
    options = _options()
    directory = processes.private_directory("sp-bc-")
    cluster, contenders = None, []
    try:
        cluster = Cluster(Template(directory), settings={"shared_buffers": "256MB", "synchronous_commit": "off", "autovacuum": "off"})
        server = cluster.primary
        _prepare(server)
        size = _size_of_answer(server)
        contenders = [Server(server), Sportello(server, options.sportello, 1, cached=False), Sportello(server, options.sportello, 1),
                      Sportello(server, options.sportello, 2), Pgpool(server), Redis(server, size)]
        contenders = [each for each in contenders if re.search(options.only, each.name) and each.is_installed()]
        for contender in contenders:
            contender.start()
        samples = {each.name: [] for each in contenders}
        for number in range(options.rounds):
            for contender in contenders:
                samples[contender.name].append(_measure(contender, options))
                print(f"round {number + 1}: {contender.name}: {samples[contender.name][-1]}", file=sys.stderr, flush=True)
        print(f"{size} bytes, {options.protocol} protocol, {options.clients} clients, {options.rounds} rounds of {options.seconds} s, interleaved; "
              f"{figures.machine()}\n")
        print("| | requests/s | CPU µs a request |\n|---|---:|---:|")
        for name, runs in samples.items():
            print(f"| {name} | {statistics.median(run['rate'] for run in runs):,.0f} | {statistics.median(run['cpu_us'] for run in runs):.1f} |")
        if options.json:
            with open(options.json, "w") as file:
                json.dump({"bytes": size, "samples": samples}, file, indent=1)
        return 0
    finally:
        for contender in contenders:
            contender.stop()
        if cluster:
            cluster.destroy()
        processes.remove_directory(directory)
        release_ports()
