"""Messages broken in every way that the job has to reject."""

import json
from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np

from netheal.contracts import Contract

Broken = Literal[
    "empty",
    "not_utf8",
    "not_json",
    "trailing_data",
    "array",
    "nested_value",
    "missing_feature",
    "string_for_number",
    "boolean_for_number",
    "nan",
    "out_of_range",
    "unknown_category",
    "no_contract",
]
"""What is wrong with a message; `no_contract` is a sound object that has no contract's features."""

BROKEN: tuple[Broken, ...] = get_args(Broken)


def break_message(kind: Broken, message: bytes, wire: Contract, rng: np.random.Generator) -> bytes:
    """`message`, which has the features of `wire`, broken; `unknown_category` needs a contract with one."""
    if kind in _AS_BYTES:
        return _AS_BYTES[kind](message)
    row: dict[str, Any] = json.loads(message)
    if kind == "unknown_category":
        categories = [feature.name for feature in wire.features if feature.category]
        row[str(rng.choice(categories))] = "no-such-word"
    elif kind == "no_contract":
        row = {name: value for name, value in row.items() if name not in wire.names} | {"temperature": 21.5}
    else:
        numbers = [feature for feature in wire.features if not feature.category]
        feature = numbers[rng.integers(len(numbers))]
        beyond = [feature.minimum - 1 - float(rng.integers(10)), feature.maximum + 1]
        broken = {
            "nested_value": {"value": row[feature.name]},
            "string_for_number": "many",
            "boolean_for_number": True,
            "nan": float("nan"),
            "out_of_range": beyond[int(np.isfinite(feature.maximum) and rng.random() < 0.5)],
        }
        if kind == "missing_feature":
            del row[feature.name]
        else:
            row[feature.name] = broken[kind]
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()


_AS_BYTES: dict[Broken, Callable[[bytes], bytes]] = {
    "empty": lambda message: b"",
    "not_utf8": lambda message: message.replace(b'":', b'\xff\xfe":', 1),
    "not_json": lambda message: message[: len(message) // 2],
    "trailing_data": lambda message: message + b" {}",
    "array": lambda message: b"[" + message + b"]",
}
