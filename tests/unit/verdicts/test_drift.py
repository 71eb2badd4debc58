"""What a scored batch adds to the drift counts of its models."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from netheal.bundles.served import ServedBundle
from netheal.contracts import contract
from netheal.drift.counts import DriftCounts
from netheal.scoring.model import ServedModel
from netheal.traffic.generator import TrafficGenerator
from netheal.verdicts.drift import DriftCounter
from netheal.verdicts.record_scorer import RecordScorer
from netheal.verdicts.scorer import ScoredBatch

MakeRecords = Callable[[Sequence[bytes | None]], pa.RecordBatch]


@pytest.fixture(scope="module")
def batches(scorer: RecordScorer, make_records: MakeRecords) -> list[ScoredBatch]:
    """Two batches of generated traffic of both contracts, every tenth message broken."""
    messages = TrafficGenerator(7, broken_share=0.1).messages(2_000)
    return [scorer.score(make_records(part), 17) for part in (messages[:1_500], messages[1_500:])]


def counts_of(scorer: RecordScorer, batches: list[ScoredBatch]) -> dict[str, DriftCounts]:
    """By contract."""
    counter = DriftCounter(scorer.scorer.models)
    for scored in batches:
        counter.add(scored)
    found = counter.by_bundle()
    counts = {}
    for contract_id, model in scorer.scorer.models.items():
        assert model.histograms is not None
        values = DriftCounts.none_yet(model.histograms).values
        values += found[model.bundle.hash]
        counts[contract_id] = DriftCounts(model.histograms, values)
    return counts


def test_every_scored_row_is_in_one_bin_of_each_feature(scorer: RecordScorer, batches: list[ScoredBatch]) -> None:
    counts = counts_of(scorer, batches)
    verdicts = pa.concat_tables([batch.verdicts for batch in batches], promote_options="permissive")
    for contract_id, name, prefix in (
        ("threat/v1", "threat_score", "threat"),
        ("attack/v1", "attack_confidence", "attack"),
    ):
        rows = len(verdicts) - verdicts[name].null_count
        found = counts[contract_id]
        assert found.rows == rows > 100
        assert {int(part.sum()) for part in (*found.features, found.score, found.classes)} == {rows}
        assert found.novel == verdicts[f"{prefix}_is_novel"].to_pylist().count(True)


def test_classes_are_those_of_the_verdicts(scorer: RecordScorer, batches: list[ScoredBatch]) -> None:
    counts = counts_of(scorer, batches)
    verdicts = [row for batch in batches for row in batch.verdicts.to_pylist()]
    attack, threat = counts["attack/v1"], counts["threat/v1"]
    for name, rows in zip(attack.histograms.classes, attack.classes.tolist(), strict=True):
        assert rows == sum(row["attack_class"] == name for row in verdicts), name
    attacks = sum(row["threat_is_attack"] is True for row in verdicts)
    assert threat.classes.tolist() == [attacks, threat.rows - attacks]


def test_a_batch_counts_as_its_parts_do(scorer: RecordScorer, batches: list[ScoredBatch]) -> None:
    whole = counts_of(scorer, batches)
    parts = [counts_of(scorer, [batch]) for batch in batches]
    for contract_id, counts in whole.items():
        assert counts.values.tolist() == np.sum([part[contract_id].values for part in parts], axis=0).tolist()


def test_a_rejected_row_counts_for_the_contract_that_it_does_not_satisfy(
    scorer: RecordScorer, make_records: MakeRecords
) -> None:
    flow: dict[str, Any] = dict.fromkeys(contract("threat/v1").names, 0) | {"service": "http", "flag": "SF"}
    wrong = [
        flow,
        flow | {"service": "no such service"},
        flow | {"src_bytes": -1},
        {name: value for name, value in flow.items() if name != "count"},
        "no flow at all",
    ]
    scored = scorer.score(make_records([json.dumps(message).encode() for message in wrong]), 1)
    assert [rejection.contract_id for rejection in scored.rejections].count("threat/v1") == 3
    counter = DriftCounter(scorer.scorer.models)
    counter.add(scored)
    model = scorer.scorer.models["threat/v1"]
    assert counter.by_bundle()[model.bundle.hash][:3] == [1, 3, 1]


def test_a_bundle_without_histograms_is_not_counted(
    scorer: RecordScorer, batches: list[ScoredBatch], threat_bundle: ServedBundle
) -> None:
    bare = ServedBundle(replace(threat_bundle.manifest, training_histograms=None), threat_bundle.onnx)
    counter = DriftCounter({"threat/v1": ServedModel(bare)})
    counter.add(batches[0])
    assert counter.by_bundle() == {}
