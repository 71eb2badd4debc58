"""The fields that are known, as the scan looks them up."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from netheal.records.json_scan.scan import Names, key_hash, read_only


def known_names(numbers: Sequence[str], texts: Sequence[str]) -> Names:
    """The fields in this order, `numbers` first, which are never strings."""
    encoded = [name.encode() for name in (*numbers, *texts)]
    text = read_only(b"".join(encoded), np.uint8)
    bounds = np.cumsum([0, *map(len, encoded)]).astype(np.int32)
    slots = np.full(1 << (4 * len(encoded)).bit_length(), -1, np.int32)
    for field, (begin, end) in enumerate(pairwise(bounds.tolist())):
        slot = int(key_hash(text, begin, end)) % len(slots)
        while slots[slot] >= 0:
            slot = (slot + 1) % len(slots)
        slots[slot] = field
    return Names(text, bounds, slots, len(numbers))
