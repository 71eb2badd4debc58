"""A flow file from upload to answer: read, scored as in the stream, stored."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from netheal.contracts import contracts_in_force
from netheal.contracts.event_id import UPLOAD_PARTITION
from netheal.contracts.schema import TIMESTAMP, verdict_schema_of
from netheal.errors import NethealError, ServiceUnavailable
from netheal.healing.policy import parse_policy, read_document
from netheal.registry.artefacts import Artefacts
from netheal.registry.failover import score_with_failover
from netheal.registry.models import ActiveModel
from netheal.scoring.model import ServedModel
from netheal.sinks.delta_part import DeltaPartWriter
from netheal.store.delta import quarantine_layout, verdicts_layout
from netheal.store.open_parts import UPLOADS
from netheal.store.pool import Pool
from netheal.store.serving_rows import ServingRows, joined_rows, serving_rows
from netheal.telemetry import emit
from netheal.uploads.flow_file import FlowChunk, FlowFile, open_flows
from netheal.uploads.flow_file_response import FlowFileResponse
from netheal.uploads.models import ActiveModels, require_model
from netheal.uploads.upload_store import TOPIC, OpenUpload, Outcome, Uploader, UploadStore
from netheal.verdicts.scorer import Columns, Origin, ScoredBatch, Scorer

_MOST_FAILURES = 5


class FlowUploads:
    """Scores flow files; one for a process, for any number of threads."""

    def __init__(self, pool: Pool, artefacts: Artefacts, delta_root: str, policy_path: Path) -> None:
        self._models = ActiveModels(pool, artefacts)
        self._store = UploadStore(pool, delta_root)
        self._policy_path = policy_path

    def score(self, file: IO[bytes], sender: Uploader, limit: int) -> FlowFileResponse:
        """Score and store every row; the answer shows the first `limit` of the verdicts.

        A model that fails is deactivated, the one before it comes back, and the file is scored from its beginning.
        Raises FileRefused for a file that cannot be scored, ServiceUnavailable, ModelFailure: nothing is stored then.
        """
        return score_with_failover(
            lambda failed: self._attempt(file, sender, limit, failed),
            lambda failure, _: self._models.mark_failed(failure),
            _MOST_FAILURES,
        )

    def forget_models(self, bundle_hashes: Collection[str]) -> None:
        """Give back the memory of models that are not active any more."""
        self._models.forget(bundle_hashes)

    def _attempt(self, file: IO[bytes], sender: Uploader, limit: int, failed: Collection[str]) -> FlowFileResponse:
        active = self._models.now(failed)
        loaded = {model.contract_id: self._models.load(model.bundle_hash) for model in active}
        flows = open_flows(file, contracts_in_force(model.bundle.contract for model in loaded.values()))
        require_model(flows.contracts, active)
        document = read_document(self._policy_path)
        policy = parse_policy(document)
        hashes = {model.contract_id: model.bundle_hash for model in active}
        upload = self._store.open(sender, hashes, policy.version, document)
        answer = FlowFileResponse(
            upload, flows.contracts, limit, models=_named(active, loaded), policy_version=policy.version
        )
        try:
            self._score_and_store(flows, Scorer(loaded, policy), answer, active)
        except BaseException as error:
            done = self._settled(upload)
            if not (done and isinstance(error, ServiceUnavailable)):  # else only Postgres' last word was lost
                answer.discard()
                raise
        emit("upload.scored", batch_id=upload.batch_id, verdicts=answer.verdicts, rejected=answer.rejected)
        return answer

    def _score_and_store(
        self, flows: FlowFile, scorer: Scorer, answer: FlowFileResponse, active: list[ActiveModel]
    ) -> None:
        schema = verdict_schema_of(model.bundle.contract for model in scorer.models.values())
        ids = {model.bundle_hash: model.id for model in active}
        sinks = _Sinks(answer.upload, self._store.delta_root, schema, ids)
        try:
            for chunk in flows.chunks():
                numbers = self._store.row_numbers(len(chunk.lines))
                scored = score_chunk(scorer, chunk, numbers, answer.upload)
                sinks.write(scored)
                answer.add(scored, numbers, chunk.lines)
            outcome = sinks.outcome(answer)
        except BaseException:
            sinks.discard()  # never after `close` began: the parts may be Delta's by then
            raise
        self._store.close(answer.upload, outcome)

    def _settled(self, upload: OpenUpload) -> bool:
        """Take back what a failure left behind; whether the upload is done all the same."""
        try:
            return self._store.give_up(upload)
        except NethealError as error:  # what failed first matters more; a later upload takes it back
            emit("upload.left_open", batch_id=upload.batch_id, error=str(error))
            return False


class _Sinks:
    """The Delta parts and the serving rows of one upload."""

    def __init__(self, upload: OpenUpload, delta_root: str, schema: pa.Schema, model_ids: dict[str, int]) -> None:
        self._schema = schema
        self._verdicts = DeltaPartWriter(verdicts_layout(), delta_root, upload.id, UPLOADS)
        self._quarantine = DeltaPartWriter(quarantine_layout(), delta_root, upload.id, UPLOADS)
        self._model_ids = model_ids
        self._rows: list[ServingRows] = []

    def write(self, scored: ScoredBatch) -> None:
        """Write one chunk."""
        self._verdicts.write(scored.verdicts)
        self._quarantine.write(scored.rejected)
        self._rows.append(serving_rows(scored.verdicts, scored.rejected, self._model_ids))

    def outcome(self, answer: FlowFileResponse) -> Outcome:
        """All that is to be made visible."""
        parts = self._verdicts.receipt(), self._quarantine.receipt()
        return Outcome(self._schema, *parts, joined_rows(self._rows), answer.counts, answer.verdicts, answer.rejected)

    def discard(self) -> None:
        """Remove the parts."""
        self._verdicts.discard()
        self._quarantine.discard()


def score_chunk(scorer: Scorer, chunk: FlowChunk, numbers: npt.NDArray[np.int64], upload: OpenUpload) -> ScoredBatch:
    """Score the rows as records of the topic `upload`, at these offsets and the upload's time."""
    rows = len(chunk.lines)
    origin = Origin(
        topic=TOPIC,
        partition=pa.repeat(pa.scalar(UPLOAD_PARTITION, pa.int32()), rows),
        offset=pa.array(numbers),
        recorded_at=pa.repeat(pa.scalar(upload.at, TIMESTAMP), rows),
        batch_id=upload.id,
    )
    return scorer.score(chunk.decoded, origin, lambda place: _raw_rows(chunk, place))


def _raw_rows(chunk: FlowChunk, place: pa.Array) -> Columns:
    messages = chunk.messages(place.to_pylist())
    return {"key": pa.nulls(len(place), pa.binary()), "value": pa.array(messages, pa.binary())}


def _named(active: list[ActiveModel], loaded: Mapping[str, ServedModel]) -> dict[str, Any]:
    return {
        model.model_type: {
            "id": model.id,
            "version": model.version,
            "hash": model.bundle_hash,
            "contract": model.contract_id,
            "confidence_kind": loaded[model.contract_id].bundle.manifest.confidence_kind,
        }
        for model in active
    }
