"""A batch's offsets are shared out among tasks: each once, evenly, and no task gets nothing."""

from hypothesis import given
from hypothesis import strategies as st

from jobs.stages.partition_ranges import shares
from netheal.store.ledger import BatchPins

ranges = st.dictionaries(
    st.integers(0, 7).map(str), st.tuples(st.integers(0, 1_000), st.integers(0, 50_000)), max_size=8
)


def pins(found: dict[str, tuple[int, int]]) -> BatchPins:
    starts = {name: start for name, (start, _) in found.items() if start}
    return BatchPins("flows", "id", starts, {name: start + rows for name, (start, rows) in found.items()}, {}, "v")


@given(ranges, st.integers(1, 9))
def test_every_offset_is_in_one_share(found: dict[str, tuple[int, int]], tasks: int) -> None:
    shared = shares(pins(found), tasks)
    assert len(shared) <= tasks and all(shared)
    total = sum(rows for _, rows in found.values())
    sizes = [sum(end - start for _, start, end in share) for share in shared]
    assert sum(sizes) == total and (not sizes or max(sizes) - total / tasks <= 1)
    for name, (start, rows) in found.items():
        parts = sorted((one.start, one.end) for share in shared for one in share if one.partition == int(name))
        at = start
        for begin, end in parts:
            assert begin == at < end
            at = end
        assert at == start + rows
    for share in shared:
        assert len({one.partition for one in share}) == len(share), "a partition is assigned once a task"
