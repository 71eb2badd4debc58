import numpy as np
import pytest
from onnx import TensorProto
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from netheal.bundles.graph import GraphBuilder
from netheal.bundles.parity import run_graph
from netheal.bundles.scaling import Scaling, min_max, standard
from netheal.errors import BundleError

ROWS = np.random.default_rng(3).lognormal(5, 4, size=(500, 3))


def scaled(scaling: Scaling, column: int, rows: np.ndarray = ROWS) -> np.ndarray:
    graph = GraphBuilder(3)
    value = scaling.add_to(graph)
    picked = graph.add("Gather", value, graph.constant(np.array(column, dtype=np.int64)), axis=1)
    return run_graph(graph.serialise({"score": (picked, TensorProto.DOUBLE)}), rows)["score"]


@pytest.mark.parametrize("column", range(3))
def test_scaling_is_scikit_learns_to_the_bit(column: int) -> None:
    plain, robust = StandardScaler().fit(ROWS), RobustScaler().fit(ROWS)
    ranged = MinMaxScaler(clip=True).fit(ROWS[:50])
    for fitted, scaling in (
        (plain, standard(plain.mean_, plain.scale_)),
        (robust, standard(robust.center_, robust.scale_)),
        (ranged, min_max(ranged.scale_, ranged.min_, (0.0, 1.0))),
    ):
        assert np.array_equal(scaled(scaling, column), fitted.transform(ROWS)[:, column])


def test_no_scaling_leaves_values_as_they_are() -> None:
    assert np.array_equal(scaled(Scaling(), 1), ROWS[:, 1])
    assert np.array_equal(scaled(standard(None, None), 1), ROWS[:, 1])


@pytest.mark.parametrize(
    "scaling",
    [standard(np.zeros(2), np.ones(2)), standard(np.array([0, np.nan, 0]), None), Scaling((), (1.0, 1.0))],
)
def test_a_scaler_that_cannot_be_meant_is_refused(scaling: Scaling) -> None:
    with pytest.raises(BundleError):
        scaled(scaling, 0)
