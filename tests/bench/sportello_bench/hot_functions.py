"""Runs the usual loads through a sportello under callgrind and prints the sections of the functions that they ran through, in the order
in which the linker shall lay them: what proxy/hot_functions.txt holds."""
import argparse
import os
import sys

from sportello_testing import processes
from sportello_testing.ports import release_ports
from sportello_testing.postgres import Cluster, Template
from sportello_testing.toml_text import toml_text
from sportello_testing.waiting import wait_until

from . import call_graph, loads, main as comparison, startup
from .console import Console
from .contenders import DATABASE, POOL_SIZE, USER, Process, pooler_config
from .pgbench import Load

_READ = "\\set aid random(1, 100000)\nSELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n"
_WRITE = "\\set aid random(1, 100000)\nBEGIN;\nUPDATE pgbench_accounts SET abalance = 1 WHERE aid = :aid;\n" \
         "SELECT abalance FROM pgbench_accounts WHERE aid = :aid;\nCOMMIT;\n"
_FEW = "\\set aid random(1, 10)\nSELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n"
_PROTOCOLS = ("simple", "extended", "prepared")
_COVERED = 0.99        # of all instructions; what is below is rare
_EACH = 300            # transactions of each client
_SERVER_SETTINGS = {**comparison.SERVER_SETTINGS, "wal_level": "replica", "max_wal_senders": "10", "synchronous_commit": "on"}


class Watched(Process):
    """Under callgrind, which counts once it is told to. One database is pooled, one routed, one answered from memory."""

    name = "sportello"

    def __init__(self, cluster, program, profile):
        super().__init__(cluster.primary)
        self._cluster, self._program, self._profile = cluster, os.path.abspath(program), profile

    def command(self, directory):
        config = pooler_config(self.server, self.port, "transaction", POOL_SIZE, workers=1, monitor_user=USER, admin_users=[USER])
        primary = self.server.dsn(DATABASE)
        replicas = [replica.dsn(DATABASE) for replica in self._cluster.replicas]
        config["databases"].update(routed={"primary": primary, "replicas": replicas, "routing": "on"}, cached={"primary": primary})
        config["cache"] = {"invalidation": "proxy", "rules": [
            {"name": "accounts", "database": "cached", "ttl": "1h", "query": "SELECT abalance FROM pgbench_accounts WHERE aid = 1"}]}
        path = processes.write_private_file(os.path.join(directory, "sportello.toml"), toml_text(config))
        return ["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", "--demangle=no", f"--callgrind-out-file={self._profile}", self._program, path]

    def count(self):
        processes.run(["callgrind_control", "--instr=on", str(self.pid)], timeout=30)

    def is_ready(self):
        """Reads go to the replica, and are answered from memory."""
        for database in ("routed", "cached"):
            Load([(_FEW, 1)], database, USER, clients=1).run(self.port, each=20)
        with Console(self.port, USER) as console:
            return any(int(node["reads"]) for node in console.show("NODES")) and int(console.show("CACHE RULES")[0]["hits"]) > 0


def _run_loads(watched):
    for protocol in _PROTOCOLS:
        for database, script in ((DATABASE, _READ), (DATABASE, _WRITE), ("routed", _READ), ("cached", _FEW), ("cached", _READ)):
            Load([(script, 1)], database, USER, protocol=protocol).run(watched.port, each=_EACH)
            print(f"  {database} {protocol}", file=sys.stderr, flush=True)


def _hot(graph, program):
    """What most of the program's instructions are in, dearest first."""
    ours = sorted((function for function in graph.cost if graph.program[function] == program and function.startswith("_Z")),
                  key=lambda function: -graph.cost[function])
    left = sum(graph.cost[function] for function in ours) * _COVERED
    for number, function in enumerate(ours):
        if left <= 0:
            return ours[:number]
        left -= graph.cost[function]
    return ours


def _profile(program):
    directory = processes.private_directory("sp-bn-")
    cluster = watched = None
    try:
        cluster = Cluster(Template(directory), replicas=1, settings=_SERVER_SETTINGS)
        comparison.prepare(cluster.primary)
        profile = os.path.join(directory, "callgrind.out")
        watched = Watched(cluster, program, profile)
        watched.start()
        wait_until(watched.is_ready, "the routed reads are routed and the cached ones cached", 60, poll=0.2)
        watched.count()
        _run_loads(watched)
        watched.stop()
        return call_graph.read(profile)
    finally:
        if watched:
            watched.stop()
        if cluster:
            cluster.destroy()
        processes.remove_directory(directory)
        release_ports()


def main():
    parser = argparse.ArgumentParser(description="Prints what proxy/hot_functions.txt shall hold: the functions that transactions run through.")
    parser.add_argument("--sportello", default=os.path.join(comparison.TREE, "build/release/proxy/sportello"), metavar="PATH")
    program = os.path.abspath(parser.parse_args().sportello)
    startup.begin()
    graph = _profile(program)
    for function in call_graph.order(graph, _hot(graph, program)):
        print(f".text.{function}")
    return 0
