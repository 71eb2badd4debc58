"""Proof that a served graph answers as the model it was made from, on real rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netheal.bundles.inference import GRAPH_FAILURES, GraphSession
from netheal.contracts.verdict import is_attack_score
from netheal.errors import BundleError

Doubles = NDArray[np.float64]
Answers = dict[str, NDArray[Any]]

TOLERANCE = 1e-6


@dataclass(frozen=True)
class Evidence:
    """What the original model said: unscaled rows, double [N, n], and its answers.

    `scores` is the threat score or the confidence of the class, double [N]; `labels`, int64 [N], is the
    index into the manifest's classes, or 0 and 1 for normal and attack.
    """

    rows: NDArray[np.float64]
    scores: NDArray[np.float64]
    labels: NDArray[np.int64]


def run_graph(onnx: bytes, rows: Doubles) -> Answers:
    """Every output of the graph over unscaled rows, double [N, n], each of them [N]."""
    return LoadedGraph(onnx).answers(rows)


class LoadedGraph:
    """A graph ready to answer; raises BundleError, as its answers do, where it does not run."""

    def __init__(self, onnx: bytes) -> None:
        self.onnx = onnx
        with _failures():
            self._session = GraphSession(onnx)

    def answers(self, rows: Doubles) -> Answers:
        """Every output over unscaled rows, double [N, n], each of them [N]."""
        names = self._session.outputs
        with _failures():
            return dict(zip(names, self._session.run(names, rows), strict=True))


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except GRAPH_FAILURES as error:
        raise BundleError(f"the graph does not run: {error}") from error


def prove_parity(graph: LoadedGraph, evidence: Evidence, threshold: float | None = None) -> dict[str, Any]:
    """Figures `rows`, `max_abs_error`, `label_mismatches`; `threshold` makes labels of threat scores.

    Raises BundleError where a label differs, a score differs by more than 1e-6, or there are no rows.
    """
    if not len(evidence.rows):
        raise BundleError("parity needs rows, and none were given")
    answers = graph.answers(evidence.rows)
    scores = answers["confidence" if threshold is None else "score"]
    labels = answers["label"] if threshold is None else is_attack_score(scores, threshold).astype(np.int64)
    if scores.shape != evidence.scores.shape or labels.shape != evidence.labels.shape:
        raise BundleError("parity: the graph and the original answered different numbers of rows")
    error = float(np.abs(scores - evidence.scores).max())
    mismatches = int((labels != evidence.labels).sum())
    figures = {"rows": len(evidence.rows), "max_abs_error": error, "label_mismatches": mismatches}
    if mismatches or not error <= TOLERANCE:
        raise BundleError(
            f"the ONNX graph does not answer as the original model did: of {len(evidence.rows)} rows {mismatches} got"
            f" another class, and scores differ by up to {error:.1e}"
        )
    return figures
