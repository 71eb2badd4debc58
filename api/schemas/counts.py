"""What the API says of how many rows there were."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from apiflask import Schema
from apiflask.fields import Dict, Float, Integer, List, Nested, String

from api.schemas.predictions import Prediction
from api.schemas.times import iso_utc
from netheal.contracts.verdict import ATTACK, SHARE
from netheal.store.totals import MinuteOfTraffic, RowCounts, Summary

_RATE = {"description": "Attacks, per cent of the scored rows; null where none was scored"}
_CLASSES = {"description": "Rows by class, BENIGN too"}
_ATTACKS = {"description": ATTACK}


class ClassCount(Schema):
    """Attacks of one class, or the unclassified ones."""

    name = String(required=True)
    attacks = Integer(required=True)
    share = Float(required=True, metadata={"description": SHARE})


class Counts(Schema):
    """Rows that were counted together."""

    predictions = Integer(required=True, metadata={"description": "Rows scored: attacks and normal ones"})
    attacks = Integer(required=True, metadata=_ATTACKS)
    normal = Integer(required=True, metadata=_ATTACKS)
    rejected = Integer(required=True, metadata={"description": "Rows that were not scored"})
    attack_rate = Float(required=True, allow_none=True, metadata=_RATE)
    attacks_by_class = List(Nested(ClassCount), required=True, metadata={"description": SHARE})
    actions = Dict(required=True, keys=String(), values=Integer(), metadata={"description": "Scored rows, by action"})


class Minute(Schema):
    """One minute of the stream, by the records' own time; rows of uploaded files are in the totals alone."""

    minute = String(required=True, metadata={"format": "date-time"})
    predictions = Integer(required=True)
    attacks = Integer(required=True, metadata=_ATTACKS)
    attack_rate = Float(required=True, allow_none=True, metadata=_RATE)
    rows_per_s = Float(
        required=True,
        allow_none=True,
        metadata={"description": "Rows scored a second, of what is over of the minute; null in its first seconds"},
    )
    classes = Dict(required=True, keys=String(), values=Integer(), metadata=_CLASSES)


class Timeline(Schema):
    """The last minutes, oldest first, the present one among them; those without traffic are there, too."""

    minutes = Integer(required=True)
    now = String(required=True, metadata={"description": "The API's clock, by which the last minute is not over"})
    timeline = List(Nested(Minute), required=True)


class CountSummary(Timeline):
    """Total, window and minutes as of one moment: nothing in the window or a minute exceeds the total."""

    total = Nested(Counts, required=True, metadata={"description": "Everything ever counted"})
    window = Nested(Counts, required=True, metadata={"description": "The minutes of `timeline` together"})
    verdicts_per_s = Float(
        required=True,
        metadata={"description": "Rows scored a second, by the micro-batches done in the last 12 s"},
    )


class Stats(Schema):
    """Everything ever counted. `attack_type_distribution` has every class that was given, BENIGN among them."""

    total_predictions = Integer(required=True)
    total_attacks = Integer(required=True, metadata=_ATTACKS)
    total_normal = Integer(required=True, metadata=_ATTACKS)
    attack_rate = Float(required=True, metadata={"description": "Per cent; 0 where no row was scored"})
    attack_type_distribution = Dict(required=True, keys=String(), values=Integer())
    recent_predictions = List(Nested(Prediction), required=True, metadata={"description": "The last 100"})


def counts_document(rows: RowCounts) -> dict[str, Any]:
    """Counts as `Counts`."""
    return {
        "predictions": rows.predictions,
        "attacks": rows.attacks,
        "normal": rows.normal,
        "rejected": rows.rejected,
        "attack_rate": rows.attack_rate,
        "attacks_by_class": [asdict(of) for of in rows.attacks_by_class],
        "actions": rows.of("action"),
    }


def timeline_document(found: list[MinuteOfTraffic], now: datetime) -> dict[str, Any]:
    """Minutes as `Timeline`."""
    return {"minutes": len(found), "now": iso_utc(now), "timeline": [_minute(minute, now) for minute in found]}


def summary_document(summary: Summary, now: datetime) -> dict[str, Any]:
    """A summary as `CountSummary`."""
    return {
        **timeline_document(summary.timeline, now),
        "total": counts_document(summary.total),
        "window": counts_document(summary.window),
        "verdicts_per_s": summary.verdicts_per_s,
    }


def stats_document(rows: RowCounts) -> dict[str, Any]:
    """Counts as `Stats`, without the recent rows."""
    return {
        "total_predictions": rows.predictions,
        "total_attacks": rows.attacks,
        "total_normal": rows.normal,
        "attack_rate": rows.attack_rate or 0.0,
        "attack_type_distribution": rows.of("class"),
    }


def _minute(minute: MinuteOfTraffic, now: datetime) -> dict[str, Any]:
    return {
        "minute": iso_utc(minute.minute),
        "predictions": minute.rows.predictions,
        "attacks": minute.rows.attacks,
        "attack_rate": minute.rows.attack_rate,
        "rows_per_s": minute.rows_per_s(now),
        "classes": minute.rows.of("class"),
    }
