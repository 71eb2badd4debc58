"""Proof that a served graph answers as the model it was made from, on real rows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netheal.bundles.graph import INPUT
from netheal.errors import BundleError
from netheal.onnx_runtime import onnxruntime

Doubles = NDArray[np.float64]
Answers = dict[str, NDArray[Any]]

TOLERANCE = 1e-6
_BLOCK_ROWS = 512


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
    return loaded_graph(onnx)(rows)


def loaded_graph(onnx: bytes) -> Callable[[Doubles], Answers]:
    """The graph ready to answer, on one thread; raises BundleError, as its answers do, where it does not run."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    with _failures():
        session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def answer(rows: Doubles) -> Answers:
        starts = range(0, max(len(rows), 1), _BLOCK_ROWS)
        with _failures():
            blocks = [session.run(names, {INPUT: rows[start : start + _BLOCK_ROWS]}) for start in starts]
        return {name: np.concatenate([block[i] for block in blocks]) for i, name in enumerate(names)}

    return answer


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # onnxruntime's own classes derive from Exception alone
        raise BundleError(f"the graph does not run: {error}") from error


def prove_parity(onnx: bytes, evidence: Evidence, threshold: float | None = None) -> dict[str, Any]:
    """Figures `rows`, `max_abs_error`, `label_mismatches`; `threshold` makes labels of threat scores.

    Raises BundleError where a label differs, a score differs by more than 1e-6, or there are no rows.
    """
    if not len(evidence.rows):
        raise BundleError("parity needs rows, and none were given")
    answers = run_graph(onnx, evidence.rows)
    scores = answers["confidence" if threshold is None else "score"]
    labels = answers["label"] if threshold is None else (scores >= threshold).astype(np.int64)
    if scores.shape != evidence.scores.shape or labels.shape != evidence.labels.shape:
        raise BundleError("parity: the graph and the original answered different numbers of rows")
    error = float(np.abs(scores - evidence.scores).max())
    mismatches = int((labels != evidence.labels).sum())
    figures = {"rows": len(evidence.rows), "max_abs_error": error, "label_mismatches": mismatches}
    if mismatches or not error <= TOLERANCE:
        raise BundleError(f"the ONNX graph does not answer as the original model did: {figures}")
    return figures
