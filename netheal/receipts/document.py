"""A receipt as JSON: what the command prints, the API answers and the page shows."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from netheal.contracts import Feature
from netheal.receipts.attribution import TOLERANCE, Attribution
from netheal.receipts.conditions import Condition, merged
from netheal.receipts.explanation import Explanation
from netheal.receipts.verification import ExplainedModel, Receipt
from netheal.scoring.model import ServedModel

Codes = Mapping[str, Mapping[str, float]]
_MOST_CONDITIONS = 100


def receipt_document(receipt: Receipt) -> dict[str, Any]:
    """`outcome` is `equal` where the stored verdict is bit-equal to what scoring again gives, else `different`."""
    row, rescoring = receipt.row, receipt.rescoring
    return {
        "event_id": row["event_id"],
        "outcome": "equal" if rescoring.equal else "different",
        "recorded_at": _plain(row["recorded_at"]),
        "is_attack": row["is_attack"],
        "policy_version": row["policy_version"],
        "columns_compared": len(rescoring.columns),
        "differences": [
            {"column": of.column, "stored": _plain(of.stored), "rescored": _plain(of.rescored)}
            for of in rescoring.differences
        ],
        "rejection": rescoring.rejection or None,
        "models": [_model_document(found) for found in receipt.models],
    }


def _model_document(found: ExplainedModel) -> dict[str, Any]:
    manifest = found.model.bundle.manifest
    return {
        "model_type": manifest.model_type,
        "version": manifest.version,
        "hash": found.model.bundle.hash,
        "contract": found.model.bundle.contract.id,
        "confidence_kind": manifest.confidence_kind,
        "explanation": None if found.explanation is None else _explanation(found.explanation, found.model),
    }


def _explanation(found: Explanation, model: ServedModel) -> dict[str, Any]:
    codes = model.encoders
    features = model.bundle.contract.features
    path = None if found.path is None else [_condition(of, codes) for of in found.path[:_MOST_CONDITIONS]]
    return {
        "method": found.method,
        "of": found.of,
        "answer": found.answer,
        "threshold": model.threshold if found.of == "score" else None,
        "path": path,
        "path_length": None if found.path is None else len(found.path),
        "path_in_short": None if found.path is None else [_condition(of, codes) for of in merged(found.path)],
        "leaf": found.leaf,
        "votes": found.votes,
        "attribution": None if found.attribution is None else _attribution(found.attribution, features, model, found),
    }


def _condition(of: Condition, codes: Codes) -> dict[str, Any]:
    own = codes.get(of.feature.name, {})
    return {
        "feature": of.feature.name,
        "unit": of.feature.unit,
        "value": of.value,
        "category": _category(of.value, own),
        "operator": of.operator,
        "threshold": of.threshold,
        "text": of.text(own),
    }


def _attribution(
    of: Attribution, features: tuple[Feature, ...], model: ServedModel, found: Explanation
) -> dict[str, Any]:
    """Parts by size, the largest first, of every feature that has one."""
    parts = [_part(of, at, feature, model, found) for at, feature in enumerate(features) if of.parts[at]]
    return {
        "baseline": of.baseline,
        "answer": of.answer,
        "sum": float(of.parts.sum()),
        "error": of.error,
        "tolerance": TOLERANCE,
        "complete": of.complete,
        "orders": of.orders,
        "parts": sorted(parts, key=lambda part: -abs(part["contribution"])),
    }


def _part(of: Attribution, at: int, feature: Feature, model: ServedModel, found: Explanation) -> dict[str, Any]:
    codes = model.encoders.get(feature.name, {})
    baseline = None if of.baseline_row is None else float(of.baseline_row[at])
    return {
        "feature": feature.name,
        "unit": feature.unit,
        "value": float(found.row[at]),
        "category": _category(float(found.row[at]), codes),
        "baseline_value": baseline,
        "baseline_category": None if baseline is None else _category(baseline, codes),
        "contribution": float(of.parts[at]),
    }


def _category(value: float, codes: Mapping[str, float]) -> str | None:
    return next((name for name, code in codes.items() if code == value), None)


def _plain(value: Any) -> Any:
    """A stored value as JSON can have it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
