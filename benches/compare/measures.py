"""What is compared: each measure of results.json, which engine is best in it, and how far gapless is from that one."""
import json
import os
from dataclasses import dataclass
from typing import Callable

from adapter import ENGINES, LIMITS
from machine import NOISY
from queries import QUERIES, SHORT

OURS = "gapless"
# Nearer than this is a draw: two runs of one engine differ as much.
DRAW = 1.1


@dataclass(frozen=True)
class Measure:
    """One row of the table. `read` gives an engine's number, the text of its error, or None."""
    name: str
    group: str
    unit: str
    read: Callable
    noise: Callable = lambda figures: 0
    more_is_better: bool = False

    def value(self, figures):
        found = self.read(figures)
        return found if isinstance(found, (int, float)) else None

    def best_other(self, engines):
        """The best engine besides gapless and the limits, or None."""
        others = {e: self.value(f) for e, f in engines.items() if e != OURS and e not in LIMITS}
        others = {e: v for e, v in others.items() if v is not None}
        if not others:
            return None
        return (max if self.more_is_better else min)(others, key=others.get)

    def times_better(self, ours, other):
        """2 when `ours` is twice as good as `other`, 0.5 when it is half as good."""
        return ours / other if self.more_is_better else other / ours

    def is_noisy(self, figures):
        return self.noise(figures) > NOISY


def warm(q):
    def figures_of(figures):
        return figures.get("warm", {}).get(q, {})
    return Measure(f"{q} {SHORT[q]}", "queries, warm", "ms", lambda f: number_or_error(figures_of(f), "ms"),
                   lambda f: figures_of(f).get("other_cores", 0))


def cold(q):
    return Measure(f"{q} cold", "open and query, page cache dropped", "ms", lambda f: f.get("cold", {}).get(q, {}).get("ms"))


def ingest(test, key, name, unit, **kwargs):
    def figures_of(figures):
        return figures.get("ingest", {}).get(test, {})
    return Measure(f"{test} {name}", "ingest", unit, lambda f: number_or_error(figures_of(f), key),
                   lambda f: figures_of(f).get("other_cores", 0), **kwargs)


def number_or_error(figures, key):
    return figures.get(key, figures.get("error"))


def nested(name, group, unit, *keys):
    def read(figures):
        for key in keys:
            figures = figures.get(key) if isinstance(figures, dict) else None
        return figures
    return Measure(name, group, unit, read)


def all_measures():
    return [warm(q) for q in QUERIES] + [cold(q) for q in QUERIES] + [
        nested("new process to Q1, cold", "open and query, page cache dropped", "ms", "cold", "process_to_Q1_ms"),
        ingest("I1", "rows_s", "bulk day", "rows/s", more_is_better=True),
        ingest("I2", "rows_s", "batches of 1,000", "rows/s", more_is_better=True),
        ingest("I2", "p99_ms", "batches of 1,000, p99", "ms"),
        ingest("I3", "p50_ms", "single rows, p50", "ms"),
        ingest("I3", "rows_s", "single rows", "rows/s", more_is_better=True),
        ingest("I4", "merge_ms", "merge late rows", "ms"),
        ingest("I4", "q2_first_ms", "first Q2 after", "ms"),
        ingest("I4", "q2_ms", "Q2 after", "ms"),
        ingest("I5", "p50_ms", "upsert a window, p50", "ms"),
        ingest("I5", "rows_s", "upsert windows", "rows/s", more_is_better=True),
        nested("bytes a row, ticks", "size and load", "bytes", "bytes_per_row", "taq"),
        nested("bytes a row, bars", "size and load", "bytes", "bytes_per_row", "bars"),
        nested("load ticks", "size and load", "s", "load", "taq", "s"),
        nested("load bars", "size and load", "s", "load", "bars", "s"),
        nested("greatest memory, warm", "size and load", "MB", "max_rss_mb"),
    ]


def measured(engines):
    """The measures that any of these engines has."""
    return [m for m in all_measures() if any(m.read(f) is not None for f in engines.values())]


def in_order(engines):
    return [e for e in ENGINES if e in engines]


def short(value):
    """A number in three figures, the beginning of an error, or a dash."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return value.split(":")[0][:14]
    for limit, unit, name in ((1e6, 1e6, " M"), (1e4, 1e3, " k")):
        if abs(value) >= limit:
            return f"{value / unit:,.3g}{name}" if value / unit < 1000 else f"{value / unit:,.0f}{name}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def text_table(engines, scale):
    names = in_order(engines)
    lines = [f"[{scale}]".ljust(30) + "".join(f"{e:>15s}" for e in names) + "  best other"]
    for m in measured(engines):
        values = "".join(f"{short(m.read(engines[e])):>15s}" for e in names)
        lines.append(f"{m.name}, {m.unit}".ljust(30) + values + f"  {m.best_other(engines) or ''}")
    return "\n".join(lines)


def read(path):
    if not os.path.exists(path):
        return {}
    with open(path) as f:
        return json.load(f)


def write(path, results):
    with open(path + ".part", "w") as f:
        json.dump(results, f, indent=1)
    os.replace(path + ".part", path)
