"""How training rows were distributed is learned, kept in a bundle, and refused where it is not of the bundle."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from netheal.bundles.intake.examine import ExaminationRequest, Examined, examine
from netheal.bundles.served import ServedBundle, parse_manifest
from netheal.bundles.training_histograms import (
    TrainingHistograms,
    histograms_of,
    learn_codes,
    learn_features,
    learn_histogram,
    parse_histograms,
    with_histograms,
)
from netheal.contracts import contract
from netheal.errors import BundleError
from tests.unit.bundles.intake.honest_bundles import honest, packed

THREAT = contract("threat/v1")
CLASSES = ["attack", "normal"]
NUMBER = {"edges": [0, 1, 5], "counts": [0, 6, 4, 0]}
DOCUMENT: dict[str, Any] = {
    "features": dict.fromkeys(THREAT.names, NUMBER) | {"service": {"codes": [1, 3], "counts": [5, 4, 1]}},
    "score": {"edges": [0.0, 0.5, 1.0], "counts": [0, 3, 1, 0]},
    "classes": {"normal": 3, "attack": 1},
}
Change = Callable[[dict[str, Any]], Any]


def test_ten_bins_hold_as_much_as_ties_allow() -> None:
    assert learn_histogram(np.arange(1_000.0)).counts == pytest.approx([0, *[100] * 10, 0], abs=1)
    few = learn_histogram(np.repeat([0.0, 1.0, 2.0], [900, 60, 40]))
    assert few.document() == {"edges": [0, 0, 2], "counts": [0, 900, 100, 0]}
    constant = learn_histogram(np.full(7, 3.0))
    assert constant.document() == {"edges": [3, 3], "counts": [0, 7, 0]}
    assert constant.count(np.array([2.9, 3.0, 3.1, 4.0])).tolist() == [1, 1, 2]


def test_a_value_is_counted_once_and_in_the_bin_of_its_edges() -> None:
    histogram = learn_histogram(np.arange(100.0))
    values = np.array([-1.0, 0.0, 9.0, 9.5, 10.0, 99.0, 99.5])
    assert histogram.count(values).tolist() == [1, 2, 2, 0, 0, 0, 0, 0, 0, 0, 1, 1]
    rng = np.random.default_rng(3)
    rows = rng.exponential(size=2_000).round(1)
    learned = learn_histogram(rows)
    assert learned.count(rows).tolist() == learned.counts.tolist() and learned.counts.sum() == 2_000
    assert (learned.count(rows[:700]) + learned.count(rows[700:]) == learned.counts).all()


def test_the_most_frequent_codes_of_a_category_have_bins_of_their_own() -> None:
    codes = np.repeat(np.arange(12.0), np.arange(1, 13))
    histogram = learn_codes(codes)
    assert histogram.codes.tolist() == list(range(3, 12)) and histogram.counts[-1] == 1 + 2 + 3
    assert histogram.count(np.array([11.0, 0.0, 77.0])).tolist() == [*[0] * 8, 1, 2]


def test_histograms_read_back_as_they_were_written() -> None:
    rng = np.random.default_rng(5)
    rows = rng.integers(0, 30, (500, 10)).astype(float)
    learned = TrainingHistograms(learn_features(rows, THREAT), learn_histogram(rng.random(50)), {"attack": 9})
    document = json.loads(json.dumps(learned.document(THREAT)))
    again = parse_histograms(document, THREAT, CLASSES)
    assert again.document(THREAT) == document | {"classes": {"attack": 9, "normal": 0}}
    assert set(document["features"]["service"]) == {"codes", "counts"}


def feature(**fields: Any) -> Change:
    return lambda d: d | {"features": d["features"] | {"count": NUMBER | fields}}


BAD: dict[str, tuple[Change, str]] = {
    "no object": (lambda d: [], "other fields"),
    "an unknown field": (lambda d: d | {"mean": 1}, "other fields"),
    "no classes": (lambda d: {"features": d["features"], "score": d["score"]}, "other fields"),
    "features that are none": (lambda d: d | {"features": 3}, "each feature once"),
    "a feature of another model": (lambda d: d | {"features": d["features"] | {"duration": NUMBER}}, '"duration"'),
    "a bin that ends before it begins": (feature(edges=[0, 5, 1]), '"count" do not ascend'),
    "a least value above the rest": (feature(edges=[6, 1, 5]), '"count" do not ascend'),
    "two bins of the same edges": (feature(edges=[0, 5, 5]), '"count" do not ascend'),
    "one edge": (feature(edges=[0], counts=[5, 5]), '"count" are no list of 2 to 64'),
    "too many edges": (feature(edges=list(range(65)), counts=[1] * 66), "no list of 2 to 64"),
    "no number": (feature(edges=[0, "a", 5]), '"count" that is no finite number'),
    "infinite": (feature(edges=[0, 1, float("inf")]), "no finite number"),
    "larger than any double": (feature(edges=[0, 1, 10**400]), "no finite number"),
    "a count too few": (feature(counts=[6, 4, 0]), '"count" are not one more'),
    "a negative count": (feature(counts=[-1, 7, 4, 0]), '"count" that is no number of rows'),
    "half a row": (feature(counts=[0, 6, 4.0, 0]), '"count" that is no number of rows'),
    "no rows": (feature(counts=[0, 0, 0, 0]), '"count" are of no rows'),
    "other rows than the others": (feature(counts=[0, 6, 5, 0]), "different numbers of rows"),
    "codes of the score": (lambda d: d | {"score": {"codes": [1], "counts": [1, 0]}}, "score .* has codes"),
    "a class of another model": (lambda d: d | {"classes": {"DDoS": 1}}, "none that the model may answer"),
    "no class": (lambda d: d | {"classes": {}}, "have no rows"),
}


@pytest.mark.parametrize("name", BAD)
def test_histograms_that_are_wrong_are_refused_by_name(name: str) -> None:
    change, words = BAD[name]
    with pytest.raises(BundleError, match=words):
        parse_histograms(change(dict(DOCUMENT)), THREAT, CLASSES)


def examined(profile: dict[str, Any]) -> Examined:
    suffix, data = packed(honest("forest", model_type="threat_detector").layout, "none")
    return examine(memoryview(data), ExaminationRequest(suffix, "threat_detector", json.dumps(profile).encode()))


def test_a_profile_brings_the_histograms_of_an_upload() -> None:
    found = examined({"training_histograms": DOCUMENT})
    assert found.bundle is not None, found.report.reason
    kept = histograms_of(found.bundle.manifest)
    assert kept is not None and dict(kept.classes) == {"attack": 1, "normal": 3}
    assert found.report.figures["bundle_hash"] == found.bundle.hash
    assert parse_manifest(found.bundle.manifest.to_json()) == found.bundle.manifest
    wrong = examined({"training_histograms": {"features": {}, "score": {}, "classes": {}}})
    assert wrong.bundle is None and "must name each feature once" in (wrong.report.reason or "")


def test_a_bundle_without_histograms_keeps_its_hash(threat_bundle: ServedBundle) -> None:
    bare = ServedBundle(replace(threat_bundle.manifest, training_histograms=None), threat_bundle.onnx)
    assert "training_histograms" not in json.loads(bare.manifest.to_json())
    assert histograms_of(bare.manifest) is None
    assert with_histograms(bare, DOCUMENT).hash != bare.hash
