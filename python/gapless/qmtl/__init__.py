"""gapless as the history storage of QMTL strategies: pure Python on :mod:`gapless`, with or without QMTL installed.

| class | QMTL's |
| --- | --- |
| :class:`GaplessBackend` | ``HistoryBackend`` |
| :class:`GaplessHistoryProvider` | ``HistoryProvider`` |
| :class:`GaplessEventRecorder` | ``EventRecorder`` |
| :class:`GaplessDataSource` | ``DataSource`` of the seamless provider |
| :class:`GaplessCoordinator`, :class:`LeaseServer` | backfill coordinator, in process and over HTTP |

Times are whole seconds since the epoch, as in QMTL; ``docs/qmtl.md`` says what is stored where.
"""

from .backend import GaplessBackend
from .coordinator import GaplessCoordinator, Lease
from .errors import ColumnTypeError, DuplicateRowsError
from .keys import LeaseKey, SeriesKey, lease_key
from .lease_server import LeaseServer
from .provider import AutoBackfillRequest, GaplessHistoryProvider
from .recorder import GaplessEventRecorder
from .source import DataSourcePriority, GaplessDataSource

__all__ = [
    "AutoBackfillRequest",
    "ColumnTypeError",
    "DataSourcePriority",
    "DuplicateRowsError",
    "GaplessBackend",
    "GaplessCoordinator",
    "GaplessDataSource",
    "GaplessEventRecorder",
    "GaplessHistoryProvider",
    "Lease",
    "LeaseKey",
    "LeaseServer",
    "SeriesKey",
    "lease_key",
]
