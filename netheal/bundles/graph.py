"""Builds an ONNX graph node by node; the same calls give the same bytes."""

from typing import Any

import numpy as np
import onnx
from google.protobuf.message import EncodeError
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from netheal.bundles.inference import BLOCK_BYTES, BLOCK_ROWS, BLOCK_ROWS_KEY, INPUT
from netheal.errors import BundleError

OPSET = 18
ML_OPSET = 3
IR_VERSION = 8
ML_DOMAIN = "ai.onnx.ml"
MOST_ROW_BYTES = 1024 * 1024
"""What a graph may make of one row: 16 rows at a time then fill `BLOCK_BYTES`."""

MOST_ONNX_BYTES = 192 * 1024 * 1024
"""Of a served graph: each process that scores loads it, and needs about three times as much."""


class GraphBuilder:
    """Nodes and constants of one graph, whose single input is `features`, double [N, n_features]."""

    def __init__(self, n_features: int) -> None:
        self.n_features = n_features
        self.row_bytes = 0
        self._model = onnx.ModelProto()
        # Filled in place: a copy of a large forest costs as much memory as the forest.
        self._nodes = self._model.graph.node
        self._constants = self._model.graph.initializer

    def spend(self, row_bytes: int) -> None:
        """Count what the nodes make of each row; raises BundleError where together they make too much."""
        self.row_bytes += row_bytes
        if self.row_bytes > MOST_ROW_BYTES:
            raise BundleError(
                f"the model makes more than {MOST_ROW_BYTES // 1024} kB of every row that it scores:"
                " train one with fewer trees, classes or layers"
            )

    def constant(self, value: NDArray[Any]) -> str:
        """Store an array in the graph; returns its name."""
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def add(self, op: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Append a node and return the name of its first output."""
        return self.add_many(op, inputs, 1, domain=domain, **attributes)[0]

    def add_many(
        self, op: str, inputs: tuple[str, ...], outputs: int, domain: str = "", **attributes: Any
    ) -> list[str]:
        """Append a node with several outputs and return their names."""
        names = [f"t{len(self._nodes)}_{place}" for place in range(outputs)]
        label = f"n{len(self._nodes)}"
        node = helper.make_node(op, list(inputs), names, name=label, domain=domain, **attributes)
        self._nodes.append(node)
        return names

    def cast(self, value: str, element: int) -> str:
        """Cast to an ONNX element type."""
        return self.add("Cast", value, to=element)

    def flat(self, value: str) -> str:
        """[N, 1] as [N]."""
        return self.add("Reshape", value, self.constant(np.array([-1], dtype=np.int64)))

    def serialise(self, outputs: dict[str, tuple[str, int]]) -> bytes:
        """The model's bytes, once; `outputs` gives each graph output, all [N], its tensor and element type.

        Raises BundleError where they are too many.
        """
        model, graph = self._model, self._model.graph
        for name, (tensor, _) in outputs.items():
            self._nodes.append(helper.make_node("Identity", [tensor], [name], name=f"out_{name}"))
        graph.name = "netheal"
        graph.input.append(helper.make_tensor_value_info(INPUT, TensorProto.DOUBLE, ["N", self.n_features]))
        graph.output.extend(helper.make_tensor_value_info(name, kind, ["N"]) for name, (_, kind) in outputs.items())
        model.ir_version, model.producer_name = IR_VERSION, "netheal"
        model.opset_import.extend([helper.make_opsetid("", OPSET), helper.make_opsetid(ML_DOMAIN, ML_OPSET)])
        block_rows = BLOCK_BYTES // max(1, self.row_bytes)
        if block_rows < BLOCK_ROWS:
            helper.set_model_props(model, {BLOCK_ROWS_KEY: str(block_rows)})
        data = _serialised(model)
        model.Clear()
        if len(data) > MOST_ONNX_BYTES:
            raise BundleError(
                f"the model takes {len(data) // 2**20} MB once it is served, and at most {MOST_ONNX_BYTES // 2**20} MB"
                " are: train one with fewer or smaller trees or layers"
            )
        onnx.checker.check_model(data, full_check=True)
        return data


def _serialised(model: onnx.ModelProto) -> bytes:
    try:
        return bytes(model.SerializeToString(deterministic=True))
    except EncodeError as error:  # of a message that is whole: there was no memory for its bytes
        raise MemoryError("the graph does not fit into memory") from error
