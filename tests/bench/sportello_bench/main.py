"""Options, and the loop: for each row, rounds; in each round, every contender once."""
import argparse
import os
import re
import subprocess
import sys

from sportello_testing import processes
from sportello_testing.ports import release_ports
from sportello_testing.postgres import Cluster, Template

from . import figures, loads, report, rows, startup, summary
from .contenders import DATABASE, HAPROXY, PGBOUNCER, USER, Direct, HaProxy, PgBouncer, Sportello, version

TREE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))

# Durability costs every contender the same and would hide them all behind the disk.
SERVER_SETTINGS = {
    "shared_buffers": "512MB", "max_connections": "1000", "synchronous_commit": "off", "wal_level": "minimal",
    "max_wal_senders": "0", "max_wal_size": "'8GB'", "checkpoint_timeout": "'1h'", "autovacuum": "off", "listen_addresses": "'127.0.0.1'",
}


def _options():
    parser = argparse.ArgumentParser(description="Compares direct PostgreSQL, PgBouncer, HAProxy and Sportello, interleaved in one run.")
    parser.add_argument("--rows", default="", metavar="REGEX", help="only rows whose name matches, such as 'select/simple/(1|64)$'")
    parser.add_argument("--contenders", default="", metavar="REGEX", help="only contenders whose name matches")
    parser.add_argument("--seconds", type=float, default=4, help="how long one pgbench run lasts (default 4)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each contender runs (default 3)")
    parser.add_argument("--quick", action="store_true", help="16 clients only, three rounds of one second")
    parser.add_argument("--json", metavar="FILE", help="writes every sample there")
    parser.add_argument("--sportello", default=os.path.join(TREE, "build/release/proxy/sportello"), metavar="PATH")
    parser.add_argument("--list", action="store_true", help="prints the rows and ends")
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.rounds = 1, 3
        options.rows = options.rows or "(/16|200MB/.*|idle/.*)$"
    options.seconds = max(1, round(options.seconds))  # pgbench counts whole seconds
    return options


def _say(text):
    print(text, file=sys.stderr, flush=True)


def prepare(server):
    server.run(f"CREATE ROLE {USER} LOGIN", f"CREATE DATABASE {DATABASE} OWNER {USER}", dbname="postgres")
    done = subprocess.run([loads.PGBENCH, "-i", "-q", "-s", str(loads.SCALE), "-h", "127.0.0.1", "-p", str(server.port), "-U", USER, DATABASE],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise SystemExit(f"pgbench -i: {done.stderr}")
    server.run(f"ALTER ROLE {USER} SUPERUSER", "CHECKPOINT", dbname="postgres")  # so that its COPY and VACUUM need no grants


def _tidy(server):
    """Each run of a writing row starts from the same tables."""
    server.run("VACUUM pgbench_branches", "VACUUM pgbench_tellers", "TRUNCATE pgbench_history", dbname=DATABASE)


def _run_once(server, contender, row, seconds):
    if row.writes:
        _tidy(server)
    return row.load(contender.for_load(row.prepares), seconds)


def _measure(server, contenders, row, options):
    """Name of contender -> Cell."""
    contenders = [each for each in contenders if not (row.only_poolers and each.name in ("direct", "haproxy"))]
    cells = {each.name: summary.Cell() for each in contenders}
    for number in range(-1 if row.unit == "tps" else 0, options.rounds):   # round -1 opens links and fills caches
        for contender in contenders:
            cell = cells[contender.name]
            if cell.problem:
                continue
            try:
                sample = _run_once(server, contender, row, options.seconds if number >= 0 else 1)
            except (loads.LoadFailed, OSError, NotImplementedError) as problem:
                cell.problem, sample = contender.revive() or f"{problem}", None
            if number >= 0:
                cell.samples.append(sample)
    for name, cell in cells.items():
        shown = cell.median("rate") or cell.median("client_bytes")
        _say(f"  {row.name:24} {name:14} {cell.problem or format(shown, '.0f')}")
    return cells


def _run(options, chosen):
    directory = processes.private_directory("sp-bn-")
    cluster, contenders = None, []
    try:
        cluster = Cluster(Template(directory), settings=SERVER_SETTINGS)
        server = cluster.primary
        prepare(server)
        contenders = [Direct(server), PgBouncer(server), HaProxy(server)]
        if os.path.exists(options.sportello):
            contenders += [Sportello(server, options.sportello, workers) for workers in (1, 2)]
        else:
            _say(f"no {options.sportello}: without ours")
        contenders = [each for each in contenders if re.search(options.contenders, each.name)]
        about = {
            "machine": figures.machine(), "rounds": options.rounds, "seconds": options.seconds,
            "versions": [version(loads.PGBENCH), version(PGBOUNCER), version(HAPROXY, "-v"), version(options.sportello)],
        }
        for contender in contenders:
            contender.start()
        results = [(row, _measure(server, contenders, row, options)) for row in chosen]
        print(report.markdown(results, [each.name for each in contenders], about))
        if options.json:
            with open(options.json, "w") as file:
                file.write(report.as_json(results, about) + "\n")
        return any(summary.verdict(row, cells)[0] == "FAIL" for row, cells in results)
    finally:
        for contender in contenders:
            contender.stop()
        if cluster:
            cluster.destroy()
        processes.remove_directory(directory)
        release_ports()


def main():
    options = _options()
    chosen = [row for row in rows.all_rows() if re.search(options.rows, row.name)]
    if options.list:
        print("\n".join(row.name for row in chosen))
        return 0
    startup.begin()
    if not chosen:
        raise SystemExit(f"no row matches {options.rows}")
    return 1 if _run(options, chosen) else 0
