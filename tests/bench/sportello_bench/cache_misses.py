"""What a miss costs: reads that a rule takes and that nobody asked before, beside the same reads without a cache."""
import sys

from sportello_testing.waiting import wait_until

from . import figures, summary
from .cached import USER, Cached
from .pgbench import Load

DATABASE = "bench"
_NEW = "\\set n random(1, 9000000000000000)\n"
READS = {   # :n is new each time, so is the key
    "one row": _NEW + "SELECT abalance FROM pgbench_accounts WHERE aid = 1 + :n::bigint % 100000;\n",
    "4 kB": _NEW + "SELECT body FROM pages WHERE id = :n::bigint % 1000;\n",
}


def _contenders(server, program, memory):
    rules = [{"name": "all", "tables": ["pgbench_accounts", "pages"], "ttl": "1h"}]
    off = Cached(server, program, DATABASE, name="no cache")
    on = Cached(server, program, DATABASE, {"invalidation": "proxy", "max_memory": memory, "rules": rules}, name="every read a miss")
    return [off, on]


def _run(contender, load, seconds):
    server = contender.server.process.pid
    before, server_before = figures.cpu_us(contender.pid), figures.family_cpu_us(server)
    run = load.run(contender.port, seconds)
    own = (figures.cpu_us(contender.pid) - before) / run.count
    return {"rate": run.rate, "cpu_us": own, "all_us": own + (figures.family_cpu_us(server) - server_before) / run.count}


def measure(server, options):
    """Prints the table; true if a miss costs no more than a tenth."""
    print("\n## What a miss costs\n\n| read, protocol | requests/s without a cache | with | CPU µs a request without | with | server's CPU added, without | with | "
          "rate | CPU | CPU with the server's | verdict |\n"
          "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|")
    good, contenders = True, _contenders(server, options.sportello, "32MB")
    try:
        for contender in contenders:
            contender.start()
        on = contenders[1]
        for what, script in READS.items():
            for protocol in ("simple", "extended", "prepared"):
                load = Load([(script, 1)], DATABASE, USER, clients=options.clients, protocol=protocol)
                wait_until(lambda: _is_kept(on, load), "results are kept", 20)
                before, cells = on.rule(), {each.name: [] for each in contenders}
                for number in range(-1, options.rounds):     # round -1 opens links and fills caches
                    for contender in contenders:
                        sample = _run(contender, load, options.seconds if number >= 0 else 1)
                        if number >= 0:
                            cells[contender.name].append(sample)
                after = on.rule()
                print(f"{what}, {protocol}: {cells}", file=sys.stderr, flush=True)
                hits, misses = (int(after[name]) - int(before[name]) for name in ("hits", "misses"))
                if hits > misses / 1000:
                    raise SystemExit(f"{hits} hits of {hits + misses}: these are no misses")
                good = _print(f"{what}, {protocol}", *cells.values()) and good
    finally:
        for contender in contenders:
            contender.stop()
    return good


def _is_kept(contender, load):
    before = int(contender.rule()["stored"])
    load.run(contender.port, each=10)
    return int(contender.rule()["stored"]) > before


def _print(what, off, on):
    rates = [b["rate"] / a["rate"] for a, b in zip(off, on)]
    costs, alls = ([b[figure] / a[figure] for a, b in zip(off, on)] for figure in ("cpu_us", "all_us"))
    checks = [summary.Check("rate ÷ without", rates, 0.9, False), summary.Check("CPU ÷ without", costs, 1.1, True)]
    missed = "; ".join(check.text() for check in checks if not check.passes)
    middle = [[summary.median([run[figure] for run in runs]) for runs in (off, on)] for figure in ("rate", "cpu_us", "all_us")]
    print(f"| {what} | {middle[0][0]:,.0f} | {middle[0][1]:,.0f} | {middle[1][0]:.1f} | {middle[1][1]:.1f} | {middle[2][0]:.0f} | {middle[2][1]:.0f} | "
          f"× {summary.median(rates):.2f} | × {summary.median(costs):.2f} | × {summary.median(alls):.2f} | {'FAIL ' + missed if missed else 'pass'} |", flush=True)
    return not missed
