"""Latencies are counted into buckets that can be added up, whatever the records' clocks say."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from netheal.verdicts.latency import BOUNDS_S, LatencyCounts, added, count_latencies, quantile_s, record_times

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def counted(*ages_s: float) -> LatencyCounts:
    times = [NOW - timedelta(seconds=age_s) for age_s in ages_s]
    table = pa.table({"recorded_at": pa.array(times, pa.timestamp("us", "UTC"))})
    return count_latencies([record_times(table)], NOW)


def test_each_row_is_in_the_bucket_whose_bound_it_does_not_exceed() -> None:
    found = counted(0.0, BOUNDS_S[0], BOUNDS_S[0] + 0.001, 7200.0)
    assert (found.rows[0], found.rows[1], found.rows[-1], sum(found.rows)) == (2, 1, 1, 4)
    assert found.total_s == pytest.approx(2 * BOUNDS_S[0] + 0.001 + 7200)


def test_a_record_from_the_future_has_no_latency() -> None:
    found = counted(-3600.0)
    assert found.rows[0] == 1 and found.total_s == 0


def test_parts_add_up_to_the_whole() -> None:
    ages_s = np.random.default_rng(1).exponential(2.0, 1000).tolist()
    parts = added([counted(*ages_s[:300]), counted(*ages_s[300:]), LatencyCounts()])
    whole = counted(*ages_s)
    assert parts.rows == whole.rows and parts.total_s == pytest.approx(whole.total_s)


def test_a_quantile_is_the_bound_of_the_bucket_that_holds_it() -> None:
    ages_s = np.random.default_rng(2).exponential(1.0, 5000)
    for share in (0.5, 0.95):
        bound = quantile_s(counted(*ages_s), share)
        exact = float(np.quantile(ages_s, share))
        assert bound == next(b for b in BOUNDS_S if b >= exact)
    assert quantile_s(counted(9999.0), 0.5) == BOUNDS_S[-1]
    assert quantile_s(count_latencies([], NOW), 0.5) is None


def test_times_do_not_keep_the_rows_in_memory() -> None:
    times = pa.array([NOW], pa.timestamp("us", "UTC"))
    table = pa.table({"recorded_at": times})
    assert not np.shares_memory(record_times(table), times.cast(pa.int64()).to_numpy())
