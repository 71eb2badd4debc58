"""Rows as the job stores them, for tests of what reads them."""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from psycopg2.extras import Json, execute_values

from netheal.contracts.event_id import event_id
from netheal.store.database import Connection, transaction
from netheal.store.delta import DeltaLog, Layout, Part

NOW = datetime.now(UTC).replace(microsecond=0)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Row:
    """A row of `verdicts`; benign, from partition 0, unless told otherwise."""

    event_id: int
    recorded_at: datetime = NOW
    batch_id: int = 0
    is_attack: bool = False
    threat_score: float | None = None
    threat_novelty: float | None = None
    threat_is_novel: bool | None = None
    attack_class_id: int | None = 0
    attack_confidence: float | None = 0.9
    attack_novelty: float | None = None
    attack_is_novel: bool | None = None
    action_type: str = "log_only"
    action_status: str = "logged"
    sensor_id: str | None = None
    src_ip: str | None = None
    dst_ip: str | None = None
    threat_model_id: int | None = None
    attack_model_id: int | None = None
    action_description: str | None = "Logging only"
    action_params: str | None = "{}"


def event(offset: int, partition: int = 0) -> int:
    return event_id(partition, offset)


def rows(number: int) -> list[Row]:
    """The newest has the greatest number; one a second up to now."""
    return [Row(event(at), NOW - (number - 1 - at) * SECOND) for at in range(number)]


def attack(row: Row, class_id: int) -> Row:
    return replace(row, is_attack=True, attack_class_id=class_id)


def store(database: Connection, verdicts: Sequence[Row]) -> None:
    names = ", ".join(asdict(verdicts[0]))
    with transaction(database) as cursor:
        execute_values(
            cursor, f"insert into verdicts ({names}) values %s", [tuple(asdict(row).values()) for row in verdicts]
        )


def store_rejected(database: Connection, rejected: Iterable[dict[str, Any]]) -> None:
    with transaction(database) as cursor:
        for row in rejected:
            full = {"batch_id": 0, "topic": "t", "partition": 0, "field": "", "detail": "", "head": None} | row
            names = ", ".join(f'"{name}"' for name in full)
            marks = ", ".join(["%s"] * len(full))
            cursor.execute(f"insert into rejected ({names}) values ({marks})", list(full.values()))


def store_model(
    database: Connection, model_type: str, version: str, threshold: float | None, kind: str | None = None
) -> int:
    manifest = {"threshold": threshold} | ({} if kind is None else {"confidence_kind": kind})
    with transaction(database) as cursor:
        cursor.execute(
            "insert into models (model_type, version, model_version, state, bundle_hash, manifest)"
            " values (%s, %s, %s, 'inactive', %s, %s) returning id",
            (model_type, version, version, f"hash of {version}", Json(manifest)),
        )
        return int((cursor.fetchone() or (0,))[0])


def store_batch(database: Connection, batch_id: int, offsets: tuple[int, int], **changed: Any) -> dict[str, Any]:
    """A finished batch of partition 0 that took two seconds."""
    start, end = offsets
    opened = NOW + batch_id * SECOND
    row = {
        "query_id": "q",
        "batch_id": batch_id,
        "topic": "network-traffic",
        "topic_id": "one",
        "start_offsets": json.dumps({"0": start}),
        "end_offsets": json.dumps({"0": end}),
        "models": json.dumps({"attack/v1": "hash of tree"}),
        "policy_version": "abc",
        "state": "done",
        "opened_at": opened,
        "closed_at": opened + 2 * SECOND,
        "verdicts": end - start,
        "rejected": 0,
    } | changed
    with transaction(database) as cursor:
        cursor.execute("insert into policies (version, document) values ('abc', '{\"a\": 1}') on conflict do nothing")
        cursor.execute(
            "insert into topics (topic, topic_id, offset_base) values ('network-traffic', 'one', 0)"
            " on conflict do nothing"
        )
        names, marks = ", ".join(row), ", ".join(["%s"] * len(row))
        cursor.execute(f"insert into batches ({names}) values ({marks})", list(row.values()))
    return row


def commit_part(layout: Layout, root: str, found: Sequence[dict[str, Any]]) -> None:
    """Rows with an `event_id` and a `recorded_at` of one day, as a part of the table; what is left out is null."""
    log = DeltaLog(layout, root)
    table = pa.Table.from_pylist(list(found), layout.schema)
    day = found[0]["recorded_at"].date().isoformat()
    path = f"date={day}/{uuid4().hex}.parquet"
    file = Path(layout.uri(root)) / path
    file.parent.mkdir(exist_ok=True)
    pq.write_table(table, file, write_statistics=False)
    ids = [row["event_id"] for row in found]
    bounds = {"event_id": min(ids)}, {"event_id": max(ids)}
    part = Part(path, file.stat().st_size, day, len(ids), int(time.time() * 1000), *bounds)
    assert log.commit([part], uuid4().hex, 0)


def read(client: FlaskClient, path: str, **query: Any) -> dict[str, Any]:
    """A good answer, which is what the OpenAPI document says of it."""
    answer = client.get(f"/api/v1{path}", query_string=query)
    assert answer.status_code == 200, answer.get_json()
    document = client.get("/api/v1/openapi.json").get_json()
    route = "/api/v1" + path
    if route not in document["paths"]:
        begin, steps = route.rpartition("/")[0] + "/{", route.count("/")
        (route,) = (known for known in document["paths"] if known.startswith(begin) and known.count("/") == steps)
    schema = document["paths"][route]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    Draft202012Validator({**schema, "components": document["components"]}).validate(answer.get_json())
    return dict(answer.get_json())


def refused(client: FlaskClient, path: str, **query: Any) -> tuple[int, str]:
    """Status and code of an answer that is an error."""
    answer = client.get(f"/api/v1{path}", query_string=query)
    error = answer.get_json()["error"]
    assert set(error) == {"code", "message", "details"}
    return answer.status_code, error["code"]
