"""The summary for people (Markdown tables) and for programs (JSON)."""
import dataclasses
import json

from . import summary
from .contenders import POOL_SIZE
from .loads import SCALE
from .summary import BASE, OURS, OURS_2


def _number(value, digits=3):
    """Three digits are as many as a noisy machine can tell."""
    if value is None:
        return "–"
    if value >= 1000:
        return f"{round(value, digits - len(str(int(value)))):,.0f}"
    return f"{value:.{max(0, digits - len(str(int(value))))}f}"


def _percent(value):
    return "–" if value is None else f"{value:.0%}"


def _table(head, lines):
    yield "| " + " | ".join(head) + " |"
    yield "|" + "|".join([" --- "] + [" ---: "] * (len(head) - 1)) + "|"
    for line in lines:
        yield "| " + " | ".join(line) + " |"
    yield ""


def _ratio(cells, above, below, figure):
    return _number(summary.median(summary.ratios(cells.get(above), cells.get(below), figure)))


def _cell(cells, name, figure):
    cell = cells.get(name)
    if cell and cell.problem and not any(cell.samples):
        return "failed"
    return _number(cell.median(figure)) if cell else "–"


def _rates(results, names):
    proxies = [name for name in names if name != "direct"]
    head = ["row"] + names + ["w1 ÷ pgbouncer", "w2 ÷ w1"] + [f"CPU {name}" for name in proxies] + ["CPU w1 ÷ pgbouncer", "spread", "verdict"]
    lines = []
    for row, cells in results:
        if not row.unit:
            continue
        word, why = summary.verdict(row, cells)
        spreads = [cell.spread("rate") for cell in cells.values()]
        lines.append([f"{row.name}{'*' if row.prepares else ''}, {row.unit}"] + [_cell(cells, name, "rate") for name in names]
                     + [_ratio(cells, OURS, BASE, "rate"), _ratio(cells, OURS_2, OURS, "rate")]
                     + [_cell(cells, name, "cpu_us") for name in proxies] + [_ratio(cells, OURS, BASE, "cpu_us")]
                     + [_percent(max((each for each in spreads if each is not None), default=None)), f"{word} {why}".strip()])
    return _table(head, lines) if lines else []


def _latencies(results, names):
    lines = [[row.name] + [" / ".join(_cell(cells, name, figure) for figure in ("p50_ms", "p95_ms", "p99_ms")) for name in names]
             for row, cells in results if any(cell.median("p50_ms") for cell in cells.values())]
    return _table(["P50 / P95 / P99 ms"] + names, lines) if lines else []


def _memory(results, names):
    proxies = [name for name in names if name != "direct"]
    lines = []
    for row, cells in results:
        if row.only_poolers:
            word, why = summary.verdict(row, cells)
            lines.append([f"{row.name}: bytes a client"] + [_cell(cells, name, "client_bytes") for name in proxies] + [f"{word} {why}".strip()])
        elif row.name.startswith("200MB"):
            lines.append([f"{row.name}: peak growth, MB"] + [_cell(cells, name, "growth_mb") for name in proxies] + ["see above"])
        if row.only_poolers or row.name.endswith("/256"):
            lines.append([f"{row.name}: resident, MB"] + [_cell(cells, name, "resident_mb") for name in proxies] + [""])
    return _table(["memory"] + proxies + ["verdict"], lines) if lines else []


def markdown(results, names, about):
    lines = [
        f"{about['machine']['cores']} cores of {about['machine']['cpu']}, Linux {about['machine']['kernel']}; load before: {about['machine']['load_before']:.2f}. "
        + "; ".join(about["versions"]) + ".",
        f"Medians of {about['rounds']} interleaved rounds of {about['seconds']:g} s; ratios are medians of the rounds' own ratios; spread is (highest − lowest) ÷ "
        "median of the contender where it is widest. CPU is the proxy's, in µs a transaction (200MB: a MB). "
        f"pgbench scale {SCALE}, fsync off, pools of {POOL_SIZE}; clients, proxies and server share the machine.",
        "`*` PgBouncer 1.18 has no prepared statements in transaction mode: there it runs in session mode, with a server connection for every client.",
        "",
        *_rates(results, names), *_latencies(results, names), *_memory(results, names),
    ]
    verdicts = [summary.verdict(row, cells) for row, cells in results]
    words = [word for word, _ in verdicts]
    noisy = sum(word == "FAIL" and all("(noise)" in part for part in why.split("; ")) for word, why in verdicts)
    lines.append(f"{words.count('pass')} rows pass, {words.count('FAIL')} FAIL ({noisy} of them within noise), {words.count('-')} without a target.")
    return "\n".join(lines)


def as_json(results, about):
    rows = []
    for row, cells in results:
        word, why = summary.verdict(row, cells)
        rows.append({"row": row.name, "unit": row.unit, "verdict": word, "why": why, "contenders": {
            name: {"problem": cell.problem, "samples": [dataclasses.asdict(sample) if sample else None for sample in cell.samples],
                   "medians": {field: cell.median(field) for field in _FIGURES}} for name, cell in cells.items()}})
    return json.dumps({**about, "rows": rows}, indent=1)


_FIGURES = ("rate", "p50_ms", "p95_ms", "p99_ms", "cpu_us", "resident_mb", "growth_mb", "client_bytes")
