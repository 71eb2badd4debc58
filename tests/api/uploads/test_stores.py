"""An uploaded CSV is scored as the stream would, and is in every store once, or not at all."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from netheal.bundles.served import ServedBundle
from netheal.contracts import wire_contracts
from netheal.contracts.schema import RAW_SCHEMA, rejected_schema, verdict_schema
from netheal.errors import ServiceUnavailable
from netheal.healing.policy import read_policy
from netheal.records.decode import MessageDecoder
from netheal.records.encode import encode_rows
from netheal.records.flow_files import read_flow_file
from netheal.records.vocabulary import vocabulary
from netheal.scoring.model import ServedModel
from netheal.settings import Settings
from netheal.store.database import Connection, transaction
from netheal.store.delta import DeltaLog
from netheal.traffic.generator import TrafficGenerator
from netheal.uploads import flow_file, upload_store
from netheal.verdicts.record_scorer import RecordScorer
from netheal.verdicts.scorer import Scorer
from tests.api.uploads.conftest import NOTHING, THREAT_CSV, THREAT_ROW, Document, Upload, delta_rows


@pytest.mark.usefixtures("starters")
def test_every_row_is_in_every_store_once_with_the_streams_bits(
    upload: Upload,
    api_settings: Settings,
    database: Connection,
    tmp_path: Path,
    threat_bundle: ServedBundle,
    attack_bundle: ServedBundle,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The stream's scorer over the messages that `traffic send` makes of the same file, in one piece."""
    monkeypatch.setattr(flow_file, "_CHUNK_ROWS", 70)
    text = both_contracts(500)
    answer = upload(text).get_json()
    path = tmp_path / "flows.csv"
    path.write_text(text)
    messages = [message for table in read_flow_file(path) for message in encode_rows(table)]
    expected = stream_scorer(api_settings, threat_bundle, attack_bundle).score(raw(messages), 1)
    uri = api_settings.paths.delta_root
    same = [name for name in verdict_schema().names if name not in VARYING]
    delta = delta_rows(f"{uri}/verdicts")
    for name in same:
        assert delta[name].to_pylist() == plain(expected.verdicts[name]), name
    rejected = delta_rows(f"{uri}/quarantine")
    order = pc.sort_indices(expected.rejected["event_id"])
    for name in (name for name in rejected_schema().names if name not in VARYING):
        assert rejected[name].to_pylist() == plain(expected.rejected.take(order)[name]), name
    assert set(delta["topic"].to_pylist()) == {"upload"}
    with transaction(database) as cursor:
        cursor.execute("select event_id, threat_score, attack_class_id, threat_model_id from verdicts order by 1")
        serving = cursor.fetchall()
        cursor.execute("select id, total_rows, verdicts, rejected, state from uploads")
        assert cursor.fetchall() == [(1, 500, delta.num_rows, 500 - delta.num_rows, "done")]
    assert [row[0] for row in serving] == delta["event_id"].to_pylist()
    assert [row[1] for row in serving] == delta["threat_score"].to_pylist()
    assert [row[2] for row in serving] == delta["attack_class_id"].to_pylist()
    assert all((row[3] is None) == (row[1] is None) for row in serving)
    shown = [p["threat_prediction"] and p["threat_prediction"]["prediction_score"] for p in answer["predictions"]]
    assert shown == delta["threat_score"].to_pylist()


VARYING = {
    "event_id", "recorded_at", "topic", "partition", "offset", "batch_id", "threat_model_version", "threat_model_hash",
    "attack_model_version", "attack_model_hash",
}  # fmt: skip
"""Where a row came from, and what the registry calls the models."""


def plain(column: pa.ChunkedArray) -> list[Any]:
    return list(column.to_pylist())


def stream_scorer(settings: Settings, *bundles: ServedBundle) -> RecordScorer:
    return RecordScorer(
        scorer=Scorer(
            models={bundle.contract.id: ServedModel(bundle) for bundle in bundles},
            policy=read_policy(settings.paths.policy_path),
        ),
        decoder=MessageDecoder(vocabulary(wire_contracts())),
        topic="network-traffic",
        offset_base=0,
        read_at=datetime(2024, 12, 1, tzinfo=UTC),
    )


def raw(messages: list[bytes]) -> pa.RecordBatch:
    rows = len(messages)
    columns = [[0] * rows, list(range(rows)), [0] * rows, [None] * rows, messages]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, RAW_SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=RAW_SCHEMA)


def both_contracts(rows: int) -> str:
    """A CSV of generated flows, half of them of each contract, as one table."""
    messages = [json.loads(m) for m in TrafficGenerator(7, broken_share=0.0).messages(rows)]
    names = list(dict.fromkeys(name for message in messages for name in message))
    text = [",".join(names)]
    text += [",".join(str(message.get(name, "")) for name in names) for message in messages]
    return "\n".join(text) + "\n"


@pytest.mark.usefixtures("starters")
def test_uploading_again_adds_rows_of_their_own(upload: Upload, stored: Callable[[], Document]) -> None:
    first, second = upload(THREAT_CSV).get_json(), upload(THREAT_CSV).get_json()
    ids = {p["traffic_data"]["id"] for answer in (first, second) for p in answer["predictions"]}
    assert len(ids) == stored()["verdicts"] == stored()["delta verdicts"] == stored()["total_counts"] == 6


@pytest.mark.usefixtures("starters")
@pytest.mark.parametrize("place", ["copy_rows", "verdicts", "quarantine", "add_totals"])
def test_what_fails_halfway_leaves_nothing(
    upload: Upload, stored: Callable[[], Document], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    text = THREAT_CSV + THREAT_ROW.replace("181", "-1") + "\n"

    def fails(*_: object) -> None:
        raise ServiceUnavailable("it is away")

    commit = DeltaLog.commit

    def commit_or_fail(log: DeltaLog, *arguments: Any) -> bool:
        if log.uri.endswith(place):
            fails()
        return commit(log, *arguments)

    with monkeypatch.context() as patched:
        if place in ("verdicts", "quarantine"):
            patched.setattr(DeltaLog, "commit", commit_or_fail)
        else:
            patched.setattr(upload_store, place, fails)
        response = upload(text)
    assert response.status_code == 503
    assert response.get_json()["error"]["code"] == "service_unavailable"
    assert stored() == NOTHING
    assert upload(text).get_json()["total_rows"] == 4
    assert stored() == {
        "verdicts": 3, "rejected": 1, "uploads": 1, "total_counts": 4, "minute_counts": 0, "delta verdicts": 3,
        "delta quarantine": 1,
    }  # fmt: skip


@pytest.mark.usefixtures("starters")
def test_what_a_crash_left_open_is_taken_back_later(
    upload: Upload, stored: Callable[[], Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(upload_store, "add_totals", lambda *_: (_ for _ in ()).throw(ServiceUnavailable("away")))
        patched.setattr(upload_store.UploadStore, "give_up", lambda *_: False)  # as if the process had died
        assert upload(THREAT_CSV).status_code == 503
    assert stored() == NOTHING | {"uploads": 1, "delta verdicts": 3}
    upload(THREAT_CSV)
    assert (stored()["uploads"], stored()["delta verdicts"]) == (2, 6)
    monkeypatch.setattr(upload_store, "_ABANDONED", "0 seconds")
    upload(THREAT_CSV)
    assert (stored()["uploads"], stored()["delta verdicts"], stored()["verdicts"]) == (2, 6, 6)


@pytest.mark.usefixtures("starters")
def test_too_many_rows_leave_nothing(
    upload: Upload, stored: Callable[[], Document], api_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow_file, "MAX_ROWS", 2)
    monkeypatch.setattr(flow_file, "_CHUNK_ROWS", 1)
    response = upload(THREAT_CSV)
    assert (response.status_code, response.get_json()["error"]["code"]) == (413, "too_many_rows")
    assert stored() == NOTHING
    assert list(Path(api_settings.paths.delta_root).rglob("*.parquet")) == []
