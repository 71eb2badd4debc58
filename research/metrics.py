"""`metrics.json`: the figures and options of a run, flat, as MLflow's `log_metrics` and `log_params` take them."""

import argparse
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from netheal.bundles.served import ServedBundle

METRICS_FILE = "metrics.json"


def write_metrics(folder: Path, bundle: ServedBundle, assessed: Mapping[str, Any], options: argparse.Namespace) -> None:
    """Write `metrics`, numbers by name, and `params`, texts by name."""
    manifest = bundle.manifest
    measured = {"figures": manifest.training["figures"], "parity": manifest.parity, **assessed}
    measured["threshold"] = manifest.threshold
    hidden = {"command", "output_dir", "train_files", "test_files", "histograms_of"}
    params = {name: str(value) for name, value in sorted(vars(options).items()) if name not in hidden}
    params |= {"model_type": manifest.model_type, "contract": bundle.contract.id}
    _write(folder, {"metrics": dict(_flat(measured, ())), "params": params})


def add_metrics(folder: Path, measured: Mapping[str, Any]) -> None:
    """Write these figures in place of those that begin as they do, and leave the others."""
    document = json.loads((folder / METRICS_FILE).read_text("utf-8"))
    kept = {name: value for name, value in document["metrics"].items() if name.partition("/")[0] not in measured}
    _write(folder, document | {"metrics": kept | dict(_flat(measured, ()))})


def _write(folder: Path, document: Mapping[str, Any]) -> None:
    (folder / METRICS_FILE).write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", "utf-8")


def metric_name(parts: Sequence[str]) -> str:
    """A name of letters, digits, `_`, `-`, `.`, spaces and `/`: MLflow takes no others."""
    plain = (unicodedata.normalize("NFKD", part.replace("–", "-")) for part in parts)
    return "/".join(re.sub(r"[^A-Za-z0-9_.\- ]+", "", part).strip() for part in plain)


def _flat(value: Any, place: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    """Numbers with the keys that lead to them; a list's items by their `name` or number."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(inner, (*place, str(name)))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            name = inner.get("name", number) if isinstance(inner, Mapping) else number
            yield from _flat(inner, (*place, str(name)))
    elif isinstance(value, (int, float)):
        yield metric_name(place), float(value)
