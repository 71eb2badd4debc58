"""A second flow meter, for generated traffic: the same flows as a coarser one would report them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from netheal.contracts import contract

RESOLUTION_US = 1_000
TIMEOUT_US = 5_000_000
MOST_BYTES = 1_460


def by_second_meter(flow: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers or columns of attack/v1 by wire name, in µs where they are times; what else there is stays.

    This meter tells milliseconds, cuts flows after 5 s, counts 1,460 bytes at most, and reports an unknown TCP window
    as 0 and not as -1.
    """
    measured = dict(flow)
    for feature in contract("attack/v1").features:
        if feature.unit == "us":
            whole_ms = np.floor(flow[feature.name] / RESOLUTION_US) * RESOLUTION_US
            measured[feature.name] = np.minimum(whole_ms, TIMEOUT_US)
        elif feature.minimum < 0:
            measured[feature.name] = np.maximum(flow[feature.name], 0.0)
        elif feature.unit == "bytes":
            measured[feature.name] = np.minimum(flow[feature.name], MOST_BYTES)
    return measured
