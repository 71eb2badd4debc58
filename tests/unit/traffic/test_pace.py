"""Rows go out at the rate asked for, smoothly, on whatever clock is given."""

import pytest

from netheal.traffic.pace import in_slices, paced


class Clock:
    """Time that passes only by sleeping or by `late`."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.mark.parametrize("rate_per_s", [3.0, 50.0, 2_000.0, 1_000_000.0])
def test_the_mean_rate_is_kept_in_small_slices(rate_per_s: float) -> None:
    clock = Clock()
    rows = int(rate_per_s * 4)
    slices = []
    for size in paced(rows, rate_per_s, clock, clock.sleep):
        slices.append(size)
        assert sum(slices) - size <= rate_per_s * (clock.now_s - 100.0) + 1e-6
    assert sum(slices) == rows
    assert clock.now_s - 100.0 == pytest.approx(4, abs=0.4)
    assert max(slices) <= max(1, rate_per_s * 0.05)


def test_who_is_late_catches_up() -> None:
    clock = Clock()
    slices = paced(1_000, 1_000, clock, clock.sleep)
    next(slices)
    clock.now_s += 0.9
    assert sum(slices) + 30 == 1_000
    assert clock.now_s - 100.0 < 1.0


def test_without_a_rate_nobody_waits() -> None:
    clock = Clock()
    assert sum(paced(123_456, None, clock, clock.sleep)) == 123_456
    assert clock.now_s == 100.0


@pytest.mark.parametrize("chunk_rows", [1, 7, 30, 50, 1_000])
def test_the_rate_is_kept_however_the_rows_are_chunked(chunk_rows: int) -> None:
    clock = Clock()
    rows = list(range(3_000))
    chunks = [rows[at : at + chunk_rows] for at in range(0, len(rows), chunk_rows)]
    sent = [row for part in in_slices(chunks, paced(None, 300.0, clock, clock.sleep)) for row in part]
    assert sent == rows
    assert clock.now_s - 100.0 == pytest.approx(10, abs=0.1)
