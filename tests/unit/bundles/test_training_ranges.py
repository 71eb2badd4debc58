"""What training rows held is learned, kept in a bundle, and refused where it is not of the bundle's features."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from netheal.bundles.intake.examine import ExaminationRequest, Examined, examine
from netheal.bundles.served import ServedBundle, parse_manifest
from netheal.bundles.training_ranges import TrainingRanges, learn_ranges, parse_ranges, with_ranges
from netheal.contracts import contract
from netheal.errors import BundleError
from tests.unit.bundles.intake.honest_bundles import honest, packed

THREAT = contract("threat/v1")
WIDE = {name: [0, 10] for name in THREAT.names if name not in ("service", "flag")}
DOCUMENT = {"ranges": WIDE, "codes": {"service": [3, 1], "flag": [0]}, "limit": 0.25}
Change = Callable[[dict[str, Any]], Any]


def row(**features: float) -> list[float]:
    return [features.get(name, 1.0 if name == "service" else 0.0) for name in THREAT.names]


def test_a_value_beyond_its_range_and_a_code_that_never_occurred_are_outside() -> None:
    ranges = parse_ranges(DOCUMENT, THREAT)
    rows = [row(), row(src_bytes=10), row(src_bytes=10.5), row(service=2), row(service=9, flag=1, count=-1)]
    assert ranges.outside(np.array(rows)).tolist() == [0.0, 0.0, 0.1, 0.1, 0.3]
    assert ranges.outside(np.array(rows)[:, ::1][:0]).tolist() == []


def test_the_outermost_thousandth_widens_no_range() -> None:
    rows = np.tile(np.arange(2_000.0)[:, None], (1, 10)) % [5, 7, *[2_000] * 8]
    ranges = learn_ranges(rows, THREAT)
    assert ranges.codes[0].tolist() == [0, 1, 2, 3, 4]
    assert ranges.codes[1].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert np.isinf(ranges.low[:2]).all()
    assert (ranges.low[2:] > 0).all() and (ranges.high[2:] < 1_999).all()
    assert ranges.outside(rows).max() == 0.8
    assert (ranges.outside(rows) > 0).sum() == 4


def test_ranges_read_back_as_they_were_written() -> None:
    ranges = parse_ranges(DOCUMENT, THREAT)
    again = parse_ranges(json.loads(json.dumps(ranges.document(THREAT))), THREAT)
    assert again.document(THREAT) == ranges.document(THREAT)
    assert again.document(THREAT)["codes"] == {"service": [1, 3], "flag": [0]}
    assert parse_ranges({"ranges": {name: [0, 1] for name in THREAT.names}}, THREAT).limit is None


BAD: dict[str, tuple[Change, str]] = {
    "no object": (lambda d: [], "other fields"),
    "an unknown field": (lambda d: d | {"mean": 1}, "other fields"),
    "a feature is missing": (lambda d: d | {"codes": {"flag": [0]}}, '"service"'),
    "a feature of another model": (lambda d: d | {"ranges": d["ranges"] | {"duration": [0, 1]}}, '"duration"'),
    "a feature twice": (lambda d: d | {"ranges": d["ranges"] | {"flag": [0, 1]}}, '"flag"'),
    "no pair": (lambda d: d | {"ranges": d["ranges"] | {"count": [1]}}, '"count" is no pair'),
    "backwards": (lambda d: d | {"ranges": d["ranges"] | {"count": [2, 1]}}, '"count" ends before'),
    "no number": (lambda d: d | {"ranges": d["ranges"] | {"count": ["a", 1]}}, '"count" that is no finite number'),
    "infinite": (lambda d: d | {"ranges": d["ranges"] | {"count": [0, float("inf")]}}, "no finite number"),
    "true": (lambda d: d | {"limit": True}, "no finite number"),
    "a limit above 1": (lambda d: d | {"limit": 1.5}, "outside 0 to 1"),
    "no codes": (lambda d: d | {"codes": {"service": [], "flag": [1]}}, '"service" are no list'),
    "ranges that are none": (lambda d: d | {"ranges": 3}, "no object"),
}


@pytest.mark.parametrize("name", BAD)
def test_ranges_that_are_wrong_are_refused_by_name(name: str) -> None:
    change, words = BAD[name]
    with pytest.raises(BundleError, match=words):
        parse_ranges(change(dict(DOCUMENT)), THREAT)


def examined(model: str, profile: dict[str, Any] | None) -> Examined:
    suffix, data = packed(honest(model, model_type="threat_detector").layout, "none")
    text = None if profile is None else json.dumps(profile).encode()
    return examine(memoryview(data), ExaminationRequest(suffix, "threat_detector", text))


def test_a_profile_brings_the_ranges_of_an_upload() -> None:
    found = examined("forest", {"training_ranges": DOCUMENT})
    assert found.bundle is not None, found.report.reason
    kept = found.bundle.manifest.training_ranges
    assert kept is not None
    assert (kept["limit"], kept["codes"]["service"], kept["ranges"]["count"]) == (0.25, [1, 3], [0, 10])
    assert found.report.figures["bundle_hash"] == found.bundle.hash
    assert parse_manifest(found.bundle.manifest.to_json()) == found.bundle.manifest
    wrong = examined("forest", {"training_ranges": {"ranges": {"count": [0, 1]}}})
    assert wrong.bundle is None and "must name each feature once" in (wrong.report.reason or "")


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("tree", "vote_share"),
        ("forest", "vote_share"),
        ("extra", "vote_share"),
        ("hard_voting", "vote_share"),
        ("voting", "probability"),
        ("boosting", "probability"),
        ("histogram", "probability"),
        ("logistic", "probability"),
        ("mlp", "probability"),
    ],
)
def test_a_vote_share_is_named_so(model: str, kind: str) -> None:
    bundle = examined(model, None).bundle
    assert bundle is not None
    assert (bundle.manifest.confidence_kind, bundle.manifest.training_ranges) == (kind, None)


def test_a_bundle_that_says_neither_keeps_its_hash(threat_bundle: ServedBundle) -> None:
    manifest = replace(threat_bundle.manifest, confidence_kind=None, training_ranges=None)
    text = manifest.to_json()
    assert not {"confidence_kind", "training_ranges"} & json.loads(text).keys()
    assert parse_manifest(text) == manifest
    bare = ServedBundle(manifest, threat_bundle.onnx)
    assert bare.hash == hashlib.sha256(text).hexdigest()
    assert with_ranges(bare, {"ranges": {name: [0, 1] for name in THREAT.names}}).hash != bare.hash


def test_more_features_than_fit_into_a_byte_are_counted() -> None:
    ranges = TrainingRanges(np.zeros(300), np.ones(300), {})
    assert ranges.outside(np.full((1, 300), 2.0)).tolist() == [1.0]
