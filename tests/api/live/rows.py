"""Messages of the output topic, as the job writes them."""

import json
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator

from api.live.messages import Message
from netheal.contracts import attack_classes

MODEL = {"novelty": 0.25, "is_novel": False, "model_version": "decision_tree_v1_20261122", "model_hash": "ab" * 32}


def row(
    event_id: int = 1024,
    class_name: str | None = "BENIGN",
    score: float | None = None,
    confidence: float = 0.9,
    timestamp: str = "2026-11-22T20:22:33.120Z",
) -> bytes:
    """One message; without a score only the classifier spoke, without a class only the detector."""
    attack = class_name not in (None, "BENIGN") or (score or 0) >= 0.5
    document: dict[str, Any] = {
        "type": "prediction",
        "timestamp": timestamp,
        "traffic_data_id": event_id,
        "is_attack": attack,
        "threat_prediction": None,
        "attack_prediction": None,
        "self_healing_action": {
            "id": event_id,
            "action_type": "alert_admin" if attack else "log_only",
            "action_description": "Alerting the administrator" if attack else "Nothing to do",
            "action_params": {"src_ip": "192.0.2.7"} if attack else {},
            "status": "logged",
        },
        "flow": dict.fromkeys(("event_id", "event_time", "sensor_id", "src_ip", "dst_ip", "src_port"), None)
        | dict.fromkeys(("protocol", "extractor", "flow_id"), None),
        "policy_version": "907662c37986",
    }
    if score is not None:
        document["threat_prediction"] = {
            "id": event_id,
            "prediction_score": score,
            "is_attack": score >= 0.5,
            "threshold": 0.5,
            **MODEL,
        }
    if class_name is not None:
        document["attack_prediction"] = {
            "id": event_id,
            "attack_type_encoded": attack_classes().id_of(class_name),
            "attack_type_name": class_name,
            "confidence": confidence,
            **MODEL,
        }
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def message(at: int = 0, **how: Any) -> Message:
    """The same, read."""
    return Message(row(**how), at)


def payload(frame: bytes) -> dict[str, Any]:
    """The message in a text frame of the server."""
    assert frame[0] == 0x81
    start = {126: 4, 127: 10}.get(frame[1], 2)
    found: dict[str, Any] = json.loads(frame[start:])
    return found


def schema(name: str) -> Draft202012Validator:
    """A schema of the package."""
    document = json.loads((files("api") / "schemas" / "websocket" / f"{name}.json").read_text())
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)
