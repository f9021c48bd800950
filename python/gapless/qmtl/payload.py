"""An event's payload as named values of types that are stored."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import json
from collections.abc import Mapping
from typing import Any

from .rows import KEY_COLUMNS, TIME


def values(payload: Any, ts: int) -> dict[str, Any]:
    """The columns of a payload. What is no mapping or dataclass is one column, ``value``.

    ``ts`` of the payload is left out when it says the same, and called ``payload_ts`` otherwise.
    """
    if dataclasses.is_dataclass(payload) and not isinstance(payload, type):
        payload = dataclasses.asdict(payload)
    if not isinstance(payload, Mapping):
        payload = {"value": payload}
    columns = {str(name): plain(value) for name, value in payload.items() if name not in KEY_COLUMNS}
    own = columns.pop(TIME, ts)
    if own != ts:
        columns["payload_ts"] = own
    return columns


def plain(value: Any) -> Any:
    """A value that is stored as it is: scalars of NumPy unwrapped, lists of numbers as lists of floats, other nesting as JSON text."""
    if value is None or type(value) in (bool, int, float, str, bytes):
        return value
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, datetime.datetime):
        return value if value.tzinfo else value.isoformat()
    if hasattr(value, "tolist"):
        # Scalars and arrays of NumPy.
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return _list(value)
    # Subclasses of numbers and text, as an IntEnum.
    bases: tuple[Any, ...] = (bool, int, float, str, bytes)
    for base in bases:
        if isinstance(value, base):
            return base(value)
    return json.dumps(value, default=str)


def _list(items: list[Any] | tuple[Any, ...]) -> Any:
    scalars = [plain(item) if hasattr(item, "tolist") else item for item in items]
    if scalars and all(type(item) in (int, float) or item is None for item in scalars):
        return [None if item is None else float(item) for item in scalars]
    return json.dumps(scalars, default=str)
