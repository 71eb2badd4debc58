"""What the API says of verdicts."""

import json
from typing import Any

from apiflask import Schema
from apiflask.fields import Boolean, Dict, Float, Integer, List, Nested, String
from apiflask.validators import OneOf

from api.schemas.pages import PageSchema
from api.schemas.times import SERVED_SINCE, iso_utc
from netheal.contracts.verdict import (
    ATTACK,
    CONFIDENCE,
    CONFIDENCE_KIND,
    CONFIDENCE_KINDS,
    IS_NOVEL,
    NOVELTY,
    SCORE,
)
from netheal.store.predictions import Model, Verdict

SOURCES = ("stream", "upload")
_UNKNOWN = Model(None, None)


class _ModelAnswer(Schema):
    """What is told of every model's answer."""

    novelty = Float(required=True, allow_none=True, metadata={"description": NOVELTY})
    is_novel = Boolean(required=True, allow_none=True, metadata={"description": IS_NOVEL})
    confidence_kind = String(
        required=True,
        allow_none=True,
        validate=OneOf((*CONFIDENCE_KINDS, None)),
        metadata={"description": CONFIDENCE_KIND},
    )
    model_version = String(required=True, allow_none=True)
    model_hash = String(required=True, allow_none=True)


class ThreatPrediction(_ModelAnswer):
    """What the threat detector says; what the row does not tell is null."""

    id = Integer(required=True)
    prediction_score = Float(required=True, metadata={"description": SCORE})
    is_attack = Boolean(
        required=True, allow_none=True, metadata={"description": "Whether the score reaches the threshold"}
    )
    threshold = Float(required=True, allow_none=True)


class AttackPrediction(_ModelAnswer):
    """What the attack classifier says."""

    id = Integer(required=True)
    attack_type_encoded = Integer(required=True)
    attack_type_name = String(required=True, allow_none=True)
    confidence = Float(required=True, allow_none=True, metadata={"description": CONFIDENCE})


class SelfHealingAction(Schema):
    """What the healing policy says."""

    id = Integer(required=True)
    action_type = String(required=True)
    action_description = String(required=True, allow_none=True)
    action_params = Dict(required=True, keys=String(), values=String())
    status = String(required=True)


class FlowEnds(Schema):
    """Who talked to whom, seen by whom, as far as the message said."""

    sensor_id = String(required=True, allow_none=True)
    src_ip = String(required=True, allow_none=True)
    dst_ip = String(required=True, allow_none=True)


class Prediction(Schema):
    """A verdict."""

    traffic_data_id = Integer(required=True)
    timestamp = String(required=True, metadata={"format": "date-time"})
    source = String(required=True, validate=OneOf(SOURCES))
    is_attack = Boolean(required=True, metadata={"description": ATTACK})
    threat_prediction = Nested(ThreatPrediction, required=True, allow_none=True)
    attack_prediction = Nested(AttackPrediction, required=True, allow_none=True)
    self_healing_action = Nested(SelfHealingAction, required=True)
    flow = Nested(FlowEnds, required=True)
    batch_id = Integer(required=True, metadata={"description": "The micro-batch's number, or the upload's"})


class Predictions(PageSchema):
    """Verdicts, newest first."""

    predictions = List(Nested(Prediction), required=True)
    served_since = String(required=True, metadata=SERVED_SINCE)


def prediction_document(verdict: Verdict) -> dict[str, Any]:
    """A verdict as `Prediction`."""
    return {
        "traffic_data_id": verdict.event_id,
        "timestamp": iso_utc(verdict.recorded_at),
        "source": SOURCES[verdict.from_upload],
        "is_attack": verdict.is_attack,
        "threat_prediction": _threat(verdict),
        "attack_prediction": _attack(verdict),
        "self_healing_action": {
            "id": verdict.event_id,
            "action_type": verdict.action_type,
            "action_description": verdict.action_description,
            "action_params": json.loads(verdict.action_params) if verdict.action_params else {},
            "status": verdict.action_status,
        },
        "flow": {"sensor_id": verdict.sensor_id, "src_ip": verdict.src_ip, "dst_ip": verdict.dst_ip},
        "batch_id": verdict.batch_id,
    }


def _threat(verdict: Verdict) -> dict[str, Any] | None:
    if verdict.threat_score is None:
        return None
    model = verdict.threat_model or _UNKNOWN
    return {
        "id": verdict.event_id,
        "prediction_score": verdict.threat_score,
        "is_attack": verdict.threat_is_attack,
        "threshold": model.threshold,
        "novelty": verdict.threat_novelty,
        "is_novel": verdict.threat_is_novel,
        **_model(model),
    }


def _attack(verdict: Verdict) -> dict[str, Any] | None:
    if verdict.attack_class_id is None:
        return None
    model = verdict.attack_model or _UNKNOWN
    return {
        "id": verdict.event_id,
        "attack_type_encoded": verdict.attack_class_id,
        "attack_type_name": verdict.attack_class,
        "confidence": verdict.attack_confidence,
        "novelty": verdict.attack_novelty,
        "is_novel": verdict.attack_is_novel,
        **_model(model),
    }


def _model(model: Model) -> dict[str, Any]:
    return {"confidence_kind": model.confidence_kind, "model_version": model.version, "model_hash": model.hash}
