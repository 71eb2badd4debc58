"""Typed access to what a file holds; every surprise is a BundleError that names the field."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netheal.bundles.intake.limits import CONFIG_DEPTH, CONFIG_VALUES, MOST_CATEGORIES
from netheal.bundles.intake.values import ArrayRecord, MakersObject, Record, described
from netheal.errors import BundleError
from netheal.wording import quoted, shape_text

Plain = str | int | float | bool


class Fields:
    """A dictionary or an object's state, by key."""

    def __init__(self, values: Any, of: str) -> None:
        if type(values) is not dict:
            raise BundleError(f"{of} has no fields: the file is no bundle of a known layout")
        self._values = values
        self.of = of

    @property
    def keys(self) -> list[str]:
        """The keys that are texts."""
        return [key for key in self._values if isinstance(key, str)]

    def __contains__(self, key: str) -> bool:
        return self._values.get(key) is not None

    def get(self, key: str, default: Any = None) -> Any:
        """The raw value."""
        return self._values.get(key, default)

    def need(self, key: str) -> Any:
        """The raw value, which must be there."""
        if self._values.get(key) is None:
            raise BundleError(f"{self.of} has no {quoted(key)}: the file is incomplete or of another layout")
        return self._values[key]

    def record(self, key: str) -> Record:
        """An object."""
        value = self.need(key)
        if not isinstance(value, Record):
            raise BundleError(f"{quoted(key)} of {self.of} is {described(value)}, not a model's object")
        return value

    def records(self, key: str, most: int) -> list[Record]:
        """A list of objects."""
        values = self.need(key)
        if type(values) is not list or not 0 < len(values) <= most:
            raise BundleError(f"{quoted(key)} of {self.of} is no list of 1 to {most} models")
        if not all(isinstance(value, Record) for value in values):
            raise BundleError(f"{quoted(key)} of {self.of} holds something that is no model")
        return values

    def fields(self, key: str) -> "Fields":
        """A dictionary, or the fields of an object that the makers of the file wrote a class for."""
        value = self.need(key)
        values = value.fields if isinstance(value, MakersObject) else value
        return Fields(values, f"{quoted(key)} of {self.of}")

    def numbers(self, key: str, ndim: int) -> NDArray[np.float64]:
        """A finite array of numbers of so many sides, as doubles."""
        return numbers(self.need(key), f"{quoted(key)} of {self.of}", ndim)

    def flag(self, key: str, default: bool) -> bool:
        """True or False."""
        value = self._values.get(key, default)
        if type(value) is not bool:
            raise BundleError(f"{quoted(key)} of {self.of} is neither true nor false")
        return value

    def number(self, key: str) -> float:
        """A finite number."""
        value = self.need(key)
        if type(value) not in (int, float) or not abs(value) < float("inf"):
            raise BundleError(f"{quoted(key)} of {self.of} is no finite number")
        return float(value)

    def plain_list(self, key: str) -> list[Plain]:
        """A list, tuple or flat array of texts or numbers."""
        return plain_list(self.need(key), f"{quoted(key)} of {self.of}")

    def texts(self, key: str) -> list[str]:
        """A list, tuple or flat array of texts."""
        return texts(self.need(key), f"{quoted(key)} of {self.of}")


def state_of(record: Record) -> Fields:
    """An object's fields."""
    return Fields(record.state, record.label)


def raw_array(value: Any, what: str) -> NDArray[Any]:
    """An array of plain elements."""
    if not isinstance(value, ArrayRecord) or value.array is None:
        raise BundleError(f"{what} is no array of numbers")
    return value.array


def numbers(value: Any, what: str, ndim: int) -> NDArray[np.float64]:
    """A finite array of numbers of so many sides, as doubles."""
    array = raw_array(value, what)
    if array.dtype.kind not in "fiub" or array.ndim != ndim:
        raise BundleError(
            f"{what} has dtype {array.dtype} and shape {shape_text(array.shape)}: it needs {ndim} sides of numbers"
        )
    doubles = array.astype(np.float64)
    if not np.isfinite(doubles).all():
        raise BundleError(f"{what} holds values that are not finite: fit it again")
    return doubles


def plain_list(value: Any, what: str) -> list[Plain]:
    """A list, tuple or flat array of texts or numbers."""
    values: Sequence[Any]
    if type(value) in (set, frozenset):
        raise BundleError(f"{what} is a set, which has no order, and the model needs one: save a list")
    if isinstance(value, ArrayRecord):
        if value.array is not None and value.array.ndim == 1 and value.array.dtype.kind in "fiubU":
            values = value.array.tolist() if len(value.array) <= MOST_CATEGORIES else ()
        else:
            values = value.objects if value.objects is not None and len(value.shape) == 1 else ()
    else:
        values = value if type(value) in (list, tuple) else ()
    if not 0 < len(values) <= MOST_CATEGORIES or not all(type(item) in (str, int, float, bool) for item in values):
        raise BundleError(f"{what} is no list of up to {MOST_CATEGORIES} texts or numbers")
    return list(values)


def texts(value: Any, what: str) -> list[str]:
    """A list, tuple or flat array of texts."""
    found = plain_list(value, what)
    if not all(isinstance(item, str) and len(item) <= 256 and item.isprintable() for item in found):
        raise BundleError(f"{what} is no list of short printable texts")
    return [str(item) for item in found]


def json_values(value: Any, what: str) -> Any:
    """A copy made of plain JSON values only, tuples as lists; raises BundleError for anything else."""
    left = [CONFIG_VALUES]

    def copy(item: Any, depth: int) -> Any:
        left[0] -= 1
        if left[0] < 0 or depth > CONFIG_DEPTH:
            raise BundleError(
                f"{what} is too large or nested too deeply: at most {CONFIG_VALUES:,} values on {CONFIG_DEPTH} levels"
                " are read"
            )
        if type(item) is dict:
            if not all(type(key) is str for key in item):
                raise BundleError(f"{what} has keys that are no texts")
            return {key: copy(inner, depth + 1) for key, inner in item.items()}
        if type(item) in (list, tuple):
            return [copy(inner, depth + 1) for inner in item]
        if item is None or type(item) in (str, int, float, bool):
            return item
        raise BundleError(f"{what} holds {described(item)}, which is no plain value")

    return copy(value, 0)
