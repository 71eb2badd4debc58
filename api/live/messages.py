"""What goes over the socket, as WebSocket frames. A frame is made once a message, however many clients get it.

The JSON Schemas of all of them are in `api/schemas/websocket/`.
"""

import struct
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Literal

import msgspec

from api.schemas.times import iso_utc
from netheal.contracts.verdict import NO_CLASS, is_attack

GREETING = "Connected to real-time threat detection stream"
BrokerState = Literal["away", "back"]

_TEXT, _CLOSE = 0x81, 0x88
_SHORT, _LONG = 126, 127


class Threat(msgspec.Struct, frozen=True, gc=False):
    """`threat_prediction` as the contract has it; the output topic's has more."""

    id: int
    prediction_score: float
    is_attack: bool
    threshold: float


class Attack(msgspec.Struct, frozen=True, gc=False):
    """`attack_prediction` as the contract has it."""

    id: int
    attack_type_encoded: int
    attack_type_name: str
    confidence: float


class Action(msgspec.Struct, frozen=True, gc=False):
    """`self_healing_action` as the contract has it."""

    id: int
    action_type: str
    action_description: str
    action_params: msgspec.Raw
    status: str


class Prediction(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="prediction"):
    """A scored row with exactly the contract's keys."""

    timestamp: str
    traffic_data_id: int
    threat_prediction: Threat | None
    attack_prediction: Attack | None
    self_healing_action: Action


_decode = msgspec.json.Decoder(Prediction).decode
_encode = msgspec.json.Encoder().encode


class Message:
    """A scored row on its way to clients; `at` is its place in the order of arrival."""

    def __init__(self, raw: bytes, at: int) -> None:
        """Raises msgspec.DecodeError where the bytes are no prediction message."""
        self.raw = raw
        self.at = at
        self.row = _decode(raw)
        threat, attack = self.row.threat_prediction, self.row.attack_prediction
        self.class_id = NO_CLASS if attack is None else attack.attack_type_encoded
        self.is_attack = is_attack(threat is not None and threat.is_attack, self.class_id)
        self.score = None if threat is None else threat.prediction_score
        self.confidence = None if attack is None else attack.confidence

    @cached_property
    def frame(self) -> bytes:
        """With exactly the contract's keys."""
        return text_frame(_encode(self.row))

    @cached_property
    def full_frame(self) -> bytes:
        """As it stands in the output topic: models, flow and policy version, too."""
        return text_frame(self.raw)


def read_message(raw: bytes | None, at: int) -> Message | None:
    """A message of the output topic, None where it is no prediction."""
    try:
        return Message(raw or b"", at)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def connection_frame(now: datetime) -> bytes:
    """The first message."""
    return _frame({"type": "connection", "message": GREETING, "timestamp": iso_utc(now)})


def ping_frame(now: datetime) -> bytes:
    """A sign of life."""
    return _frame({"type": "ping", "timestamp": iso_utc(now)})


def lag_frame(now: datetime, skipped: int) -> bytes:
    """How many rows the client did not get since it was last told."""
    return _frame({"type": "lag", "skipped": skipped, "timestamp": iso_utc(now)})


def status_frame(now: datetime, broker: BrokerState, message: str) -> bytes:
    """Whether rows can come at all."""
    return _frame({"type": "status", "timestamp": iso_utc(now), "broker": broker, "message": message})


def text_frame(payload: bytes) -> bytes:
    """A whole text message from a server: not masked, not compressed (RFC 6455, 5.2)."""
    length = len(payload)
    if length < _SHORT:
        return bytes((_TEXT, length)) + payload
    if length < 2**16:
        return struct.pack("!BBH", _TEXT, _SHORT, length) + payload
    return struct.pack("!BBQ", _TEXT, _LONG, length) + payload


def close_frame(code: int, reason: str) -> bytes:
    """The end of a connection, with its reason in at most 123 bytes."""
    payload = struct.pack("!H", code) + reason.encode()[:123]
    return bytes((_CLOSE, len(payload))) + payload


def _frame(message: Mapping[str, object]) -> bytes:
    return text_frame(_encode(message))
