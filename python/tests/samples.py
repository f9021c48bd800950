"""The columns and times of the rows in the tests."""

TICKS = {"ts": "timestamp[ns, UTC]", "sym": "symbol", "price": "float64", "size": "int64"}
SECOND = 1_000_000_000
# 2026-11-20T14:00:00Z
START = 1_795_183_200_000_000_000
