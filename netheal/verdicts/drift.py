"""What scored batches add to the drift counts of the models that scored them."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from netheal.bundles.training_histograms import class_names
from netheal.contracts import attack_classes
from netheal.drift.counts import DriftCounts
from netheal.records.check import ContractRows
from netheal.records.reasons import RejectionReason
from netheal.scoring.model import ServedModel
from netheal.verdicts.scorer import ScoredBatch


class DriftCounter:
    """Counts for each of the models, by contract id, whose bundle has histograms of its training."""

    def __init__(self, models: Mapping[str, ServedModel]) -> None:
        self._models = {key: model for key, model in models.items() if model.histograms is not None}
        self._counts = {
            key: DriftCounts.none_yet(model.histograms)
            for key, model in self._models.items()
            if model.histograms is not None
        }

    def add(self, scored: ScoredBatch) -> None:
        """Count the rows of a batch."""
        for part in scored.inputs:
            if part.contract.id in self._models:
                self._add_scored(part, scored.verdicts)
        for rejection in scored.rejections:
            if rejection.contract_id in self._counts:
                unknown = rejection.reason is RejectionReason.UNKNOWN_CATEGORY
                self._counts[rejection.contract_id].add_rejected(1, int(unknown))

    def by_bundle(self) -> dict[str, list[int]]:
        """Bundle hash -> `DriftCounts.values`, of models that a row was meant for."""
        counted = ((self._models[key].bundle.hash, counts.values) for key, counts in self._counts.items())
        return {bundle_hash: values.tolist() for bundle_hash, values in counted if values.any()}

    def _add_scored(self, part: ContractRows, verdicts: pa.Table) -> None:
        model = self._models[part.contract.id]
        threat = model.bundle.manifest.model_type == "threat_detector"
        prefix, score = ("threat", "threat_score") if threat else ("attack", "attack_confidence")
        classes = _threat_classes(part, verdicts) if threat else _attack_classes(part, verdicts, model)
        novel = pc.sum(verdicts[f"{prefix}_is_novel"]).as_py() or 0
        self._counts[part.contract.id].add_scored(part.matrix, _of(part, verdicts[score]), classes, novel)


def _threat_classes(part: ContractRows, verdicts: pa.Table) -> NDArray[np.int64]:
    """Rows by `THREAT_CLASSES`."""
    attacks = pc.sum(verdicts["threat_is_attack"]).as_py() or 0
    return np.array([attacks, len(part.rows) - attacks], dtype=np.int64)


def _attack_classes(part: ContractRows, verdicts: pa.Table, model: ServedModel) -> NDArray[np.int64]:
    """Rows by class of the model, sorted by name."""
    ids = _of(part, verdicts["attack_class_id"]).astype(np.int64)
    rows = np.bincount(ids, minlength=len(attack_classes().names))
    return rows[[attack_classes().id_of(name) for name in class_names(model.bundle.manifest)]]


def _of(part: ContractRows, column: pa.ChunkedArray) -> NDArray[np.float64]:
    """The values of a model's rows, which all have one."""
    return np.asarray(column.to_numpy()[part.rows], dtype=np.float64)
