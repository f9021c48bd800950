"""A data source for QMTL's seamless provider, whose ``fetch`` has the inclusive end that the planner means.

Behind QMTL's own wrapper of a history provider, whose ``fetch`` is half-open, the last stored bar is dropped.
"""

from __future__ import annotations

import enum
import sys
from typing import Any

from .backend import GaplessBackend
from .ranges import Range, merged

__all__ = ["DataSourcePriority", "GaplessDataSource"]


class DataSourcePriority(enum.IntEnum):
    """QMTL's priorities, for where QMTL is not."""

    CACHE = 1
    STORAGE = 2
    BACKFILL = 3
    LIVE = 4


def _priority(name: str) -> Any:
    module = sys.modules.get("qmtl.runtime.sdk.seamless_data_provider")
    return getattr(getattr(module, "DataSourcePriority", DataSourcePriority), name)


class GaplessDataSource(GaplessBackend):
    """QMTL's ``DataSource`` on a directory; ``priority`` is "STORAGE", or the name of another. The other arguments are those of
    :class:`GaplessBackend`.
    """

    def __init__(self, path: Any, *, priority: Any = "STORAGE", **options: Any) -> None:
        super().__init__(path, **options)
        self.priority = _priority(priority) if isinstance(priority, str) else priority

    async def is_available(self, start: int, end: int, *, node_id: str, interval: int) -> bool:
        """Whether one known range has all of the bars from ``start`` to ``end``, both included."""
        known: list[Range] = merged(await self.coverage(node_id=node_id, interval=interval), self.key_of(node_id, interval).interval)
        return any(first <= start and end <= last for first, last in known)

    async def fetch(self, start: int, end: int, *, node_id: str, interval: int) -> Any:
        """Rows with ``start <= ts <= end``."""
        return await self.read_range(start, end + 1, node_id=node_id, interval=interval)
