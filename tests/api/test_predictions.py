"""Verdicts come newest first, page by page, each once; filters read little; nothing is said that is not known."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import chain

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from psycopg2 import sql
from werkzeug.datastructures import MultiDict

from api.live.subscription import read_subscription
from api.resources import predictions as listed
from api.services import Services
from netheal.contracts import attack_classes
from netheal.contracts.event_id import UPLOAD_PARTITION
from netheal.errors import QueryTooBroad
from netheal.store import predictions as stored
from netheal.store.database import Connection, transaction
from netheal.store.predictions import PredictionFilter, page_query
from netheal.store.read_transaction import read_transaction
from tests.api.live.rows import message
from tests.api.stored_rows import (
    NOW,
    SECOND,
    Row,
    attack,
    event,
    read,
    refused,
    rows,
    store,
    store_model,
)

DDOS, XSS = 2, 11


def ids(client: FlaskClient, **query: object) -> list[int]:
    return [row["traffic_data_id"] for row in read(client, "/predictions", **query)["predictions"]]


def pages(client: FlaskClient, **query: object) -> Iterator[list[int]]:
    cursor = None
    while True:
        page = read(client, "/predictions", **query, **({"cursor": cursor} if cursor else {}))
        yield [row["traffic_data_id"] for row in page["predictions"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def test_an_empty_database_has_no_predictions(client: FlaskClient) -> None:
    page = read(client, "/predictions")
    assert (page["predictions"], page["next_cursor"]) == ([], None)


def test_pages_have_every_row_once_newest_first(client: FlaskClient, database: Connection) -> None:
    """Several rows share a moment, and some lie on other days, one of them outside all partitions."""
    found = [Row(event(at), NOW - (at // 3) * SECOND) for at in range(10)]
    found += [Row(event(at), NOW - (at - 18) * timedelta(days=1)) for at in range(20, 24)]
    found += [Row(event(30), NOW - timedelta(days=400))]
    store(database, found)
    expected = [r.event_id for r in sorted(found, key=lambda r: (r.recorded_at, r.event_id), reverse=True)]
    got = list(pages(client, limit=4))
    assert [len(page) for page in got] == [4, 4, 4, 3]
    assert list(chain.from_iterable(got)) == expected


def test_a_page_that_is_just_full_is_the_last(client: FlaskClient, database: Connection) -> None:
    store(database, rows(4))
    assert [len(page) for page in pages(client, limit=2)] == [2, 2]


def test_rows_that_come_while_paging_move_no_page(client: FlaskClient, database: Connection) -> None:
    store(database, rows(4))
    first = read(client, "/predictions", limit=2)
    store(database, [Row(event(100), NOW + SECOND)])
    second = read(client, "/predictions", limit=2, cursor=first["next_cursor"])
    assert [row["traffic_data_id"] for row in second["predictions"]] == [event(1), event(0)]


def test_filters_take_what_they_say(client: FlaskClient, database: Connection) -> None:
    first, second, third = rows(3)
    first = replace(attack(first, DDOS), sensor_id="roof", src_ip="198.51.100.7")
    second = replace(attack(second, XSS), action_type="alert_admin")
    store(database, [first, second, third])
    assert ids(client, **{"class": "DDoS"}) == [first.event_id]
    assert ids(client, **{"class": "Web Attack - XSS"}) == [second.event_id]
    assert ids(client, **{"class": "BENIGN"}) == [third.event_id]
    assert ids(client, attack="true") == [second.event_id, first.event_id]
    assert ids(client, attack="false") == [third.event_id]
    assert ids(client, attack="false", **{"class": "DDoS"}) == []
    assert ids(client, action="alert_admin") == [second.event_id]
    assert ids(client, sensor="roof") == ids(client, src_ip="198.51.100.7") == [first.event_id]
    assert ids(client, since=second.recorded_at.isoformat()) == [third.event_id, second.event_id]
    assert ids(client, until=second.recorded_at.isoformat()) == [first.event_id]


@pytest.mark.parametrize(
    "query", [{"min_score": s, "min_confidence": c} for s in ("", "0", "0.7") for c in ("", "0.9")]
)
def test_score_and_confidence_mean_the_same_in_a_list_and_on_the_socket(
    client: FlaskClient, database: Connection, query: dict[str, str]
) -> None:
    asked = {name: value for name, value in query.items() if value}
    told: list[tuple[str | None, float | None, float]] = [
        ("DDoS", None, 0.95), ("DDoS", 0.2, 0.8), ("BENIGN", 0.7, 0.9), ("BENIGN", None, 0.99), (None, 0.9, 0.0),
    ]  # fmt: skip
    found, live = [], []
    for row, (name, score, confidence) in zip(rows(len(told)), told, strict=True):
        class_id = None if name is None else attack_classes().id_of(name)
        kept = replace(row, threat_score=score, attack_class_id=class_id)
        found.append(replace(kept, attack_confidence=None if name is None else confidence))
        live.append(message(event_id=row.event_id, class_name=name, score=score, confidence=confidence))
    store(database, found)
    taken = read_subscription(MultiDict(asked)).filter.select(live)
    assert ids(client, **asked) == [row.row.traffic_data_id for row in reversed(taken)]


def test_a_benign_class_can_be_an_attack(client: FlaskClient, database: Connection) -> None:
    """The threat detector said so."""
    store(database, [replace(rows(1)[0], is_attack=True)])
    assert len(ids(client, attack="true")) == len(ids(client, **{"class": "BENIGN"})) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "1001"),
        ("limit", "x"),
        ("limit", "9" * 30),
        ("cursor", "x"),
        ("cursor", "é"),
        ("cursor", "WzEsIi1dXQ"),
        ("cursor", "Wzk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5LDFd"),
        ("class", "Heartbleed"),
        ("attack", "perhaps"),
        ("action", "dance"),
        ("since", "yesterday"),
        ("since", ""),
        ("min_score", "1.1"),
        ("min_score", "nan"),
        ("min_confidence", "x"),
        ("sensor", "a\0b"),
        ("src_ip", "\0"),
        ("sensor", "a" * 201),
    ],
)
def test_a_wrong_question_is_the_askers_fault(client: FlaskClient, name: str, value: str) -> None:
    assert refused(client, "/predictions", **{name: value}) == (422, "invalid")


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2024-12-01"])
def test_any_moment_can_be_asked_for(client: FlaskClient, moment: str) -> None:
    assert ids(client, since=moment, until=moment) == []


def test_a_prediction_has_the_shape_that_clients_know(client: FlaskClient, database: Connection) -> None:
    threat = store_model(database, "threat_detector", "ensemble", 0.25)
    tree = store_model(database, "attack_classifier", "tree", None, "vote_share")
    row = Row(
        event(7, 3),
        NOW + timedelta(microseconds=123456),
        5,
        is_attack=True,
        threat_score=0.25,
        attack_class_id=DDOS,
        attack_novelty=0.75,
        attack_is_novel=True,
        action_type="block_ip",
        sensor_id="roof",
        src_ip="198.51.100.7",
        threat_model_id=threat,
        attack_model_id=tree,
        action_description="Blocking",
        action_params='{"ip": "198.51.100.7"}',
    )
    store(database, [row])
    (found,) = read(client, "/predictions")["predictions"]
    key = event(7, 3)
    assert found == {
        "traffic_data_id": key,
        "timestamp": f"{NOW:%Y-%m-%dT%H:%M:%S}.123Z",
        "source": "stream",
        "is_attack": True,
        "threat_prediction": {
            "id": key,
            "prediction_score": 0.25,
            "is_attack": True,
            "threshold": 0.25,
            "novelty": None,
            "is_novel": None,
            "confidence_kind": None,
            "model_version": "ensemble",
            "model_hash": "hash of ensemble",
        },
        "attack_prediction": {
            "id": key,
            "attack_type_encoded": DDOS,
            "attack_type_name": "DDoS",
            "confidence": 0.9,
            "novelty": 0.75,
            "is_novel": True,
            "confidence_kind": "vote_share",
            "model_version": "tree",
            "model_hash": "hash of tree",
        },
        "self_healing_action": {
            "id": key,
            "action_type": "block_ip",
            "action_description": "Blocking",
            "action_params": {"ip": "198.51.100.7"},
            "status": "logged",
        },
        "flow": {"sensor_id": "roof", "src_ip": "198.51.100.7", "dst_ip": None},
        "batch_id": 5,
    }


def test_an_older_row_tells_what_it_knows_and_no_more(client: FlaskClient, database: Connection) -> None:
    """It names no model: whether its score was an attack is known only where nothing else made it one."""
    nameless = Row(event(1), threat_score=0.7, action_description=None, action_params=None)
    store(database, [nameless, replace(attack(nameless, DDOS), event_id=event(2))])
    by_class, by_row = (row["threat_prediction"] for row in read(client, "/predictions")["predictions"])
    assert (by_class["is_attack"], by_row["is_attack"]) == (None, False)
    assert by_row["threshold"] is by_row["model_version"] is by_row["model_hash"] is None
    action = read(client, "/predictions")["predictions"][0]["self_healing_action"]
    assert (action["action_description"], action["action_params"]) == (None, {})


def test_the_last_partition_number_is_that_of_uploads(client: FlaskClient, database: Connection) -> None:
    store(database, [Row(event(1, UPLOAD_PARTITION))])
    assert read(client, "/predictions")["predictions"][0]["source"] == "upload"


def plan(database: Connection, wanted: PredictionFilter, deep: bool = False) -> str:
    statement, parameters = page_query(wanted, (NOW - timedelta(hours=2), 5) if deep else None, 101)
    with read_transaction(database) as cursor:
        cursor.execute(
            b"explain (analyze, costs off, timing off, buffers off) " + cursor.mogrify(statement, parameters)
        )
        return "\n".join(line for (line,) in cursor.fetchall())


@pytest.fixture
def many_rows(database: Connection) -> None:
    """Some for each of several days; one in a thousand is a DDoS."""
    with transaction(database) as cursor:
        cursor.execute(
            "insert into verdicts (event_id, recorded_at, batch_id, is_attack, attack_class_id, action_type,"
            " action_status) select n * 1024, %s - n * interval '15 seconds', 0, n %% 1000 = 0,"
            " case when n %% 1000 = 0 then 2 else 0 end, 'log_only', 'logged' from generate_series(1, 30000) n",
            (NOW,),
        )
    with transaction(database) as cursor:
        cursor.execute("analyze verdicts")


@pytest.mark.usefixtures("many_rows")
@pytest.mark.parametrize("deep", [False, True])
def test_a_page_is_read_off_the_index_and_stops_when_full(database: Connection, deep: bool) -> None:
    found = plan(database, PredictionFilter(), deep)
    assert "Sort" not in found.replace("Sort Key", "") and "Seq Scan" not in found
    assert "Index Scan Backward" in found
    assert sum(rows_read(found)) < 200


@pytest.mark.usefixtures("many_rows")
def test_the_rows_of_an_attack_class_have_an_index(database: Connection) -> None:
    found = plan(database, PredictionFilter(class_id=DDOS))
    assert "attack_class_id_recorded_at" in found and "Seq Scan" not in found and "Rows Removed" not in found


def rows_read(found: str) -> list[int]:
    return [int(float(line.split("rows=")[1].split()[0])) for line in found.splitlines() if "Index Scan" in line]


def test_a_search_that_takes_too_long_says_how_to_narrow_it(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(connection: Connection, *_: object) -> list[object]:
        with read_transaction(connection, 50) as cursor:
            cursor.execute("select pg_sleep(5)")
        return []

    monkeypatch.setattr(listed, "page_of_verdicts", slow)
    answer = client.get("/api/v1/predictions?src_ip=192.0.2.1")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (503, "too_broad")
    assert "since" in answer.get_json()["error"]["message"]


def test_the_time_limit_ends_with_the_page(client: FlaskClient, app: APIFlask) -> None:
    """The connection goes back to the pool as it was."""
    read(client, "/predictions")
    services: Services = app.extensions["netheal"]
    with services.pool.connection() as connection, transaction(connection) as cursor:
        cursor.execute("show statement_timeout")
        assert cursor.fetchone() == ("20s",)


def test_the_time_limit_is_that_of_every_reader(database: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "_SELECT", stored._SELECT + sql.SQL(", pg_sleep(5)"))
    monkeypatch.setattr(stored, "read_transaction", lambda connection: read_transaction(connection, 50))
    with pytest.raises(QueryTooBroad):
        stored.find_verdict(database, 1)
