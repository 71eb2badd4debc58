"""Texts from where they stand in messages to one buffer, compiled."""

from netheal.records.json_scan.compilation import compiled
from netheal.records.json_scan.scan import Bytes, Ints


@compiled
def gather(data: Bytes, begin: Ints, offsets: Ints, out: Bytes) -> None:
    """Copy the text that begins at `begin[row]` to `out[offsets[row]:offsets[row + 1]]`, for each row."""
    for row in range(len(begin)):
        at = offsets[row]
        for i in range(offsets[row + 1] - at):
            out[at + i] = data[begin[row] + i]
