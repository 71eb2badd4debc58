"""A served graph, loaded: rows in, its outputs out, in blocks of rows that bound the memory it takes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netheal.onnx_runtime import onnxruntime as ort

INPUT = "features"
BLOCK_ROWS = 256
"""Rows that a graph scores at a time, unless its own metadata says fewer."""

BLOCK_BYTES = 16 * 1024 * 1024
"""What a graph may make of the rows of one block."""

BLOCK_ROWS_KEY = "block_rows"
"""The graph's metadata entry: a graph that makes much of each row says how many it takes at a time."""

_ORT = ort.capi.onnxruntime_pybind11_state
GRAPH_FAILURES: tuple[type[Exception], ...] = (
    RuntimeError,
    ValueError,
    _ORT.Fail,
    _ORT.InvalidArgument,
    _ORT.InvalidGraph,
    _ORT.InvalidProtobuf,
    _ORT.NotImplemented,
    _ORT.RuntimeException,
)
"""What loading or running a graph raises."""


class GraphSession:
    """One graph in memory; thread-safe, one thread a call. Raises GRAPH_FAILURES where it cannot be loaded."""

    def __init__(self, onnx: bytes) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # The arena costs no less time here, and keeps the largest block of each session until the session ends.
        options.enable_cpu_mem_arena = False
        self._session = ort.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
        self.outputs = [output.name for output in self._session.get_outputs()]
        told = self._session.get_modelmeta().custom_metadata_map.get(BLOCK_ROWS_KEY, BLOCK_ROWS)
        self.block_rows = min(max(int(told), 1), BLOCK_ROWS)

    def run(self, outputs: Sequence[str], rows: NDArray[np.float64]) -> list[NDArray[Any]]:
        """These outputs, each [N], of unscaled rows, double [N, n_features]. Raises GRAPH_FAILURES.

        Every block is filled up with zeros to the same size, so that the bits of an answer do not depend on how many
        rows came with it.
        """
        parts: list[list[NDArray[Any]]] = [[] for _ in outputs]
        for start in range(0, max(len(rows), 1), self.block_rows):
            block = rows[start : start + self.block_rows]
            for kept, answer in zip(parts, self._session.run(outputs, {INPUT: self._filled(block)}), strict=True):
                kept.append(answer.reshape(-1)[: len(block)])
        return [np.concatenate(kept) for kept in parts]

    def _filled(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        if len(block) == self.block_rows:
            return np.ascontiguousarray(block)
        filled = np.zeros((self.block_rows, block.shape[1]))
        filled[: len(block)] = block
        return filled
