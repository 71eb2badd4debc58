"""Where a window that moves over steps lies: for convolutions and pooling of Keras, in one dimension."""

from dataclasses import dataclass

from netheal.bundles.topology import Config
from netheal.errors import BundleError
from netheal.wording import shown

_WIDEST = 4096


@dataclass(frozen=True)
class Windows:
    """`count` windows of `size` steps, `every` apart within and `stride` from one to the next, after padding."""

    size: int
    stride: int
    every: int
    before: int
    after: int
    count: int


def windows_of(config: Config, size_key: str, steps: int) -> Windows:
    """The windows over so many steps; raises BundleError for options that are not served."""
    if config.get("data_format") not in (None, "channels_last") or config.get("groups", 1) != 1:
        raise BundleError("windows over channels_first, or in groups, cannot be served")
    size = _one(config[size_key], size_key)
    stride = size if config.get("strides") is None and size_key == "pool_size" else _one(config["strides"], "strides")
    every = _one(config.get("dilation_rate", 1), "dilation_rate")
    span, padding = (size - 1) * every + 1, config.get("padding", "valid")
    if padding == "same":
        count = -(-steps // stride)
        missing = max((count - 1) * stride + span - steps, 0)
        before, after = missing // 2, missing - missing // 2
    elif padding == "valid" or (padding == "causal" and size_key == "kernel_size"):
        before, after = span - 1 if padding == "causal" else 0, 0
        count = (steps + before - span) // stride + 1
    else:
        raise BundleError(f"windows with padding {shown(padding)} cannot be served")
    if count < 1:
        raise BundleError(f"a window of {span} steps does not fit in {steps}")
    return Windows(size, stride, every, before, after, count)


def _one(value: object, what: str) -> int:
    """A number of steps, which Keras may write as a list of one."""
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    if type(value) is not int or not 0 < value <= _WIDEST:
        raise BundleError(f"{what} of {shown(value)} cannot be served: 1 to {_WIDEST} can")
    return value
