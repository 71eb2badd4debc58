"""Builds an ONNX graph node by node; the same calls give the same bytes."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 18
ML_OPSET = 3
IR_VERSION = 8
ML_DOMAIN = "ai.onnx.ml"
INPUT = "features"


class GraphBuilder:
    """Nodes and constants of one graph, whose single input is `features`, double [N, n_features]."""

    def __init__(self, n_features: int) -> None:
        self.n_features = n_features
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

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
        """The model's bytes; `outputs` gives each graph output, all [N], its tensor and element type."""
        for name, (tensor, _) in outputs.items():
            self._nodes.append(helper.make_node("Identity", [tensor], [name], name=f"out_{name}"))
        graph = helper.make_graph(
            self._nodes,
            "netheal",
            [helper.make_tensor_value_info(INPUT, TensorProto.DOUBLE, ["N", self.n_features])],
            [helper.make_tensor_value_info(name, kind, ["N"]) for name, (_, kind) in outputs.items()],
            self._constants,
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML_DOMAIN, ML_OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, producer_name="netheal", ir_version=IR_VERSION)
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))
