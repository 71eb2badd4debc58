"""What decides the verdicts of a micro-batch: a plan that is pickled into its tasks, a scorer in each worker."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyspark import Broadcast

from netheal.bundles.served import ServedBundle
from netheal.contracts import contracts_in_force
from netheal.verdicts.record_scorer import RecordScorer
from netheal.verdicts.scorer import Scorer
from udfs.workers import decoder, forget_models_but, freeze_gc, loaded_model, parsed_policy


@dataclass(frozen=True)
class ScoringPlan:
    """All that decides what a micro-batch's verdicts are; small, and equal on every replay of the batch.

    `models` maps contract ids to bundle hashes, `bundles` holds these bundles by hash.
    """

    topic: str
    offset_base: int
    batch_id: int
    models: dict[str, str]
    bundles: Broadcast[dict[str, ServedBundle]]
    policy_version: str
    policy: dict[str, Any]
    read_at: datetime
    """Of the batch's first attempt; see `RecordScorer`."""

    def scorer(self) -> RecordScorer:
        """The scorer of this plan, made of what the worker keeps."""
        bundles = self.bundles.value if self.models else {}
        freeze_gc()
        forget_models_but(self.models.values())
        models = {contract_id: loaded_model(bundles[key]) for contract_id, key in self.models.items()}
        return RecordScorer(
            scorer=Scorer(models, parsed_policy(self.policy_version, self.policy)),
            decoder=decoder(contracts_in_force(model.bundle.contract for model in models.values())),
            topic=self.topic,
            offset_base=self.offset_base,
            read_at=self.read_at,
        )
