"""Reads over two replicas, interleaved: what the proxy costs beside PgBouncer in front of the primary, what comes through beside
PostgreSQL itself, and how many reads of a mix with writes the replicas answer."""
import argparse
import contextlib
import dataclasses
import functools
import json
import os
import re
import sys
import typing

from sportello_testing import processes
from sportello_testing.ports import release_ports
from sportello_testing.postgres import Cluster, Template
from sportello_testing.toml_text import toml_text
from sportello_testing.waiting import wait_until

from . import cpu_limit, figures, loads, main as comparison, startup, summary
from .console import Console
from .contenders import DATABASE, PGBOUNCER, POOL_SIZE, USER, Direct, PgBouncer, Sportello, pooler_config, version
from .pgbench import Load

REPLICAS = 2
SERVER_CORES = 0.25    # in rows that give each server a small machine of its own
_MIX_ROWS = 1000
_MIX_TABLES = 10
_WRITE = "it may write, lock"    # how SHOW ROUTES begins to speak of what is no read
# What is not flushed is not sent, so with synchronous_commit off replicas would be behind by the log writer's 200 ms.
_SERVER_SETTINGS = {**comparison.SERVER_SETTINGS, "shared_buffers": "256MB", "wal_level": "replica", "max_wal_senders": "10", "synchronous_commit": "on",
                    "wal_keep_size": "'8GB'"}   # pgbench -i is quicker than a replica on a busy machine


class Routed(Sportello):
    """Ours with the replicas: reads that stand alone go there."""

    def __init__(self, cluster, program, workers):
        super().__init__(cluster.primary, program, workers)
        self._cluster = cluster

    def command(self, directory):
        config = pooler_config(self.server, self.port, "transaction", POOL_SIZE, workers=self.workers, listen_backlog=1024, monitor_user=USER,
                               admin_users=[USER])
        config["databases"][DATABASE].update(replicas=[replica.dsn(DATABASE) for replica in self._cluster.replicas], routing="on",
                                             freshness="table")
        return [self.program, processes.write_private_file(os.path.join(directory, "sportello.toml"), toml_text(config))]

    def start(self):
        super().start()
        read = Load([("SELECT abalance FROM pgbench_accounts WHERE aid = 1", 1)], DATABASE, USER, clients=1)

        def routes():
            before = self.seen()[0]
            read.run(self.port, each=10)
            return self.seen()[0] - before == 10
        wait_until(routes, "reads go to replicas", 30, poll=0.2)

    def seen(self):
        """Reads that replicas answered, and where all statements were sent and why, since it was started."""
        with Console(self.port, USER) as console:
            return (sum(int(node["reads"]) for node in console.show("NODES") if node["role"] == "replica"),
                    {row["reason"]: int(row["count"]) for row in console.show("ROUTES")})




# ---- loads ----

@dataclasses.dataclass
class Sample(loads.Sample):
    share: float = None     # of the reads, answered by replicas
    routes: dict = None     # why statements went where they went


def _counted(contender, load):
    """The load's Sample, with what the proxy says of its reads."""
    if not isinstance(contender, Routed):
        return Sample(**dataclasses.asdict(load()))
    reads, routes = contender.seen()
    sample = load()
    reads_after, routes_after = contender.seen()
    grown = {reason: count - routes.get(reason, 0) for reason, count in routes_after.items() if count > routes.get(reason, 0)}
    asked = sum(count for reason, count in grown.items() if not reason.startswith(_WRITE))
    return Sample(**{**dataclasses.asdict(sample), "share": (reads_after - reads) / asked if asked else None, "routes": grown})


def _select(contender, seconds, protocol, clients):
    return _counted(contender, lambda: loads.pgbench(contender.for_load(protocol == "prepared"), seconds, "select-only", protocol, clients))


def _mix(contender, seconds, tables, rate, clients):
    """Nineteen reads for each write, of the same tables."""
    key = f"\\set k random(1, {_MIX_ROWS})\n"
    scripts = [(f"{key}SELECT v FROM mix{number} WHERE k = :k;\n", 95) for number in range(tables)]
    scripts += [(f"{key}UPDATE mix{number} SET v = v + 1 WHERE k = :k;\n", 5) for number in range(tables)]

    def load():
        before = figures.cpu_us(contender.pid)
        run = Load(scripts, DATABASE, USER, clients=clients, rate=rate).run(contender.port, seconds)
        return loads.Sample(rate=run.rate, cpu_us=(figures.cpu_us(contender.pid) - before) / run.count)
    return _counted(contender, load)


# ---- rows ----

@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    load: typing.Callable          # load(contender, seconds) -> Sample
    contenders: str                # those whose name matches
    checks: typing.Callable        # checks(cells) -> Checks
    limited: bool = False          # each server has SERVER_CORES


def _share_check(cells):
    return summary.Check("share of reads on replicas", [value for value in cells[summary.OURS].values("share") if value is not None], 0.9, False)


def _cost(cells):
    yield summary.Check("CPU ÷ pgbouncer", summary.ratios(cells[summary.OURS], cells[summary.BASE], "cpu_us"), 1.1, True)
    yield _share_check(cells)


def _throughput(cells):
    yield summary.Check("rate ÷ direct", summary.ratios(cells[summary.OURS], cells["direct"], "rate"), 1.0, False)
    yield _share_check(cells)


def _mixed(cells):
    yield _share_check(cells)


def _all_rows(clients):
    rows = []
    for protocol in ("simple", "extended", "prepared"):
        load = functools.partial(_select, protocol=protocol, clients=clients)
        rows.append(Row(f"cost/{protocol}/{clients}", load, "^(pgbouncer|sportello w1)$", _cost))
        rows.append(Row(f"throughput/{protocol}/{clients}", load, "^(direct|sportello)", _throughput))
        rows.append(Row(f"small-servers/{protocol}/{clients}", load, "^(direct|pgbouncer|sportello)", _throughput, limited=True))
    for tables, rate in ((_MIX_TABLES, 1000), (_MIX_TABLES, 0), (1, 1000), (1, 0)):
        name = f"mix/{tables} table{'s' if tables > 1 else ''}/{f'{rate} a second' if rate else 'unpaced'}/{clients}"
        rows.append(Row(name, functools.partial(_mix, tables=tables, rate=rate, clients=clients), "^sportello w1$", _mixed))
    return rows


# ---- the run ----

def _options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="", metavar="REGEX", help="only rows whose name matches, such as 'cost|mix'")
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--quick", action="store_true", help="three rounds of one second")
    parser.add_argument("--sportello", default=os.environ.get("SPORTELLO_BIN", os.path.join(comparison.TREE, "build/release/proxy/sportello")),
                        metavar="PATH")
    parser.add_argument("--json", metavar="FILE", help="writes every sample there")
    parser.add_argument("--list", action="store_true", help="prints the rows and ends")
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.rounds = 1, 3
    return options


def _prepare(cluster):
    comparison.prepare(cluster.primary)
    for number in range(_MIX_TABLES):
        cluster.primary.run(f"CREATE TABLE mix{number} (k int PRIMARY KEY, v bigint)",
                            f"INSERT INTO mix{number} SELECT g, 0 FROM generate_series(1, {_MIX_ROWS}) g", dbname=DATABASE)
    cluster.wait_caught_up(120)


@contextlib.contextmanager
def _small_servers(cluster):
    limits = []
    try:
        for server in [cluster.primary, *cluster.replicas]:
            limits.append(cpu_limit.CpuLimit(server.name, SERVER_CORES))
            limits[-1].take([server.process.pid, *processes.children_of(server.process.pid)])
        yield
    finally:
        for limit in limits:
            limit.lift()


def _measure(row, contenders, options):
    cells = {each.name: summary.Cell() for each in contenders}
    for number in range(-1, options.rounds):     # round -1 opens links and fills caches
        for contender in contenders:
            cell = cells[contender.name]
            try:
                sample = row.load(contender, options.seconds if number >= 0 else 1)
            except loads.LoadFailed as problem:
                cell.problem, sample = f"{problem}", None
                print(f"{row.name}: {contender.name}: {problem}", file=sys.stderr, flush=True)
            if number >= 0:
                cell.samples.append(sample)
                print(f"{row.name}, round {number + 1}: {contender.name}: {sample}", file=sys.stderr, flush=True)
    return cells


def _figure(value, form):
    return "–" if value is None else format(value, form)


def _print_row(row, cells):
    checks = [check for check in row.checks(cells) if check.values]
    for name, cell in cells.items():
        print(f"| {row.name} | {name} | {_figure(cell.median('rate'), ',.0f')} | {_figure(cell.median('cpu_us'), '.1f')} | {_figure(cell.median('share'), '.1%')} | "
              f"{_figure(cell.spread('rate'), '.0%')} | {f'a run failed: {cell.problem}' if cell.problem else ''} |")
    words = [f"{check.what} {summary.median(check.values):.2f}: pass" if check.passes else f"{check.text()}: FAIL" for check in checks]
    print(f"| {row.name} | | | | | | {'; '.join(words)} |", flush=True)
    failed = any(cell.problem for name, cell in cells.items() if name in (summary.OURS, summary.OURS_2))
    return all(check.passes for check in checks) and not failed


def _print_routes(results):
    if any(row.name.startswith("mix") for row, _ in results):
        print("\nWhere statements of a mix went, and why (last round):\n")
    for row, cells in results:
        samples = [sample for sample in cells[summary.OURS].samples if sample]
        if row.name.startswith("mix") and samples:
            print(f"- {row.name}: " + "; ".join(f"{reason}: {count:,}" for reason, count in samples[-1].routes.items()))


def _run(options, rows):
    directory = processes.private_directory("sp-br-")
    cluster, contenders, good = None, [], True
    try:
        cluster = Cluster(Template(directory), replicas=REPLICAS, settings=_SERVER_SETTINGS)
        _prepare(cluster)
        contenders = [Direct(cluster.primary), PgBouncer(cluster.primary), Routed(cluster, options.sportello, 1), Routed(cluster, options.sportello, 2)]
        for contender in contenders:
            contender.start()
        about = figures.machine()
        print(f"{about['cores']} cores of {about['cpu']}, Linux {about['kernel']}; load before: {about['load_before']:.2f}. {version(PGBOUNCER)}; "
              f"{version(options.sportello)}. A primary and {REPLICAS} streaming replicas, freshness = \"table\"; PgBouncer and \"direct\" have the primary. "
              f"Medians of {options.rounds} interleaved rounds of {options.seconds} s. small-servers: each server may use {SERVER_CORES:g} of a core.\n")
        print("| row | | transactions/s | CPU µs a transaction | reads on replicas | spread | verdict |\n|---|---|---:|---:|---:|---:|---|")
        results = []
        for row in rows:
            with _small_servers(cluster) if row.limited else contextlib.nullcontext():
                cells = _measure(row, [each for each in contenders if re.search(row.contenders, each.name)], options)
            results.append((row, cells))
            good = _print_row(row, cells) and good
        _print_routes(results)
        if options.json:
            with open(options.json, "w") as file:
                json.dump({**about, "rows": {row.name: {name: [sample and dataclasses.asdict(sample) for sample in cell.samples] for name, cell in cells.items()}
                                             for row, cells in results}}, file, indent=1)
        return 0 if good else 1
    finally:
        for contender in contenders:
            contender.stop()
        if cluster:
            cluster.destroy()
        processes.remove_directory(directory)
        release_ports()


def main():
    options = _options()
    rows = [row for row in _all_rows(options.clients) if re.search(options.rows, row.name)]
    if not cpu_limit.is_possible():
        print("the kernel's bandwidth control is not to be had: without small-servers", file=sys.stderr)
        rows = [row for row in rows if not row.limited]
    if options.list:
        print("\n".join(row.name for row in rows))
        return 0
    startup.begin()
    return _run(options, rows)
