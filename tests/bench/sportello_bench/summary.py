"""From samples to statements: medians, ratios and verdicts.

Runs are interleaved (A B C D, A B C D, ...), so a slow moment of the machine meets all contenders alike. A ratio is
therefore taken within each round, and the median of these is what a target is held against. If some rounds meet the
target and some do not, the verdict adds "(noise)": more rounds would tell.
"""
import dataclasses
import statistics

BASE = "pgbouncer"
OURS = "sportello w1"
OURS_2 = "sportello w2"
FLOOR = "haproxy"


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


@dataclasses.dataclass
class Cell:
    """All runs of one contender on one row; an entry is None where that run failed."""

    samples: list = dataclasses.field(default_factory=list)
    problem: str = None     # what the last failed run said

    def values(self, figure):
        return [getattr(sample, figure) if sample else None for sample in self.samples]

    def median(self, figure):
        return median(self.values(figure))

    def spread(self, figure):
        """(highest - lowest) / median: how far runs of the very same thing lie apart."""
        values = [value for value in self.values(figure) if value is not None]
        middle = median(values)
        return (max(values) - min(values)) / middle if middle else None


def ratios(above, below, figure):
    pairs = zip(above.values(figure), below.values(figure)) if above and below else []
    return [a / b for a, b in pairs if a is not None and b]


@dataclasses.dataclass
class Check:
    """One target: the median of these values is at most, or at least, the bound."""

    what: str
    values: list
    bound: float
    at_most: bool

    def _meets(self, value):
        return value <= self.bound if self.at_most else value >= self.bound

    @property
    def passes(self):
        return self._meets(median(self.values))

    def text(self):
        noise = " (noise)" if not self.passes and any(map(self._meets, self.values)) else ""
        return f"{self.what} {median(self.values):.2f} {'>' if self.at_most else '<'} {self.bound:g}{noise}"


def _checks(cells):
    ours, ours_2, base, floor = (cells.get(name) for name in (OURS, OURS_2, BASE, FLOOR))
    yield Check("rate ÷ pgbouncer", ratios(ours, base, "rate"), 1.0, False)
    yield Check("CPU ÷ pgbouncer", ratios(ours, base, "cpu_us"), 1.0, True)
    yield Check("w2 ÷ w1", ratios(ours_2, ours, "rate"), 0.95, False)
    yield Check("memory ÷ pgbouncer", ratios(ours, base, "client_bytes"), 1.0, True)


def _bulk_checks(cells):
    ours = cells.get(OURS)
    yield Check("rate ÷ haproxy", ratios(ours, cells.get(FLOOR), "rate"), 0.9, False)
    yield Check("growth MB", [value for value in ours.values("growth_mb") if value is not None] if ours else [], 4.0, True)


def verdict(row, cells):
    """("pass" | "FAIL" | "-", why)."""
    broken = [f"{name}: {cell.problem}" for name, cell in cells.items() if cell.problem and name in (OURS, OURS_2)]
    if broken:
        return "FAIL", "; ".join(broken)
    checks = list(_checks(cells)) + (list(_bulk_checks(cells)) if row.name.startswith("200MB") else [])
    checks = [check for check in checks if check.values]
    if not checks:
        return "-", "nothing to compare"
    missed = [check.text() for check in checks if not check.passes]
    return ("FAIL", "; ".join(missed)) if missed else ("pass", "")
