"""Windows of drift: batches add their counts to the open one of each bundle; a full one is judged and closed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

import numpy as np
from psycopg2 import sql

from netheal.bundles.served import Manifest, ServedBundle, parse_manifest
from netheal.bundles.training_histograms import histograms_of
from netheal.drift.counts import DriftCounts
from netheal.drift.window import DriftFigures, State, WindowRules, judge
from netheal.errors import BundleError, NotFound
from netheal.store.database import Connection, Cursor, transaction
from netheal.store.read_transaction import page, read_transaction

Counts = Mapping[str, Sequence[int]]
"""Bundle hash -> `DriftCounts.values`."""


@dataclass(frozen=True)
class BatchDrift:
    """What a batch adds: its counts, the bundles that they are of by hash, and when a window is full."""

    counts: Counts
    bundles: Mapping[str, ServedBundle]
    rules: WindowRules


@dataclass(frozen=True)
class JudgedWindow:
    """A window that was closed just now; `before` is the state of the one before it, None for the first."""

    id: int
    contract_id: str
    bundle_hash: str
    version: str
    rows: int
    figures: DriftFigures
    at_fault: tuple[str, ...]
    before: State | None


@dataclass(frozen=True)
class DriftWindow:
    """A window as it is stored; `closed_at` and all figures are None while it is open."""

    id: int
    contract_id: str
    bundle_hash: str
    opened_at: datetime
    closed_at: datetime | None
    rows: int
    counts: list[int]
    state: State | None
    mean_psi: float | None
    feature_psi: list[float] | None
    score_psi: float | None
    class_psi: float | None
    unknown_share: float | None
    rejected_share: float | None
    novel_share: float | None
    at_fault: list[str] | None

    @property
    def features(self) -> tuple[tuple[str, float], ...]:
        """Those at fault, each with its PSI, the worst first."""
        return _with_psi(self.at_fault or [], self.feature_psi or [])


@dataclass(frozen=True)
class ModelDrift:
    """An active model, its window that was closed last, and its open one; both None where it has none."""

    model_id: int
    model_type: str
    model_version: str
    contract_id: str
    bundle_hash: str
    manifest: Manifest | None
    """None where it cannot be read: an earlier version wrote it."""
    closed: DriftWindow | None = None
    open: DriftWindow | None = None


@dataclass(frozen=True)
class ActiveDrift:
    """The last judged window of an active model, as health and metrics tell of it."""

    model_type: str
    version: str
    state: State
    mean_psi: float
    features: tuple[tuple[str, float], ...]
    """Those that moved most, each with its PSI, the worst first."""
    closed_at: datetime

    @property
    def model(self) -> str:
        """For a person: two models of different types may have the same version."""
        return f"the {self.model_type.replace('_', ' ')} {self.version}"


def added(parts: Iterable[Counts]) -> dict[str, list[int]]:
    """The sum of counts, bundle by bundle."""
    sums: dict[str, Any] = {}
    for bundle_hash, values in (item for part in parts for item in part.items()):
        counted = np.array(values, np.int64)
        sums[bundle_hash] = sums[bundle_hash] + counted if bundle_hash in sums else counted
    return {bundle_hash: values.tolist() for bundle_hash, values in sums.items()}


def add_to_windows(cursor: Cursor, drift: BatchDrift) -> list[JudgedWindow]:
    """Add a batch's counts, in the transaction that closes the batch; the windows that this makes full.

    Always in the same order, so that the drivers of two topics cannot wait for each other.
    """
    judged = []
    for bundle_hash, values in sorted(drift.counts.items()):
        bundle = drift.bundles[bundle_hash]
        window_id, counts, age_s = _open_window(cursor, bundle, len(values))
        total = np.array(counts, np.int64) + np.array(values, np.int64)
        rows = int(total[0])
        cursor.execute(
            "update drift_windows set rows = %s, counts = %s where id = %s", (rows, total.tolist(), window_id)
        )
        histograms = histograms_of(bundle.manifest) if drift.rules.is_full(rows, age_s) else None
        if histograms is not None:
            judged.append(_close(cursor, window_id, bundle, DriftCounts(histograms, total)))
    return judged


def _open_window(cursor: Cursor, bundle: ServedBundle, length: int) -> tuple[int, list[int], float]:
    """The id, counts and age in seconds of a bundle's open window, locked; it is made where there is none."""
    cursor.execute(
        "insert into drift_windows (contract_id, bundle_hash, counts) values (%s, %s, %s)"
        " on conflict (bundle_hash) where closed_at is null do nothing",
        (bundle.contract.id, bundle.hash, [0] * length),
    )
    cursor.execute(
        "select id, counts, extract(epoch from clock_timestamp() - opened_at)::float8 from drift_windows"
        " where bundle_hash = %s and closed_at is null for update",
        (bundle.hash,),
    )
    window_id, counts, age_s = cursor.fetchone() or (0, [], 0.0)
    return window_id, counts, age_s


def _close(cursor: Cursor, window_id: int, bundle: ServedBundle, counts: DriftCounts) -> JudgedWindow:
    before = _last_state(cursor, bundle.hash)
    figures = judge(counts)
    at_fault = tuple(bundle.contract.names[at] for at in figures.at_fault)
    cursor.execute(
        "update drift_windows set closed_at = clock_timestamp(), state = %s, mean_psi = %s, feature_psi = %s,"
        " score_psi = %s, class_psi = %s, unknown_share = %s, rejected_share = %s, novel_share = %s, at_fault = %s"
        " where id = %s",
        (
            figures.state,
            figures.mean_psi,
            list(figures.feature_psi),
            figures.score_psi,
            figures.class_psi,
            figures.unknown_share,
            figures.rejected_share,
            figures.novel_share,
            list(at_fault),
            window_id,
        ),
    )
    version = bundle.manifest.version
    return JudgedWindow(window_id, bundle.contract.id, bundle.hash, version, counts.rows, figures, at_fault, before)


def _last_state(cursor: Cursor, bundle_hash: str) -> State | None:
    cursor.execute(
        "select state from drift_windows where bundle_hash = %s and closed_at is not null order by id desc limit 1",
        (bundle_hash,),
    )
    row = cursor.fetchone()
    return None if row is None else cast(State, row[0])


def page_of_windows(
    connection: Connection, bundle_hash: str | None = None, before: int | None = None, limit: int = 100
) -> list[DriftWindow]:
    """The newest `limit` closed windows, of a bundle where one is named, of those with an id below `before`.

    Without their `counts`, which a thousand windows have half a million of.
    """
    conditions = [sql.SQL("closed_at is not null")]
    if bundle_hash is not None:
        conditions.append(sql.SQL("bundle_hash = %(bundle_hash)s"))
    if before is not None:
        conditions.append(sql.SQL("id < %(before)s"))
    with read_transaction(connection) as cursor:
        named = {"bundle_hash": bundle_hash, "before": before, "limit": limit}
        cursor.execute(page(_HISTORY, conditions, ("id",)), named)
        return [DriftWindow(*row) for row in cursor.fetchall()]


def drift_of_active_models(connection: Connection) -> list[ModelDrift]:
    """Each active model with its last windows, by type."""
    with read_transaction(connection, snapshot=True) as cursor:
        cursor.execute(
            "select id, model_type, model_version, coalesce(manifest -> 'contract' ->> 'id', ''), bundle_hash,"
            " manifest::text from models where state = 'active' order by model_type"
        )
        models = [
            ModelDrift(model_id, model_type, version, contract_id, bundle_hash, _manifest_of(text))
            for model_id, model_type, version, contract_id, bundle_hash, text in cursor.fetchall()
        ]
        return [_with_last_windows(cursor, model) for model in models]


def _manifest_of(text: str) -> Manifest | None:
    try:
        return parse_manifest(text.encode())
    except BundleError:
        return None


def _with_last_windows(cursor: Cursor, model: ModelDrift) -> ModelDrift:
    found = []
    for which in ("closed_at is not null", "closed_at is null"):
        of_bundle = [sql.SQL("bundle_hash = %(bundle_hash)s"), sql.SQL(which)]
        cursor.execute(page(_WINDOWS, of_bundle, ("id",)), {"bundle_hash": model.bundle_hash, "limit": 1})
        row = cursor.fetchone()
        found.append(None if row is None else DriftWindow(*row))
    return replace(model, closed=found[0], open=found[1])


def bundle_hash_of(connection: Connection, model_id: int) -> str:
    """That of a model; raises NotFound."""
    with read_transaction(connection) as cursor:
        cursor.execute("select bundle_hash from models where id = %s", (model_id,))
        row = cursor.fetchone()
    if row is None:
        raise NotFound(f"there is no model {model_id}")
    return str(row[0])


def last_judged(cursor: Cursor) -> tuple[ActiveDrift, ...]:
    """Of each active model that has one, in the caller's transaction."""
    cursor.execute(_LAST_JUDGED)
    return tuple(
        ActiveDrift(kind, version, state, mean_psi, _with_psi(at_fault, feature_psi), closed_at)
        for kind, version, state, mean_psi, at_fault, feature_psi, closed_at in cursor.fetchall()
    )


def _with_psi(at_fault: Sequence[str], feature_psi: Sequence[float]) -> tuple[tuple[str, float], ...]:
    """The features at fault are those with the largest PSI, in that order."""
    return tuple(zip(at_fault, sorted(feature_psi, reverse=True), strict=False))


def count_windows_before(connection: Connection, days: int) -> int:
    """How many windows `forget_windows_before` would remove."""
    with transaction(connection) as cursor:
        cursor.execute(f"select count(*) from drift_windows where {_OLD}", {"days": days})
        (found,) = cursor.fetchone() or (0,)
    return int(found)


def forget_windows_before(connection: Connection, days: int) -> int:
    """Remove windows that were closed, or opened and never closed, more than so many days ago; 0 keeps all."""
    with transaction(connection) as cursor:
        cursor.execute(f"delete from drift_windows where {_OLD}", {"days": days})
        return cursor.rowcount


_OLD = "%(days)s > 0 and coalesce(closed_at, opened_at) < now() - make_interval(days => %(days)s)"
_SELECT = (
    "select id, contract_id, bundle_hash, opened_at, closed_at, rows, {}, state, mean_psi, feature_psi,"
    " score_psi, class_psi, unknown_share, rejected_share, novel_share, at_fault from drift_windows"
)
_WINDOWS, _HISTORY = (sql.SQL(_SELECT.format(counts)) for counts in ("counts", "'{}'::bigint[]"))
_LAST_JUDGED = """
select m.model_type, m.model_version, w.state, w.mean_psi, w.at_fault, w.feature_psi, w.closed_at
from models m cross join lateral (
    select * from drift_windows where bundle_hash = m.bundle_hash and closed_at is not null order by id desc limit 1
) w
where m.state = 'active' order by m.model_type
"""
