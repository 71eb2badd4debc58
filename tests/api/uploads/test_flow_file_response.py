"""The answer to an uploaded CSV: the contract's shape, what is shown, what was rejected and why."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from netheal.store.database import Connection, transaction
from netheal.uploads import flow_file
from tests.api.uploads.conftest import (
    ATTACK,
    ATTACK_HEADER,
    ATTACK_ROW,
    THREAT,
    THREAT_CSV,
    THREAT_ROW,
    URL,
    Document,
    Upload,
)


@pytest.mark.usefixtures("starters")
def test_the_answer_is_the_one_of_the_contract(upload: Upload) -> None:
    response = upload(THREAT_CSV)
    assert (response.status_code, response.mimetype) == (200, "application/json")
    answer = response.get_json()
    assert answer["message"] == "Successfully processed 3 rows"
    assert (answer["total_rows"], answer["rejected_rows"], answer["rejected"]) == (3, 0, [])
    first = answer["predictions"][0]
    assert set(first) == {
        "line", "traffic_data", "is_attack", "threat_prediction", "attack_prediction", "self_healing_action",
    }  # fmt: skip
    assert first["is_attack"] == first["threat_prediction"]["is_attack"]
    assert [prediction["line"] for prediction in answer["predictions"]] == [2, 3, 4]
    traffic = first["traffic_data"]
    cells = dict(zip(THREAT.names, THREAT_ROW.split(","), strict=True))
    assert traffic["features"] == {n: c if n in ("service", "flag") else float(c) for n, c in cells.items()}
    assert (traffic["source"], traffic["batch_id"]) == ("upload", answer["batch_id"])
    assert traffic["created_at"].endswith("Z")
    assert first["attack_prediction"] is None
    assert set(first["threat_prediction"]) == {
        "id", "prediction_score", "is_attack", "threshold", "novelty", "is_novel", "model_version",
        "model_hash",
    }  # fmt: skip
    assert first["self_healing_action"]["status"] == "logged"
    assert isinstance(first["self_healing_action"]["action_params"], dict)
    ids = [p["traffic_data"]["id"] for p in answer["predictions"]]
    assert ids == sorted(set(ids))
    assert all(event_id % 1024 == 1023 for event_id in ids)
    summary = answer["summary"]
    assert summary["attacks"] + summary["normal"] == 3
    assert sum(of["attacks"] for of in summary["attacks_by_class"]) == summary["attacks"]
    assert {of["name"] for of in summary["attacks_by_class"]} <= {"unclassified"}
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
    monkeypatch.setattr(flow_file, "_CHUNK_ROWS", 1)
    answer = upload(THREAT_CSV, limit).get_json()
    assert len(answer["predictions"]) == shown
    assert answer["total_rows"] == 3
    assert sum(answer["summary"]["by_action"].values()) == 3


@pytest.mark.usefixtures("starters")
def test_all_rows_are_shown_up_to_ten_thousand(upload: Upload) -> None:
    header, row = THREAT_CSV.splitlines()[:2]
    answer = upload("\n".join([header, *[row] * 10_000])).get_json()
    assert (len(answer["predictions"]), answer["next_cursor"]) == (10_000, None)
    assert answer["message"] == "Successfully processed 10000 rows"
    answer = upload("\n".join([header, *[row] * 10_002, "http,SF"])).get_json()
    assert (len(answer["predictions"]), answer["total_rows"]) == (10_000, 10_003)
    assert answer["message"] == "Successfully processed 10002 rows, 1 rejected, showing 10,000 of 10,002"


@pytest.mark.usefixtures("starters")
@pytest.mark.parametrize("limit", [0, 2, 3])
def test_the_rows_left_out_can_be_asked_for(
    upload: Upload, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """Bit by bit what the answer would have said of them."""
    monkeypatch.setattr(flow_file, "_CHUNK_ROWS", 2)
    header = f"{','.join(THREAT.names)},{ATTACK_HEADER}"
    rows = [f"{THREAT_ROW.replace('181', str(n))},{ATTACK_ROW}" for n in range(7)]
    rows[4] = rows[4].replace("http", "gopher-like")
    content = "\n".join([header, *rows[:6], "short", rows[6], ""])
    upload(content.replace("SF", "S0"))
    whole = upload(content).get_json()
    assert "showing" not in whole["message"]
    answer = upload(content, f"?limit={limit}").get_json()
    assert answer["message"].endswith(f", showing {limit} of {len(whole['predictions'])}")
    found, cursor = answer["predictions"], answer["next_cursor"]
    while cursor is not None:
        page = client.get(f"/api/v1/uploads/{answer['batch_id']}/predictions?limit=2&cursor={cursor}").get_json()
        assert (page["batch_id"], page["total_rows"]) == (answer["batch_id"], 8)
        assert all(row["line"] is None for row in page["predictions"])
        found, cursor = found + page["predictions"], page["next_cursor"]
    assert [_verdict(row) for row in found] == [_verdict(row) for row in whole["predictions"]]
    ids = [row["traffic_data"]["id"] for row in found]
    assert ids == sorted(set(ids))
    assert {row["traffic_data"]["batch_id"] for row in found} == {answer["batch_id"]}
    first = client.get(f"/api/v1/uploads/{answer['batch_id']}/predictions").get_json()
    assert ([row["traffic_data"]["id"] for row in first["predictions"]], first["next_cursor"]) == (ids, None)


def _verdict(row: Document) -> Document:
    """What is the same of a row however often its file comes."""
    own = {"line": ..., "traffic_data": row["traffic_data"]["features"]}
    parts = ("threat_prediction", "attack_prediction", "self_healing_action")
    return row | own | {part: row[part] and {**row[part], "id": ...} for part in parts}


@pytest.mark.parametrize(
    ("path", "status"),
    [("20241201_143022_abc123", 404), ("..%00", 404), ("x" * 100, 404), ("a?limit=10001", 422), ("a?cursor=@", 404)],
)
def test_an_upload_that_is_not_there_has_no_rows(client: FlaskClient, path: str, status: int) -> None:
    name, _, query = path.partition("?")
    assert client.get(f"/api/v1/uploads/{name}/predictions?{query}").status_code == status


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
    assert answer["message"] == "Successfully processed 1 rows, 5 rejected"
    assert answer["predictions"][0]["line"] == 7
    assert answer["summary"]["by_reason"]["malformed_row"] == 1
    assert stored() == {
        "verdicts": 1, "rejected": 5, "uploads": 1, "total_counts": 6, "minute_counts": 0, "delta verdicts": 1,
        "delta quarantine": 5,
    }  # fmt: skip


@pytest.mark.usefixtures("starters")
def test_where_all_rows_are_rejected_there_is_an_answer(upload: Upload) -> None:
    answer = upload(THREAT_CSV.replace("181", "-1")).get_json()
    assert (answer["predictions"], answer["rejected_rows"]) == ([], 3)
    assert answer["summary"]["by_reason"] == {"out_of_range": 3}


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
    spec = app.spec
    assert isinstance(spec, dict)
    operation = spec["paths"][URL]["post"]
    assert "200" in operation["responses"]
    assert "multipart/form-data" in operation["requestBody"]["content"]
