"""The output topic's `prediction` message, field for field as clients see it."""

import msgspec


class ThreatPrediction(msgspec.Struct, frozen=True, gc=False):
    """What the threat detector says; `id` is the event's, `prediction_score` in [0, 1].

    `novelty` and `is_novel` are those of `netheal.contracts.verdict`.
    """

    id: int
    prediction_score: float
    is_attack: bool
    threshold: float
    novelty: float | None
    is_novel: bool | None
    model_version: str
    model_hash: str


class AttackPrediction(msgspec.Struct, frozen=True, gc=False):
    """What the attack classifier says; `confidence` in [0, 1], novelty as above."""

    id: int
    attack_type_encoded: int
    attack_type_name: str
    confidence: float
    novelty: float | None
    is_novel: bool | None
    model_version: str
    model_hash: str


class SelfHealingAction(msgspec.Struct, frozen=True, gc=False):
    """What the healing policy says."""

    id: int
    action_type: str
    action_description: str
    action_params: dict[str, str]
    status: str


class Flow(msgspec.Struct, frozen=True, gc=False):
    """The identity envelope, as far as the message carried one."""

    event_id: str | None = None
    event_time: str | None = None
    sensor_id: str | None = None
    src_ip: str | None = None
    dst_ip: str | None = None
    src_port: int | None = None
    protocol: str | None = None
    extractor: str | None = None
    flow_id: str | None = None


class PredictionMessage(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="prediction"):
    """One message a scored row; `timestamp` is the input record's, ISO 8601, UTC; `is_attack` is the row's verdict."""

    timestamp: str
    traffic_data_id: int
    is_attack: bool
    threat_prediction: ThreatPrediction | None
    attack_prediction: AttackPrediction | None
    self_healing_action: SelfHealingAction
    flow: Flow
    policy_version: str
