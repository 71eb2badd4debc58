"""Verdicts of the hot window: a page of them, newest first, or one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from psycopg2 import sql

from netheal.contracts import attack_classes
from netheal.contracts.event_id import UPLOAD_PARTITION, partition_of
from netheal.contracts.verdict import DEFAULT_THRESHOLD, NO_CLASS, is_attack_class, is_attack_score
from netheal.store.database import Connection, Cursor
from netheal.store.read_transaction import BEFORE_EVENT, page, read_transaction

Position = tuple[datetime, int]
"""Where a page ended: `recorded_at` and `event_id` of its last row."""


@dataclass(frozen=True)
class Model:
    """What a verdict tells of the model that gave it; `threshold` for a threat detector.

    `confidence_kind` is that of `netheal.contracts.verdict`, None where the model does not say.
    """

    version: str | None
    hash: str | None
    threshold: float | None = None
    confidence_kind: str | None = None


@dataclass(frozen=True)
class Verdict:
    """A verdict's narrow row. A model is None where the row does not say which one it was."""

    event_id: int
    recorded_at: datetime
    batch_id: int
    is_attack: bool
    threat_score: float | None
    threat_novelty: float | None
    threat_is_novel: bool | None
    attack_class_id: int | None
    attack_confidence: float | None
    attack_novelty: float | None
    attack_is_novel: bool | None
    action_type: str
    action_status: str
    action_description: str | None
    action_params: str | None
    sensor_id: str | None
    src_ip: str | None
    dst_ip: str | None
    threat_model: Model | None = None
    attack_model: Model | None = None

    @property
    def from_upload(self) -> bool:
        """Whether it came in a file; `batch_id` is then the upload's."""
        return partition_of(self.event_id) == UPLOAD_PARTITION

    @property
    def attack_class(self) -> str | None:
        """The class by name."""
        names = attack_classes().names
        known = self.attack_class_id is not None and 0 <= self.attack_class_id < len(names)
        return names[self.attack_class_id] if known and self.attack_class_id is not None else None

    @property
    def threat_is_attack(self) -> bool | None:
        """What the threat detector said; None where the row does not tell.

        A row is an attack where the detector says so or its class is one: without a class the row tells.
        """
        if self.threat_score is None:
            return None
        if self.threat_model is not None and self.threat_model.threshold is not None:
            return is_attack_score(self.threat_score, self.threat_model.threshold)
        return None if is_attack_class(_known(self.attack_class_id)) else self.is_attack


@dataclass(frozen=True)
class PredictionFilter:
    """Which verdicts; None is any. `since` is included, `until` is not; bounds as `verdict.reaches` has them."""

    class_id: int | None = None
    is_attack: bool | None = None
    action_type: str | None = None
    sensor_id: str | None = None
    src_ip: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    min_score: float | None = None
    min_confidence: float | None = None

    @property
    def of_attack_class(self) -> bool:
        """Whether every row wanted is an attack by its class: then the index of attacks serves."""
        return is_attack_class(_known(self.class_id))

    @property
    def nothing(self) -> bool:
        """Whether it contradicts itself."""
        return self.of_attack_class and self.is_attack is False


def page_of_verdicts(
    connection: Connection, wanted: PredictionFilter, before: Position | None = None, limit: int = 100
) -> list[Verdict]:
    """The newest `limit` verdicts, of those before a position; raises TooBroad."""
    if wanted.nothing:
        return []
    with read_transaction(connection) as cursor:
        cursor.execute(*page_query(wanted, before, limit))
        return _with_models(cursor, cursor.fetchall())


def page_query(wanted: PredictionFilter, before: Position | None, limit: int) -> tuple[sql.Composed, dict[str, object]]:
    """The statement of a page and its parameters."""
    conditions = [condition for name, condition in _CONDITIONS.items() if getattr(wanted, name) is not None]
    if wanted.is_attack or wanted.of_attack_class:
        conditions.append(sql.SQL("is_attack"))
    elif wanted.is_attack is False:
        conditions.append(sql.SQL("not is_attack"))
    if before is not None:
        conditions.append(BEFORE_EVENT)
    at, event_id = before or (None, None)
    parameters = {name: getattr(wanted, name) for name in _CONDITIONS}
    statement = page(_SELECT, conditions, ("recorded_at", "event_id"))
    return statement, {**parameters, "at": at, "event_id": event_id, "limit": limit}


def find_verdict(connection: Connection, event_id: int) -> Verdict | None:
    """The verdict of an event, if it is in the hot window; raises TooBroad."""
    with read_transaction(connection) as cursor:
        cursor.execute(sql.SQL("{} where event_id = %s limit 1").format(_SELECT), (event_id,))
        return next(iter(_with_models(cursor, cursor.fetchall())), None)


def confidence_kinds(connection: Connection, bundle_hashes: Iterable[str]) -> dict[str, str | None]:
    """Bundle hash -> what the model's score or confidence is; raises TooBroad."""
    with read_transaction(connection) as cursor:
        cursor.execute(
            "select bundle_hash, manifest ->> 'confidence_kind' from models where bundle_hash = any(%s)",
            (sorted(bundle_hashes),),
        )
        return dict(cursor.fetchall())


def _known(class_id: int | None) -> int:
    return NO_CLASS if class_id is None else class_id


def _with_models(cursor: Cursor, rows: Sequence[tuple[object, ...]]) -> list[Verdict]:
    """Rows of `_SELECT`, their two last columns looked up in the registry."""
    models = _models(cursor, {number for row in rows for number in row[-2:] if isinstance(number, int)})
    found = []
    for *narrow, threat, attack in rows:
        verdict = Verdict(*narrow)  # type: ignore[arg-type]
        found.append(replace(verdict, threat_model=models.get(threat), attack_model=models.get(attack)))
    return found


def _models(cursor: Cursor, ids: Iterable[int]) -> dict[object, Model]:
    cursor.execute(
        "select id, model_version, bundle_hash, case when model_type = 'threat_detector'"
        " then coalesce((manifest ->> 'threshold')::float8, %s) end, manifest ->> 'confidence_kind'"
        " from models where id = any(%s)",
        (DEFAULT_THRESHOLD, sorted(ids)),
    )
    return {number: Model(*facts) for number, *facts in cursor.fetchall()}


_COLUMNS = (
    "event_id",
    "recorded_at",
    "batch_id",
    "is_attack",
    "threat_score",
    "threat_novelty",
    "threat_is_novel",
    "attack_class_id",
    "attack_confidence",
    "attack_novelty",
    "attack_is_novel",
    "action_type",
    "action_status",
    "action_description",
    "action_params",
    "sensor_id",
    "src_ip",
    "dst_ip",
    "threat_model_id",
    "attack_model_id",
)
_SELECT = sql.SQL("select {} from verdicts").format(sql.SQL(", ").join(map(sql.Identifier, _COLUMNS)))
_CONDITIONS = {
    "class_id": sql.SQL("attack_class_id = %(class_id)s"),
    "action_type": sql.SQL("action_type = %(action_type)s"),
    "sensor_id": sql.SQL("sensor_id = %(sensor_id)s"),
    "src_ip": sql.SQL("src_ip = %(src_ip)s"),
    "since": sql.SQL("recorded_at >= %(since)s"),
    "until": sql.SQL("recorded_at < %(until)s"),
    "min_score": sql.SQL("threat_score >= %(min_score)s"),
    "min_confidence": sql.SQL("attack_confidence >= %(min_confidence)s"),
}
