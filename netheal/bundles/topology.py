"""A Keras network's layers in the order that its weights have, each with the values that it takes.

Sequential and functional models, of Keras 2 and 3, also one within another, become one list of steps. A
functional model's layers are listed parents first, so that a parent that is not there yet is a circle or a
lie. A layer that is called twice, several inputs or several outputs are refused.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from netheal.errors import BundleError
from netheal.wording import quoted, shown

Config = dict[str, Any]

MODELS = ("Sequential", "Functional", "Model")
_DEEPEST = 8
INPUT = 0
"""The number of the network's own input among its values."""


@dataclass(frozen=True)
class Step:
    """One layer. It takes the values of these numbers; the value it gives is numbered by its place, from 1."""

    kind: str
    config: Config
    takes: tuple[int, ...]


@dataclass(frozen=True)
class Topology:
    """All steps, and the number of the value that is the network's output."""

    steps: tuple[Step, ...]
    output: int


def topology_of(config: Config) -> Topology:
    """The network's steps; raises BundleError where they do not lead from one input to one output."""
    steps: list[Step] = []
    output = _add(body_of(config), INPUT, steps, 0)
    topology = Topology(tuple(steps), output)
    _require_use(topology)
    return topology


def body_of(config: Config) -> Config:
    """The part of a configuration that has the layers, whether it is wrapped in a class' name or not."""
    inner = config.get("config")
    return inner if isinstance(inner, dict) and "layers" in inner else config


def entries_of(body: Config) -> list[Config]:
    """The layers' entries as the configuration lists them, input layers included; raises BundleError."""
    entries = body.get("layers")
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and isinstance(entry.get("config"), dict) and isinstance(entry.get("class_name"), str)
        for entry in entries
    ):
        raise BundleError("the network's configuration lists no layers")
    return entries


def name_of(entry: Config) -> str:
    """A layer's name within its model."""
    return str(entry.get("name") or entry["config"].get("name"))


def is_model(entry: Config) -> bool:
    """Whether a layer is a model of its own."""
    return entry["class_name"] in MODELS


def input_shape(config: Config) -> tuple[int, ...] | None:
    """The declared input shape without the batch; None where the network declares none."""
    body = body_of(config)
    first = next(iter(entries_of(body)), None)
    if first is None:
        return None
    own = first["config"]
    shape = own.get("batch_shape") or own.get("batch_input_shape") or body.get("build_input_shape")
    if not shape:
        return input_shape(own) if is_model(first) else None
    if not isinstance(shape, list | tuple) or any(type(side) is not int for side in shape[1:]):
        raise BundleError(f"an input of open shape {shown(shape)} cannot be served")
    return tuple(shape[1:])


def _add(body: Config, given: int, steps: list[Step], depth: int) -> int:
    """Append a model that takes value `given`; the number of what it gives."""
    if depth >= _DEEPEST:
        raise BundleError(f"the network nests models more than {_DEEPEST} deep")
    entries = entries_of(body)
    functional = any(entry.get("inbound_nodes") for entry in entries)
    values: dict[str, int] = {}
    last, inputs = given, 0
    for entry in entries:
        name = name_of(entry)
        if functional and name in values:
            raise BundleError(f"the network has two layers of the name {quoted(name)}")
        if entry["class_name"] == "InputLayer":
            inputs += 1
            last = given
        else:
            takes = _parents(entry, values) if functional else (last,)
            last = _append(entry, takes, steps, depth)
        values[name] = last
    if inputs > 1:
        raise BundleError("a network with several inputs cannot be served")
    return _output(body, values) if functional else last


def _append(entry: Config, takes: tuple[int, ...], steps: list[Step], depth: int) -> int:
    if not is_model(entry):
        steps.append(Step(entry["class_name"], entry["config"], takes))
        return len(steps)
    if len(takes) != 1:
        raise BundleError("a model within the network takes several values: it cannot be served")
    return _add(body_of(entry), takes[0], steps, depth + 1)


def _output(body: Config, values: dict[str, int]) -> int:
    """Keras 2 lists outputs, and Keras 3 may give the only one as it is."""
    outputs = body.get("output_layers")
    if outputs is None:
        return list(values.values())[-1]
    single = outputs if _is_reference(outputs) else outputs[0] if isinstance(outputs, list) and outputs else None
    if not _is_reference(single) or (single is not outputs and len(outputs) != 1):
        raise BundleError("the network does not have one output: it cannot be served")
    return _number(single, values)


def _parents(entry: Config, values: dict[str, int]) -> tuple[int, ...]:
    """The values that a functional model's layer takes, in order, in Keras 2's and Keras 3's notation."""
    nodes = entry.get("inbound_nodes")
    if not isinstance(nodes, list) or len(nodes) != 1:
        count = len(nodes) if isinstance(nodes, list) else 0
        raise BundleError(f"layer {quoted(name_of(entry))} is called {count} times: each must be called once")
    node = nodes[0]
    if isinstance(node, dict):
        args = node.get("args")
        if not isinstance(args, list | tuple) or len(args) != 1:
            raise BundleError(f"layer {quoted(name_of(entry))} is called with more than its values")
        _require_no_options(node.get("kwargs"), entry)
        given = args[0] if isinstance(args[0], list | tuple) else [args[0]]
        references = [_history(value) for value in given]
    else:
        references = [node] if _is_reference(node) else list(node) if isinstance(node, list | tuple) else []
        for reference in references:
            _require_no_options(reference[3] if _is_reference(reference) and len(reference) > 3 else None, entry)
    if not references:
        raise BundleError(f"layer {quoted(name_of(entry))} takes no value of the network")
    return tuple(_number(reference, values) for reference in references)


def _require_no_options(options: Any, entry: Config) -> None:
    """Masks, first states or a call as in training change what a layer gives."""
    if options and (not isinstance(options, dict) or any(value not in (None, False) for value in options.values())):
        raise BundleError(f"layer {quoted(name_of(entry))} is called with options, which cannot be served")


def _history(value: Any) -> Any:
    inner = value.get("config") if isinstance(value, dict) else None
    return inner.get("keras_history") if isinstance(inner, dict) else None


def _is_reference(value: Any) -> bool:
    """Whether it is [layer, call, output], perhaps with options."""
    return isinstance(value, list | tuple) and len(value) in (3, 4) and isinstance(value[0], str)


def _number(reference: Any, values: dict[str, int]) -> int:
    """The value that a reference names. A layer has one call and one output; the call's number says nothing."""
    if not _is_reference(reference) or reference[2] != 0:
        raise BundleError("a layer of the network takes what is no layer's only output")
    if reference[0] not in values:
        raise BundleError(f"the network's layers form a circle, or {quoted(reference[0])} is none of them")
    return values[reference[0]]


def _require_use(topology: Topology) -> None:
    """Raises BundleError where a layer does not lead to the output: Keras writes no such network."""
    used = {topology.output}
    for number in range(len(topology.steps), 0, -1):
        if number not in used:
            kind = topology.steps[number - 1].kind
            raise BundleError(f"layer {number} of the network ({kind[:60]}) does not lead to its output")
        used.update(topology.steps[number - 1].takes)


def leaves_of(entry: Config) -> Iterator[Config]:
    """A layer's own entry, or of a model's layers all that are no models, in the order of their weights."""
    if not is_model(entry):
        yield entry
        return
    inner: Sequence[Config] = entries_of(body_of(entry))
    for part in inner:
        yield from leaves_of(part)
