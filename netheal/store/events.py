"""Everything that is known of one event: its narrow row in Postgres, its whole row in Delta, its batch."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from netheal.contracts import Contract, contracts_in_force
from netheal.store.archive import Archive, Row
from netheal.store.batches import Batch, UploadedFile, find_batch, find_upload
from netheal.store.model_contracts import model_contracts
from netheal.store.pool import Pool
from netheal.store.predictions import Model, Verdict, confidence_kinds, find_verdict
from netheal.store.rejected import Rejected, find_rejected, with_replay
from netheal.store.serving_rows import HEAD_BYTES


@dataclass(frozen=True)
class VerdictEvent:
    """A verdict; `whole` is its row in Delta, None until its batch is committed there.

    `contracts`: those that its row was read for, the shipped ones and its models' own.
    """

    verdict: Verdict
    whole: Row | None
    batch: Batch | None
    upload: UploadedFile | None
    contracts: tuple[Contract, ...] = ()


@dataclass(frozen=True)
class RejectedEvent:
    """A rejected row; `whole` is its row in Delta, None until its batch is committed there."""

    rejected: Rejected
    whole: Row | None


def find_verdict_event(pool: Pool, archive: Archive, event_id: int) -> VerdictEvent | None:
    """A verdict of the hot window, or of any time before it; None where there is none."""
    with pool.connection() as connection:
        served = find_verdict(connection, event_id)
    whole = archive.find(event_id, _day(served.recorded_at) if served else None)
    verdict = served if whole is None else _verdict(whole, served, _kinds(pool, whole))
    if verdict is None:
        return None
    with pool.connection() as connection:
        scored_by = [model.hash for model in (verdict.threat_model, verdict.attack_model) if model is not None]
        contracts = contracts_in_force(model_contracts(connection, bundle_hashes=scored_by))
        if verdict.from_upload:
            return VerdictEvent(verdict, whole, None, find_upload(connection, verdict.batch_id), contracts)
        return VerdictEvent(verdict, whole, find_batch(connection, verdict.batch_id, event_id), None, contracts)


def find_rejected_event(pool: Pool, archive: Archive, event_id: int) -> RejectedEvent | None:
    """The same for a rejected row."""
    with pool.connection() as connection:
        served = find_rejected(connection, event_id)
    whole = archive.find(event_id, _day(served.recorded_at) if served else None)
    if whole is not None:
        with pool.connection() as connection:
            return RejectedEvent(with_replay(connection, _rejected(whole)), whole)
    return None if served is None else RejectedEvent(served, None)


def _day(recorded_at: datetime) -> date:
    return recorded_at.astimezone(UTC).date()


def _kinds(pool: Pool, whole: Row) -> dict[str, str | None]:
    """Bundle hash -> what the confidence is of each model that scored a row."""
    hashes = [whole[name] for name in ("threat_model_hash", "attack_model_hash") if whole[name] is not None]
    with pool.connection() as connection:
        return confidence_kinds(connection, hashes)


def _verdict(whole: Row, served: Verdict | None, kinds: Mapping[str, str | None]) -> Verdict:
    """The narrow row of a whole one, but for the action's status, which changes in Postgres alone.

    `kinds`: bundle hash -> what the model's confidence is.
    """
    found = Verdict(**{name: whole[name] for name in Verdict.__dataclass_fields__ if name in whole})
    if served is not None:
        found = replace(found, action_status=served.action_status)
    if whole["threat_model_hash"] is not None:
        version, known_by = whole["threat_model_version"], whole["threat_model_hash"]
        threat = Model(version, known_by, whole["threat_threshold"], kinds.get(known_by))
        found = replace(found, threat_model=threat)
    if whole["attack_model_hash"] is not None:
        version, known_by = whole["attack_model_version"], whole["attack_model_hash"]
        found = replace(found, attack_model=Model(version, known_by, confidence_kind=kinds.get(known_by)))
    return found


def _rejected(whole: Row) -> Rejected:
    own = {name: whole[name] for name in Rejected.__dataclass_fields__ if name in whole}
    return Rejected(**own, head=None if whole["value"] is None else whole["value"][:HEAD_BYTES])
