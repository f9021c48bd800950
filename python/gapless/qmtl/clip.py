"""The rows of a frame between two seconds."""

from __future__ import annotations

import sys
from typing import Any

from .rows import TIME


def clipped(frame: Any, start: int, end: int) -> Any:
    """Rows with ``start <= ts <= end``. A frame without rows is given back as it is.

    Raises ``KeyError`` for rows without ``ts``.
    """
    polars = sys.modules.get("polars")
    if polars is not None and isinstance(frame, polars.LazyFrame):
        frame = frame.collect()
    if frame is None or len(frame) == 0:
        return None
    names = list(frame.column_names if hasattr(frame, "column_names") else frame.columns)
    if TIME not in names:
        raise KeyError(TIME)
    if polars is not None and isinstance(frame, polars.DataFrame):
        return frame.filter(polars.col(TIME).is_between(start, end))
    if hasattr(frame, "loc"):
        return frame.loc[frame[TIME].between(start, end)]
    import pyarrow.compute as pc

    return frame.filter(pc.and_(pc.greater_equal(frame[TIME], start), pc.less_equal(frame[TIME], end)))
