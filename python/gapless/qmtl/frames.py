"""Which library's frames a handle answers in."""

from __future__ import annotations

import importlib.util
from typing import Any, Literal, Protocol

from .series import Series

FramesOption = Literal["auto", "polars", "pandas"]


class Frames(Protocol):
    """Frames of one library."""

    name: str

    def empty(self) -> Any:
        """A frame of no rows, of a series that nothing is known of: a column ``ts`` of integers."""

    def read(self, scan: Any, series: Series) -> Any:
        """The rows of a scan, in the series' own names and types."""

    def times(self, scan: Any) -> list[int]:
        """The seconds of a scan of the time column."""

    def dicts(self, scan: Any) -> list[dict[str, Any]]:
        """The rows of a scan as they are stored."""

    def records(self, frame: Any) -> list[dict[str, Any]]:
        """The rows of a frame of this library."""


def frames(option: FramesOption) -> Frames:
    """The frames of an option; ``auto`` is polars where it is installed, else pandas.

    Raises ``ImportError`` saying what to install.
    """
    if option not in ("auto", "polars", "pandas"):
        raise ValueError(f'frames={option!r}: there are "auto", "polars" and "pandas"')
    if option == "polars" or (option == "auto" and _is_installed("polars")):
        from .polars_frames import PolarsFrames

        return PolarsFrames()
    if not (_is_installed("pandas") and _is_installed("pyarrow")):
        raise ImportError("frames need polars, or pandas with pyarrow: pip install polars")
    from .pandas_frames import PandasFrames

    return PandasFrames()


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
