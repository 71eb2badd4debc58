"""A CSV that is uploaded is scored as the stream would, stored everywhere once, and answered in full; or not at all."""

import gzip
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from apiflask import APIFlask
from deltalake import DeltaTable
from flask.testing import FlaskClient

from netheal.bundles.served import ServedBundle
from netheal.contracts import contract, wire_contracts
from netheal.errors import ModelFailure, ServiceUnavailable
from netheal.healing.policy import read_policy
from netheal.records.decode import MessageDecoder
from netheal.records.flow_files import read_flow_file
from netheal.records.vocabulary import vocabulary
from netheal.registry.artefacts import Artefacts
from netheal.registry.changes import Reason, activate
from netheal.registry.models import Upload as model_upload
from netheal.registry.models import add_model
from netheal.registry.starters import import_starters
from netheal.scoring.model import AttackScores, ServedModel
from netheal.settings import Settings
from netheal.store.database import Connection, transaction
from netheal.store.delta import DeltaLog
from netheal.store.schema import RAW_SCHEMA, rejected_schema, verdict_schema
from netheal.traffic.encode import encode_rows
from netheal.traffic.generator import TrafficGenerator
from netheal.uploads import flows, storing
from netheal.verdicts.judge import Judge

Document = dict[str, Any]
Upload = Callable[..., Any]
URL = "/api/v1/upload/csv"
THREAT, ATTACK = contract("threat/v1"), contract("attack/v1")
THREAT_ROW = "http,SF,181,5450,8,1.0,0.0,9,1.0,0.11"
THREAT_CSV = ",".join(THREAT.names) + "\n" + f"{THREAT_ROW}\n" * 3
ATTACK_HEADER = ",".join((*ATTACK.names, "Src IP"))
ATTACK_ROW = ",".join(["1"] * len(ATTACK.names)) + ",192.0.2.9"


@pytest.fixture
def starters(database: Connection, api_settings: Settings) -> None:
    """The starter models are active."""
    import_starters(database, Artefacts(api_settings.artefacts_dir), api_settings.starter_models_dir)


@pytest.fixture
def upload(client: FlaskClient) -> Upload:
    """Uploads the text of a CSV; gives the response."""

    def run(content: str | bytes, query: str = "", name: str = "flows.csv") -> Any:
        data = content.encode() if isinstance(content, str) else content
        return client.post(f"{URL}{query}", data={"file": (io.BytesIO(data), name)})

    return run


@pytest.fixture
def stored(database: Connection, api_settings: Settings) -> Callable[[], Document]:
    """How many rows each store has."""

    def look() -> Document:
        found: Document = {}
        with transaction(database) as cursor:
            for table in ("verdicts", "rejected", "uploads"):
                cursor.execute(f"select count(*) from {table}")
                (found[table],) = cursor.fetchone() or (None,)
            for table in ("total_counts", "minute_counts"):
                cursor.execute(f"select coalesce(sum(n), 0)::int from {table} where kind in ('prediction', 'rejected')")
                (found[table],) = cursor.fetchone() or (None,)
        for name in ("verdicts", "quarantine"):
            uri = f"{api_settings.delta_root}/{name}"
            found[f"delta {name}"] = delta_rows(uri).num_rows if DeltaTable.is_deltatable(uri) else 0
        return found

    return look


NOTHING = {"verdicts": 0, "rejected": 0, "uploads": 0, "total_counts": 0, "minute_counts": 0}
NOTHING |= {"delta verdicts": 0, "delta quarantine": 0}


def delta_rows(uri: str) -> pa.Table:
    return pa.table(DeltaTable(uri).to_pyarrow_table()).sort_by("event_id")


def both_contracts(rows: int) -> str:
    """A CSV of generated flows, half of them of each contract, as one table."""
    messages = [json.loads(m) for m in TrafficGenerator(7, broken_share=0.0).messages(rows)]
    names = list(dict.fromkeys(name for message in messages for name in message))
    text = [",".join(names)]
    text += [",".join(str(message.get(name, "")) for name in names) for message in messages]
    return "\n".join(text) + "\n"


@pytest.mark.usefixtures("starters")
def test_the_answer_is_the_one_of_the_contract(upload: Upload) -> None:
    response = upload(THREAT_CSV)
    assert (response.status_code, response.mimetype) == (200, "application/json")
    answer = response.get_json()
    assert answer["message"] == "Successfully processed 3 rows"
    assert (answer["total_rows"], answer["rejected_rows"], answer["rejected"]) == (3, 0, [])
    first = answer["predictions"][0]
    assert set(first) == {"traffic_data", "threat_prediction", "attack_prediction", "self_healing_action"}
    traffic = first["traffic_data"]
    cells = dict(zip(THREAT.names, THREAT_ROW.split(","), strict=True))
    assert traffic["features"] == {n: c if n in ("service", "flag") else float(c) for n, c in cells.items()}
    assert (traffic["source"], traffic["batch_id"]) == ("upload", answer["batch_id"])
    assert traffic["created_at"].endswith("Z")
    assert first["attack_prediction"] is None
    assert set(first["threat_prediction"]) == {
        "id", "prediction_score", "is_attack", "threshold", "model_version", "model_hash",
    }  # fmt: skip
    assert first["self_healing_action"]["status"] == "logged"
    assert isinstance(first["self_healing_action"]["action_params"], dict)
    ids = [p["traffic_data"]["id"] for p in answer["predictions"]]
    assert ids == sorted(set(ids))
    assert all(event_id % 1024 == 1023 for event_id in ids)
    assert answer["summary"]["attacks"] + answer["summary"]["normal"] == 3
    assert set(answer["models"]) == {"threat_detector", "attack_classifier"}
    used = answer["models"]["threat_detector"]
    assert (used["version"], used["hash"]) == (
        first["threat_prediction"]["model_version"],
        first["threat_prediction"]["model_hash"],
    )


@pytest.mark.usefixtures("starters")
def test_a_file_with_the_columns_of_both_contracts_gets_both(upload: Upload) -> None:
    answer = upload(f"{','.join(THREAT.names)},{ATTACK_HEADER}\n{THREAT_ROW},{ATTACK_ROW}\n").get_json()
    (prediction,) = answer["predictions"]
    assert prediction["threat_prediction"] is not None
    assert prediction["attack_prediction"]["attack_type_name"] in answer["summary"]["by_class"]
    assert set(prediction["traffic_data"]["features"]) == {*THREAT.names, *ATTACK.names}


@pytest.mark.usefixtures("starters")
@pytest.mark.parametrize(("limit", "shown"), [("?limit=2", 2), ("?limit=0", 0), ("", 3), ("?limit=100000", 3)])
def test_a_limit_bounds_what_is_shown_and_not_what_is_counted(
    upload: Upload, monkeypatch: pytest.MonkeyPatch, limit: str, shown: int
) -> None:
    monkeypatch.setattr(flows, "_CHUNK_ROWS", 1)
    answer = upload(THREAT_CSV, limit).get_json()
    assert len(answer["predictions"]) == shown
    assert answer["total_rows"] == 3
    assert sum(answer["summary"]["by_action"].values()) == 3


@pytest.mark.usefixtures("starters")
def test_rejected_rows_are_told_with_line_reason_and_field(upload: Upload, stored: Callable[[], Document]) -> None:
    bad = {
        "1.0,0.0,9,1.0,0.11": "1.5,0.0,9,1.0,0.11",
        "181": "many",
        "http": "gopher\0",
        "8,1.0": "8,",
    }
    rows = [THREAT_ROW.replace(old, new, 1) for old, new in bad.items()]
    answer = upload("\n".join([",".join(THREAT.names), *rows, "http,SF", THREAT_ROW, ""])).get_json()
    assert [(r["line"], r["reason"], r["field"]) for r in answer["rejected"]] == [
        (2, "out_of_range", "same_srv_rate"),
        (3, "wrong_type", "src_bytes"),
        (4, "unknown_category", "service"),
        (5, "missing_feature", "same_srv_rate"),
        (6, "malformed_row", ""),
    ]
    assert answer["rejected"][4]["detail"] == "2 cells, where the header has 10"
    assert (answer["total_rows"], answer["rejected_rows"], len(answer["predictions"])) == (6, 5, 1)
    assert answer["summary"]["by_reason"]["malformed_row"] == 1
    assert stored() == {
        "verdicts": 1, "rejected": 5, "uploads": 1, "total_counts": 6, "minute_counts": 6, "delta verdicts": 1,
        "delta quarantine": 5,
    }  # fmt: skip


@pytest.mark.usefixtures("starters")
def test_where_all_rows_are_rejected_there_is_an_answer(upload: Upload) -> None:
    answer = upload(THREAT_CSV.replace("181", "-1")).get_json()
    assert (answer["predictions"], answer["rejected_rows"]) == ([], 3)
    assert answer["summary"]["by_reason"] == {"out_of_range": 3}


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
    """The stream's judge over the messages that `traffic send` makes of the same file, in one piece."""
    monkeypatch.setattr(flows, "_CHUNK_ROWS", 70)
    text = both_contracts(500)
    answer = upload(text).get_json()
    path = tmp_path / "flows.csv"
    path.write_text(text)
    messages = [message for table in read_flow_file(path) for message in encode_rows(table)]
    expected = stream_judge(api_settings, threat_bundle, attack_bundle).judge(raw(messages), 1)
    uri = api_settings.delta_root
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


def stream_judge(settings: Settings, *bundles: ServedBundle) -> Judge:
    return Judge(
        topic="network-traffic",
        offset_base=0,
        decoder=MessageDecoder(vocabulary(wire_contracts())),
        models={bundle.contract.id: ServedModel(bundle) for bundle in bundles},
        policy=read_policy(settings.policy_path),
    )


def raw(messages: list[bytes]) -> pa.RecordBatch:
    rows = len(messages)
    columns = [[0] * rows, list(range(rows)), [0] * rows, [None] * rows, messages]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, RAW_SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=RAW_SCHEMA)


@pytest.mark.usefixtures("starters")
def test_uploading_again_adds_rows_of_their_own(upload: Upload, stored: Callable[[], Document]) -> None:
    first, second = upload(THREAT_CSV).get_json(), upload(THREAT_CSV).get_json()
    ids = {p["traffic_data"]["id"] for answer in (first, second) for p in answer["predictions"]}
    assert len(ids) == stored()["verdicts"] == stored()["delta verdicts"] == stored()["total_counts"] == 6


@pytest.mark.usefixtures("starters")
@pytest.mark.parametrize("place", ["copy_rows", "verdicts", "quarantine", "add_counts"])
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
            patched.setattr(storing, place, fails)
        response = upload(text)
    assert response.status_code == 503
    assert response.get_json()["error"]["code"] == "service_unavailable"
    assert stored() == NOTHING
    assert upload(text).get_json()["total_rows"] == 4
    assert stored() == {
        "verdicts": 3, "rejected": 1, "uploads": 1, "total_counts": 4, "minute_counts": 4, "delta verdicts": 3,
        "delta quarantine": 1,
    }  # fmt: skip


@pytest.mark.usefixtures("starters")
def test_what_a_crash_left_open_is_taken_back_later(
    upload: Upload, stored: Callable[[], Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(storing, "add_counts", lambda *_: (_ for _ in ()).throw(ServiceUnavailable("away")))
        patched.setattr(storing.UploadStore, "give_up", lambda *_: False)  # as if the process had died
        assert upload(THREAT_CSV).status_code == 503
    assert stored() == NOTHING | {"uploads": 1, "delta verdicts": 3}
    upload(THREAT_CSV)
    assert (stored()["uploads"], stored()["delta verdicts"]) == (2, 6)
    monkeypatch.setattr(storing, "_ABANDONED", "0 seconds")
    upload(THREAT_CSV)
    assert (stored()["uploads"], stored()["delta verdicts"], stored()["verdicts"]) == (2, 6, 6)


@pytest.mark.usefixtures("starters")
def test_too_many_rows_leave_nothing(
    upload: Upload, stored: Callable[[], Document], api_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flows, "MAX_ROWS", 2)
    monkeypatch.setattr(flows, "_CHUNK_ROWS", 1)
    response = upload(THREAT_CSV)
    assert (response.status_code, response.get_json()["error"]["code"]) == (413, "too_many_rows")
    assert stored() == NOTHING
    assert list(Path(api_settings.delta_root).rglob("*.parquet")) == []


@pytest.mark.usefixtures("starters")
def test_a_model_that_fails_is_deactivated_and_the_answer_says_what_to_do(
    upload: Upload, stored: Callable[[], Document], database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(model: ServedModel, _: object) -> AttackScores:
        raise ModelFailure("it failed", model.bundle.hash)

    monkeypatch.setattr(ServedModel, "attack_scores", fails)
    response = upload(f"{ATTACK_HEADER}\n{ATTACK_ROW}\n")
    assert (response.status_code, response.get_json()["error"]["code"]) == (409, "no_active_model")
    assert stored() == NOTHING
    with transaction(database) as cursor:
        cursor.execute("select state from models where model_type = 'attack_classifier'")
        assert cursor.fetchall() == [("inactive",)]
    assert upload(THREAT_CSV).status_code == 200


@pytest.mark.usefixtures("starters")
def test_the_file_is_scored_again_by_the_model_before_the_one_that_fails(
    upload: Upload,
    stored: Callable[[], Document],
    database: Connection,
    api_settings: Settings,
    attack_bundle: ServedBundle,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    newer = ServedBundle(replace(attack_bundle.manifest, version="newer"), attack_bundle.onnx)
    reason = Reason("test")
    model = add_model(database, Artefacts(api_settings.artefacts_dir), newer, model_upload("n.joblib", 1), reason)
    activate(database, model.id, reason)
    scores, calls = ServedModel.attack_scores, []

    def fails_later(served: ServedModel, features: Any) -> AttackScores:
        calls.append(served.bundle.hash)
        if served.bundle.hash == newer.hash and len(calls) == 2:
            raise ModelFailure("it failed", newer.hash)
        return scores(served, features)

    monkeypatch.setattr(ServedModel, "attack_scores", fails_later)
    monkeypatch.setattr(flows, "_CHUNK_ROWS", 1)
    answer = upload(f"{ATTACK_HEADER}\n" + f"{ATTACK_ROW}\n" * 3).get_json()
    assert answer["models"]["attack_classifier"]["hash"] != newer.hash
    used = {p["attack_prediction"]["model_hash"] for p in answer["predictions"]}
    assert used == {answer["models"]["attack_classifier"]["hash"]}
    assert len(answer["predictions"]) == stored()["verdicts"] == stored()["delta verdicts"] == 3
    assert (stored()["uploads"], stored()["total_counts"]) == (1, 3)


def test_without_a_model_the_answer_says_to_activate_one(upload: Upload, stored: Callable[[], Document]) -> None:
    response = upload(THREAT_CSV)
    error = response.get_json()["error"]
    assert (response.status_code, error["code"]) == (409, "no_active_model")
    assert "activate a threat_detector" in error["message"]
    assert stored() == NOTHING


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 422, "empty_file"),
        (gzip.compress(b"a"), 422, "not_csv"),
        (b"a,b\n1,2\n", 422, "no_contract"),
    ],
)
def test_what_cannot_be_scored_is_an_error_in_the_apis_shape(
    upload: Upload, content: bytes, status: int, code: str
) -> None:
    response = upload(content)
    error = response.get_json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert set(error) == {"code", "message", "details"}


@pytest.mark.parametrize("data", [{}, {"file": "a,b"}, {"other": (io.BytesIO(b"a"), "a.csv")}])
def test_a_request_without_the_file_is_told_how_to_send_it(client: FlaskClient, data: Document) -> None:
    response = client.post(URL, data=data, content_type="multipart/form-data")
    assert response.status_code == 422
    assert "curl -F file=@" in json.dumps(response.get_json())


@pytest.mark.parametrize("limit", ["-1", "100001", "many"])
def test_a_limit_outside_its_range_is_refused(upload: Upload, limit: str) -> None:
    assert upload(THREAT_CSV, f"?limit={limit}").status_code == 422


def test_two_files_at_once_are_refused(client: FlaskClient) -> None:
    files = [(io.BytesIO(b"a"), "a.csv"), (io.BytesIO(b"b"), "b.csv")]
    assert client.post(URL, data={"file": files}).status_code == 422


def test_a_body_over_the_bound_is_too_large(client: FlaskClient) -> None:
    response = client.post(URL, environ_overrides={"CONTENT_LENGTH": str(200 * 2**20)})
    assert response.status_code == 413


@pytest.mark.usefixtures("starters")
def test_a_clients_file_name_is_text_and_no_path(upload: Upload, database: Connection) -> None:
    upload(THREAT_CSV, name="../../etc/\x01pass\x00wd" + "x" * 300)
    with transaction(database) as cursor:
        cursor.execute("select source_name, actor from uploads")
        ((name, actor),) = cursor.fetchall()
    assert len(name) <= 200
    assert name.isprintable()
    assert actor == "local"


@pytest.mark.usefixtures("starters")
def test_real_rows_of_the_reference_file(upload: Upload, shared_data: Path, stored: Callable[[], Document]) -> None:
    content = gzip.decompress((shared_data / "cic-ids2017" / "reference_12006.csv.gz").read_bytes())
    answer = upload(content, "?limit=10").get_json()
    assert answer["total_rows"] == 12_006
    assert answer["summary"]["by_reason"] == {"out_of_range": 21, "missing_feature": 9}
    assert [r["line"] for r in answer["rejected"]] == sorted(r["line"] for r in answer["rejected"])
    lines = content.decode().splitlines()
    assert all(",," in lines[r["line"] - 1] for r in answer["rejected"] if r["reason"] == "missing_feature")
    assert (stored()["verdicts"], stored()["delta verdicts"]) == (11_976, 11_976)
    assert (stored()["rejected"], stored()["delta quarantine"]) == (30, 30)


@pytest.mark.usefixtures("starters")
def test_real_rows_of_nsl_kdd(upload: Upload, shared_data: Path) -> None:
    content = gzip.decompress((shared_data / "nsl-kdd" / "Train_data.csv.gz").read_bytes())
    answer = upload(content, "?limit=1").get_json()
    assert (answer["total_rows"], answer["rejected_rows"]) == (25_192, 0)
    assert answer["summary"]["attacks"] > 10_000


def test_the_way_is_described(app: APIFlask) -> None:
    (way,) = [rule for rule in app.url_map.iter_rules() if rule.rule == URL]
    assert "POST" in (way.methods or set())
    operation = app.spec["paths"][URL]["post"]
    assert "200" in operation["responses"]
    assert "multipart/form-data" in operation["requestBody"]["content"]
