#!/usr/bin/env python3
"""Writes the table and the plot of one scale into the documentation.

    python report.py results.json --scale M --table docs/comparison.md --plot docs/comparison.svg

The table replaces what stands between the two markers of the page; the rest of the page is written by hand.
"""
import argparse
import os

import measures
import plot
from adapter import LIMITS
from measures import DRAW, OURS, short

BEGIN = "<!-- written by cargo xtask bench-compare: begin -->"
END = "<!-- written by cargo xtask bench-compare: end -->"


def section(scale_name, scale):
    engines = scale["engines"]
    parts = [conditions(scale_name, scale)]
    if OURS in engines:
        parts += [verdict(engines), against_best(engines)]
    return "\n\n".join(parts + [every_engine(engines), versions(engines)])


def conditions(scale_name, scale):
    noted, rows = scale["conditions"], scale["conditions"]["rows"]
    text = (f"Scale {scale_name}: {rows['trade']:,} trades, {rows['quote']:,} quotes, {rows['bar1m']:,} bars. {noted['threads']} threads an "
            f"engine. {noted['machine']}.")
    if noted.get("membw"):
        text += " Memory: " + "; ".join(" ".join(line.split()) for line in noted["membw"]) + "."
    return text


def verdict(engines):
    """How often gapless is best, and by name where it is not."""
    factors = {m: factor for m in measures.measured(engines) if (factor := against(m, engines)) is not None}
    lost = {m: f for m, f in factors.items() if f < 1 / DRAW}
    drawn = [m for m, f in factors.items() if 1 / DRAW <= f <= DRAW]
    won = len(factors) - len(lost) - len(drawn)
    losses = "; ".join(f"{m.name} ({1 / f:.2g} times, {m.best_other(engines)})" for m, f in sorted(lost.items(), key=lambda pair: pair[1]))
    text = f"Beside the best other engine of each measure, gapless is better in {won} of {len(factors)}, worse in {len(lost)}"
    text += f" and within {round((DRAW - 1) * 100)} % in {len(drawn)}."
    text += f" Where it loses: {losses}." if lost else ""
    beaten = [m.name for m in measures.measured(engines) if any(limit_is_better(m, e, engines) for e in LIMITS)]
    text += f" A limit (numpy over memory maps, a bare log) is better in: {', '.join(beaten)}." if beaten else ""
    no_answer = [m.name for m in measures.measured(engines) if isinstance(m.read(engines[OURS]), str)]
    return text + (f" Without a figure: {', '.join(no_answer)}." if no_answer else "")


def against(measure, engines):
    """How many times better gapless is than the best other engine, or None."""
    ours, best = measure.value(engines[OURS]), measure.best_other(engines)
    if ours is None or best is None:
        return None
    return measure.times_better(ours, measure.value(engines[best]))


def against_best(engines):
    limits = [e for e in measures.in_order(engines) if e in LIMITS]
    lines = ["| measure | gapless | best other engine | times better | limits |", "| --- | ---: | --- | ---: | --- |"]
    for m in measures.measured(engines):
        best, factor = m.best_other(engines), against(m, engines)
        other = f"{best} {figure(m, engines[best])}" if best else "-"
        limit = ", ".join(limit_figure(m, e, engines) for e in limits if m.value(engines[e]) is not None)
        lines.append(f"| {m.name}, {m.unit} | {figure(m, engines[OURS])} | {other} | {told(factor)} | {limit} |")
    return "\n".join(lines)


def limit_figure(measure, limit, engines):
    text = f"{limit} {figure(measure, engines[limit])}"
    return f"**{text}**" if limit_is_better(measure, limit, engines) else text


def limit_is_better(measure, limit, engines):
    ours, other = measure.value(engines[OURS]), measure.value(engines.get(limit, {}))
    return ours is not None and other is not None and measure.times_better(ours, other) < 1 / DRAW


def told(factor):
    if factor is None:
        return "-"
    number = f"{factor:,.0f}" if factor >= 100 else f"{factor:.2g}"
    return f"**loss** {number}" if factor < 1 / DRAW else number


def figure(measure, figures):
    mark = "\\*" if measure.value(figures) is not None and measure.is_noisy(figures) else ""
    return short(measure.read(figures)) + mark


def every_engine(engines):
    names = measures.in_order(engines)
    lines = ["Every engine:", "", "| measure | " + " | ".join(names) + " |", "| --- |" + " ---: |" * len(names)]
    for m in measures.measured(engines):
        lines.append(f"| {m.name}, {m.unit} | " + " | ".join(figure(m, engines[e]) for e in names) + " |")
    lines += ["", "\\* Others used more than a quarter of a core meanwhile. WRONG: the answer differs from the reference's. "
              "n/a: the engine has no way of its own to do it."]
    return "\n".join(lines)


def versions(engines):
    lines = ["| engine | version | run | an append, merge or upsert is durable by |", "| --- | --- | --- | --- |"]
    for e in measures.in_order(engines):
        figures = engines[e]
        durability = figures.get("ingest", {}).get("durability", "-")
        lines.append(f"| {e} | {figures.get('version') or '-'} | {figures['when']} | {durability} |")
    return "\n".join(lines)


def replace_section(path, text):
    with open(path) as f:
        page = f.read()
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise SystemExit(f"{path}: it must have one line {BEGIN} and one line {END}")
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    with open(path, "w") as f:
        f.write(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


def main():
    parser = argparse.ArgumentParser(description="Writes the table and the plot of one scale into the documentation.")
    parser.add_argument("results")
    parser.add_argument("--scale", required=True)
    parser.add_argument("--table", required=True)
    parser.add_argument("--plot", required=True)
    a = parser.parse_args()
    scale = measures.read(a.results)[a.scale]
    picture = os.path.relpath(a.plot, os.path.dirname(os.path.abspath(a.table)))
    text = f"![Time of each engine relative to the best one besides gapless]({picture})\n\n" + section(a.scale, scale)
    replace_section(a.table, text)
    with open(a.plot, "w") as f:
        f.write(plot.svg(a.scale, scale["engines"]))
    print(f"written: {a.table}, {a.plot}")


if __name__ == "__main__":
    main()
