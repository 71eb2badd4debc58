"""The ledger is listed newest first, alerts too, and a policy is shown as it was."""

import json

import pytest
from flask.testing import FlaskClient

from netheal.store.database import Connection, transaction
from tests.api.stored_rows import NOW, read, refused, store_batch, store_model


def test_a_batch_tells_what_it_read_used_and_gave(client: FlaskClient, database: Connection) -> None:
    store_model(database, "attack_classifier", "tree", None)
    models = json.dumps({"threat/v1": "unknown", "attack/v1": "hash of tree"})
    offsets = {"start_offsets": json.dumps({"2": 4}), "end_offsets": json.dumps({"10": 3, "2": 9})}
    store_batch(database, 0, (0, 0), models=models, verdicts=6, rejected=2, **offsets)
    (batch,) = read(client, "/batches")["batches"]
    opened = f"{NOW:%Y-%m-%dT%H:%M:%S}.000Z"
    assert batch["offsets"] == [{"partition": 2, "start": 4, "end": 9}, {"partition": 10, "start": 0, "end": 3}]
    assert batch["models"] == [
        {"contract": "attack/v1", "version": "tree", "hash": "hash of tree"},
        {"contract": "threat/v1", "version": None, "hash": "unknown"},
    ]
    assert (batch["opened_at"], batch["duration_ms"], batch["rows_per_s"]) == (opened, 2000.0, 4.0)


def test_an_open_batch_has_no_end_yet(client: FlaskClient, database: Connection) -> None:
    store_batch(database, 0, (0, 9), state="open", closed_at=None, verdicts=None, rejected=None)
    (batch,) = read(client, "/batches")["batches"]
    assert batch["state"] == "open"
    assert batch["closed_at"] is batch["duration_ms"] is batch["rows_per_s"] is batch["verdicts"] is None


def test_a_batch_that_took_no_time_has_no_rate(client: FlaskClient, database: Connection) -> None:
    store_batch(database, 0, (0, 9), closed_at=NOW)
    assert read(client, "/batches")["batches"][0]["rows_per_s"] is None


def test_batches_come_newest_first_each_once(client: FlaskClient, database: Connection) -> None:
    """Those of several streams can be opened at one moment."""
    for number in range(5):
        store_batch(database, number, (number, number + 1), opened_at=NOW, query_id=f"q{number % 2}")
    seen: list[tuple[str, int]] = []
    cursor: dict[str, str] | None = {}
    while cursor is not None:
        page = read(client, "/batches", limit=2, **cursor)
        seen += [(batch["query_id"], batch["batch_id"]) for batch in page["batches"]]
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
    assert seen == [("q1", 3), ("q1", 1), ("q0", 4), ("q0", 2), ("q0", 0)]


def test_alerts_come_newest_first(client: FlaskClient, database: Connection) -> None:
    with transaction(database) as cursor:
        for text in "abc":
            cursor.execute("insert into alerts (description, params) values (%s, '{\"n\": [1]}')", (text,))
    first = read(client, "/alerts", limit=2)
    rest = read(client, "/alerts", limit=2, cursor=first["next_cursor"])
    assert [alert["description"] for alert in first["alerts"] + rest["alerts"]] == ["c", "b", "a"]
    assert rest["next_cursor"] is None and first["alerts"][0]["params"] == {"n": [1]}


@pytest.mark.parametrize("path", ["/batches", "/alerts", "/quarantine"])
def test_a_cursor_of_another_list_is_refused(client: FlaskClient, database: Connection, path: str) -> None:
    assert refused(client, path, cursor="WzEsMSwxLDFd") == (422, "invalid")
    assert refused(client, path, cursor="W1sxXV0") == (422, "invalid")


def test_a_policy_is_shown_as_it_was(client: FlaskClient, database: Connection) -> None:
    store_batch(database, 0, (0, 1))
    assert read(client, "/policies/abc")["document"] == {"a": 1}
    for wrong in ("abd", "%00", "x" * 100, "é"):
        assert refused(client, f"/policies/{wrong}") == (404, "not_found")
