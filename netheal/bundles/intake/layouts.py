"""The layouts of bundles: which part of the file is the model, its features, its scaler, its classes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from netheal.bundles.build import class_ids
from netheal.bundles.intake.estimators import classifier_of
from netheal.bundles.intake.fields import Fields, Plain, state_of
from netheal.bundles.intake.limits import MOST_FEATURES
from netheal.bundles.intake.networks import is_whole_network, network_of, whole_network
from netheal.bundles.intake.pipelines import BUNDLE_LINE, bundle_of, is_pipeline, stages_of
from netheal.bundles.intake.preprocessing import Scaler, encoder_classes, encoders_of, scaler_of
from netheal.bundles.intake.values import Record, described
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

    `attack` is the threat classifier's class that is an attack. `named_by_profile`: the classes' names are those of the
    profile, by code.
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
    named_by_profile: bool = False


def model_parts(value: Any, model_type: ModelType, profile: Fields | None = None) -> ModelParts:
    """A file's value as parts; raises BundleError for an unknown layout or a part that is not accepted.

    `profile` is what lies beside the file: it may name the features of a model that is alone in its file.
    """
    if isinstance(value, Record):
        bundle = bundle_of(value, model_type, profile)
        parts = _of_bundle(Fields(bundle, "the file"), model_type)
        named = bundle.get("attack_types") is not None
        return replace(parts, layout="pipeline" if is_pipeline(value) else "bare model", named_by_profile=named)
    if type(value) is not dict:
        raise BundleError(
            f"the file is {described(value)} and neither a bundle nor a model. A bundle is: {BUNDLE_LINE}"
        )
    return _of_bundle(Fields(value, "the file"), model_type)


def _of_bundle(top: Fields, model_type: ModelType) -> ModelParts:
    training = "artifacts" in top
    if not training and not ("model" in top and "selected_features" in top):
        raise BundleError(
            f"the file has {listed(top.keys)}: neither the training layout (artifacts, …) nor the serving layout"
            f" (model, selected_features, …). The least that makes a bundle: {BUNDLE_LINE}"
        )
    if model_type == "threat_detector":
        return _threat_training(top) if training else _threat_serving(top)
    return _attack(top, top.fields("artifacts") if training else top, training)


def _threat_training(top: Fields) -> ModelParts:
    artifacts = top.fields("artifacts")
    names = feature_names(artifacts, "selected_features")
    networks = [network_of(top, "ann"), network_of(top, "lstm")]
    if top.get("n_features", len(names)) != len(names):
        raise BundleError(f"the file says n_features = {shown(top.get('n_features'))} and names {len(names)}")
    return ModelParts(
        layout="training",
        model="Keras ensemble",
        features=names,
        scaler=scaler_of(artifacts.get("scaler"), names),
        networks=networks,
        encoders=_wanted(encoders_of(artifacts.get(_key(artifacts, "encoders", "label_encoders"))), names),
        threshold=top.number("threshold") if "threshold" in top else 0.5,
    )


def _threat_serving(top: Fields) -> ModelParts:
    names, stages = feature_names(top, "selected_features"), stages_of(top.need("model"), top.get("scaler"))
    parts = ModelParts(
        layout="serving",
        model="Keras network",
        features=names,
        scaler=scaler_of(stages.scaler, names),
        encoders=_wanted(encoders_of(top.get("label_encoders")), names),
        threshold=top.number("threshold") if "threshold" in top else DEFAULT_THRESHOLD,
        version=_version(top),
    )
    if is_whole_network(stages.model):
        return replace(parts, networks=[whole_network(stages.model)])
    model, classes = classifier_of(stages.model, names)
    return replace(
        parts,
        model=stages.model.label,
        classifier=model,
        classes=[str(name) for name in classes],
        attack=_attack_class(classes),
        written_by=_written_by(stages.model),
    )


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
    stages = stages_of(top.need("model"), inner.get("scaler"))
    if is_whole_network(stages.model):
        raise BundleError("an attack classifier that is a network cannot be served: save a classifier")
    names = feature_names(
        inner, _key(inner, "feature_columns", "selected_features") if training else "selected_features"
    )
    model, classes = classifier_of(stages.model, names)
    mapping = inner.get("class_mapping") if training else top.get("attack_types")
    named = _class_names(classes, inner.get("label_encoder"), mapping)
    class_ids(named)
    return ModelParts(
        layout="training" if training else "serving",
        model=stages.model.label,
        features=names,
        scaler=scaler_of(stages.scaler, names),
        classifier=model,
        classes=named,
        version=_version(top),
        written_by=_written_by(stages.model),
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
    pairs = mapping.items() if type(mapping) is dict else enumerate(mapping) if type(mapping) in (list, tuple) else ()
    turned = [(name, code) if isinstance(code, int) and isinstance(name, str) else (code, name) for code, name in pairs]
    found = {code: name for name, code in turned if type(code) is int and isinstance(name, str)}
    if len(found) != len(turned) or len(found) > MOST_FEATURES:
        raise BundleError("the classes' mapping is no list of names by id")
    return found


def _require_agreement(names: list[str], spelled: dict[int, str]) -> None:
    if spelled and not set(class_ids(names)) <= set(class_ids(list(spelled.values()))):
        raise BundleError("the classes' mapping and the label encoder name different classes")


def _key(fields: Fields, first: str, other: str) -> str:
    """The one of two names of the same thing that is there."""
    return other if other in fields and first not in fields else first


def feature_names(fields: Fields, key: str) -> list[str]:
    """The features, each once."""
    names = fields.texts(key)
    if len(names) > MOST_FEATURES or len(set(names)) != len(names):
        raise BundleError(f"{quoted(key)} does not name up to {MOST_FEATURES} features, each of them once")
    return names


def _wanted(encoders: dict[str, list[str]], names: list[str]) -> dict[str, list[str]]:
    return {name: known for name, known in encoders.items() if name in names}


def _version(top: Fields) -> str | None:
    version = top.fields("metadata").get("version") if "metadata" in top else None
    if version is None:
        return None
    if not isinstance(version, str) or not 0 < len(version) <= 64 or not version.isprintable():
        raise BundleError("the version in the file's metadata is no short text")
    return version


def _written_by(model: Record) -> str | None:
    """The version of scikit-learn that the model says it was written by."""
    version = state_of(model).get("_sklearn_version")
    return f"scikit-learn {version}" if isinstance(version, str) and re.fullmatch(r"[\w.+]{1,32}", version) else None


def network_parts(network: Network, names: list[str]) -> ModelParts:
    """A network without anything beside it but its features' names."""
    return ModelParts("bare Keras", "Keras network", names, Scaler(Scaling(), None), networks=[network])
