"""A receipt of one event: its stored row, models and policy looked up, the verdict scored again and explained."""

import re
import threading
from dataclasses import dataclass
from datetime import UTC

from netheal.bundles.served import ServedBundle
from netheal.errors import BundleError, Conflict, ContractError, NotFound, ServiceUnavailable, StreamRefused
from netheal.healing.policy import Policy, parse_policy
from netheal.receipts.explanation import Explanation, explain
from netheal.receipts.rescoring import Rescoring, Row, model_input, score_again, stored_table
from netheal.registry.artefacts import Artefacts
from netheal.registry.records import ModelRecord, model_of_bundle
from netheal.scoring.model import ServedModel
from netheal.store.archive import Archive
from netheal.store.ledger import read_policy_document
from netheal.store.pool import Pool
from netheal.store.predictions import find_verdict
from netheal.store.rejected import find_rejected

_HASHES = ("threat_model_hash", "attack_model_hash")
_HASH = re.compile(r"[0-9a-f]{64}")
_MOST_ID = 2**63 - 1
_WAIT_S = 2.0


@dataclass(frozen=True)
class ExplainedModel:
    """A model that scored the row, and why it answers as it does; None where it does not take the stored row today."""

    model: ServedModel
    explanation: Explanation | None


@dataclass(frozen=True)
class Receipt:
    """A stored row, what scoring it again gave, and the explanations of its models."""

    row: Row
    rescoring: Rescoring
    models: tuple[ExplainedModel, ...]


class Receipts:
    """Makes receipts, one at a time: each loads its models, and is costly; for any number of threads."""

    def __init__(self, pool: Pool, archive: Archive, artefacts: Artefacts) -> None:
        self._pool = pool
        self._archive = archive
        self._artefacts = artefacts
        self._turn = threading.Lock()

    def of_event(self, event_id: int) -> Receipt:
        """The receipt of a scored event.

        Raises NotFound where there is no verdict of it; Conflict, with the reason, where its verdict cannot be
        verified (not archived yet, a model deleted with its file, an altered artefact, …); ModelFailure where a model
        fails; ServiceUnavailable where Postgres or Delta does not answer, or another receipt takes too long.
        """
        row = self._row(event_id)
        policy = self._policy(row)
        if not self._turn.acquire(timeout=_WAIT_S):
            raise ServiceUnavailable("other receipts are being made: try again in some seconds")
        try:
            return _receipt(row, self._models(row), policy)
        finally:
            self._turn.release()

    def _row(self, event_id: int) -> Row:
        """The whole row in Delta."""
        if not 0 <= event_id <= _MOST_ID:
            raise NotFound(f"there is no event {event_id}")
        with self._pool.connection() as connection:
            served = find_verdict(connection, event_id)
        row = self._archive.find(event_id, served.recorded_at.astimezone(UTC).date() if served else None)
        if row is not None:
            return row
        if served is not None:
            raise Conflict(
                f"event {event_id} is scored, and its row is not in the archive: if its micro-batch is not finished"
                " yet, ask again when it is"
            )
        with self._pool.connection() as connection:
            rejected = find_rejected(connection, event_id)
        if rejected is not None:
            raise NotFound(f"event {event_id} was rejected ({rejected.reason}): there is no verdict to be verified")
        raise NotFound(f"there is no verdict of event {event_id}, neither in the archive nor in the hot window")

    def _policy(self, row: Row) -> Policy:
        """The one that the row was decided by."""
        version = str(row["policy_version"])
        with self._pool.connection() as connection:
            try:
                policy = parse_policy(read_policy_document(connection, version))
            except (StreamRefused, ContractError) as error:
                raise Conflict(f"the verdict cannot be verified: policy {version}: {error}") from error
        if policy.version != version:
            raise Conflict(f"the verdict cannot be verified: the stored document of policy {version} was altered")
        return policy

    def _models(self, row: Row) -> dict[str, ServedModel]:
        """By contract id, those that scored the row."""
        bundles = [self._bundle(str(row[name])) for name in _HASHES if row[name] is not None]
        return {bundle.contract.id: ServedModel(bundle) for bundle in bundles}

    def _bundle(self, bundle_hash: str) -> ServedBundle:
        if not _HASH.fullmatch(bundle_hash):
            raise Conflict("the verdict cannot be verified: what the row names as its model is no hash of a bundle")
        try:
            return self._artefacts.get(bundle_hash)
        except BundleError as error:
            with self._pool.connection() as connection:
                known = model_of_bundle(connection, bundle_hash)
            raise Conflict(f"the verdict cannot be verified: {_lost(bundle_hash, known, error)}") from error


def _lost(bundle_hash: str, known: ModelRecord | None, error: BundleError) -> str:
    """Why there is no artefact of a model."""
    if known is None:
        return f"the registry does not know the model {bundle_hash[:12]} that scored it, and {error}"
    named = f"model {known.id} ({known.model_version})"
    if known.artefact_deleted_at is not None:
        return f"{named} was deleted with its file on {known.artefact_deleted_at.astimezone(UTC):%Y-%m-%d}"
    return f"{named}: {error}"


def _receipt(row: Row, models: dict[str, ServedModel], policy: Policy) -> Receipt:
    stored = stored_table(row, models)
    rescoring = score_again(stored, models, policy)
    explained = []
    for model in models.values():
        rows = model_input(stored, model)
        explained.append(ExplainedModel(model, explain(model, rows[0]) if len(rows) else None))
    return Receipt(row, rescoring, tuple(explained))
