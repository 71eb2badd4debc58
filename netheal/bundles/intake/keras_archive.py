"""A whole Keras model as it lies in a pickle: a `.keras` archive of a configuration and a file of weights.

The weights lie by the layers' classes, counted within each model: `layers/dense_1/vars/0`.
"""

import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from netheal.bundles.intake.hdf5 import float_array, opened
from netheal.bundles.intake.keras_config import keras_config
from netheal.bundles.intake.limits import MEGABYTE, MOST_NETWORK_ARRAYS
from netheal.bundles.intake.size import within_size
from netheal.bundles.neural import Network
from netheal.bundles.topology import Config, body_of, entries_of, is_model
from netheal.errors import BundleError
from netheal.wording import cause, listed

_END, _END_BYTES = b"PK\x05\x06", 22
"""How an archive without a comment ends."""

_MOST_BYTES = {"config.json": 4 * MEGABYTE, "metadata.json": MEGABYTE, "model.weights.h5": 256 * MEGABYTE}
_DAMAGE = (OSError, RuntimeError, NotImplementedError, ValueError, zipfile.BadZipFile, EOFError)


def archived_network(data: memoryview) -> Network:
    """The network in an archive; raises BundleError for anything but Keras' three members."""
    members = _members(data)
    if "config.json" not in members or "model.weights.h5" not in members:
        raise BundleError("the Keras model in the file has no configuration or no weights")
    version = _version(members.get("metadata.json", b"{}"))
    config = keras_config(members["config.json"].decode("utf-8", "replace"), "config.json of the model", version)
    with opened(memoryview(members["model.weights.h5"])) as file:
        return Network(config, within_size(stored_variables(file, body_of(config))))


def _members(data: memoryview) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _require_nothing_around(data, archive)
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            strange = [entry.filename for entry in entries if entry.filename not in _MOST_BYTES]
            if strange or len(entries) != len({entry.filename for entry in entries}):
                raise BundleError(f"the Keras model in the file holds {listed(strange)}, or a member twice")
            return {entry.filename: _member(archive, entry) for entry in entries}
    except _DAMAGE as error:
        raise BundleError(f"the Keras model in the file is no archive of Keras: {cause(error)}") from error


def _require_nothing_around(data: memoryview, archive: zipfile.ZipFile) -> None:
    """zipfile passes over what comes before the first member, and takes what comes after the last for a comment."""
    first = min((entry.header_offset for entry in archive.infolist()), default=0)
    if first or archive.comment or bytes(data[-_END_BYTES:][:4]) != _END:
        raise BundleError("there are bytes before or after the Keras model's archive: the file was tampered with")


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    most = _MOST_BYTES[entry.filename]
    if entry.file_size > most or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BundleError(f"{entry.filename} of the Keras model has {entry.file_size} bytes, or is packed oddly")
    with archive.open(entry) as member:
        found = member.read(most + 1)
    if len(found) > most:
        raise BundleError(f"{entry.filename} of the Keras model holds more than it says")
    return found


def _version(text: bytes) -> Any:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundleError("metadata.json of the Keras model is no JSON") from error
    return document.get("keras_version") if isinstance(document, dict) else None


def stored_variables(group: h5py.Group, body: Config) -> Iterator[NDArray[np.float32]]:
    """All arrays of a file of weights as Keras 3 saves it, in the order that `get_weights()` has."""
    seen: Counter[str] = Counter()
    for entry in entries_of(body):
        kind = "Functional" if entry["class_name"] == "Model" else entry["class_name"]
        name = re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", kind)).lower()
        place = f"layers/{name}_{seen[name]}" if seen[name] else f"layers/{name}"
        seen[name] += 1
        inner = group.get(place)
        if isinstance(inner, h5py.Group):
            yield from stored_variables(inner, body_of(entry)) if is_model(entry) else _variables(inner)


def _variables(group: h5py.Group) -> list[NDArray[np.float32]]:
    """A layer's own arrays, its cell's, or those of the two layers within a Bidirectional."""
    ways = [group.get(name) for name in ("forward_layer", "backward_layer")]
    if all(isinstance(way, h5py.Group) for way in ways):
        return [array for way in ways for array in _variables(way)]
    holder = group.get("cell", group) if isinstance(group.get("cell"), h5py.Group) else group
    variables = holder.get("vars")
    if not isinstance(variables, h5py.Group) or len(variables) > MOST_NETWORK_ARRAYS:
        return []
    return within_size(float_array(variables[str(place)], f"variable {place}") for place in range(len(variables)))
