"""The id of an event, made of its place in the input topic; below 2^53, so that a browser reads it exactly."""

from typing import Any, overload

import numpy as np
import numpy.typing as npt

PARTITIONS_PER_TOPIC = 1024
"""A power of two, so that the partition is the id's low bits."""
UPLOAD_PARTITION = PARTITIONS_PER_TOPIC - 1
"""In place of a partition, for rows that came in a file: no topic has as many partitions."""

Ids = npt.NDArray[np.int64]


@overload
def event_id(partition: int, offset: int, offset_base: int = 0) -> int: ...
@overload
def event_id(partition: npt.NDArray[np.int32] | Ids, offset: Ids, offset_base: int = 0) -> Ids: ...
def event_id(partition: Any, offset: Any, offset_base: int = 0) -> Any:
    """The id of the record at this offset; of one record, or of arrays of records.

    `offset_base` is 0 until a topic was deleted and recreated: from then on it keeps ids unique.

    >>> event_id(partition=3, offset=2), event_id(partition=3, offset=2, offset_base=10)
    (2051, 12291)
    """
    return (offset + offset_base) * PARTITIONS_PER_TOPIC + partition


@overload
def partition_of(event_id: int) -> int: ...
@overload
def partition_of(event_id: Ids) -> Ids: ...
def partition_of(event_id: int | Ids) -> int | Ids:
    """The partition of an event, or of each of an array; `UPLOAD_PARTITION` for a row of a file.

    >>> partition_of(12291)
    3
    """
    return event_id % PARTITIONS_PER_TOPIC


@overload
def offset_of(event_id: int) -> int: ...
@overload
def offset_of(event_id: Ids) -> Ids: ...
def offset_of(event_id: int | Ids) -> int | Ids:
    """The offset of an event, or of each of an array, the offset base included.

    >>> offset_of(12291)
    12
    """
    return event_id // PARTITIONS_PER_TOPIC
