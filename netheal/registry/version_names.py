"""How a model is called: by what it is and a running number, in verdicts and in the log."""

import re
from datetime import datetime

from netheal.bundles.served import Manifest

_NAMED = re.compile(r"(?P<kind>[a-z][a-z0-9_]*?)_v(?P<number>[0-9]+)(?:_|$)")


def version_name(manifest: Manifest, number: int, day: datetime) -> str:
    """`decision_tree_v2_20241201`: what verdicts call a model whose bundle has no version of its own."""
    return f"{model_kind(manifest)}_v{number}_{day:%Y%m%d}"


def model_kind(manifest: Manifest) -> str:
    """decision_tree, random_forest, …; what consists of networks is an ensemble."""
    model = str(manifest.training.get("model", ""))
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", re.sub(r"Classifier$", "", model)).lower()
    return "ensemble" if model.startswith("Keras") or not re.fullmatch(r"[a-z][a-z_]{2,40}", snake) else snake


def loaded_message(manifest: Manifest, place: str) -> str:
    """`Loaded real decision_tree model v1 from: …`, which those who read logs look for."""
    named = _NAMED.match(manifest.version)
    kind, number = named.group("kind", "number") if named else (model_kind(manifest), manifest.version)
    return f"Loaded real {kind} model v{number.removeprefix('v')} from: {place}"
