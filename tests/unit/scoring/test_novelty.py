"""How new a row is: by ranges and by votes, the same bits in any batch, and null where the bundle cannot say."""

from dataclasses import replace

import numpy as np
import pytest

from netheal.bundles.served import ServedBundle
from netheal.bundles.training_ranges import learn_ranges, with_ranges
from netheal.contracts.verdict import novelty
from netheal.scoring.model import Novelty, ServedModel
from tests.unit.scoring.test_model import ROWS, sampled


def trained_on(bundle: ServedBundle, rows: np.ndarray, limit: float | None = 0.2) -> ServedModel:
    """The model with ranges of these rows."""
    ranges = replace(learn_ranges(rows, bundle.contract), limit=limit)
    return ServedModel(with_ranges(bundle, ranges.document(bundle.contract)))


def threat_novelty(model: ServedModel, rows: np.ndarray) -> Novelty | None:
    return model.threat_novelty(rows, model.threat_scores(rows))


def test_the_larger_of_range_and_disagreement_counts() -> None:
    outside, largest = np.array([0.0, 0.0, 0.4, 0.4]), np.array([1.0, 1 / 14, 0.9, 0.5])
    assert novelty(outside, largest, 14) == pytest.approx([0.0, 1.0, 0.4, 14 / 26])
    assert novelty(np.zeros(2), np.array([0.5, 0.75]), 2).tolist() == [1.0, 0.5]


def test_novelty_never_leaves_its_bounds() -> None:
    largest = np.array([1.0, 1.0 + 1e-12, 0.0])
    assert novelty(np.zeros(3), largest, 2).tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("size", [1, 255, 256, 999])
def test_novelty_has_the_same_bits_in_any_batch(attack_bundle: ServedBundle, size: int) -> None:
    rows = sampled(attack_bundle, "attack")[: 300 if size < 3 else ROWS]
    model = trained_on(attack_bundle, rows[:200])

    def found(part: np.ndarray) -> np.ndarray:
        answer = model.attack_novelty(part, model.attack_scores(part).confidence)
        assert answer is not None
        return answer.value

    whole = found(rows)
    assert (
        np.concatenate([found(rows[at : at + size]) for at in range(0, len(rows), size)]).tobytes() == whole.tobytes()
    )
    assert ((whole >= 0) & (whole <= 1)).all() and len(set(whole.tolist())) > 20


def test_a_row_like_no_training_row_is_novel(threat_bundle: ServedBundle) -> None:
    rows = sampled(threat_bundle, "threat")
    model = trained_on(threat_bundle, rows)
    strange = rows[:1].copy()
    strange[:, 2:] = 1e12
    found = threat_novelty(model, strange)
    assert found is not None and found.is_novel is not None
    assert found.value[0] >= 0.8 and found.is_novel.tolist() == [True]


def test_without_ranges_there_is_no_novelty_and_without_a_limit_no_mark(threat_bundle: ServedBundle) -> None:
    rows = sampled(threat_bundle, "threat")
    old = ServedModel(ServedBundle(replace(threat_bundle.manifest, training_ranges=None), threat_bundle.onnx))
    assert threat_novelty(old, rows) is None
    unmeasured = threat_novelty(trained_on(threat_bundle, rows, limit=None), rows)
    assert unmeasured is not None and unmeasured.is_novel is None
