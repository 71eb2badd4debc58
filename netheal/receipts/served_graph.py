"""A served ONNX graph as plain data: which node makes a tensor, which constants there are, how features are scaled."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from netheal.bundles.inference import INPUT
from netheal.bundles.scaling import Scaling, Step

MOST_GRAPH_BYTES = 64 * 1024 * 1024
"""Of a graph whose nodes are read: it takes about three times as much memory."""
_SCALES = {"Sub", "Div", "Mul", "Add"}
_SHARE = "share"


class UnknownGraph(Exception):
    """The graph is none of those whose parts are known here: explain the model by its answers alone."""


class ServedGraph:
    """One graph; raises UnknownGraph where it is too large to be read, or no graph."""

    def __init__(self, serialised: bytes) -> None:
        if len(serialised) > MOST_GRAPH_BYTES:
            raise UnknownGraph(f"it takes more than {MOST_GRAPH_BYTES} bytes")
        try:
            self._model = onnx.load_from_string(serialised)
        except Exception as error:  # protobuf's own errors have no common root
            raise UnknownGraph(str(error)) from error
        self._makers = {name: node for node in self._model.graph.node for name in node.output}
        self._constants = {constant.name: constant for constant in self._model.graph.initializer}

    def made_by(self, tensor: str, *ops: str) -> NodeProto:
        """The node of one of these kinds that makes a tensor; raises UnknownGraph where another one does."""
        node: NodeProto | None = self._makers.get(tensor)
        if node is None or node.op_type not in ops:
            raise UnknownGraph(f"{tensor} is not made by {ops}")
        return node

    def is_made_by(self, tensor: str, op: str) -> bool:
        """Whether a node of this kind makes it."""
        node = self._makers.get(tensor)
        return node is not None and node.op_type == op

    def constant(self, name: str) -> NDArray[Any]:
        """A constant; raises UnknownGraph where it is none."""
        if name not in self._constants:
            raise UnknownGraph(f"{name} is no constant")
        return numpy_helper.to_array(self._constants[name])

    def scaling(self, tensor: str, n_features: int) -> Scaling:
        """The steps from the features to a tensor; raises UnknownGraph where they are no element-wise scaling."""
        steps: list[Step] = []
        clip = None
        while tensor != INPUT:
            node = self.made_by(tensor, "Clip", *_SCALES)
            if node.op_type == "Clip":
                if clip is not None or steps:
                    raise UnknownGraph("it clips in the midst of scaling")
                clip = float(self.constant(node.input[1])), float(self.constant(node.input[2]))
            else:
                steps.insert(0, self._step(node, n_features))
            tensor = node.input[0]
        return Scaling(tuple(steps), clip)

    def input_scaling(self, n_features: int) -> Scaling:
        """The longest element-wise scaling that the features go through first."""
        steps: list[Step] = []
        tensor = INPUT
        while True:
            takers = [node for node in self._model.graph.node if tensor in node.input]
            if len(takers) != 1 or takers[0].op_type not in _SCALES or takers[0].input[0] != tensor:
                return Scaling(tuple(steps))
            try:
                steps.append(self._step(takers[0], n_features))
            except UnknownGraph:
                return Scaling(tuple(steps))
            tensor = takers[0].output[0]

    def _step(self, node: NodeProto, n_features: int) -> Step:
        """An element-wise step with one value a feature; raises UnknownGraph where it is another one."""
        operand = self.constant(node.input[1])
        if operand.size not in (1, n_features) or operand.dtype != np.float64:
            raise UnknownGraph(f"{node.op_type} takes no value a feature")
        return node.op_type, np.broadcast_to(operand.reshape(-1), (n_features,))  # type: ignore[return-value]

    def share_of(self, shares: str, place: int) -> bytes:
        """The graph with one output `share`, double [N]: the column `place` of a tensor [N, k]."""
        changed = onnx.ModelProto()
        changed.CopyFrom(self._model)
        changed.graph.initializer.append(numpy_helper.from_array(np.array(place, dtype=np.int64), "share_place"))
        changed.graph.node.append(helper.make_node("Gather", [shares, "share_place"], [_SHARE], axis=1))
        del changed.graph.output[:]
        changed.graph.output.append(helper.make_tensor_value_info(_SHARE, TensorProto.DOUBLE, ["N"]))
        return bytes(changed.SerializeToString())


def attribute(node: NodeProto, name: str) -> Any:
    """An attribute's value; raises UnknownGraph where the node does not have it."""
    for found in node.attribute:
        if found.name == name:
            return helper.get_attribute_value(found)
    raise UnknownGraph(f"{node.op_type} has no {name}")
