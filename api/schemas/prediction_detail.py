"""Everything the API says of one verdict."""

from collections.abc import Sequence
from typing import Any

from apiflask.fields import Dict, Float, Integer, List, Nested, String

from api.schemas.batches import Batch, Upload, batch_document, upload_document
from api.schemas.predictions import Prediction, prediction_document
from netheal.contracts import Contract, envelope_spellings
from netheal.contracts.schema import category_column
from netheal.store.archive import Row
from netheal.store.events import VerdictEvent

_BATCH_OPEN = "its micro-batch is not finished: features and envelope can be read when it is"
_NOT_ARCHIVED = "the archive does not have this row: this is what the serving store has"


class PredictionDetail(Prediction):
    """A verdict with what it was given for. What only the archive knows is null until it does; `note` says why."""

    features = Dict(required=True, allow_none=True, keys=String(), values=Float())
    categories = Dict(required=True, allow_none=True, keys=String(), values=String())
    contracts = List(String(), required=True, allow_none=True)
    envelope = Dict(required=True, allow_none=True)
    topic = String(required=True, allow_none=True)
    partition = Integer(required=True, allow_none=True)
    offset = Integer(required=True, allow_none=True)
    policy_version = String(required=True, allow_none=True)
    batch = Nested(Batch, required=True, allow_none=True)
    upload = Nested(Upload, required=True, allow_none=True)
    note = String(required=True, allow_none=True)


def detail_document(event: VerdictEvent) -> dict[str, Any]:
    """An event as `PredictionDetail`."""
    return {
        **prediction_document(event.verdict),
        **(_NOTHING if event.whole is None else _archived(event.whole, event.contracts)),
        "policy_version": _policy_version(event),
        "batch": batch_document(event.batch) if event.batch else None,
        "upload": upload_document(event.upload) if event.upload else None,
        "note": _note(event),
    }


_NOTHING: dict[str, Any] = dict.fromkeys(
    ("features", "categories", "contracts", "envelope", "topic", "partition", "offset")
)


def _archived(whole: Row, contracts: Sequence[Contract]) -> dict[str, Any]:
    known = {feature.name: feature for contract in contracts for feature in contract.features}
    features = {name: whole.get(feature.column) for name, feature in known.items()}
    categories = {name: whole.get(category_column(f.column)) for name, f in known.items() if f.category}
    return {
        "features": {name: value for name, value in features.items() if value is not None},
        "categories": {name: text for name, text in categories.items() if text is not None},
        "contracts": [c.id for c in contracts if all(features[name] is not None for name in c.names)],
        "envelope": {_told(field): whole[field] for field in envelope_spellings()},
        "topic": whole["topic"],
        "partition": whole["partition"],
        "offset": whole["offset"],
    }


def _told(field: str) -> str:
    """An envelope field as messages call it; its column has another name beside our own `event_id`."""
    return field.removeprefix("sensor_") if field == "sensor_event_id" else field


def _policy_version(event: VerdictEvent) -> str | None:
    if event.whole is not None:
        return event.whole["policy_version"]  # type: ignore[no-any-return]
    source = event.batch or event.upload
    return source.policy_version if source else None


def _note(event: VerdictEvent) -> str | None:
    if event.whole is not None:
        return None
    source = event.batch or event.upload
    return _BATCH_OPEN if source is not None and source.state == "open" else _NOT_ARCHIVED
