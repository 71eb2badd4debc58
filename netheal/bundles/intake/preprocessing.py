"""Scalers and encoders from a file's records."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from netheal.bundles.intake.fields import Fields, plain_list, state_of, texts
from netheal.bundles.intake.values import Record, described
from netheal.bundles.scaling import Scaling, min_max, standard
from netheal.errors import BundleError
from netheal.wording import quoted, shown


@dataclass(frozen=True)
class Scaler:
    """A scaler, its class' name (None where the bundle has none), its middle and width in each feature."""

    scaling: Scaling
    kind: str | None


def scaler_of(value: Any, names: list[str]) -> Scaler:
    """Any accepted scaler over these features, or none; raises BundleError."""
    if value is None:
        return Scaler(Scaling(), None)
    if not isinstance(value, Record) or value.label not in _SCALERS:
        raise BundleError(f"the scaler is {described(value)}: accepted are {', '.join(_SCALERS)}, or none")
    fields = state_of(value)
    require_names(fields, names)
    scaling = _SCALERS[value.label](fields)
    for operation, operand in scaling.steps:
        if operand.shape != (len(names),):
            raise BundleError(f"the scaler has {len(operand)} features and the model {len(names)}")
        if operation in ("Div", "Mul") and not operand.all():
            raise BundleError("the scaler divides or multiplies by zero: fit it again")
    return Scaler(scaling, value.label)


def require_names(fields: Fields, names: list[str]) -> None:
    """Raises BundleError where a part was fitted on other features than the bundle names."""
    count = fields.get("n_features_in_")
    if count is not None and count != len(names):
        raise BundleError(f"{fields.of} was fitted on {shown(count)} features and the bundle names {len(names)}")
    if "feature_names_in_" in fields and fields.texts("feature_names_in_") != names:
        raise BundleError(f"{fields.of} was fitted on other features, or another order, than the bundle names")


def encoders_of(value: Any) -> dict[str, list[str]]:
    """Categories by feature, from encoders by feature or one OrdinalEncoder that knows its features."""
    if value is None:
        return {}
    if isinstance(value, Record) and value.label == "OrdinalEncoder":
        fields = state_of(value)
        names, lists = fields.texts("feature_names_in_"), _category_lists(fields)
        if len(names) != len(lists):
            raise BundleError("the OrdinalEncoder has categories for other features than it names")
        return dict(zip(names, lists, strict=True))
    if type(value) is not dict or not all(type(key) is str for key in value):
        raise BundleError("the encoders are no dictionary by feature")
    return {name: categories_of(encoder, name) for name, encoder in value.items()}


def categories_of(encoder: Any, name: str) -> list[str]:
    """One encoder's categories in the order of their codes."""
    if isinstance(encoder, Record) and encoder.label == "LabelEncoder":
        found = texts(encoder_classes(encoder), f"the encoder of {quoted(name)}")
    elif isinstance(encoder, Record) and encoder.label == "OrdinalEncoder":
        lists = _category_lists(state_of(encoder))
        found = lists[0] if len(lists) == 1 else []
    else:
        raise BundleError(f"the encoder of {quoted(name)} is neither a LabelEncoder nor an OrdinalEncoder")
    if not found or len(set(found)) != len(found):
        raise BundleError(f"the encoder of {quoted(name)} does not have each category once")
    return found


def encoder_classes(encoder: Any) -> list[str | int | float | bool]:
    """A LabelEncoder's classes."""
    if not isinstance(encoder, Record) or encoder.label != "LabelEncoder":
        raise BundleError("the label encoder is no LabelEncoder")
    return state_of(encoder).plain_list("classes_")


def _category_lists(fields: Fields) -> list[list[str]]:
    lists = fields.need("categories_")
    if type(lists) is not list:
        raise BundleError("the OrdinalEncoder has no categories")
    return [texts(plain_list(part, "categories"), "categories of the OrdinalEncoder") for part in lists]


def _standard(fields: Fields) -> Scaling:
    mean = fields.numbers("mean_", 1) if fields.flag("with_mean", True) else None
    return standard(mean, fields.numbers("scale_", 1) if fields.flag("with_std", True) else None)


def _robust(fields: Fields) -> Scaling:
    center = fields.numbers("center_", 1) if fields.flag("with_centering", True) else None
    return standard(center, fields.numbers("scale_", 1) if fields.flag("with_scaling", True) else None)


def _min_max(fields: Fields) -> Scaling:
    clip = None
    if fields.flag("clip", False):
        low, high = (float(side) for side in plain_list(fields.need("feature_range"), "the scaler's range"))
        clip = (low, high)
    return min_max(fields.numbers("scale_", 1), fields.numbers("min_", 1), clip)


def _max_abs(fields: Fields) -> Scaling:
    clip = (-1.0, 1.0) if fields.flag("clip", False) else None
    return Scaling((("Div", np.asarray(fields.numbers("scale_", 1))),), clip)


_SCALERS = {
    "StandardScaler": _standard,
    "RobustScaler": _robust,
    "MinMaxScaler": _min_max,
    "MaxAbsScaler": _max_abs,
}
