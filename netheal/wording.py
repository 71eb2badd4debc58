"""What messages say of names and values that came from outside: in plain words, not in Python's notation."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

_SHOWN_NAMES = 5
_SHOWN_CHARS = 60
_CAUSE_CHARS = 200
_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "true or false"),
    ((int, float, complex), "a number"),
    (str, "a text"),
    ((bytes, bytearray, memoryview), "raw bytes"),
    (dict, "a dictionary"),
    ((list, tuple), "a list"),
    ((set, frozenset), "a set"),
)


def quoted(text: str) -> str:
    """A text between quotation marks, so that spaces at its ends are seen; what cannot be printed is left out."""
    return f'"{printable(text, _SHOWN_CHARS)}"'


def printable(text: str, most_chars: int) -> str:
    """The first characters of a text, in one line; what cannot be printed is left out."""
    kept = "".join(char for char in text[: most_chars + 1] if char.isprintable())
    return f"{kept[:most_chars]}…" if len(text) > most_chars else kept


def listed(names: Iterable[Any]) -> str:
    """The first names, and how many more there are."""
    every = list(names)
    first = ", ".join(shown(name) for name in every[:_SHOWN_NAMES])
    return f"{first} and {len(every) - _SHOWN_NAMES} more" if len(every) > _SHOWN_NAMES else first or "nothing"


def shape_text(shape: Sequence[Any]) -> str:
    """The shape of an array: `3 x 4`."""
    return " x ".join(str(side)[:20] for side in itertools.islice(shape, 8)) or "no sides"


def shown(value: Any) -> str:
    """A few characters of a value, whatever it contains, be it itself."""
    if isinstance(value, str):
        return quoted(value)
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() > 128:
        return "a very large number"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, dict):
        return "a dictionary"
    return "a list" if isinstance(value, list | tuple) else "an object"


def kind(value: Any) -> str:
    """What a value is, without what it contains."""
    if value is None:
        return "nothing"
    return next((name for types, name in _KINDS if isinstance(value, types)), "an object")


def cause(error: BaseException) -> str:
    """What an error of Python says, for somebody who does not know Python."""
    if isinstance(error, KeyError):
        return f"{shown(error.args[0] if error.args else None)} is missing"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, IndexError):
        return "it takes something from where there is nothing left"
    if isinstance(error, AttributeError | TypeError):
        return "a value is of another kind than is needed there"
    text = " ".join(str(error).split())
    return "".join(char for char in text if char.isprintable())[:_CAUSE_CHARS] or "a value is wrong"
