"""Models in memory: loaded once while they are in use, and forgotten after."""

import gc
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from netheal.bundles.inference import GraphSession
from netheal.bundles.served import ServedBundle
from netheal.errors import ModelFailure
from netheal.scoring import model as scoring
from netheal.scoring.loaded import LoadedModels
from netheal.scoring.model import ServedModel


def bundles(bundle: ServedBundle, count: int) -> list[ServedBundle]:
    return [ServedBundle(replace(bundle.manifest, version=f"v{number}"), bundle.onnx) for number in range(count)]


def test_a_model_is_loaded_once(threat_bundle: ServedBundle) -> None:
    loaded, calls = LoadedModels(), []

    def load() -> ServedBundle:
        calls.append(1)
        return threat_bundle

    assert loaded.get("a", load) is loaded.get("a", load)
    assert len(calls) == 1


def test_what_is_not_kept_is_gone(threat_bundle: ServedBundle) -> None:
    loaded = LoadedModels()
    first = loaded.get("a", lambda: threat_bundle)
    loaded.get("b", lambda: threat_bundle)
    gone = weakref.ref(first)
    del first
    loaded.keep({"b", "c"})
    gc.collect()
    assert gone() is None and len(loaded) == 1


def test_the_one_unused_longest_goes_first(threat_bundle: ServedBundle) -> None:
    loaded, many = LoadedModels(), bundles(threat_bundle, 12)
    first = loaded.get("0", lambda: many[0])
    for number in range(1, 12):
        loaded.get(str(number), lambda number=number: many[number])  # type: ignore[misc]
        assert loaded.get("0", lambda: many[0]) is first
    assert len(loaded) == 8


def test_a_failure_to_load_leaves_nothing(threat_bundle: ServedBundle) -> None:
    def fails() -> ServedBundle:
        raise ModelFailure("gone", "a")

    loaded = LoadedModels()
    with pytest.raises(ModelFailure):
        loaded.get("a", fails)
    assert isinstance(loaded.get("a", lambda: threat_bundle), ServedModel)


def test_a_graph_is_loaded_once_for_all_threads(threat_bundle: ServedBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[int] = []
    together = threading.Barrier(4)

    class Counted(GraphSession):
        def __init__(self, onnx: bytes) -> None:
            loads.append(len(onnx))
            super().__init__(onnx)

    monkeypatch.setattr(scoring, "GraphSession", Counted)
    model, rows = ServedModel(threat_bundle), np.ones((3, 10))

    def score(_: int) -> list[float]:
        together.wait(60)
        return list(model.threat_scores(rows))

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(score, range(4)))
    assert answers == [answers[0]] * 4
    assert len(loads) == 1


def test_what_is_not_used_for_long_is_gone(threat_bundle: ServedBundle) -> None:
    loaded, limit = LoadedModels(idle_s=0.5), time.monotonic() + 60
    for _ in range(2):  # the watch begins again with the next model
        first = loaded.get("a", lambda: threat_bundle)
        gone = weakref.ref(first)
        del first
        while len(loaded):
            assert time.monotonic() < limit
            time.sleep(0.02)
        gc.collect()
        assert gone() is None


def test_what_is_forgotten_is_loaded_again_and_the_rest_is_not(threat_bundle: ServedBundle) -> None:
    loaded = LoadedModels()
    for name in "ab":
        loaded.get(name, lambda: threat_bundle)
    loaded.forget({"a", "c"})
    assert len(loaded) == 1
