"""The rows of the table: what is measured, and of whom."""
import dataclasses
import functools
import typing

from . import loads

CLIENTS = (1, 16, 64, 256)
PROTOCOLS = ("simple", "extended", "prepared")


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    load: typing.Callable       # load(contender, seconds) -> Sample
    unit: str                   # of its rate
    prepares: bool = False      # needs named prepared statements to survive between transactions
    writes: bool = False        # the tables are vacuumed before each run
    only_poolers: bool = False  # PostgreSQL itself could not hold so many clients


def all_rows():
    rows = []
    for kind, script in (("select", "select-only"), ("tpcb", "tpcb-like")):
        for protocol in PROTOCOLS:
            for clients in CLIENTS:
                load = functools.partial(loads.pgbench, script=script, protocol=protocol, clients=clients)
                rows.append(Row(f"{kind}/{protocol}/{clients}", load, "tps", prepares=protocol == "prepared", writes=kind == "tpcb"))
    for clients in (1, 16):
        load = functools.partial(loads.pgbench, script="select-only", protocol="simple", clients=clients, reconnect=True)
        rows.append(Row(f"connect/{clients}", load, "tps"))
    for kind in ("select", "copy"):
        rows.append(Row(f"200MB/{kind}", functools.partial(loads.bulk, kind=kind), "MB/s"))
    rows.append(Row("idle/5000", functools.partial(loads.idle, clients=5000), "", only_poolers=True))
    return rows
