"""What a fetcher is asked and answers, and what became of a fill."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, NamedTuple

from .errors import BackfillError, FetchError, GaplessError

# What is wrong in the program is as wrong the next time.
_PERMANENT = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    NotImplementedError,
    SyntaxError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class FetchRequest:
    """A request for the rows of one series with ``start <= time < end``."""

    table: str
    """The table's name."""
    series: str | None
    """The series; ``None`` in a table without series."""
    start: int
    """First time, nanoseconds since the epoch."""
    end: int
    """First time that is not wanted."""
    interval: int
    """Grid step in nanoseconds; 0 for rows on no grid."""
    attempt: int
    """1 for the first attempt."""
    schema: Any
    """The columns that rows may have, as ``gapless.Schema``. The series column may be left out."""


@dataclass(frozen=True)
class Fetched:
    """What a source has given: rows, and how far it speaks for.

    ``Fetched()`` says that the source has nothing in the range, which is never asked for again.
    """

    data: Any = None
    """Rows in any order: Arrow data, a frame, a dict of columns, a list of these, or ``None`` for none."""
    through: Any = None
    """The first time that the source does not speak for: what follows is asked for again. ``None`` is the end of the request."""
    partial: bool = False
    """Rows may be missing, the source says: they are kept, and the range stays a gap."""


class FilledGap(NamedTuple):
    """What became of one gap."""

    series: str | None
    start: int
    end: int
    interval: int
    outcome: str
    """``filled``, ``empty`` (the source has nothing), ``covered`` (by somebody else), ``partial``, ``failed``, ``leased`` (to another
    worker) or ``cancelled``."""
    reason: str | None
    """Why, where it failed."""
    error: BaseException | None
    """What the fetcher raised, where it failed by that."""
    inserted: int
    """Rows that were not here."""
    identical: int
    """Rows that were here, equal in every column."""
    changed: int
    """Rows that were here with other values."""
    attempts: int
    """How often the source was asked."""
    elapsed: float
    """Seconds, pauses included."""


@dataclass(frozen=True, repr=False)
class FillReport:
    """What became of the gaps of a fill."""

    gaps: list[FilledGap]
    """Each gap, in the order in which they were done."""
    elapsed: float
    """Seconds."""

    @property
    def is_complete(self) -> bool:
        """Whether nothing of any gap is left."""
        return all(gap.outcome in ("filled", "empty", "covered") for gap in self.gaps)

    @property
    def outcomes(self) -> dict[str, int]:
        """How many gaps came out in each way."""
        return dict(Counter(gap.outcome for gap in self.gaps))

    @property
    def failed(self) -> list[FilledGap]:
        """The gaps of which something is left."""
        return [gap for gap in self.gaps if gap.outcome not in ("filled", "empty", "covered")]

    @property
    def rows(self) -> int:
        """Rows that were not here before."""
        return sum(gap.inserted for gap in self.gaps)

    def check(self) -> FillReport:
        """Itself, where nothing of any gap is left.

        Raises BackfillError otherwise, with ``report``, from what the fetcher raised first.
        """
        failed = self.failed
        if not failed:
            return self
        first = failed[0]
        of = f" of {first.series!r}" if first.series is not None else ""
        why = f": {first.reason}" if first.reason else ""
        error = BackfillError(
            f"{len(failed)} of {len(self.gaps)} gaps are left, the first from {first.start} to {first.end}{of} is {first.outcome}{why}"
        )
        error.report = self
        raise error from next((gap.error for gap in failed if gap.error is not None), None)

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in self.outcomes.items())
        return f"FillReport({counts or 'no gaps'}; {self.rows} rows in {self.elapsed:.3f} s)"


def verdict(error: BaseException) -> tuple[bool, float | None]:
    """Whether what a fetcher raised may work later, and after how many seconds at least."""
    if isinstance(error, FetchError):
        return error.retry, error.retry_after
    if isinstance(error, json.JSONDecodeError):
        return True, None
    if isinstance(error, _PERMANENT) and not isinstance(error, OSError):
        return False, None
    if isinstance(error, GaplessError):
        return False, None
    return isinstance(error, Exception), None


class Caller:
    """Calls a fetcher beside the worker that waits for the answer: a plain one on a thread of its own, an ``async`` one on an event loop
    that all its calls share."""

    def __init__(self, fetcher: Callable[[FetchRequest], Any]) -> None:
        if not callable(fetcher):
            raise TypeError("a fetcher is a callable of one request, plain or async")
        self._fetcher = fetcher
        self._is_async = inspect.iscoroutinefunction(fetcher) or inspect.iscoroutinefunction(getattr(fetcher, "__call__", None))
        self._loop: _Loop | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """Who it is, in coverage."""
        for attribute in ("name", "__name__"):
            name = getattr(self._fetcher, attribute, None)
            if isinstance(name, str):
                return name
        return type(self._fetcher).__name__

    def start(self, request: FetchRequest, done: Callable[[Any, BaseException | None], None]) -> Callable[[], Any]:
        """Calls it; ``done`` is told the answer or what it raised, once. Gives what gives the call up."""
        if self._is_async:
            return self._await(self._answer(request), done)
        # A daemon: a fetcher that hangs does not keep the process.
        thread = threading.Thread(target=self._call, args=(request, done), name="gapless-fetch", daemon=True)
        thread.start()
        return lambda: None

    def close(self) -> None:
        """Ends the event loop, and what still runs on it."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.close()

    async def _answer(self, request: FetchRequest) -> Any:
        return await self._fetcher(request)

    def _call(self, request: FetchRequest, done: Callable[[Any, BaseException | None], None]) -> None:
        try:
            answer = self._fetcher(request)
        except BaseException as error:
            done(None, error)
            return
        if not inspect.isawaitable(answer):
            done(answer, None)
            return

        async def wait() -> Any:
            return await answer

        self._await(wait(), done)

    def _await(self, answer: Coroutine[Any, Any, Any], done: Callable[[Any, BaseException | None], None]) -> Callable[[], Any]:
        async def run() -> None:
            try:
                value = await answer
            except BaseException as error:
                done(None, error)
                if isinstance(error, asyncio.CancelledError):
                    raise
            else:
                done(value, None)

        with self._lock:
            if self._loop is None:
                self._loop = _Loop()
            return asyncio.run_coroutine_threadsafe(run(), self._loop.loop).cancel


class _Loop:
    """An event loop on a thread of its own."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._main(),), name="gapless-fetch", daemon=True)
        self._thread.start()
        self._ready.wait()

    async def _main(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        self._ready.set()
        await self._over.wait()

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self._over.set)
        # What does not let itself be cancelled is left behind.
        self._thread.join(timeout=1.0)
