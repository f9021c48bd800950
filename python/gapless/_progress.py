"""Whoever is told how far long work is."""

from __future__ import annotations

from typing import Any


class Progress:
    """A bar of tqdm's kind, or a callable, told how far work is.

    ``watcher`` is a bar (anything with ``update(n)``; its ``total`` is set), the class of one (``tqdm.tqdm``: a bar is made of it, and
    closed at the end), a callable that takes ``(done, total)``, or ``True`` for tqdm's own.
    """

    def __init__(self, watcher: Any, unit: str) -> None:
        if watcher is True:
            from tqdm.auto import tqdm as watcher
        self._done = 0
        self._is_own = isinstance(watcher, type) and hasattr(watcher, "update")
        self._bar = watcher(total=None, unit=unit, unit_scale=unit == "B") if self._is_own else watcher
        self._is_bar = hasattr(self._bar, "update")
        if not self._is_bar and not callable(self._bar):
            raise TypeError("progress is a bar with update(n) and total, the class of one such as tqdm, or a callable of (done, total)")

    def tell(self, done: int, total: int) -> None:
        if not self._is_bar:
            if (done, total) != (0, 0):
                self._bar(done, total)
            return
        if self._bar.total != total:
            self._bar.total = total
            refresh = getattr(self._bar, "refresh", None)
            if refresh is not None:
                refresh()
        if done > self._done:
            self._bar.update(done - self._done)
            self._done = done

    def close(self) -> None:
        if self._is_own:
            self._bar.close()
