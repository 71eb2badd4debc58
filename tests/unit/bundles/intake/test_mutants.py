"""Good bundles with bytes changed, lost, doubled or moved: each is answered soon, and none breaks the reading."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from netheal.bundles.intake.decompress import plain_bytes
from netheal.bundles.intake.examine import ExaminationRequest, examine
from netheal.contracts import ModelType, contract
from tests.deadlines import REQUEST_S
from tests.unit.bundles.intake.honest_bundles import honest, packed
from tests.unit.bundles.intake.makers_classes import SlottedAndMore

Random = np.random.Generator


def _flip(data: bytearray, random: Random) -> None:
    for place in random.integers(0, len(data), random.integers(1, 9)):
        data[place] = random.integers(0, 256)


def _flip_in_the_pickle(data: bytearray, random: Random) -> None:
    data[random.integers(0, min(len(data), 3000))] = random.integers(0, 256)


def _cut(data: bytearray, random: Random) -> None:
    del data[random.integers(1, len(data)) :]


def _lose(data: bytearray, random: Random) -> None:
    start = random.integers(0, len(data))
    del data[start : start + random.integers(1, 40)]


def _double(data: bytearray, random: Random) -> None:
    start = random.integers(0, len(data))
    data[start:start] = data[start : start + random.integers(1, 40)]


def _opcode(data: bytearray, random: Random) -> None:
    data[random.integers(0, len(data))] = random.choice(list(b"RbioPQc\x93\x81\x82\x92.0012hjq\x94(tae"))


def _large(data: bytearray, random: Random) -> None:
    start = random.integers(0, max(1, len(data) - 8))
    data[start : start + 8] = b"\xff" * random.integers(1, 9)


CHANGES: list[Callable[[bytearray, Random], None]] = [
    _flip,
    _flip_in_the_pickle,
    _cut,
    _lose,
    _double,
    _opcode,
    _large,
]


def _bundles(models: Path) -> list[tuple[ModelType, str, bytes]]:
    threat = models / "threat_detector_ensemble" / "threat_detector_ensemble.joblib"
    found: list[tuple[ModelType, str, bytes]] = [("threat_detector", ".joblib", threat.read_bytes())]
    whole = Path(__file__).parent / "foreign" / "keras2_15_branches.joblib"
    found.append(("threat_detector", ".pkl", bytes(plain_bytes(memoryview(whole.read_bytes()))[1])))
    for model in ("tree", "boosting", "voting", "histogram", "hard_voting"):
        for form in ("none", "pkl2", "pkl5", "zlib"):
            found.append(("attack_classifier", *packed(honest(model).layout, form)))
    as_object = honest("tree", training=True).layout
    as_object["artifacts"] = SlottedAndMore(**{**as_object["artifacts"], "removed_columns": {" A", " B"}})
    stages = honest("tree").layout
    stages["model"], stages["scaler"] = make_pipeline(stages["scaler"], stages["model"]), None
    h5 = (Path(__file__).parent / "foreign" / "keras2_15_nested.h5").read_bytes()
    names = {"selected_features": list(contract("threat/v1").names)}
    for form in ("none", "pkl2", "pkl5"):
        found += [("attack_classifier", *packed(layout, form)) for layout in (as_object, stages)]
        weights = {"artifacts": names, "ann_weights": h5, "lstm_weights": h5}
        found.append(("threat_detector", *packed(weights, form)))
    return found


def test_mutants_are_answered(models: Path, pytestconfig: pytest.Config) -> None:
    bundles, random, refused, slowest = _bundles(models), np.random.default_rng(20_241_201), 0, 0.0
    count = pytestconfig.getoption("--intake-mutants")
    for number in range(count):
        model_type, suffix, good = bundles[number % len(bundles)]
        data = bytearray(good)
        CHANGES[random.integers(len(CHANGES))](data, random)
        start = time.perf_counter()
        report = examine(memoryview(bytes(data)), ExaminationRequest(suffix, model_type)).report
        slowest = max(slowest, time.perf_counter() - start)
        refused += not report.accepted
        assert report.accepted or len(report.reason) > 20, f"mutant {number}"
    print(f"{refused} of {count} mutants refused, slowest {slowest:.2f} s")
    assert slowest < REQUEST_S
