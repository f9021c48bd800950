"""Types of payload columns by their gapless names, and which of two types holds both."""

from __future__ import annotations

_INTS = ("int8", "int16", "int32", "int64")
_UINTS = ("uint8", "uint16", "uint32", "uint64")
_FLOATS = ("float32", "float64")


def wider(one: str, other: str) -> str | None:
    """The type that holds the values of both, as polars takes it; ``None`` when there is none, as of text and numbers.

    Integers above 2**53 lose digits where ``float64`` is the answer.
    """
    if one == other:
        return one
    numbers = _INTS + _UINTS + _FLOATS
    if one in numbers and other in numbers:
        return _wider_number(one, other)
    if {one, other} == {"symbol", "utf8"}:
        return "utf8"
    return None


def _wider_number(one: str, other: str) -> str:
    for family in (_INTS, _UINTS, _FLOATS):
        if one in family and other in family:
            return max(one, other, key=family.index)
    if one in _FLOATS or other in _FLOATS:
        return _of_int_and_float(one, other)
    signed, unsigned = (one, other) if one in _INTS else (other, one)
    # A signed type holds an unsigned one of half its width.
    step = max(_INTS.index(signed), _UINTS.index(unsigned) + 1)
    return _INTS[step] if step < len(_INTS) else "float64"


def _of_int_and_float(one: str, other: str) -> str:
    number, integer = (one, other) if one in _FLOATS else (other, one)
    small = integer in ("int8", "int16", "uint8", "uint16")
    return "float32" if number == "float32" and small else "float64"
