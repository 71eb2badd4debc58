"""The layouts of bundles: which part of the file is the model, its features, its scaler, its classes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from netheal.bundles.build import class_ids
from netheal.bundles.intake.allow_list import Kind
from netheal.bundles.intake.estimators import classifier_of
from netheal.bundles.intake.fields import Fields, Plain, raw_array, state_of
from netheal.bundles.intake.keras_config import keras_config
from netheal.bundles.intake.limits import MOST_FEATURES, MOST_NETWORK_ARRAYS
from netheal.bundles.intake.preprocessing import Scaler, encoder_classes, encoders_of, scaler_of
from netheal.bundles.intake.size import within_size
from netheal.bundles.intake.values import Record
from netheal.bundles.neural import Network
from netheal.bundles.probability import Classifier
from netheal.bundles.scaling import Scaling
from netheal.contracts.contract import ModelType
from netheal.contracts.verdict import DEFAULT_THRESHOLD
from netheal.errors import BundleError
from netheal.wording import listed, quoted, shown

_NORMAL = ("normal", "benign")


@dataclass(frozen=True)
class ModelParts:
    """A bundle taken apart. It has networks or a classifier; `classes` are names in the classifier's order.

    `attack` is the threat classifier's class that is an attack.
    """

    layout: str
    model: str
    features: list[str]
    scaler: Scaler
    networks: Sequence[Network] = ()
    classifier: Classifier | None = None
    classes: list[str] = field(default_factory=list)
    attack: int = 1
    encoders: dict[str, list[str]] = field(default_factory=dict)
    threshold: float = DEFAULT_THRESHOLD
    version: str | None = None
    written_by: str | None = None


def model_parts(value: Any, model_type: ModelType) -> ModelParts:
    """A file's value as parts; raises BundleError for an unknown layout or a part that is not accepted."""
    top = Fields(value, "the file")
    training = "artifacts" in top
    if not training and not ("model" in top and "selected_features" in top):
        known = [key for key in value if isinstance(key, str)]
        raise BundleError(
            f"the file has {listed(known)}: neither the training layout (artifacts, …) nor the serving layout"
            " (model, selected_features, …)"
        )
    if model_type == "threat_detector":
        return _threat_training(top) if training else _threat_serving(top)
    return _attack(top, top.fields("artifacts") if training else top, training)


def _threat_training(top: Fields) -> ModelParts:
    artifacts = top.fields("artifacts")
    names = feature_names(artifacts, "selected_features")
    networks = [_network(top, "ann"), _network(top, "lstm")]
    if top.get("n_features", len(names)) != len(names):
        raise BundleError(f"the file says n_features = {shown(top.get('n_features'))} and names {len(names)}")
    return ModelParts(
        layout="training",
        model="Keras ensemble",
        features=names,
        scaler=scaler_of(artifacts.get("scaler"), names),
        networks=networks,
        encoders=_wanted(encoders_of(artifacts.get("encoders")), names),
        threshold=top.number("threshold") if "threshold" in top else 0.5,
    )


def _network(top: Fields, name: str) -> Network:
    weights = top.need(f"{name}_weights")
    if type(weights) is not list or not 0 < len(weights) <= MOST_NETWORK_ARRAYS:
        raise BundleError(f"{name}_weights is no list of arrays")
    arrays = within_size(raw_array(array, f"an array of {name}_weights") for array in weights)
    if any(array.dtype.kind != "f" for array in arrays):
        raise BundleError(f"{name}_weights holds something that is no array of floats")
    return Network(keras_config(top.need(f"{name}_config"), f"{name}_config"), arrays)


def _threat_serving(top: Fields) -> ModelParts:
    names = feature_names(top, "selected_features")
    parts = ModelParts(
        layout="serving",
        model="Keras network",
        features=names,
        scaler=scaler_of(top.get("scaler"), names),
        encoders=_wanted(encoders_of(top.get("label_encoders")), names),
        threshold=top.number("threshold") if "threshold" in top else DEFAULT_THRESHOLD,
        version=_version(top),
    )
    if is_whole_network(top.need("model")):
        return replace(parts, networks=[whole_network(top.need("model"))])
    model, classes = classifier_of(top.need("model"), names)
    return replace(
        parts,
        model=_label(top.need("model")),
        classifier=model,
        classes=[str(name) for name in classes],
        attack=_attack_class(classes),
        written_by=_written_by(top),
    )


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


def _attack_class(classes: list[Plain]) -> int:
    """Which of two classes is the attack: 1 of 0 and 1, or the one that is not called normal."""
    if len(classes) != 2:
        raise BundleError(f"a threat detector tells 2 classes apart, and the model knows {len(classes)}")
    if all(not isinstance(name, str) for name in classes):
        if [float(name) for name in classes] != [0.0, 1.0]:
            raise BundleError("the threat detector's classes are numbers other than 0 (normal) and 1 (attack)")
        return 1
    normal = [place for place, name in enumerate(classes) if str(name).strip().casefold() in _NORMAL]
    if len(normal) != 1:
        raise BundleError(f"none, or both, of the classes {listed(classes)} is called normal")
    return 1 - normal[0]


def _attack(top: Fields, inner: Fields, training: bool) -> ModelParts:
    if is_whole_network(top.need("model")):
        raise BundleError("an attack classifier that is a network cannot be served: save a classifier")
    names = feature_names(inner, "feature_columns" if training else "selected_features")
    model, classes = classifier_of(top.need("model"), names)
    mapping = inner.get("class_mapping") if training else top.get("attack_types")
    named = _class_names(classes, inner.get("label_encoder"), mapping)
    class_ids(named)
    return ModelParts(
        layout="training" if training else "serving",
        model=_label(top.need("model")),
        features=names,
        scaler=scaler_of(inner.get("scaler"), names),
        classifier=model,
        classes=named,
        version=_version(top),
        written_by=_written_by(top),
    )


def _class_names(classes: list[Plain], encoder: Any, mapping: Any) -> list[str]:
    """The model's classes by name, through the label encoder, or else through the mapping of ids."""
    if all(isinstance(name, str) for name in classes):
        return [str(name) for name in classes]
    codes = [int(name) if not isinstance(name, str) and float(name).is_integer() else -1 for name in classes]
    spelled = _mapped(mapping)
    if encoder is not None:
        known = encoder_classes(encoder)
        if not 0 <= min(codes) <= max(codes) < len(known):
            raise BundleError(f"the model predicts codes that the label encoder's {len(known)} classes do not have")
        found = [known[code] for code in codes]
        if all(isinstance(name, str) for name in found):
            names = [str(name) for name in found]
            _require_agreement(names, spelled)
            return names
        codes = [int(name) if not isinstance(name, str) else -1 for name in found]
    if any(code not in spelled for code in codes):
        raise BundleError("the model's classes have no names: the file needs a label_encoder of names")
    return [spelled[code] for code in codes]


def _mapped(mapping: Any) -> dict[int, str]:
    if mapping is None:
        return {}
    pairs = mapping.items() if type(mapping) is dict else enumerate(mapping) if type(mapping) is list else ()
    turned = [(name, code) if isinstance(code, int) and isinstance(name, str) else (code, name) for code, name in pairs]
    found = {code: name for name, code in turned if type(code) is int and isinstance(name, str)}
    if len(found) != len(turned) or len(found) > MOST_FEATURES:
        raise BundleError("the classes' mapping is no list of names by id")
    return found


def _require_agreement(names: list[str], spelled: dict[int, str]) -> None:
    if spelled and not set(class_ids(names)) <= set(class_ids(list(spelled.values()))):
        raise BundleError("the classes' mapping and the label encoder name different classes")


def feature_names(fields: Fields, key: str) -> list[str]:
    """The features, each once."""
    names = fields.texts(key)
    if len(names) > MOST_FEATURES or len(set(names)) != len(names):
        raise BundleError(f"{quoted(key)} does not name up to {MOST_FEATURES} features, each of them once")
    return names


def _wanted(encoders: dict[str, list[str]], names: list[str]) -> dict[str, list[str]]:
    return {name: known for name, known in encoders.items() if name in names}


def _label(value: Any) -> str:
    return value.label if isinstance(value, Record) else type(value).__name__


def _version(top: Fields) -> str | None:
    version = top.fields("metadata").get("version") if "metadata" in top else None
    if version is None:
        return None
    if not isinstance(version, str) or not 0 < len(version) <= 64 or not version.isprintable():
        raise BundleError("the version in the file's metadata is no short text")
    return version


def _written_by(top: Fields) -> str | None:
    """The version of scikit-learn that the model says it was written by."""
    version = state_of(top.record("model")).get("_sklearn_version")
    return f"scikit-learn {version}" if isinstance(version, str) and re.fullmatch(r"[\w.+]{1,32}", version) else None


def network_parts(network: Network, names: list[str]) -> ModelParts:
    """A network without anything beside it but its features' names."""
    return ModelParts("bare Keras", "Keras network", names, Scaler(Scaling(), None), networks=[network])
