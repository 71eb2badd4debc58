"""Verdicts as the output topic's messages (`message.PredictionMessage`), written column by column."""

import polars as pl
import pyarrow as pa

_THREAT = {
    "id": "event_id",
    "prediction_score": "threat_score",
    "is_attack": "threat_is_attack",
    "threshold": "threat_threshold",
    "novelty": "threat_novelty",
    "is_novel": "threat_is_novel",
    "model_version": "threat_model_version",
    "model_hash": "threat_model_hash",
}
_ATTACK = {
    "id": "event_id",
    "attack_type_encoded": "attack_class_id",
    "attack_type_name": "attack_class",
    "confidence": "attack_confidence",
    "novelty": "attack_novelty",
    "is_novel": "attack_is_novel",
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
_LONE = ("recorded_at", "is_attack", "policy_version", "action_params")
_ISO_UTC = "%Y-%m-%dT%H:%M:%S%.3fZ"


def encode_verdicts(verdicts: pa.Table) -> list[bytes]:
    """One JSON message a row of a table in `verdict_schema()`, in its order."""
    columns = {*_THREAT.values(), *_ATTACK.values(), *_ACTION.values(), *_FLOW.values(), *_LONE}
    frame = pl.DataFrame(pl.from_arrow(verdicts.select(sorted(columns))))
    frame = frame.with_columns(pl.col(pl.Categorical).cast(pl.String))
    message = pl.concat_str(
        pl.lit('{"type":"prediction","timestamp":"'),
        pl.col("recorded_at").dt.strftime(_ISO_UTC),
        pl.lit('","traffic_data_id":'),
        pl.col("event_id"),
        pl.lit(',"is_attack":'),
        pl.when("is_attack").then(pl.lit("true")).otherwise(pl.lit("false")),
        pl.lit(',"threat_prediction":'),
        _object_where("threat_score", _THREAT),
        pl.lit(',"attack_prediction":'),
        _object_where("attack_class_id", _ATTACK),
        pl.lit(',"self_healing_action":'),
        _object(_ACTION).str.strip_suffix("}"),
        pl.lit(',"action_params":'),
        pl.col("action_params"),
        pl.lit('},"flow":'),
        _object(_FLOW),
        pl.lit(',"policy_version":"'),
        pl.col("policy_version"),
        pl.lit('"}'),
    )
    texts = frame.select(message.cast(pl.Binary).alias("message"))["message"]
    return texts.to_arrow().to_pylist()  # type: ignore[no-any-return]


def _object(fields: dict[str, str]) -> pl.Expr:
    """The JSON text of an object."""
    return pl.struct([pl.col(column).alias(key) for key, column in fields.items()]).struct.json_encode()


def _object_where(present: str, fields: dict[str, str]) -> pl.Expr:
    """The same, `null` in the rows where column `present` is null."""
    return pl.when(pl.col(present).is_not_null()).then(_object(fields)).otherwise(pl.lit("null"))
