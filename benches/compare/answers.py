"""Answers: one form for all engines, comparison with the reference, and a checksum to print."""
import hashlib

import numpy as np
import polars as pl

from queries import QUERIES

TOLERANCE = {"Q9": 1e-7, "Q11": 1e-8, "Q12": 1e-6}
TIMES = ("ts", "gap_start", "gap_end")


def canon(result, q):
    """The columns of the query `q` as int64 (times), float64 (other numbers, NaN as null) and text."""
    columns = QUERIES[q][1]
    frame = as_frame(result, columns[0])
    frame = frame.rename({c: c.lower() for c in frame.columns if c != c.lower()})
    return frame.select([plain(c, frame.schema[c]).alias(c) for c in columns])


def as_frame(result, first_column):
    if isinstance(result, pl.DataFrame):
        return result
    if isinstance(result, (int, float, np.integer, np.floating)):
        result = {first_column: [float(result)]}
    if isinstance(result, dict):
        return pl.DataFrame({k: np.ascontiguousarray(v) if isinstance(v, np.ndarray) else v for k, v in result.items()})
    return pl.DataFrame(result)          # anything that speaks Arrow


def plain(name, dtype):
    column = pl.col(name)
    if dtype.is_temporal():
        column = column.cast(pl.Datetime("ns")) if isinstance(dtype, pl.Date) else column.dt.cast_time_unit("ns")
        return column.cast(pl.Int64)
    if dtype.is_numeric() or dtype == pl.Boolean:
        return column.cast(pl.Int64) if name in TIMES else column.cast(pl.Float64).fill_nan(None)
    return column.cast(pl.String)


def checksum(frame):
    digest = hashlib.sha256()
    for c in frame.columns:
        s = frame[c]
        if s.dtype == pl.String:
            counts = s.value_counts().sort(c)["count"].cast(pl.Int64)
            v = str(int(counts.dot(pl.int_range(1, s.n_unique() + 1, eager=True))))
        elif s.dtype == pl.Int64:
            v = str(s.cast(pl.Int128).sum())
        else:
            v = f"{(s.sum() or 0) * 1.000031415926:.9g}/{s.null_count()}"     # the factor keeps decimal sums off rounding ties
        digest.update(f"{c}={v};".encode())
    return f"{frame.height}:{digest.hexdigest()[:10]}"


def compare(q, result, reference):
    """None when they are equal, else a line that says what differs."""
    got = canon(result, q)
    if got.height != reference.height:
        return f"rows {got.height} != {reference.height}"
    if QUERIES[q][2] and got.height and not got["ts"].is_sorted():
        return "rows not in ts order"
    by = sorted(got.columns, key=lambda c: got[c].dtype == pl.Float64)      # exact columns first
    if got.height > 1:
        got, reference = got.sort(by), reference.sort(by)
    differences = (difference(q, got[c], reference[c]) for c in got.columns)
    return next((d for d in differences if d), None)


def difference(q, got, expected):
    if got.dtype != pl.Float64:
        unequal = int((~got.eq_missing(expected)).sum())
        return f"{got.name}: {unequal} differ" if unequal else None
    if got.null_count() != expected.null_count():
        return f"{got.name}: nulls {got.null_count()} != {expected.null_count()}"
    x, y = got.fill_null(0).to_numpy(), expected.fill_null(0).to_numpy()
    scale = np.maximum(1e-12 if q == "Q12" else 1.0, np.abs(y))
    bad = ~(np.abs(x - y) <= TOLERANCE.get(q, 1e-9) * scale)
    if not bad.any():
        return None
    i = int(np.argmax(bad))
    return f"{got.name}: {int(bad.sum())} differ, first {x[i]!r} != {y[i]!r}"
