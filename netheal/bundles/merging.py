"""Keras layers that make one value of several, as ONNX nodes."""

from collections.abc import Callable, Sequence

import numpy as np

from netheal.bundles.graph import GraphBuilder
from netheal.bundles.layers import Tensor
from netheal.bundles.topology import Config
from netheal.errors import BundleError
from netheal.wording import shape_text, shown

Merge = Callable[[GraphBuilder, Sequence[Tensor], Config], Tensor]


def _add(graph: GraphBuilder, tensors: Sequence[Tensor], config: Config) -> Tensor:
    return Tensor(_total(graph, tensors), tensors[0].shape)


def _average(graph: GraphBuilder, tensors: Sequence[Tensor], config: Config) -> Tensor:
    count = graph.constant(np.array(len(tensors), dtype=np.float32))
    share = all(tensor.share for tensor in tensors)
    return Tensor(graph.add("Div", _total(graph, tensors), count), tensors[0].shape, share)


def _total(graph: GraphBuilder, tensors: Sequence[Tensor]) -> str:
    if any(tensor.shape != tensors[0].shape for tensor in tensors):
        raise BundleError(
            f"values of shapes {', '.join(shape_text(tensor.shape) for tensor in tensors)} cannot be added"
        )
    total = tensors[0].name
    for tensor in tensors[1:]:
        total = graph.add("Add", total, tensor.name)
    return total


def _concatenate(graph: GraphBuilder, tensors: Sequence[Tensor], config: Config) -> Tensor:
    first, axis = tensors[0].shape, concatenation_axis(config, len(tensors[0].shape))
    if any(other.shape[:axis] + other.shape[axis + 1 :] != first[:axis] + first[axis + 1 :] for other in tensors[1:]):
        raise BundleError(
            f"values of shapes {', '.join(shape_text(tensor.shape) for tensor in tensors)} cannot be joined"
        )
    joined = graph.add("Concat", *(tensor.name for tensor in tensors), axis=axis + 1)
    shape = (*first[:axis], sum(tensor.shape[axis] for tensor in tensors), *first[axis + 1 :])
    return Tensor(joined, shape, all(tensor.share for tensor in tensors))


def concatenation_axis(config: Config, shape_text: int) -> int:
    """The axis among the sides without the batch; raises BundleError for the batch's own, or none of them."""
    axis = config.get("axis", -1)
    if type(axis) is not int or axis == 0 or not -shape_text <= axis <= shape_text:
        raise BundleError(f"values of {shape_text} sides cannot be joined along axis {shown(axis)}")
    return axis - 1 if axis > 0 else axis + shape_text


MERGES: dict[str, Merge] = {"Add": _add, "Average": _average, "Concatenate": _concatenate}
