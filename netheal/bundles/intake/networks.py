"""Keras networks from a file's values: pickled whole, or as a configuration and weights."""

from typing import Any

from netheal.bundles.intake.allow_list import Kind
from netheal.bundles.intake.fields import Fields, raw_array
from netheal.bundles.intake.keras_config import keras_config
from netheal.bundles.intake.limits import MOST_NETWORK_ARRAYS
from netheal.bundles.intake.size import within_size
from netheal.bundles.intake.values import ArrayRecord, Record
from netheal.bundles.neural import Network
from netheal.errors import BundleError


def network_of(top: Fields, name: str) -> Network:
    """The network of `{name}_config` and `{name}_weights`, which are arrays or the bytes of an `.h5`."""
    weights = top.need(f"{name}_weights")
    if isinstance(weights, memoryview):
        from netheal.bundles.intake.h5 import network_of_bytes

        config = keras_config(top.get(f"{name}_config"), f"{name}_config") if f"{name}_config" in top else None
        return network_of_bytes(weights, config, f"{name}_weights")
    arrays: Any = weights.objects if isinstance(weights, ArrayRecord) else weights
    if type(arrays) not in (list, tuple) or not 0 < len(arrays) <= MOST_NETWORK_ARRAYS:
        raise BundleError(f"{name}_weights is neither a list of arrays nor the bytes of an .h5")
    plain = within_size(raw_array(array, f"an array of {name}_weights") for array in arrays)
    if any(array.dtype.kind != "f" for array in plain):
        raise BundleError(f"{name}_weights holds something that is no array of floats")
    return Network(keras_config(top.need(f"{name}_config"), f"{name}_config"), plain)


def is_whole_network(value: Any) -> bool:
    """Whether a value is a Keras model that was pickled whole."""
    return isinstance(value, Record) and value.name.kind is Kind.KERAS_LOADER


def whole_network(record: Record) -> Network:
    """The network of it. Keras 2 hands the archive's bytes to its loader, and Keras 3 a BytesIO of them."""
    from netheal.bundles.intake.keras_archive import archived_network

    given = record.args[0] if len(record.args) == 1 and not record.built else None
    if isinstance(given, Record) and given.name.kind is Kind.BYTES_IO and not given.args:
        given = given.state[0] if isinstance(given.state, tuple) and len(given.state) == 3 else None
    if not isinstance(given, memoryview):
        raise BundleError("a Keras model of the file is packed in another way than Keras'")
    return archived_network(given)
