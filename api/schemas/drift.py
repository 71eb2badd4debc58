"""What the API says of drift: how far a model's traffic lies from its training."""

from dataclasses import asdict
from typing import Any

import numpy as np
from apiflask import Schema
from apiflask.fields import Float, Integer, List, Nested, String
from apiflask.validators import Range

from api.schemas.pages import PageQuery, PageSchema
from api.schemas.times import iso_utc
from netheal.bundles.training_histograms import TrainingHistograms, histograms_of
from netheal.contracts.contract import parse_contract
from netheal.drift.counts import DriftCounts
from netheal.drift.shares import class_shares, shares
from netheal.drift.window import ALARM_PSI, LEAST_ROWS, NOTE_PSI, STATES
from netheal.store.drift import DriftWindow, ModelDrift

STATE = (
    f"`ok`, `note` from a mean PSI of {NOTE_PSI} on, `alarm` from {ALARM_PSI} on: the mean over the features decides"
)
_PSI = "Population stability index against the training rows: 0 is alike, there is no bound"


class DriftBin(Schema):
    """One bin of a histogram."""

    bin = String(required=True, metadata={"description": "In words, such as `above 0, to 2.5`"})
    training = Float(required=True, metadata={"description": "Share of the training rows, 0 to 1"})
    window = Float(required=True, metadata={"description": "Share of the window's rows, 0 to 1"})


class DriftFeature(Schema):
    """A feature that moved."""

    name = String(required=True)
    psi = Float(required=True, metadata={"description": _PSI})


class DriftHistogram(DriftFeature):
    """The same, with its histogram beside that of training."""

    bins = List(Nested(DriftBin), required=True)


class DriftWindowDocument(Schema):
    """A window of the stream's traffic that was judged."""

    id = Integer(required=True)
    contract_id = String(required=True)
    bundle_hash = String(required=True)
    opened_at = String(required=True, metadata={"format": "date-time"})
    closed_at = String(required=True, metadata={"format": "date-time"})
    rows = Integer(required=True, metadata={"description": "Rows that the model scored"})
    state = String(required=True, metadata={"enum": list(STATES), "description": STATE})
    mean_psi = Float(required=True, metadata={"description": "Mean over the features of their PSI"})
    score_psi = Float(required=True, metadata={"description": f"Of the score or confidence. {_PSI}"})
    class_psi = Float(required=True, metadata={"description": f"Of the answers. {_PSI}"})
    unknown_share = Float(
        required=True,
        metadata={"description": "Of the rows meant for it those with an unknown category, 0 to 1"},
    )
    rejected_share = Float(required=True, metadata={"description": "Of the rows meant for it those rejected, 0 to 1"})
    novel_share = Float(required=True, metadata={"description": "Of the scored rows those marked novel, 0 to 1"})
    features = List(Nested(DriftFeature), required=True, metadata={"description": "Those that moved most"})


class DriftWindows(PageSchema):
    """Judged windows, newest first."""

    windows = List(Nested(DriftWindowDocument), required=True)


class OpenDriftWindow(Schema):
    """The window that is being filled."""

    opened_at = String(required=True, metadata={"format": "date-time"})
    rows = Integer(required=True)


class ModelDriftDocument(Schema):
    """An active model, the window of it that was judged last, and the open one."""

    model_id = Integer(required=True)
    model_type = String(required=True)
    model_version = String(required=True)
    contract_id = String(required=True)
    bundle_hash = String(required=True)
    state = String(
        required=True,
        metadata={
            "enum": [*STATES, "waiting", "no_profile"],
            "description": f"Of the last window: {STATE}. `waiting`: none is judged yet, which takes {LEAST_ROWS:,}"
            " rows at least. `no_profile`: the bundle has no training histograms, and there never is one",
        },
    )
    window = Nested(DriftWindowDocument, required=True, allow_none=True)
    open = Nested(OpenDriftWindow, required=True, allow_none=True)
    features = List(
        Nested(DriftHistogram),
        required=True,
        metadata={"description": "Those of the window that moved most, the worst first"},
    )
    score = List(Nested(DriftBin), required=True, metadata={"description": "The window's scores or confidences"})
    classes = List(Nested(DriftBin), required=True, metadata={"description": "The window's answers"})


class Drift(Schema):
    """How far the traffic of each active model lies from its training."""

    note_psi = Float(required=True, metadata={"description": "Mean PSI from which on a window is noted"})
    alarm_psi = Float(required=True, metadata={"description": "Mean PSI from which on a window is an alarm"})
    models = List(Nested(ModelDriftDocument), required=True)


class DriftWindowsQuery(PageQuery):
    """Which windows."""

    model_id = Integer(validate=Range(1, 2**63 - 1), metadata={"description": "Those of this model's bundle"})


def window_document(window: DriftWindow) -> dict[str, Any]:
    """A closed window as `DriftWindowDocument`."""
    told = asdict(window)
    for name in ("counts", "feature_psi", "at_fault"):
        del told[name]
    return {
        **told,
        "opened_at": iso_utc(window.opened_at),
        "closed_at": iso_utc(window.closed_at),
        "features": [{"name": name, "psi": psi} for name, psi in window.features],
    }


def model_drift_document(drift: ModelDrift) -> dict[str, Any]:
    """An active model as `ModelDriftDocument`."""
    window, opened = drift.closed, drift.open
    histograms = None if drift.manifest is None else histograms_of(drift.manifest)
    state = "waiting" if window is None else window.state
    return {
        "model_id": drift.model_id,
        "model_type": drift.model_type,
        "model_version": drift.model_version,
        "contract_id": drift.contract_id,
        "bundle_hash": drift.bundle_hash,
        "state": "no_profile" if histograms is None else state,
        "window": None if window is None else window_document(window),
        "open": None if opened is None else {"opened_at": iso_utc(opened.opened_at), "rows": opened.rows},
        **_histograms(drift, window, histograms),
    }


def _histograms(
    drift: ModelDrift, window: DriftWindow | None, histograms: TrainingHistograms | None
) -> dict[str, list[dict[str, Any]]]:
    """Those of a window beside those of training."""
    if window is None or histograms is None or drift.manifest is None:
        return {"features": [], "score": [], "classes": []}
    counts = DriftCounts(histograms, np.array(window.counts, np.int64))
    names, encoders = parse_contract(drift.manifest.contract).names, drift.manifest.encoders
    features = []
    for feature in window_document(window)["features"]:
        at = names.index(feature["name"])
        found = shares(histograms.features[at], counts.features[at], encoders.get(feature["name"], ()))
        features.append({**feature, "bins": [asdict(one) for one in found]})
    return {
        "features": features,
        "score": [asdict(one) for one in shares(histograms.score, counts.score)],
        "classes": [asdict(one) for one in class_shares(histograms.classes, counts.classes)],
    }
