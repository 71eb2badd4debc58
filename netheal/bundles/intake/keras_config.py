"""A Keras network's configuration from a file: plain values that name Keras' own layers and nothing else."""

import json
from collections.abc import Iterator
from typing import Any

from netheal.bundles.intake.fields import json_values
from netheal.bundles.layers import KERAS_2_HARD_SIGMOID
from netheal.bundles.neural import require_served
from netheal.bundles.topology import MODELS, topology_of
from netheal.errors import BundleError
from netheal.wording import cause, quoted

_MODULES = (
    "builtins",
    "keras",
    "keras.activations",
    "keras.constraints",
    "keras.initializers",
    "keras.layers",
    "keras.losses",
    "keras.metrics",
    "keras.models",
    "keras.optimizers",
    "keras.regularizers",
    "keras.src",
)
_ABOUT_TRAINING = ("compile_config", "build_config")


def keras_config(value: Any, what: str, version: Any = None) -> dict[str, Any]:
    """The configuration, given as a dictionary or as `to_json()`'s text; raises BundleError.

    `version` is Keras', where the file tells. Keras 2 has another `hard_sigmoid` than Keras 3.
    """
    try:
        document = json_values(json.loads(value) if isinstance(value, str) else value, what)
    except (RecursionError, ValueError) as error:
        raise BundleError(f"{what} is too deep, or no JSON: {cause(error)}") from error
    if type(document) is not dict or document.get("class_name", "Functional") not in MODELS:
        raise BundleError(f"{what} is neither of a Sequential nor of a functional model")
    document = {key: inner for key, inner in document.items() if key not in _ABOUT_TRAINING}
    require_served(step.kind for step in topology_of(document).steps)
    for module, kind in _classes(document):
        if module not in _MODULES and not module.startswith("keras.src."):
            raise BundleError(f"{what} names {quoted(f'{module}.{kind}')}, code of its own: it cannot be served")
    return _dated(document) if _is_keras_2(document, version) else document


def _classes(value: Any) -> Iterator[tuple[str, str]]:
    """Every (module, class) that a configuration names; a name registered by the user counts as a module."""
    if isinstance(value, dict):
        kind = value.get("class_name")
        if kind is not None:
            registered = value.get("registered_name")
            if isinstance(registered, str) and ">" in registered:
                yield registered, str(kind)
            yield str(value.get("module") or "keras").removeprefix("tf_"), str(kind)
        if any(key.startswith("__") for key in value):
            yield "a key with underscores", "in a configuration"
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _classes(inner)


def _is_keras_2(document: dict[str, Any], version: Any) -> bool:
    told = version.decode("utf-8", "replace") if isinstance(version, bytes) else version
    told = document.get("keras_version") if told is None else told
    return told.startswith("2.") if isinstance(told, str) else _has_key(document, "batch_input_shape")


def _has_key(value: Any, key: str) -> bool:
    if isinstance(value, dict):
        return key in value or any(_has_key(inner, key) for inner in value.values())
    return isinstance(value, list) and any(_has_key(inner, key) for inner in value)


def _dated(value: Any) -> Any:
    """The same with Keras 2's `hard_sigmoid` by a name of its own."""
    if isinstance(value, dict):
        named = {"activation", "recurrent_activation"}
        return {
            key: KERAS_2_HARD_SIGMOID if key in named and inner == "hard_sigmoid" else _dated(inner)
            for key, inner in value.items()
        }
    return [_dated(inner) for inner in value] if isinstance(value, list) else value
