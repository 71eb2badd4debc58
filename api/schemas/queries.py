"""What lists are asked by."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from apiflask import Schema
from apiflask.fields import Boolean, Float, Integer, String
from apiflask.validators import Length, OneOf, Range, Regexp
from marshmallow import ValidationError, fields

from api.schemas.pages import PageQuery
from netheal.contracts import attack_classes
from netheal.contracts.verdict import ATTACK, CONFIDENCE, SCORE
from netheal.healing.policy import ACTION_TYPES
from netheal.records.reasons import RejectionReason

PLAIN = Regexp(r"^[^\x00\ud800-\udfff]*$", error="it must not contain NUL characters or lone surrogates")
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9998, 1, 1, tzinfo=UTC)
_MOST_CHARS = 200
_SHARE = Range(0, 1)


class Instant(fields.Field[datetime]):
    """A moment in ISO 8601; UTC where it names no zone. What lies beyond what is stored is its nearest end."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> datetime:
        try:
            moment = datetime.fromisoformat(str(value).strip().upper())
        except ValueError as error:
            raise ValidationError("it must be a time in ISO 8601: 2024-12-01T14:30:00Z") from error
        zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return min(max(zoned, _EARLIEST), _LATEST)


class ClassName(fields.Field[int]):
    """An attack class by its name, whatever its dash; loaded as its id."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        name = attack_classes().canonical(str(value))
        if name is None:
            raise ValidationError(f"there is no such class: {', '.join(attack_classes().names)} are")
        return attack_classes().id_of(name)


class RangeQuery(PageQuery):
    """Of which time."""

    since = Instant(
        metadata={"type": "string", "format": "date-time", "description": "ISO 8601; included"},
    )
    until = Instant(
        metadata={"type": "string", "format": "date-time", "description": "ISO 8601; not included"},
    )


class PredictionsQuery(RangeQuery):
    """Which verdicts."""

    class_id = ClassName(
        data_key="class",
        metadata={"type": "string", "enum": list(attack_classes().names), "description": "Attack class"},
    )
    is_attack = Boolean(data_key="attack", metadata={"description": ATTACK})
    min_score = Float(validate=_SHARE, metadata={"description": f"The least score. {SCORE}"})
    min_confidence = Float(validate=_SHARE, metadata={"description": f"The least confidence. {CONFIDENCE}"})
    action_type = String(data_key="action", validate=OneOf(ACTION_TYPES))
    sensor_id = String(data_key="sensor", validate=[Length(max=_MOST_CHARS), PLAIN])
    src_ip = String(validate=[Length(max=_MOST_CHARS), PLAIN])


class QuarantineQuery(RangeQuery):
    """Which rejected rows."""

    reason = String(validate=OneOf([reason.value for reason in RejectionReason]))


class TimelineQuery(Schema):
    """How far back."""

    minutes = Integer(load_default=15, validate=Range(1, 1440))
