"""An HDF5 file read as data, from bytes: no links, no arrays elsewhere, no filters but gzip's."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from netheal.bundles.intake.limits import MEGABYTE, MOST_NETWORK_ARRAYS
from netheal.errors import BundleError
from netheal.wording import cause, quoted

_ARRAY_BYTES = 256 * MEGABYTE
_FILTERS = (h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32)


class _MappedFile:
    """h5py's view of bytes that are mapped, without a copy and without a name on disk."""

    def __init__(self, data: memoryview) -> None:
        self._data, self._place = data, 0

    def read(self, size: int = -1) -> bytes:
        end = self._data.nbytes if size < 0 else self._place + size
        piece = bytes(self._data[self._place : end])
        self._place += len(piece)
        return piece

    def readinto(self, buffer: Any) -> int:
        piece = self.read(len(memoryview(buffer)))
        memoryview(buffer)[: len(piece)] = piece
        return len(piece)

    def seek(self, offset: int, whence: int = 0) -> int:
        start = (0, self._place, self._data.nbytes)[whence]
        self._place = max(0, start + offset)
        return self._place

    def tell(self) -> int:
        return self._place

    def write(self, data: bytes) -> int:
        raise OSError("the file is only read")

    def truncate(self, size: int | None = None) -> int:
        raise OSError("the file is only read")

    def flush(self) -> None:
        """Nothing was written."""


@contextmanager
def opened(data: memoryview) -> Iterator[h5py.File]:
    """The file, open for reading; raises BundleError for anything but plain groups and arrays of its own."""
    try:
        _require_whole(data)
        with h5py.File(_MappedFile(data), "r") as file:
            _require_plain(file)
            yield file
    except (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise BundleError(f"the .h5 is damaged or not what Keras writes: {cause(error)}") from error


def _require_whole(data: memoryview) -> None:
    """The file ends where its head says; the library would pass over what comes after."""
    version = data[8]
    # Size of an address, and where three follow each other: the file's begin, another place, and its end.
    size, place = (data[13], 24 + 4 * version) if version < 2 else (data[9], 12)
    end = int.from_bytes(data[place + 2 * size : place + 3 * size], "little")
    if data.nbytes > end:
        raise BundleError(f"there are {data.nbytes - end} bytes after the end of the .h5: the file was tampered with")


def _require_plain(file: h5py.File) -> None:
    """Every link is a hard one, every dataset lies in the file itself, and there are not too many."""
    left = [4 * MOST_NETWORK_ARRAYS]

    def walk(group: h5py.Group, depth: int) -> None:
        for name in group:
            left[0] -= 1
            if left[0] < 0 or depth > 12:
                raise BundleError("the .h5 holds more groups than a network has")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise BundleError(f"the .h5 has a link at {quoted(name)} that leads elsewhere: save the model again")
            item = group[name]
            if isinstance(item, h5py.Group):
                walk(item, depth + 1)
            elif not isinstance(item, h5py.Dataset):
                raise BundleError(f"the .h5 holds {quoted(name)}, which is neither a group nor an array")
            elif item.external or item.is_virtual:
                raise BundleError(f"the array {quoted(name)} of the .h5 lies in another file")

    walk(file, 0)


def attribute(item: Any, name: str, most: int) -> Any:
    """An attribute of at most so many bytes."""
    if name not in item.attrs:
        raise BundleError(f"the .h5 has no {name}: it is not a whole Keras model")
    found = item.attrs.get_id(name)
    size = math.prod(found.shape) * found.dtype.itemsize
    if size > most:
        raise BundleError(f"{name} of the .h5 has {size} bytes: no network has that")
    return item.attrs[name]


def float_array(item: Any, name: str) -> NDArray[np.float32]:
    """A dataset of floats."""
    if not isinstance(item, h5py.Dataset) or item.dtype.kind != "f" or len(item.shape) > 4:
        raise BundleError(f"{quoted(name)} of the .h5 is no array of floats")
    if item.size * item.dtype.itemsize > _ARRAY_BYTES:
        raise BundleError(f"{quoted(name)} of the .h5 is larger than a network's array")
    stored = item.id.get_create_plist()
    if any(stored.get_filter(place)[0] not in _FILTERS for place in range(stored.get_nfilters())):
        raise BundleError(f"{quoted(name)} of the .h5 is compressed in another way than gzip")
    return np.asarray(item[()], dtype=np.float32)
