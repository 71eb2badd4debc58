"""The output topic's messages are what clients were promised, whatever a sensor wrote into its envelope."""

import json
import re
from collections.abc import Callable, Sequence

import msgspec
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netheal.contracts import contract
from netheal.traffic.generator import TrafficGenerator
from netheal.verdicts.encode import encode_verdicts
from netheal.verdicts.message import PredictionMessage
from netheal.verdicts.record_scorer import RecordScorer

MakeRecords = Callable[[Sequence[bytes | None]], pa.RecordBatch]
ATTACK = dict.fromkeys(contract("attack/v1").names, 1)
THREAT = dict.fromkeys(contract("threat/v1").names, 1) | {"service": "http", "flag": "SF"}
STRICT = msgspec.json.Decoder(PredictionMessage, strict=True)
IDENTITY = ("event_id", "event_time", "sensor_id", "src_ip", "dst_ip", "protocol", "extractor", "flow_id")

KEYS = {
    "type": None,
    "timestamp": None,
    "traffic_data_id": None,
    "is_attack": None,
    "threat_prediction": {
        "id",
        "prediction_score",
        "is_attack",
        "threshold",
        "novelty",
        "is_novel",
        "model_version",
        "model_hash",
    },
    "attack_prediction": {
        "id",
        "attack_type_encoded",
        "attack_type_name",
        "confidence",
        "novelty",
        "is_novel",
        "model_version",
        "model_hash",
    },
    "self_healing_action": {"id", "action_type", "action_description", "action_params", "status"},
    "flow": {*IDENTITY, "src_port"},
    "policy_version": None,
}


def written(scorer: RecordScorer, records: pa.RecordBatch) -> list[bytes]:
    return encode_verdicts(scorer.score(records, 3).verdicts)


def test_a_message_has_exactly_the_promised_keys(scorer: RecordScorer, make_records: MakeRecords) -> None:
    for value in written(scorer, make_records(TrafficGenerator(5, broken_share=0.0).messages(500))):
        document = json.loads(value)
        assert document["type"] == "prediction"
        assert document.keys() == KEYS.keys()
        for key, inner in KEYS.items():
            if inner is not None and document[key] is not None:
                assert document[key].keys() == inner
        STRICT.decode(value)


def test_a_message_says_what_the_verdict_says(scorer: RecordScorer, make_records: MakeRecords) -> None:
    records = make_records(TrafficGenerator(6, broken_share=0.0).messages(500))
    rows = scorer.score(records, 3).verdicts.to_pylist()
    for row, value in zip(rows, written(scorer, records), strict=True):
        message = STRICT.decode(value)
        action, threat, attack = message.self_healing_action, message.threat_prediction, message.attack_prediction
        assert message.is_attack == row["is_attack"]
        assert message.traffic_data_id == action.id == row["event_id"] < 2**53
        assert (threat is None, attack is None) == (row["threat_score"] is None, row["attack_class_id"] is None)
        if threat is not None:
            assert (threat.prediction_score, threat.is_attack) == (row["threat_score"], row["threat_is_attack"])
            assert (threat.novelty, threat.is_novel) == (row["threat_novelty"], row["threat_is_novel"])
            assert (threat.threshold, threat.model_hash) == (row["threat_threshold"], row["threat_model_hash"])
        if attack is not None:
            assert (attack.attack_type_encoded, attack.attack_type_name) == (
                row["attack_class_id"],
                row["attack_class"],
            )
            assert (attack.novelty, attack.is_novel) == (row["attack_novelty"], row["attack_is_novel"])
            assert (attack.confidence, attack.model_version) == (row["attack_confidence"], row["attack_model_version"])
        assert (action.action_type, action.status) == (row["action_type"], "logged")
        assert action.action_params == json.loads(row["action_params"])
        assert message.policy_version == scorer.scorer.policy.version
        assert (message.flow.src_ip, message.flow.extractor) == (row["src_ip"], "netheal-generator")


def test_the_timestamp_is_the_records_in_utc_with_a_z(scorer: RecordScorer, make_records: MakeRecords) -> None:
    (value,) = written(scorer, make_records([json.dumps(ATTACK).encode()]))
    assert STRICT.decode(value).timestamp == "2024-12-01T14:30:22.123Z"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", STRICT.decode(value).timestamp)


hostile = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.text(st.sampled_from('"\\/\b\f\n\r\t\0\x01\x1f\x7f\x85\u2028\u2029\ufeff😀\U0010ffff{}[]:,é'), max_size=20),
    st.sampled_from(['"}],"x":{"', "\\u0022", "'; drop table verdicts; --", "<script>", "%s{0}{src_ip}", "null"]),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.fixed_dictionaries(dict.fromkeys(IDENTITY, hostile)), min_size=1, max_size=5))
def test_hostile_identities_come_out_as_they_went_in(
    scorer: RecordScorer, make_records: MakeRecords, identities: list[dict[str, str]]
) -> None:
    """Through JSON in, the verdict, the action of a block_ip, and JSON out."""
    values = [json.dumps(ATTACK | THREAT | identity).encode() for identity in identities]
    for identity, value in zip(identities, written(scorer, make_records(values)), strict=True):
        flow = STRICT.decode(value).flow
        assert {name: getattr(flow, name) for name in IDENTITY} == identity
        assert "\n" not in value.decode("utf-8")


@pytest.mark.parametrize("score", [0.0, 5e-324, 1e-7, 0.1 + 0.2, 1 / 3, 1.0])
def test_a_score_is_written_so_that_it_reads_back_to_the_bit(
    scorer: RecordScorer, make_records: MakeRecords, score: float
) -> None:
    verdicts = scorer.score(make_records([json.dumps(THREAT).encode()]), 3).verdicts
    at = verdicts.schema.get_field_index("threat_score")
    (value,) = encode_verdicts(verdicts.set_column(at, "threat_score", pa.array([score])))
    prediction = STRICT.decode(value).threat_prediction
    assert prediction is not None and prediction.prediction_score == score
