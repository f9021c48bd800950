"""What can go wrong here that the package has no name for."""

from __future__ import annotations

from gapless.errors import ConflictError, InvalidError

__all__ = ["DuplicateRowsError", "ColumnTypeError"]


class DuplicateRowsError(ConflictError, RuntimeError):
    """With ``keep="raise"``: a time comes twice, or is stored already. Nothing was written."""


class ColumnTypeError(InvalidError, TypeError):
    """A column of a type that is not stored, or that the series' column cannot take. Nothing was written."""
