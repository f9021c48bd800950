"""A stored series: in which table it lies, and how its columns are stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from .column_types import wider
from .errors import ColumnTypeError
from .rows import TIME, Target


@dataclass(frozen=True)
class Column:
    """A payload column of a series."""

    name: str
    pieces: list[tuple[str, str]] = field(default_factory=list)
    """(Stored column, type), the widest type last: a column that was widened has its older values in an older piece. None for one that
    has been null in every row so far."""
    nullable: bool = False
    """Whether a row may have a null."""

    @property
    def type(self) -> str | None:
        return self.pieces[-1][1] if self.pieces else None

    def type_with(self, found: str | None) -> str | None:
        """The type that it needs for values of the type ``found`` as well.

        Raises :class:`ColumnTypeError` when no type holds both.
        """
        if found is None or self.type is None:
            return found or self.type
        both = wider(self.type, found)
        if both is None:
            raise ColumnTypeError(
                f"column {self.name!r} of this series is {self.type}, and rows bring {found}: convert them, or give the column another "
                "name. Nothing was written"
            )
        return both


@dataclass(frozen=True)
class Series:
    """A series as the catalog has it."""

    table: str
    symbol: str
    """Its value in the table's column ``series``."""
    keep: str
    columns: dict[str, Column]
    entries: int
    """Rows of the catalog that this was read from."""

    @cached_property
    def names(self) -> list[str]:
        """Columns of its frames."""
        return [TIME, *self.columns]

    @cached_property
    def stored_columns(self) -> list[str]:
        """Columns to read."""
        return [TIME, *(stored for column in self.columns.values() for stored, _ in column.pieces)]

    @cached_property
    def is_plain(self) -> bool:
        """Whether every column is stored as it is read, so that only names change."""
        return all(len(column.pieces) == 1 and column.type != "symbol" for column in self.columns.values())

    def takes(self, types: dict[str, str | None], nullable: set[str]) -> bool:
        """Whether rows with these columns can be written as the series is.

        Raises :class:`ColumnTypeError` when they never can.
        """
        for name, type_ in types.items():
            column = self.columns.get(name)
            if column is None or column.type_with(type_) != column.type:
                return False
        return all(column.nullable for name, column in self.columns.items() if name in nullable or name not in types)

    def targets(self, types: dict[str, str | None]) -> list[Target]:
        """Where columns go; those that are null in every row go nowhere."""
        named = [(name, self.columns[name]) for name, type_ in types.items() if type_ is not None]
        return [Target(name, *column.pieces[-1]) for name, column in named]
