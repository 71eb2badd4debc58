"""One scoring path: the same bits for a row whatever is scored beside it, and an error where a model fails."""

import hashlib
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from netheal.bundles.served import ServedBundle
from netheal.contracts import attack_classes
from netheal.errors import ModelFailure
from netheal.scoring.model import ServedModel
from netheal.traffic.profiles import shipped_profile

ROWS = 1_500


def sampled(bundle: ServedBundle, kind: str) -> np.ndarray:
    """Generated rows as the model takes them."""
    profile, rng = shipped_profile(kind), np.random.default_rng(3)
    names = [profile.classes[at % len(profile.classes)] for at in range(ROWS)]
    rows = profile.sample(rng, names)[:, [profile.features.index(name) for name in bundle.contract.names]]
    for at, name in enumerate(bundle.contract.names):
        if name in bundle.manifest.encoders:
            rows[:, at] %= len(bundle.manifest.encoders[name])
    return rows


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 999])
def test_threat_scores_have_the_same_bits_in_any_batch(threat_bundle: ServedBundle, size: int) -> None:
    model, rows = ServedModel(threat_bundle), sampled(threat_bundle, "threat")[: 300 if size < 3 else ROWS]
    whole = model.threat_scores(rows)
    parts = [model.threat_scores(rows[at : at + size]) for at in range(0, len(rows), size)]
    assert np.concatenate(parts).tobytes() == whole.tobytes()
    assert 0.1 < (whole >= model.threshold).mean() < 0.95 and len(set(whole.tolist())) > 100


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 999])
def test_attack_classes_have_the_same_bits_in_any_batch(attack_bundle: ServedBundle, size: int) -> None:
    model, rows = ServedModel(attack_bundle), sampled(attack_bundle, "attack")[: 300 if size < 3 else ROWS]
    whole = model.attack_scores(rows)
    parts = [model.attack_scores(rows[at : at + size]) for at in range(0, len(rows), size)]
    assert np.concatenate([part.confidence for part in parts]).tobytes() == whole.confidence.tobytes()
    assert np.concatenate([part.class_id for part in parts]).tolist() == whole.class_id.tolist()
    assert len(set(whole.class_id.tolist())) > 5


def test_the_order_of_rows_changes_nothing(threat_bundle: ServedBundle) -> None:
    model, rows = ServedModel(threat_bundle), sampled(threat_bundle, "threat")
    order = np.random.default_rng(4).permutation(ROWS)
    assert model.threat_scores(rows[order]).tobytes() == model.threat_scores(rows)[order].tobytes()


def test_no_rows_give_no_scores(threat_bundle: ServedBundle) -> None:
    assert len(ServedModel(threat_bundle).threat_scores(np.empty((0, 10)))) == 0


def test_columns_that_are_not_contiguous_are_scored_as_they_are(attack_bundle: ServedBundle) -> None:
    model, rows = ServedModel(attack_bundle), sampled(attack_bundle, "attack")
    turned = model.attack_scores(np.asfortranarray(rows))
    assert turned.confidence.tobytes() == model.attack_scores(rows).confidence.tobytes()


def test_class_ids_are_those_of_the_contract_whatever_order_the_model_has(attack_bundle: ServedBundle) -> None:
    names = list(attack_bundle.manifest.classes or [])
    turned = ServedBundle(replace(attack_bundle.manifest, classes=names[::-1]), attack_bundle.onnx)
    rows = sampled(attack_bundle, "attack")
    as_is, reversed_ = ServedModel(attack_bundle).attack_scores(rows), ServedModel(turned).attack_scores(rows)
    known = attack_classes().names
    assert [names.index(known[i]) for i in as_is.class_id] == [names[::-1].index(known[i]) for i in reversed_.class_id]


def test_codes_are_the_places_in_the_encoders_list(threat_bundle: ServedBundle) -> None:
    encoders = ServedModel(threat_bundle).encoders
    for name, words in threat_bundle.manifest.encoders.items():
        assert encoders[name] == {word: float(code) for code, word in enumerate(words)}


@pytest.mark.parametrize("width", [1, 9, 11])
def test_rows_of_another_width_are_a_failure_of_the_model(threat_bundle: ServedBundle, width: int) -> None:
    with pytest.raises(ModelFailure, match=threat_bundle.manifest.version):
        ServedModel(threat_bundle).threat_scores(np.zeros((3, width)))


def test_a_graph_that_is_none_is_a_failure_of_the_model(threat_bundle: ServedBundle) -> None:
    graph = b"not a graph"
    manifest = replace(threat_bundle.manifest, onnx_sha256=hashlib.sha256(graph).hexdigest())
    with pytest.raises(ModelFailure, match=manifest.version):
        ServedModel(ServedBundle(manifest, graph)).threat_scores(np.zeros((3, 10)))


def graph_bundle(bundle: ServedBundle, nodes: list[onnx.NodeProto], **constants: list[float]) -> ServedBundle:
    """A threat detector that computes `score` of `features` by these nodes; `most` is each row's largest value."""
    largest = helper.make_node("ReduceMax", ["features", "axes"], ["most"], keepdims=0)
    graph = helper.make_graph(
        [largest, *nodes],
        "sample",
        [helper.make_tensor_value_info("features", TensorProto.DOUBLE, [None, 10])],
        [helper.make_tensor_value_info("score", TensorProto.DOUBLE, [None])],
        [
            helper.make_tensor("axes", TensorProto.INT64, [1], [1]),
            *(helper.make_tensor(name, TensorProto.DOUBLE, [1], value) for name, value in constants.items()),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    encoded = model.SerializeToString()
    manifest = replace(bundle.manifest, onnx_sha256=hashlib.sha256(encoded).hexdigest())
    return ServedBundle(manifest, encoded)


@pytest.mark.parametrize("constant", [float("nan"), 1.5, -0.5, float("inf")])
def test_a_score_outside_its_range_is_a_failure_of_the_model(threat_bundle: ServedBundle, constant: float) -> None:
    nodes = [helper.make_node("Add", ["most", "constant"], ["score"])]
    bundle = graph_bundle(threat_bundle, nodes, constant=[constant])
    with pytest.raises(ModelFailure, match=r"outside \[0, 1\] or NaN"):
        ServedModel(bundle).threat_scores(np.zeros((3, 10)))


def test_a_graph_never_sees_how_many_rows_came_together(threat_bundle: ServedBundle) -> None:
    """A matrix product may round otherwise for another number of rows; here the score is that number."""
    nodes = [
        helper.make_node("Shape", ["most"], ["shape"]),
        helper.make_node("Cast", ["shape"], ["rows"], to=TensorProto.DOUBLE),
        helper.make_node("Div", ["rows", "thousand"], ["share"]),
        helper.make_node("Add", ["most", "share"], ["score"]),
    ]
    model = ServedModel(graph_bundle(threat_bundle, nodes, thousand=[1000.0]))
    seen = {
        score for rows in (1, 3, 255, 256, 257, 999) for score in model.threat_scores(np.zeros((rows, 10))).tolist()
    }
    assert len(seen) == 1
