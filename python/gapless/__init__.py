"""An embedded columnar store for time series: a directory and this package, no server.

Times are nanoseconds since the epoch (``int``), aware ``datetime``, pandas or numpy times, or ISO text with a zone; ranges are
half-open ``[start, end)``. Data goes in and comes out as Arrow.

>>> import gapless
>>> db = gapless.open(path)
>>> bars = db.create_table("bars", {"ts": "timestamp[ns, UTC]", "sym": "symbol", "close": "float64"}, time="ts", series="sym")
>>> bars.append({"ts": [0, 60_000_000_000], "sym": ["X", "X"], "close": [1.5, 2.5]})
2
>>> bars.scan(series="X", start=0, end="1970-01-01T00:01:00Z").count()
1
>>> db.close()
"""

from ._check import CheckReport, Finding, LostRange, RepairedSegment, RepairReport
from ._coverage import CoverageRange
from ._fill import Fetched, FetchRequest, FilledGap, FillReport
from ._gap import Gap
from ._gapless import (
    Batch,
    Batches,
    Coverage,
    Database,
    Gaps,
    Lease,
    Rows,
    Scan,
    Schema,
    Session,
    Strategy,
    Subscription,
    Table,
    open,
)
from .errors import (
    BackfillError,
    ConflictError,
    CorruptionError,
    CoverageError,
    FetchError,
    GaplessError,
    InternalError,
    InvalidError,
    LeaseError,
    LockedError,
    NotFoundError,
    OverlapError,
    OverloadedError,
    StorageError,
    UnsupportedError,
)

__all__ = [
    "BackfillError",
    "Batch",
    "Batches",
    "ConflictError",
    "CorruptionError",
    "CheckReport",
    "Coverage",
    "CoverageError",
    "CoverageRange",
    "Database",
    "FetchError",
    "FetchRequest",
    "Fetched",
    "FillReport",
    "FilledGap",
    "Finding",
    "Gap",
    "GaplessError",
    "Gaps",
    "InternalError",
    "InvalidError",
    "Lease",
    "LeaseError",
    "LockedError",
    "LostRange",
    "NotFoundError",
    "OverlapError",
    "OverloadedError",
    "RepairReport",
    "RepairedSegment",
    "Rows",
    "Scan",
    "Schema",
    "Session",
    "StorageError",
    "Strategy",
    "Subscription",
    "Table",
    "UnsupportedError",
    "open",
]
