"""What calling a name, and giving an object its state, come to: a record, or an array of raw bytes."""

from collections.abc import Callable
from typing import Any

from netheal.bundles.intake.allow_list import Kind, unlisted
from netheal.bundles.intake.reader import ByteReader
from netheal.bundles.intake.values import (
    ArrayRecord,
    DtypeRecord,
    MakersObject,
    Name,
    Record,
    array_of,
    build_dtype,
    checked_shape,
    described,
    new_dtype,
    objects_of,
    scalar_of,
)
from netheal.errors import BundleError
from netheal.wording import quoted

_WRAPPER_STATE = {"subclass", "shape", "order", "dtype", "allow_mmap", "numpy_array_alignment_bytes"}
_ALIGNMENT = 16
_AS_DICTIONARY = "save its fields as a dictionary: vars(artifacts), or dataclasses.asdict(artifacts)"
_MOST_FIELDS = 1_000
Plain = str | int | float | bool | None


def call(target: Name, args: tuple[Any, ...]) -> Any:
    """What stands for `target(*args)`; raises BundleError for a name that is not to be called."""
    if target.kind in (Kind.OBJECT, Kind.WRAPPER, Kind.BYTES_IO, Kind.KERAS_LOADER):
        return Record(target, args)
    if target.kind is Kind.DTYPE:
        return new_dtype(args)
    if target.kind is Kind.SCALAR:
        return scalar_of(args)
    if target.kind is Kind.RECONSTRUCT:
        _require_ndarray(args[0])
        return ArrayRecord()
    if target.kind is Kind.FROM_BUFFER:
        return _from_buffer(args)
    if target.kind is Kind.DICT and not args:
        return {}
    if target.kind is Kind.ENCODE:
        return _encoded(args)
    if target.kind is Kind.BYTES and not args:  # protocol 2's empty bytes
        return memoryview(b"")
    if target.kind is Kind.INDEX_MAKER:
        return _index(args)
    if target.kind is Kind.GETATTR:
        return _loader(args)
    if target.kind is Kind.SET:
        return _set(args)
    if target.kind is Kind.NAMESPACE:
        return new(target, args)
    if target.kind is Kind.MAKERS_CLASS:
        raise unlisted(target.full)
    raise BundleError(f"the pickle calls {quoted(target.full)}, which no accepted model does")


def new(target: Name, args: tuple[Any, ...]) -> Any:
    """What stands for `target.__new__(target, *args)`, which is how objects of the makers' own classes begin."""
    if target.kind not in (Kind.MAKERS_CLASS, Kind.NAMESPACE):
        return call(target, args)
    if args:
        raise BundleError(f"{quoted(target.full)} is saved as values without the names of its fields: {_AS_DICTIONARY}")
    return MakersObject(target.full)


def plain_values(values: list[Any], what: str) -> list[Plain]:
    """Keys of a dictionary, or elements of a set, whose hashes cost nothing; raises BundleError for others."""
    for value in values:
        if type(value) not in (str, int, float, bool, type(None)):
            raise BundleError(f"a {what} of the file holds {described(value)}, which is no text and no number")
    return values


def build(target: Any, state: Any) -> None:
    """Give an object its state, once."""
    if isinstance(target, DtypeRecord):
        build_dtype(target, state)
    elif isinstance(target, ArrayRecord):
        _fill(target, state)
    elif isinstance(target, Record):
        if target.built:
            raise BundleError(f"the pickle gives {target.name.full} its state twice")
        target.state, target.built = state, True
    elif isinstance(target, MakersObject):
        _set_fields(target, state)
    elif type(target) is not dict or type(state) is not dict:  # a Bunch, whose state nothing reads
        raise BundleError(f"the pickle gives a state to what has none ({described(target)})")


def _set_fields(target: MakersObject, state: Any) -> None:
    """`__dict__`, or a pair of it and of the fields of `__slots__`."""
    if target.built:
        raise BundleError(f"the pickle gives {quoted(target.class_name)} its state twice")
    pair = state if type(state) is tuple and len(state) == 2 else (state, None)
    for fields in pair:
        if type(fields) is dict and len(fields) <= _MOST_FIELDS and all(type(name) is str for name in fields):
            target.fields |= fields
        elif fields is not None:
            raise BundleError(
                f"{quoted(target.class_name)} is saved in a way of its own, which only its code could read:"
                f" {_AS_DICTIONARY}"
            )
    target.built = True


def read_wrapper(record: Record, state: Any, reader: ByteReader, nested: Callable[[], Any]) -> ArrayRecord:
    """joblib's stand-in for an array, and the array's bytes that follow it in the stream."""
    if record.args or not isinstance(state, dict) or not set(state) <= _WRAPPER_STATE:
        raise BundleError("an array of the file is wrapped in another way than joblib's")
    _require_ndarray(state.get("subclass"))
    shape, order, dtype = checked_shape(state.get("shape")), state.get("order"), state.get("dtype")
    if order not in ("C", "F") or not isinstance(dtype, DtypeRecord) or type(state.get("allow_mmap")) is not bool:
        raise BundleError("an array of the file is wrapped in another way than joblib's")
    if dtype.is_object:
        inner = nested()
        if not isinstance(inner, ArrayRecord) or inner.objects is None or inner.shape != shape:
            raise BundleError("an array of objects in the file is not followed by its elements")
        return inner
    _skip_padding(reader, state.get("numpy_array_alignment_bytes"))
    finished, count = dtype.finished(), 1
    for side in shape:
        count *= side
    return ArrayRecord(array_of(reader.take(count * finished.itemsize), finished, shape, order == "F"), shape=shape)


def _skip_padding(reader: ByteReader, alignment: Any) -> None:
    if alignment is None:
        return
    if alignment != _ALIGNMENT or type(alignment) is not int:
        raise BundleError("an array of the file is aligned in another way than joblib's")
    padding = reader.u1()
    if padding > _ALIGNMENT:
        raise BundleError("an array of the file is padded in another way than joblib's")
    reader.take(padding)


def _require_ndarray(value: Any) -> None:
    if not isinstance(value, Name) or value.kind is not Kind.NDARRAY:
        raise BundleError("an array of the file is of another class than numpy.ndarray")


def _fill(target: ArrayRecord, state: Any) -> None:
    if target.filled or not isinstance(state, tuple) or len(state) != 5:
        raise BundleError("an array of the file has a state that numpy does not write")
    _, shape, dtype, fortran, content = state
    shape = checked_shape(shape)
    if not isinstance(dtype, DtypeRecord) or type(fortran) not in (bool, int):
        raise BundleError("an array of the file has a state that numpy does not write")
    target.shape = shape
    if dtype.is_object:
        if type(content) is not list:
            raise BundleError("an array of objects in the file has no list of them")
        target.objects = objects_of(content, shape).objects
    elif isinstance(content, memoryview):
        target.array = array_of(content, dtype.finished(), shape, bool(fortran))
    else:
        raise BundleError("an array of the file has no bytes")


def _from_buffer(args: tuple[Any, ...]) -> ArrayRecord:
    if len(args) not in (4, 5) or not isinstance(args[0], memoryview) or not isinstance(args[1], DtypeRecord):
        raise BundleError("an array of the file has a state that numpy does not write")
    shape = checked_shape(args[2])
    if args[3] not in ("C", "F") or len(args) == 5:
        raise BundleError("an array of the file is neither in C's order nor in Fortran's")
    return ArrayRecord(array_of(args[0], args[1].finished(), shape, args[3] == "F"), shape=shape)


def _loader(args: tuple[Any, ...]) -> Name:
    """Keras 3 names the loader of a whole model as an attribute of the model's class."""
    model = args[0] if len(args) == 2 else None
    if not isinstance(model, Name) or model.kind is not Kind.KERAS_MODEL or args[1] != "_unpickle_model":
        raise BundleError("the pickle takes an attribute of something, which no accepted model does")
    return Name(f"{model.full}._unpickle_model", Kind.KERAS_LOADER)


def _index(args: tuple[Any, ...]) -> ArrayRecord:
    """A pandas Index as the array of its elements."""
    if len(args) != 2 or not isinstance(args[0], Name) or args[0].kind is not Kind.INDEX or type(args[1]) is not dict:
        raise BundleError("a pandas Index in the file is made in another way than pandas'")
    data = args[1].get("data")
    if not set(args[1]) <= {"data", "name"} or not isinstance(data, ArrayRecord) or len(data.shape) != 1:
        raise BundleError("a pandas Index in the file is no plain list of names: save list(frame.columns)")
    return data


def _encoded(args: tuple[Any, ...]) -> memoryview:
    """Protocol 2 writes bytes as text to be encoded in latin1."""
    if len(args) != 2 or type(args[0]) is not str or args[1] != "latin1":
        raise BundleError("the pickle encodes a text in another way than protocol 2's bytes")
    return memoryview(args[0].encode("latin1"))


def _set(args: tuple[Any, ...]) -> set[Plain]:
    """Protocols 2 and 3 write a set as a call with a list."""
    if len(args) != 1 or type(args[0]) is not list:
        raise BundleError("a set in the file is made in another way than Python's")
    return set(plain_values(args[0], "set"))
