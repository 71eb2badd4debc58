"""What a training run leaves behind: the training layout, its profile, the served form, the card."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib

from netheal.bundles.served import ServedBundle


def default_version(kind: str) -> str:
    """A version of today, such as `ensemble_v1_20261122`."""
    return f"{kind}_v1_{datetime.now(UTC):%Y%m%d}"


@dataclass(frozen=True)
class Files:
    """The names of a training layout and of its profile."""

    layout: str
    profile: str


def save(
    folder: Path,
    files: Files,
    layout: Mapping[str, Any],
    profile: Mapping[str, Any],
    serve: Callable[[str], ServedBundle],
) -> ServedBundle:
    """Write the layout and the profile, then the bundle that `serve` makes of the layout file's sha256."""
    folder.mkdir(parents=True, exist_ok=True)
    layout_file = folder / files.layout
    joblib.dump(dict(layout), layout_file, compress=("xz", 6))
    (folder / files.profile).write_text(json.dumps(profile, indent=2, ensure_ascii=False) + "\n", "utf-8")
    bundle = serve(hashlib.sha256(layout_file.read_bytes()).hexdigest())
    bundle.write(folder)
    return bundle


def profile(
    features: Sequence[str], classes: Sequence[str], notes: str, steps: Sequence[str], scaler: str
) -> dict[str, Any]:
    """The profile that lies beside a bundle."""
    return {
        "expected_features": list(features),
        "class_labels": list(classes),
        "preprocessing_notes": notes,
        "preprocessing_pipeline": {
            "steps": list(steps),
            "n_features_selected": len(features),
            "selected_features": list(features),
            "scaler_type": scaler,
        },
    }


def write_card(folder: Path, sections: Sequence[str]) -> None:
    """Write MODEL_CARD.md, and print it."""
    text = "\n\n".join(sections) + "\n"
    (folder / "MODEL_CARD.md").write_text(text, "utf-8")
    print(text)
