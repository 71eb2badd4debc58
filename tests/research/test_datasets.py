"""What is trained on and what is measured on never share a row."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from netheal.contracts import contract
from research.connections import fit_encoders, read_connections
from research.datasets import Rows, apart, connection_rows, first_of_each, flow_rows, joined, split, split_by_time
from research.flows import read_flows
from research.tables import Dropped


def rows(values: list[list[float]], labels: list[str], source: str = "a", start: str = "2017-07-03") -> Rows:
    count = len(values)
    time = np.datetime64(start, "us") + np.arange(count) * np.timedelta64(1, "h")
    sources, groups = (np.full(count, text, dtype=object) for text in (source, start))
    return Rows(np.array(values, dtype=np.float64), np.array(labels, dtype=object), sources, groups, time)


def many(count: int = 200, source: str = "a") -> Rows:
    rng = np.random.default_rng(5)
    return rows(rng.integers(0, 4, (count, 4)).tolist(), rng.choice(["benign", "dos"], count).tolist(), source)


def test_a_row_in_lower_precision_is_the_same_row() -> None:
    third = 1 / 3
    kept = first_of_each(
        rows([[third, 2.0], [float(np.float32(third)), 2.0], [third, 2.0]], ["a", "a", "b"]), Dropped()
    )
    assert kept.values.tolist() == [[third, 2.0], [third, 2.0]] and kept.labels.tolist() == ["a", "b"]


def test_no_inputs_are_on_both_sides_of_a_split_whatever_their_labels() -> None:
    seen, held = split(first_of_each(many(), Dropped()), 1)
    assert len(held) > 20 and not np.isin(seen.inputs, held.inputs).any()


def test_every_label_of_every_source_is_held_out_in_proportion() -> None:
    _, held = split(joined([many(), many(400, "b")]), 1)
    assert [(held.source == name).sum() for name in "ab"] == [40, 80]


def test_the_only_row_of_a_label_is_trained_on() -> None:
    seen, held = split(joined([many(), rows([[9.0] * 4], ["rare"])]), 3)
    assert "rare" in seen.labels and "rare" not in held.labels


def test_another_seed_holds_out_other_rows() -> None:
    one, again, other = (split(many(), seed)[1].values for seed in (1, 1, 2))
    assert np.array_equal(one, again) and not np.array_equal(one, other)


def test_a_split_by_time_holds_out_what_came_last_in_every_label() -> None:
    whole = rows(np.arange(40.0).reshape(20, 2).tolist(), ["benign", "dos"] * 10)
    seen, held = split_by_time(whole)
    assert sorted(held.labels) == ["benign", "benign", "dos", "dos"] and held.time.min() > seen.time.max()


def test_rows_without_a_time_are_trained_on() -> None:
    timeless = replace(rows([[1.0, 2.0]] * 5, ["benign"] * 5), time=np.full(5, "NaT", dtype="datetime64[us]"))
    assert [len(part) for part in split_by_time(timeless)] == [5, 0]


def test_what_is_held_out_is_never_trained_on() -> None:
    seen, held = apart(rows([[1.0], [2.0]], ["x", "x"]), rows([[2.0]], ["y"]))
    assert seen.values.tolist() == [[1.0]] and held.values.tolist() == [[2.0]]


@pytest.mark.parametrize(
    ("name", "meter", "days"),
    [("reference_12006.csv.gz", "original meter", 1), ("improved_25k.parquet", "other meter", 5)],
)
def test_real_flows_have_their_meter_and_their_day(shared_data: Path, name: str, meter: str, days: int) -> None:
    path = shared_data / "cic-ids2017" / name
    read = flow_rows(read_flows(path), contract("attack/v1"), path, Dropped())
    assert set(read.source) == {meter} and len(set(read.group)) == days and len(read) > 11_000
    assert np.isnat(read.time).all() == (days == 1)


def test_real_connections_have_their_attack_and_their_service(shared_data: Path) -> None:
    path = shared_data / "nsl-kdd" / "KDDTest+.txt.gz"
    frame = read_connections(path)
    read = connection_rows(frame, fit_encoders(frame), contract("threat/v1"), path, Dropped())
    assert len(read) == len(frame) == 22_544 and (read.labels == "guess_passwd").sum() == 1231
    assert {"http", "smtp"} < set(read.group) and pd.isna(read.time).all()
