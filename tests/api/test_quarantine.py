"""A rejected row is listed with its reason and its first bytes, and shown with all of them."""

from base64 import b64decode
from typing import Any

from flask.testing import FlaskClient

from netheal.settings import Settings
from netheal.store.database import Connection, transaction
from netheal.store.delta import quarantine_layout
from tests.api.stored_rows import NOW, SECOND, commit_part, event, read, refused, store_rejected

RAW = b'{"a": "\xff' + b"x" * 400


def rejected(offset: int, reason: str = "nan") -> dict[str, Any]:
    return {"event_id": event(offset), "recorded_at": NOW + offset * SECOND, "offset": offset, "reason": reason}


def ids(client: FlaskClient, **query: object) -> list[int]:
    return [row["event_id"] for row in read(client, "/quarantine", **query)["rejected"]]


def test_rejected_rows_come_newest_first_in_pages(client: FlaskClient, database: Connection) -> None:
    store_rejected(database, [rejected(1), rejected(2, "not_json"), rejected(3)])
    first = read(client, "/quarantine", limit=2)
    assert [row["event_id"] for row in first["rejected"]] == [event(3), event(2)]
    rest = read(client, "/quarantine", limit=2, cursor=first["next_cursor"])
    assert ([row["event_id"] for row in rest["rejected"]], rest["next_cursor"]) == ([event(1)], None)
    assert ids(client, reason="not_json") == [event(2)]
    assert ids(client, since=(NOW + 2 * SECOND).isoformat(), until=(NOW + 3 * SECOND).isoformat()) == [event(2)]
    assert refused(client, "/quarantine", reason="mood") == (422, "invalid")


def test_reasons_are_counted_over_all_time(client: FlaskClient, database: Connection) -> None:
    with transaction(database) as cursor:
        cursor.execute("insert into total_counts values ('rejected', 'nan', 7), ('class', 'Bot', 1)")
    assert read(client, "/quarantine")["reasons"] == {"nan": 7}


def test_the_first_bytes_are_shown_though_they_are_no_text(client: FlaskClient, database: Connection) -> None:
    store_rejected(database, [rejected(1) | {"head": RAW[:256]}, rejected(2)])
    empty, shown = read(client, "/quarantine")["rejected"]
    assert empty["head"] is None
    assert b64decode(shown["head"]["base64"]) == RAW[:256] and shown["head"]["text"].startswith('{"a": "\ufffdx')


def test_the_archive_has_all_bytes(client: FlaskClient, database: Connection, api_settings: Settings) -> None:
    store_rejected(database, [rejected(1) | {"head": RAW[:256]}, rejected(2)])
    whole = rejected(1) | {"topic": "t", "partition": 0, "batch_id": 0, "field": "", "detail": "", "value": RAW}
    commit_part(
        quarantine_layout(), api_settings.paths.delta_root, [whole, whole | {"event_id": event(9), "key": b"k"}]
    )
    shown = read(client, f"/quarantine/{event(1)}")
    assert b64decode(shown["value"]["base64"]) == RAW and shown["key"] is None and shown["note"] is None
    waiting = read(client, f"/quarantine/{event(2)}")
    assert waiting["value"] is None and "yet" in waiting["note"]
    gone = read(client, f"/quarantine/{event(9)}")
    assert b64decode(gone["head"]["base64"]) == RAW[:256] and gone["key"]["text"] == "k"
