"""What a pickle's objects become: inert records, and arrays made of raw bytes of a checked kind."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netheal.bundles.intake.allow_list import Kind
from netheal.errors import BundleError
from netheal.wording import kind, quoted, shape_text

_SIMPLE = re.compile(r"[<>=|]?(b1|i[1248]|u[1248]|f[248]|[US][1-9][0-9]{0,4}|\?)")
_LARGEST_SIDE = 2**31
_LAST_POINT = 0x10FFFF


@dataclass(frozen=True)
class Name:
    """A name of the allow-list, with the kind that says what it may be used for."""

    full: str
    kind: Kind


@dataclass(eq=False)
class Record:
    """An object that is not made: its class' name, what it would be called with, and its state."""

    name: Name
    args: tuple[Any, ...] = ()
    state: Any = None
    built: bool = False

    @property
    def label(self) -> str:
        """The class' last name."""
        return self.name.full.rpartition(".")[2]


@dataclass(eq=False)
class MakersObject:
    """An object of a class that its makers wrote, which is not made: the class' name and the saved fields."""

    class_name: str
    fields: dict[str, Any] = field(default_factory=dict)
    built: bool = False


@dataclass(eq=False)
class DtypeRecord:
    """A numpy dtype on its way; `dtype` is None for Python objects."""

    code: str
    dtype: np.dtype[Any] | None = None
    built: bool = False

    @property
    def is_object(self) -> bool:
        """Whether elements are Python objects."""
        return self.code in ("O", "O8", "|O")

    def finished(self) -> np.dtype[Any]:
        """The dtype of plain elements; raises BundleError for objects or an unfinished structure."""
        if self.dtype is None:
            raise BundleError(f"an array of dtype {quoted(self.code)} cannot be read as plain values")
        return self.dtype


@dataclass(eq=False)
class ArrayRecord:
    """An array on its way: an ndarray, or for Python objects their list and shape."""

    array: NDArray[Any] | None = None
    objects: list[Any] | None = None
    shape: tuple[int, ...] = field(default=())

    @property
    def filled(self) -> bool:
        """Whether its state has been seen."""
        return self.array is not None or self.objects is not None


def described(value: Any) -> str:
    """What a value of the file is, for a message: an object by its class."""
    if isinstance(value, Record):
        return f"{'an' if value.label[:1] in 'AEIOU' else 'a'} {value.label}"
    if isinstance(value, MakersObject):
        return f"an object of {quoted(value.class_name)}"
    if isinstance(value, ArrayRecord):
        return "an array"
    if isinstance(value, DtypeRecord):
        return "a dtype"
    return "a name" if isinstance(value, Name) else kind(value)


def new_dtype(args: tuple[Any, ...]) -> DtypeRecord:
    """`numpy.dtype(code, align, copy)`; raises BundleError for a kind that no model needs."""
    code = args[0] if args else None
    if not isinstance(code, str):
        raise BundleError("a dtype in the file has no code")
    if code in ("O", "O8", "|O") or re.fullmatch(r"\|?V[1-9][0-9]{0,3}", code):
        return DtypeRecord(code)
    if not _SIMPLE.fullmatch(code):
        raise BundleError(f"an array of dtype {quoted(code)} is not part of any accepted model")
    return DtypeRecord(code, np.dtype(code))


def build_dtype(record: DtypeRecord, state: Any) -> None:
    """Give a dtype its byte order and, for a structure, its plain fields."""
    if record.built or not isinstance(state, tuple) or len(state) < 8 or state[0] not in (3, 4):
        raise BundleError("a dtype in the file has a state that numpy does not write")
    record.built = True
    _, order, subarray, names, fields, size = state[:6]
    if subarray is not None or order not in ("<", ">", "|", "=") or len(state) > 9:
        raise BundleError("a dtype in the file is of subarrays or an unknown byte order")
    if record.dtype is not None:
        if names is not None or fields is not None:
            raise BundleError("a plain dtype in the file claims to have fields")
        record.dtype = record.dtype if order == "|" else record.dtype.newbyteorder(order)
    elif not record.is_object:
        record.dtype = _structure(names, fields, size)


def _structure(names: Any, fields: Any, size: Any) -> np.dtype[Any]:
    if not isinstance(names, tuple) or not isinstance(fields, dict) or not 0 < len(names) <= 32:
        raise BundleError("a structured dtype in the file has no fields")
    if not all(type(name) is str for name in names):
        raise BundleError("a structured dtype in the file has fields without names")
    if not isinstance(size, int) or not 0 < size <= 4096 or set(names) != set(fields):
        raise BundleError("a structured dtype in the file has fields that do not agree")
    formats, offsets = [], []
    for name in names:
        entry = fields[name]
        if not isinstance(entry, tuple) or len(entry) != 2 or not isinstance(entry[0], DtypeRecord):
            raise BundleError("a structured dtype in the file has a field that is no field")
        inner, offset = entry[0].finished(), entry[1]
        if inner.names or not isinstance(offset, int) or not 0 <= offset <= size - inner.itemsize:
            raise BundleError("a structured dtype in the file has a field outside its element")
        formats.append(inner)
        offsets.append(offset)
    return np.dtype({"names": list(names), "formats": formats, "offsets": offsets, "itemsize": size})


def checked_shape(shape: Any) -> tuple[int, ...]:
    """A shape of at most four sides; raises BundleError otherwise."""
    shape = (shape,) if isinstance(shape, int) else shape
    if not isinstance(shape, tuple) or len(shape) > 4:
        raise BundleError("an array in the file has no shape that a model's array has")
    if not all(type(side) is int and 0 <= side < _LARGEST_SIDE for side in shape):
        raise BundleError("an array in the file has a shape that no model's array has")
    return shape


def array_of(raw: memoryview, dtype: np.dtype[Any], shape: tuple[int, ...], fortran: bool) -> NDArray[Any]:
    """A read-only array over the file's own bytes; raises BundleError where they are not just enough."""
    if math.prod(shape) * dtype.itemsize != raw.nbytes:
        raise BundleError(
            f"an array of shape {shape_text(shape)} and dtype {dtype} does not fit its {raw.nbytes} bytes"
        )
    array = np.frombuffer(raw, dtype=dtype) if raw.nbytes else np.empty(0, dtype=dtype)
    _require_sound(array)
    array = array.reshape(shape, order="F" if fortran else "C")
    array.flags.writeable = False
    return array


def _require_sound(array: NDArray[Any]) -> None:
    """Python breaks on texts of code points that Unicode does not have, and numpy on truths beside 0 and 1."""
    if array.dtype.kind == "U":
        points = array.view(np.dtype("u4").newbyteorder(array.dtype.byteorder))
        if (points > _LAST_POINT).any() or ((points >= 0xD800) & (points < 0xE000)).any():
            raise BundleError("an array of texts in the file holds what is no Unicode")
    if array.dtype.kind == "b" and (array.view("u1") > 1).any():
        raise BundleError("an array of truths in the file holds something else")


def objects_of(values: Sequence[Any], shape: tuple[int, ...]) -> ArrayRecord:
    """An array of Python objects, kept as their list."""
    if math.prod(shape) != len(values):
        raise BundleError(f"an array of shape {shape_text(shape)} has {len(values)} elements in the file")
    return ArrayRecord(objects=list(values), shape=shape)


def scalar_of(args: tuple[Any, ...]) -> Any:
    """A numpy scalar as the Python value that it is."""
    if len(args) != 2 or not isinstance(args[0], DtypeRecord) or not isinstance(args[1], memoryview):
        raise BundleError("a numpy scalar in the file is not one that numpy writes")
    dtype = args[0].finished()
    if dtype.names or dtype.itemsize != args[1].nbytes:
        raise BundleError("a numpy scalar in the file does not fit its bytes")
    value = array_of(args[1], dtype, (1,), fortran=False)[0].item()
    if isinstance(value, bytes):
        raise BundleError("a numpy scalar of bytes is not part of any accepted model")
    return value
