"""Keras' convolution and pooling over steps as ONNX nodes, in float32, at inference."""

from typing import Any

from netheal.bundles.graph import GraphBuilder
from netheal.bundles.layers import FLOAT_BYTES, Layer, Tensor, activate, activation_name
from netheal.bundles.topology import Config
from netheal.bundles.weights import WeightReader
from netheal.bundles.windows import Windows, windows_of
from netheal.errors import BundleError
from netheal.wording import shape_text


def _conv(graph: GraphBuilder, tensor: Tensor, config: Config, weights: WeightReader) -> Tensor:
    _require_steps(tensor)
    (steps, channels), filters = tensor.shape, int(config["filters"])
    windows = windows_of(config, "kernel_size", steps)
    graph.spend(
        FLOAT_BYTES * windows.count * windows.size * channels
    )  # each window's values laid out beside each other
    kernel = weights.take("Conv1D kernel", (windows.size, channels, filters))
    operands = [graph.add("Transpose", tensor.name, perm=[0, 2, 1]), graph.constant(kernel.transpose(2, 1, 0))]
    if config.get("use_bias", True):
        operands.append(graph.constant(weights.take("Conv1D bias", (filters,))))
    moved = _moved(graph, "Conv", operands, windows, dilations=[windows.every])
    return activate(graph, Tensor(moved, (windows.count, filters)), activation_name(config))


def _pooling(operation: str, **options: Any) -> Layer:
    """The largest value or the mean of each window; padding counts in neither."""

    def layer(graph: GraphBuilder, tensor: Tensor, config: Config, _: WeightReader) -> Tensor:
        _require_steps(tensor)
        windows = windows_of(config, "pool_size", tensor.shape[0])
        operands = [graph.add("Transpose", tensor.name, perm=[0, 2, 1])]
        moved = _moved(graph, operation, operands, windows, **options)
        return Tensor(moved, (windows.count, tensor.shape[1]), tensor.share)

    return layer


def _moved(graph: GraphBuilder, operation: str, operands: list[str], windows: Windows, **options: Any) -> str:
    found = graph.add(
        operation,
        *operands,
        kernel_shape=[windows.size],
        pads=[windows.before, windows.after],
        strides=[windows.stride],
        **options,
    )
    return graph.add("Transpose", found, perm=[0, 2, 1])


def _require_steps(tensor: Tensor) -> None:
    if len(tensor.shape) != 2:
        raise BundleError(f"windows over values of shape {shape_text(tensor.shape)} cannot be served: they need steps")


CONVOLUTION: dict[str, Layer] = {
    "AveragePooling1D": _pooling("AveragePool", count_include_pad=0),
    "Conv1D": _conv,
    "MaxPooling1D": _pooling("MaxPool"),
}
