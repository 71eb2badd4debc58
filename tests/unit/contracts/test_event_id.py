"""An event's id tells its place, and is the same for one record as in an array of them."""

import numpy as np
import pytest

from netheal.contracts.event_id import PARTITIONS_PER_TOPIC, UPLOAD_PARTITION, event_id, offset_of, partition_of


@pytest.mark.parametrize("partition", [0, 7, UPLOAD_PARTITION])
@pytest.mark.parametrize(("offset", "offset_base"), [(0, 0), (41, 0), (41, 5_000), (2**42, 0)])
def test_an_id_gives_back_the_place(partition: int, offset: int, offset_base: int) -> None:
    found = event_id(partition, offset, offset_base)
    assert found == (offset + offset_base) * 1024 + partition < 2**53
    assert (partition_of(found), offset_of(found)) == (partition, offset + offset_base)


def test_ids_of_arrays_are_those_of_their_items() -> None:
    partitions, offsets = np.array([0, 3, 1023], np.int32), np.array([9, 2**42, 0])
    ids = event_id(partitions, offsets, 10)
    assert ids.dtype == np.int64
    assert ids.tolist() == [event_id(p, o, 10) for p, o in zip(partitions.tolist(), offsets.tolist(), strict=True)]
    assert (partition_of(ids) == partitions).all()
    assert (offset_of(ids) == offsets + 10).all()


def test_the_partition_is_the_low_bits() -> None:
    assert PARTITIONS_PER_TOPIC & (PARTITIONS_PER_TOPIC - 1) == 0
