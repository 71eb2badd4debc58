"""Models as people save them: bare, or after a scaler in a Pipeline."""

from dataclasses import dataclass
from typing import Any

from netheal.bundles.intake.fields import Fields, state_of
from netheal.bundles.intake.networks import is_whole_network
from netheal.bundles.intake.values import Record
from netheal.contracts.contract import ModelType
from netheal.errors import BundleError
from netheal.wording import listed

BUNDLE_LINE = 'joblib.dump({"model": model, "selected_features": names}, file)'
"""What makes a bundle of any accepted model."""

_MOST_STEPS = 16


@dataclass(frozen=True)
class Stages:
    """A model, and the scaler before it or None."""

    model: Any
    scaler: Any = None


def stages_of(value: Any, scaler: Any = None) -> Stages:
    """A model of a file, which may be a Pipeline, and `scaler`, which the file has beside it; raises BundleError."""
    if not is_pipeline(value):
        return Stages(value, scaler)
    *before, model = _steps(value)
    if not before:
        return Stages(model, scaler)
    if len(before) > 1 or is_pipeline(before[0]):
        raise BundleError("the Pipeline is more than a scaler and a model: train it on these two")
    if scaler is not None:
        raise BundleError("the file has a scaler beside a Pipeline that has one: leave out the one that is not applied")
    return Stages(model, before[0])


def is_pipeline(value: Any) -> bool:
    """Whether a value is scikit-learn's Pipeline."""
    return isinstance(value, Record) and value.name.full == "sklearn.pipeline.Pipeline"


def _steps(pipeline: Record) -> list[Any]:
    """The steps but those that pass rows on as they are; the last is the model, whatever it is."""
    steps = state_of(pipeline).need("steps")
    if type(steps) is not list or not 0 < len(steps) <= _MOST_STEPS:
        raise BundleError(f"the Pipeline has no list of 1 to {_MOST_STEPS} steps")
    if not all(type(step) is tuple and len(step) == 2 and type(step[0]) is str for step in steps):
        raise BundleError("a step of the Pipeline is no pair of a name and an estimator")
    return [step for _, step in steps[:-1] if step is not None and step != "passthrough"] + [steps[-1][1]]


def bundle_of(value: Record, model_type: ModelType, profile: Fields | None) -> dict[str, Any]:
    """What `BUNDLE_LINE` makes of a model that is alone in its file.

    Its features are named by itself (`feature_names_in_`) or by the profile, and so are the classes of an attack
    classifier that tells numbers apart. Raises BundleError where nothing names its features.
    """
    names = _own_names(value) or _profile_names(profile)
    if not names:
        raise BundleError(
            "the model does not name its features: fit it on a DataFrame, or upload a profile JSON with"
            f" expected_features, or make a bundle: {BUNDLE_LINE}"
        )
    bundle: dict[str, Any] = {"model": value, "selected_features": names}
    if model_type == "attack_classifier" and profile is not None and "class_labels" in profile:
        bundle["attack_types"] = _class_labels(value, profile)
    return bundle


def _own_names(value: Record) -> list[str]:
    """The names that the first step which has them was fitted on."""
    if is_whole_network(value):
        return []
    for part in _steps(value) if is_pipeline(value) else [value]:
        if isinstance(part, Record) and "feature_names_in_" in state_of(part):
            return state_of(part).texts("feature_names_in_")
    return []


def _profile_names(profile: Fields | None) -> list[str]:
    if profile is None:
        return []
    if "expected_features" in profile:
        return profile.texts("expected_features")
    pipeline = profile.fields("preprocessing_pipeline") if "preprocessing_pipeline" in profile else profile
    return pipeline.texts("selected_features") if "selected_features" in pipeline else []


def _class_labels(value: Record, profile: Fields) -> list[str] | None:
    """The profile's labels by code; None where the model has names itself."""
    model, labels = stages_of(value).model, profile.texts("class_labels")
    classes = state_of(model).plain_list("classes_") if isinstance(model, Record) else []
    if all(isinstance(name, str) for name in classes):
        return None
    if classes != list(range(len(labels))):
        raise BundleError(
            f"the model tells the codes {listed(classes)} apart and class_labels of the profile names"
            f" {len(labels)} classes: give one name for each code, in the order of codes"
        )
    return labels
