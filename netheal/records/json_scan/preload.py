"""The compiled code at hand before the first message: read from its cache, or compiled, which takes seconds.

Arrow is not imported here: the daemon that forks Spark's Python workers runs this, and Arrow has threads.
"""

import numpy as np

from netheal.records.json_scan.gather import gather
from netheal.records.json_scan.names import known_names
from netheal.records.json_scan.scan import read_only, scan


def preload_scan() -> None:
    """Call each compiled function that Python calls, with what it is called with."""
    message = b'{"text":"a","number":-1.5}'
    content = read_only(message, np.uint8)
    bounds = read_only(np.array([0, len(message)], np.int32), np.int32)
    texts = np.zeros((1, 1, 3), np.int32)
    scan(known_names(["number"], ["text"]), content, bounds, np.zeros(1, np.bool_), np.full((1, 2), np.nan), texts)
    gather(content, np.ascontiguousarray(texts[:, 0, 1]), np.array([0, 1], np.int32), np.empty(1, np.uint8))
