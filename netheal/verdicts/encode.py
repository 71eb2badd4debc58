"""Verdicts as the output topic's messages (`message.PredictionMessage`), written column by column."""

import polars as pl
import pyarrow as pa

_THREAT = {
    "id": "event_id",
    "prediction_score": "threat_score",
    "is_attack": "threat_is_attack",
    "threshold": "threat_threshold",
    "model_version": "threat_model_version",
    "model_hash": "threat_model_hash",
}
_ATTACK = {
    "id": "event_id",
    "attack_type_encoded": "attack_class_id",
    "attack_type_name": "attack_class",
    "confidence": "attack_confidence",
    "model_version": "attack_model_version",
    "model_hash": "attack_model_hash",
}
_ACTION = {
    "id": "event_id",
    "action_type": "action_type",
    "action_description": "action_description",
    "status": "action_status",
}
_FLOW = {
    "event_id": "sensor_event_id",
    "event_time": "event_time",
    "sensor_id": "sensor_id",
    "src_ip": "src_ip",
    "dst_ip": "dst_ip",
    "src_port": "src_port",
    "protocol": "protocol",
    "extractor": "extractor",
    "flow_id": "flow_id",
}
_LONE = ("recorded_at", "policy_version", "action_params")
_ISO_UTC = "%Y-%m-%dT%H:%M:%S%.3fZ"


def encode_verdicts(verdicts: pa.Table) -> list[bytes]:
    """One JSON message a row of a table in `verdict_schema()`, in its order."""
    columns = {*_THREAT.values(), *_ATTACK.values(), *_ACTION.values(), *_FLOW.values(), *_LONE}
    frame = pl.DataFrame(pl.from_arrow(verdicts.select(sorted(columns))))
    frame = frame.with_columns(pl.col(pl.Categorical).cast(pl.String))
    head = pl.struct(
        pl.lit("prediction").alias("type"),
        pl.col("recorded_at").dt.strftime(_ISO_UTC).alias("timestamp"),
        pl.col("event_id").alias("traffic_data_id"),
        pl.when(pl.col("threat_score").is_not_null()).then(_object(_THREAT)).alias("threat_prediction"),
        pl.when(pl.col("attack_class_id").is_not_null()).then(_object(_ATTACK)).alias("attack_prediction"),
        _object(_FLOW).alias("flow"),
        pl.col("policy_version"),
    )
    action = _object(_ACTION)
    message = pl.concat_str(
        _left_open(head),
        pl.lit(',"self_healing_action":'),
        _left_open(action),
        pl.lit(',"action_params":'),
        pl.col("action_params"),
        pl.lit("}}"),
    )
    texts = frame.select(message.cast(pl.Binary).alias("message"))["message"]
    return texts.to_arrow().to_pylist()  # type: ignore[no-any-return]


def _object(fields: dict[str, str]) -> pl.Expr:
    return pl.struct([pl.col(column).alias(key) for key, column in fields.items()])


def _left_open(value: pl.Expr) -> pl.Expr:
    """The JSON text of a struct without its closing brace."""
    return value.struct.json_encode().str.head(-1)
