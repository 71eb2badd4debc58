"""A bare Keras `.h5`, of Keras 2 or 3, read as data: its configuration's JSON and its weights."""

from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from netheal.bundles.intake.decompress import is_hdf5
from netheal.bundles.intake.hdf5 import attribute, float_array, opened
from netheal.bundles.intake.keras_archive import stored_variables
from netheal.bundles.intake.keras_config import keras_config
from netheal.bundles.intake.limits import MEGABYTE, MOST_NETWORK_ARRAYS
from netheal.bundles.intake.size import within_size
from netheal.bundles.neural import Network
from netheal.bundles.topology import body_of, entries_of, is_model, leaves_of, name_of, topology_of
from netheal.bundles.weights import in_layers_order
from netheal.errors import BundleError

_CONFIG_BYTES = 4 * MEGABYTE
_NAMES_BYTES = MEGABYTE
_VERSION_BYTES = 100


def read_network(data: memoryview) -> Network:
    """The network in the file; raises BundleError for anything but a plain configuration and plain weights."""
    with opened(data) as file:
        config = _config(file)
        weights = file.get("model_weights")
        if not isinstance(weights, h5py.Group):
            raise BundleError("the .h5 has no model_weights: save the whole model")
        return Network(config, within_size(_arrays(weights, config)))


def network_of_bytes(data: memoryview, config: dict[str, Any] | None, what: str) -> Network:
    """A network whose weights a bundle has as the bytes of an `.h5`: of a whole model, or of weights alone.

    `config` is what the bundle has beside them. A whole model has its own, which is then taken.
    """
    if not is_hdf5(data):
        raise BundleError(f"{what} are raw bytes and no .h5: save get_weights(), or the bytes of model.save('m.h5')")
    with opened(data) as file:
        if "model_weights" in file:
            network = read_network(data)
            if config is not None and _kinds(config) != _kinds(network.config):
                raise BundleError(f"the model in {what} has other layers than the configuration beside it")
            return network
        if config is None:
            raise BundleError(f"{what} are weights alone, and the file has no configuration of their network")
        if "layer_names" in file.attrs:  # as Keras 2 saves them
            return Network(config, within_size(_arrays(file, config)))
        return Network(config, within_size(stored_variables(file, body_of(config))))


def _kinds(config: dict[str, Any]) -> list[str]:
    return [step.kind for step in topology_of(config).steps]


def _config(file: h5py.File) -> dict[str, Any]:
    text = attribute(file, "model_config", _CONFIG_BYTES)
    text = text.decode("utf-8") if isinstance(text, bytes) else text
    if not isinstance(text, str) or len(text) > _CONFIG_BYTES:
        raise BundleError("model_config of the .h5 is no text")
    version = attribute(file, "keras_version", _VERSION_BYTES) if "keras_version" in file.attrs else None
    return keras_config(text, "model_config of the .h5", version)


def _arrays(weights: h5py.Group, config: dict[str, Any]) -> Iterator[NDArray[np.float32]]:
    """All arrays, in the order that the network's `get_weights()` has."""
    for entry in entries_of(body_of(config)):
        name = name_of(entry)
        if name in weights:
            arrays = _layer_weights(weights[name])
            yield from in_layers_order(list(leaves_of(entry)), arrays) if is_model(entry) else arrays


def _layer_weights(group: Any) -> list[NDArray[np.float32]]:
    """A layer's arrays, in the order that Keras gives them."""
    if not isinstance(group, h5py.Group):
        raise BundleError("a layer of the .h5 is no group")
    names = attribute(group, "weight_names", _NAMES_BYTES)
    names = [name.decode("utf-8") if isinstance(name, bytes) else str(name) for name in names]
    if len(names) > MOST_NETWORK_ARRAYS or any(".." in name or name.startswith("/") for name in names):
        raise BundleError("a layer of the .h5 names arrays outside itself")
    return within_size(float_array(group[name], name) for name in names)
