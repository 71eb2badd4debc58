"""The profile that lies beside a bundle, and whether it says what the bundle says."""

import json
from typing import Any

from netheal.bundles.build import class_ids
from netheal.bundles.intake.fields import Fields, json_values
from netheal.bundles.intake.layouts import ModelParts
from netheal.bundles.intake.limits import PROFILE_BYTES
from netheal.contracts import Contract, Feature, attack_classes
from netheal.contracts.declared_features import declared_features
from netheal.contracts.own_contract import contract_for
from netheal.errors import BundleError
from netheal.wording import cause, quoted, shown


def read_profile(text: bytes) -> Fields:
    """A profile's fields; raises BundleError for anything but a JSON object."""
    if len(text) > PROFILE_BYTES:
        raise BundleError(f"the profile has {len(text)} bytes: at most {PROFILE_BYTES} are read")
    try:
        document: Any = json.loads(text)
        # What Postgres cannot keep is refused here: NUL, lone surrogates, and numbers that JSON does not have.
        stored = json.dumps(document, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise BundleError(f"the profile is no JSON: {cause(error)}") from error
    # What is nested too deeply could be read here, and not by everybody who is shown the model later.
    json_values(document, "the profile")
    if b"\\u0000" in stored:
        raise BundleError("the profile has a NUL character in a text: remove it")
    return Fields(document, "the profile")


def require_profile(profile: Fields, parts: ModelParts) -> None:
    """Raises BundleError where the profile names other features, classes or another scaler than the bundle."""
    _require_features(profile, "expected_features", parts)
    if "class_labels" in profile and parts.layout != "bare Keras":
        _require_classes(profile.texts("class_labels"), parts)
    if "preprocessing_pipeline" not in profile:
        return
    pipeline = profile.fields("preprocessing_pipeline")
    _require_features(pipeline, "selected_features", parts)
    count = pipeline.get("n_features_selected", len(parts.features))
    if count != len(parts.features):
        raise BundleError(f"the profile says {shown(count)} features and the bundle has {len(parts.features)}")
    scaler = pipeline.get("scaler_type")
    if scaler not in (None, "", parts.scaler.kind) and not (scaler == "None" and parts.scaler.kind is None):
        raise BundleError(
            f"the profile says the scaler is {shown(scaler)} and the bundle has {parts.scaler.kind or 'none'}"
        )


def feature_definitions(profile: Fields | None) -> dict[str, Feature]:
    """The features that a profile declares; raises ContractError where it does so wrongly."""
    if profile is None or "feature_definitions" not in profile:
        return {}
    return declared_features(profile.need("feature_definitions"))


def expected_contract(profile: Fields) -> Contract:
    """The features that a profile expects, in its order, whatever type of model takes them.

    Raises BundleError where it names none, ContractError where one is neither known nor declared.
    """
    return contract_for(profile.texts("expected_features"), "threat_detector", feature_definitions(profile))


def _require_features(fields: Fields, key: str, parts: ModelParts) -> None:
    if key in fields and fields.texts(key) != parts.features:
        raise BundleError(f"{quoted(key)} of the profile are not the bundle's features in the bundle's order")


def _require_classes(labels: list[str], parts: ModelParts) -> None:
    if parts.networks or (len(parts.classes) == 2 and attack_classes().canonical(parts.classes[0]) is None):
        if len(labels) != 2:
            raise BundleError(f"the profile has {len(labels)} classes and a threat detector has 2")
        return
    if not set(class_ids(parts.classes)) <= set(class_ids(labels)):
        raise BundleError("the bundle predicts classes that 'class_labels' of the profile do not name")
