"""What a training run leaves behind: the training layout, its profile, the served form, the card."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib

from netheal.bundles import training_histograms, training_ranges
from netheal.bundles.served import ServedBundle

CARD_FILE = "MODEL_CARD.md"


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
    histograms: Callable[[ServedBundle], Mapping[str, Any]],
) -> ServedBundle:
    """Write the layout, the bundle that `serve` makes of the layout file's sha256, and the profile.

    The bundle has the profile's training ranges; both have the document of the bundle's training `histograms`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    layout_file = folder / files.layout
    joblib.dump(dict(layout), layout_file, compress=("xz", 6))
    bundle = serve(hashlib.sha256(layout_file.read_bytes()).hexdigest())
    bundle = training_ranges.with_ranges(bundle, profile[training_ranges.PROFILE_KEY])
    document = histograms(bundle)
    bundle = training_histograms.with_histograms(bundle, document)
    text = profile_text({**profile, training_histograms.PROFILE_KEY: document})
    (folder / files.profile).write_text(text, "utf-8")
    bundle.write(folder)
    return bundle


def profile(
    features: Sequence[str],
    classes: Sequence[str],
    notes: str,
    steps: Sequence[str],
    scaler: str,
    ranges: Mapping[str, Any],
) -> dict[str, Any]:
    """The profile that lies beside a bundle; `ranges` is the document of its training ranges."""
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
        training_ranges.PROFILE_KEY: dict(ranges),
    }


def with_definitions(document: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """A profile that defines those of its features for which there is a definition."""
    told = {name: definitions[name] for name in document["expected_features"] if name in definitions}
    return {**document, "feature_definitions": told} if told else dict(document)


def profile_text(document: Mapping[str, Any]) -> str:
    """A profile as it is written."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def write_card(folder: Path, sections: Sequence[str]) -> None:
    """Write MODEL_CARD.md, and print it."""
    text = "\n\n".join(sections) + "\n"
    (folder / CARD_FILE).write_text(text, "utf-8")
    print(text)


def replace_section(text: str, section: str, after: str) -> str:
    """A card with this section behind the one of the title `after`, in place of an older one of its own title."""
    title, _, _ = section.partition("\n")
    kept = [part for part in re.split(r"\n\n(?=## )", text.rstrip("\n")) if not part.startswith(f"{title}\n")]
    place = next(at for at, part in enumerate(kept) if part.startswith(f"{after}\n"))
    return "\n\n".join([*kept[: place + 1], section, *kept[place + 1 :]]) + "\n"
