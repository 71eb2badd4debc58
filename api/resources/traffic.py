"""`/traffic`: flow records from clients that do not speak Kafka."""

from typing import Any

from apiflask import APIBlueprint
from flask import request

from api.errors import Refusal
from api.schemas.traffic import TrafficReceipt
from api.security import body_limit, requires
from api.services import services
from netheal.store.topics import offset_base
from netheal.traffic.ingest import Items, TooManyItems, array_items, line_items

traffic = APIBlueprint("traffic", __name__, tag="traffic")

MOST_ITEMS = 10_000
BODY_BYTES = 16 * 2**20
NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl")


@traffic.post("/traffic")
@requires("analyst")
@body_limit(BODY_BYTES)
@traffic.output(TrafficReceipt, status_code=202)
def send() -> dict[str, Any]:
    """Put flow records into the input topic; the answer names the events whose verdicts will come."""
    items = _items()
    base = _offset_base()
    ids, too_large = services().traffic_producer.send(services().settings.stream.input_topic, items.values, base)
    refused = sorted([*items.refused, *too_large], key=lambda item: item.index)
    return {
        "accepted": len(ids),
        "ids": ids,
        "rejected": [{"index": item.index, "reason": item.reason} for item in refused],
    }


def _offset_base() -> int:
    with services().pool.connection() as connection:
        return offset_base(connection, services().settings.stream.input_topic)


def _items() -> Items:
    if request.mimetype not in (*NDJSON, "application/json"):
        raise Refusal(415, "unsupported_media_type", f"send application/json, an array, or {NDJSON[0]}")
    body = request.get_data(cache=False)
    try:
        return line_items(body, MOST_ITEMS) if request.mimetype in NDJSON else array_items(body.decode(), MOST_ITEMS)
    except TooManyItems as error:
        raise Refusal(413, "too_many_items", f"{error}: send them in parts") from error
    except ValueError as error:
        raise Refusal(400, "bad_request", f"the body is no array of objects: {error}") from error
