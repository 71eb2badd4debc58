"""Everything that a card says of a model beyond its plain figures, as documents of plain values."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from research.datasets import Rows
from research.evaluation import (
    Detector,
    Fit,
    Scored,
    later_rows,
    other_sources,
    repeated,
    scored,
    threshold_at,
    unseen_families,
    unseen_groups,
)
from research.measures import calibration_figures, share

Document = dict[str, Any]
FALSE_ALARMS = {"1 % false alarms": 0.01, "2 % false alarms": 0.02}
"""The operating points, by name, and the share of benign rows that each may call an attack."""

_BUDGETS = (0.01, 0.02, 0.05, 0.1)
"""Shares of false alarms among benign rows of unseen groups, at which the unseen families are looked at."""

_THRESHOLDS = tuple(number / 100 for number in range(1, 100))

_SPREAD = ("accuracy", "macro_f1", "false_alarms_per_100k_benign", "detected", "auc")


@dataclass(frozen=True)
class Bands:
    """Traffic by the value of one feature: `names` has one more than `edges`."""

    feature: str
    edges: tuple[float, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Unseen:
    """Attacks of each family by a model that was trained without it; benign rows of groups left out likewise."""

    families: dict[str, Scored]
    groups: Scored | None


def parts_of(held: Rows) -> dict[str, Rows]:
    """Held-out rows by source, each part named after it."""
    return {f"held out, {name}": held.take(held.source == name) for name in np.unique(held.source.astype(str))}


def found_in(model: Detector, rows: Rows, bands: Bands, place: int | None) -> Document:
    """What is called an attack by label and by band of the feature at `place`, if it has one, and the calibration."""
    said, attack = scored(model, rows), rows.labels != model.benign
    return {
        "found": _by_label(said),
        "bands": {} if place is None else _by_band(said, attack, bands, place),
        "calibration": calibration_figures(attack.astype(np.int64), said.scores),
    }


def operating_points(model: Detector, quiet: NDArray[np.float64], parts: Mapping[str, Rows]) -> list[Document]:
    """Thresholds on the attack score, by name, from scores of benign rows [N], and what each finds in every part."""
    thresholds = {"as served": None} | {name: threshold_at(quiet, rate) for name, rate in FALSE_ALARMS.items()}
    said = {name: scored(model, rows) for name, rows in parts.items()}
    return [
        {
            "name": name,
            "threshold": threshold,
            "parts": {
                part: _two_shares(one.alarms_at(threshold), one.rows.labels != model.benign)
                for part, one in said.items()
            },
        }
        for name, threshold in thresholds.items()
    ]


def spread(
    fit: Fit, rows: Rows, seeds: Sequence[int], figures: Callable[[Any, Rows], Document], tests: Mapping[str, Rows]
) -> Document:
    """Lowest, median and highest of the figures of each part over splits and trainings with these seeds."""
    runs = [
        {name: figures(model, part) for name, part in (parts_of(held) | dict(tests)).items()}
        for model, held in repeated(fit, rows, seeds)
    ]
    return {part: {name: _range([run[part][name] for run in runs]) for name in _varied(runs, part)} for part in runs[0]}


def unseen_by(fit: Fit, rows: Rows, benign: str, seed: int) -> Unseen:
    """Families and groups, each scored without having been trained on."""
    known = set(rows.group) - {""}
    groups = unseen_groups(fit, rows, benign, seed) if len(known) > 1 else None
    return Unseen(dict(unseen_families(fit, rows, benign, seed)), groups)


def chosen_threshold(unseen: Unseen) -> float:
    """Where the mean over families of what is found lies farthest above the share of false alarms (Youden 1950)."""
    if unseen.groups is None or not unseen.families:
        raise SystemExit("choosing a threshold takes two groups of benign rows and two attacks: give --threshold")
    groups, families = unseen.groups, list(unseen.families.values())
    gain = [
        np.mean([held.alarms_at(at).mean() for held in families]) - groups.alarms_at(at).mean() for at in _THRESHOLDS
    ]
    return float(_THRESHOLDS[int(np.argmax(gain))])


def unlike_training(fit: Fit, rows: Rows, unseen: Unseen, threshold: float | None, seed: int) -> Document:
    """What models find whose training lacked a family, a group, a source, or what came last."""
    families = {name: asdict(share(held.alarms_at(threshold))) for name, held in unseen.families.items()}
    found: Document = {"families": families}
    if unseen.groups is not None:
        found["groups"] = asdict(share(unseen.groups.alarms_at(threshold)))
    if unseen.groups is not None and threshold is not None:
        found["budgets"] = [_budget(unseen, unseen.groups, budget) for budget in _BUDGETS]
    found["sources"] = {name: _apart(model, held) for name, model, held in other_sources(fit, rows, seed)}
    later = later_rows(fit, rows, seed)
    if later is not None:
        found["later"] = _apart(*later)
    return found


def _budget(unseen: Unseen, groups: Scored, budget: float) -> Document:
    """The threshold that a share of false alarms allows, and the mean over families of what is found at it."""
    threshold = threshold_at(groups.scores, budget)
    found = [share(held.alarms_at(threshold)).value for held in unseen.families.values()]
    return {"name": f"{budget:.0%} false alarms", "threshold": threshold, "mean_found": float(np.mean(found))}


def _apart(model: Detector, rows: Rows) -> Document:
    said = scored(model, rows)
    return _two_shares(said.alarms, rows.labels != model.benign) | {"found_by_label": _by_label(said)}


def _by_band(said: Scored, attack: NDArray[np.bool_], bands: Bands, place: int) -> Document:
    band = np.digitize(said.rows.values[:, place], bands.edges)
    return {
        name: _two_shares(said.alarms[band == number], attack[band == number])
        for number, name in enumerate(bands.names)
    }


def _by_label(said: Scored) -> Document:
    labels = said.rows.labels.astype(str)
    return {str(label): asdict(share(said.alarms[labels == label])) for label in np.unique(labels)}


def _two_shares(alarms: NDArray[np.bool_], attack: NDArray[np.bool_]) -> Document:
    return {"false_alarms": asdict(share(alarms[~attack])), "found": asdict(share(alarms[attack]))}


def _varied(runs: Sequence[Mapping[str, Document]], part: str) -> list[str]:
    return [name for name in _SPREAD if all(run[part].get(name) is not None for run in runs)]


def _range(values: Sequence[float]) -> Document:
    return {"lowest": min(values), "median": float(np.median(values)), "highest": max(values)}
