"""The picture of the comparison, as SVG text: one row a measure, one mark an engine, on a logarithmic scale.

A mark's place is how much worse its engine is than the best engine besides gapless: left of 1 is better than every other one,
right of it worse. Shapes and the colours of Okabe and Ito tell the engines apart, with any kind of colour vision and in grey.
"""
import math
from html import escape

import measures
from measures import DRAW, OURS

LEFT, RIGHT, TOP, ROW = 220, 150, 90, 18
WIDTH = 960
FONT = "font-family='system-ui, sans-serif'"
INK, FAINT, LOSS = "#222222", "#d8d8d8", "#d55e00"
STYLES = {                      # engine -> (shape, colour)
    OURS: ("disc", "#0072b2"),
    "duckdb": ("square", "#e69f00"),
    "polars-parquet": ("triangle", "#56b4e9"),
    "polars-ipc": ("down", "#56b4e9"),
    "chdb": ("diamond", "#cc79a7"),
    "arcticdb": ("cross", "#009e73"),
    "datafusion": ("plus", "#7a6a00"),
    "h5i-db": ("ring", "#7a6a00"),
    "sqlite": ("bar", "#009e73"),
    "numpy": ("tick", "#555555"),
    "rawlog": ("left", "#555555"),
    "rawlog-pre": ("right", "#555555"),
}


def svg(scale, engines):
    rows = [m for m in measures.measured(engines) if m.best_other(engines) and m.group != "size and load"]
    points = {m: relative(m, engines) for m in rows}
    axis = Axis([v for marks in points.values() for v in marks.values()])
    height = TOP + ROW * len(rows) + (ROW + 4) * groups(rows) + 46
    body = header(scale) + legend(measures.in_order(engines)) + body_of(rows, points, axis, height)
    return (f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' height='{height}' role='img'>\n"
            f"<title>Time of each engine relative to the best one besides gapless, scale {escape(scale)}</title>\n"
            f"<rect width='{WIDTH}' height='{height}' fill='white'/>\n{body}</svg>\n")


def relative(measure, engines):
    """engine -> how many times worse than the best other one."""
    best = measure.value(engines[measure.best_other(engines)])
    values = {e: measure.value(engines[e]) for e in measures.in_order(engines)}
    return {e: measure.times_better(best, v) for e, v in values.items() if v}


class Axis:
    """Decades from the least to the greatest value."""

    def __init__(self, values):
        self.low = math.floor(min(math.log10(v) for v in values + [1.0]))
        self.high = max(math.ceil(max(math.log10(v) for v in values + [1.0])), self.low + 1)

    def x(self, value):
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def decades(self):
        return range(self.low, self.high + 1)


def groups(rows):
    return len({m.group for m in rows})


def text(x, y, content, size=12, anchor="start", colour=INK, weight="normal"):
    return (f"<text x='{x:.1f}' y='{y:.1f}' {FONT} font-size='{size}' text-anchor='{anchor}' fill='{colour}' "
            f"font-weight='{weight}'>{escape(content)}</text>\n")


def line(x1, y1, x2, y2, colour, width=1.0):
    return f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='{colour}' stroke-width='{width}'/>\n"


def header(scale):
    return text(12, 24, f"gapless beside other engines, scale {scale}", 16, weight="bold") + text(
        12, 42, "Time relative to the best engine besides gapless, which is at 1; less is better. Grey marks are limits: no databases.")


def legend(names):
    entries = [(name, name, None) for name in names]
    if OURS in names:
        entries.insert(1, (OURS, "gapless, slower", LOSS))
    drawn, x, y = "", 18, 60
    for engine, label, colour in entries:
        if x > WIDTH - 100:
            x, y = 18, y + ROW
        drawn += mark(engine, x, y, colour) + text(x + 9, y + 4, label, 11, colour=colour or INK)
        x += 26 + 6.2 * len(label)
    return drawn


def body_of(rows, points, axis, height):
    bottom = height - 34
    drawn, y, group = grid(axis, bottom), TOP, None
    for m in rows:
        if m.group != group:
            group = m.group
            y += ROW + 4
            drawn += text(12, y, group, 11, colour="#666666", weight="bold")
        y += ROW
        drawn += row(m, points[m], axis, y - 5)
    return drawn


def grid(axis, bottom):
    drawn = ""
    for decade in axis.decades():
        x = axis.x(10.0 ** decade)
        drawn += line(x, TOP, x, bottom, INK if decade == 0 else FAINT, 1.5 if decade == 0 else 1)
        label = f"{10 ** decade:,}" if decade >= 0 else f"1/{10 ** -decade:,}"
        drawn += text(x, bottom + 16, label, 11, "middle")
    return drawn + text(axis.x(1), bottom + 30, "best other engine", 11, "middle", "#666666")


def row(measure, marks, axis, y):
    drawn = line(LEFT, y, WIDTH - RIGHT, y, "#f0f0f0") + text(12, y + 4, measure.name, 11)
    drawn += "".join(mark(e, axis.x(v), y) for e, v in marks.items() if e != OURS)
    if OURS not in marks:
        return drawn + text(WIDTH - RIGHT + 8, y + 4, "no figure", 11, colour=LOSS, weight="bold")
    worse = marks[OURS]
    lost = worse > DRAW
    note = f"LOSS: {worse:,.2g} times slower" if lost else "even" if worse * DRAW >= 1 else f"{better(1 / worse)} times faster"
    drawn += mark(OURS, axis.x(worse), y, LOSS if lost else None)
    return drawn + text(WIDTH - RIGHT + 8, y + 4, note, 11, colour=LOSS if lost else INK, weight="bold" if lost else "normal")


def better(times):
    return f"{times:,.0f}" if times >= 100 else f"{times:.2g}"


def mark(engine, x, y, colour=None):
    shape, own = STYLES[engine]
    colour = colour or own
    if shape in ("disc", "ring"):
        radius, fill = (5.5, colour) if shape == "disc" else (4, "none")
        return f"<circle cx='{x:.1f}' cy='{y:.1f}' r='{radius}' fill='{fill}' stroke='{colour}' stroke-width='1.6'/>\n"
    if shape in OPEN:
        path = " ".join(f"M{x + a:.1f} {y + b:.1f}L{x + c:.1f} {y + d:.1f}" for a, b, c, d in OPEN[shape])
        return f"<path d='{path}' stroke='{colour}' stroke-width='1.8' fill='none'/>\n"
    corners = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in CLOSED[shape])
    return f"<polygon points='{corners}' fill='{colour}'/>\n"


CLOSED = {
    "square": [(-4, -4), (4, -4), (4, 4), (-4, 4)],
    "triangle": [(0, -5), (4.5, 4), (-4.5, 4)],
    "down": [(0, 5), (4.5, -4), (-4.5, -4)],
    "diamond": [(0, -5), (5, 0), (0, 5), (-5, 0)],
}
OPEN = {
    "cross": [(-4, -4, 4, 4), (-4, 4, 4, -4)],
    "plus": [(-5, 0, 5, 0), (0, -5, 0, 5)],
    "bar": [(-5, 0, 5, 0)],
    "tick": [(0, -6, 0, 6)],
    "left": [(2, -5, -2, 0), (-2, 0, 2, 5)],
    "right": [(-2, -5, 2, 0), (2, 0, -2, 5)],
}
