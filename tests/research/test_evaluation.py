"""Figures of merit against numbers worked out by hand, and that nothing left out is ever trained on."""

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from research.assessment import Bands, chosen_threshold, found_in, operating_points, spread, unlike_training, unseen_by
from research.datasets import Rows
from research.evaluation import threshold_at
from research.measures import calibration_figures, share
from research.metrics import metric_name


class Nearest:
    """Calls a row an attack if its first feature is nearer to the mean of the attacks; records what it saw."""

    benign = "normal"

    def __init__(self, seen: Rows) -> None:
        self.seen = seen
        attack = seen.labels != "normal"
        self.middle = (seen.values[attack, 0].mean() + seen.values[~attack, 0].mean()) / 2

    def scores(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(1 / (1 + np.exp(self.middle - values[:, 0])))

    def answers(self, values: NDArray[np.float64]) -> NDArray[np.object_]:
        return np.where(self.scores(values) >= 0.5, "attack", "normal").astype(object)


def traffic(count: int = 300) -> Rows:
    rng = np.random.default_rng(7)
    labels = rng.choice(["normal", "flood", "scan"], count, p=[0.6, 0.2, 0.2]).astype(object)
    first = np.where(labels == "normal", 0.0, np.where(labels == "flood", 8.0, 6.0)) + rng.normal(size=count)
    values = np.column_stack([first, rng.integers(0, 10, count)])
    group = rng.choice(["mon", "tue", "wed"], count).astype(object)
    source = rng.choice(["one", "two"], count).astype(object)
    return Rows(values, labels, source, group, np.arange(count).astype("datetime64[us]"))


def test_a_share_has_wilsons_interval() -> None:
    one = share(np.array([True] * 8 + [False] * 2))
    assert (one.hits, one.rows, one.value) == (8, 10, 0.8)
    assert (one.low, one.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert share(np.zeros(0, dtype=bool)).high == 1.0


@pytest.mark.parametrize(("rate", "expected"), [(0.1, 0.9), (0.25, 0.8), (0.0, 1.0)])
def test_an_operating_point_has_at_most_its_share_of_false_alarms(rate: float, expected: float) -> None:
    scores = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
    threshold = threshold_at(scores, rate)
    assert (scores >= threshold).mean() <= rate and threshold == pytest.approx(expected)


def test_scores_that_are_shares_of_attacks_are_calibrated() -> None:
    attack = np.array([0, 0, 0, 1] * 25)
    assert calibration_figures(attack, np.full(100, 0.25))["calibration_error"] == 0.0
    off = calibration_figures(attack, np.full(100, 0.95))
    assert off["calibration_error"] == pytest.approx(0.7) and off["bins"][0]["rows"] == 100


def test_nothing_that_is_left_out_is_trained_on() -> None:
    rows, trained = traffic(), []

    def fit(seen: Rows, _seed: int) -> Nearest:
        trained.append(Nearest(seen))
        return trained[-1]

    unseen = unseen_by(fit, rows, "normal", 1)
    assert set(unseen.families) == {"flood", "scan"}
    by_group, by_family = trained[:3], trained[3:]
    assert [set(model.seen.labels) for model in by_family] == [{"normal", "scan"}, {"normal", "flood"}]
    assert sorted(len(set(model.seen.group)) for model in by_group) == [2, 2, 2]
    assert unseen.groups is not None and len(unseen.groups.rows) == (rows.labels == "normal").sum()
    found = unlike_training(fit, rows, unseen, 0.5, 1)
    assert set(found) == {"families", "groups", "budgets", "sources", "later"} and set(found["sources"]) == {
        "one",
        "two",
    }
    assert found["families"]["flood"]["rows"] == (rows.labels == "flood").sum()
    assert 0.01 < chosen_threshold(unseen) < 0.99
    assert set(trained[-3].seen.source) == {"two"} and set(trained[-2].seen.source) == {"one"}


def test_what_is_found_is_given_by_label_by_band_and_by_operating_point() -> None:
    rows, bands = traffic(), Bands("second", (5.0,), ("slow", "fast"))
    model = Nearest(rows)
    found = found_in(model, rows, bands, 1)
    assert set(found["found"]) == {"normal", "flood", "scan"} and set(found["bands"]) == {"slow", "fast"}
    assert sum(band["found"]["rows"] for band in found["bands"].values()) == (rows.labels != "normal").sum()
    quiet = model.scores(rows.values[rows.labels == "normal"])
    points = operating_points(model, quiet, {"all": rows})
    assert [point["name"] for point in points] == ["as served", "1 % false alarms", "2 % false alarms"]
    alarms = points[1]["parts"]["all"]["false_alarms"]
    assert alarms["hits"] / alarms["rows"] <= 0.01
    assert json.loads(json.dumps(points)) == points


def test_the_range_over_seeds_holds_every_run() -> None:
    def figures(model: Nearest, part: Rows) -> dict[str, float]:
        return {"accuracy": float(((model.answers(part.values) == "attack") == (part.labels != "normal")).mean())}

    found = spread(lambda seen, _: Nearest(seen), traffic(), range(3), figures, {})
    assert set(found) == {"held out, one", "held out, two"}
    for part in found.values():
        assert part["accuracy"]["lowest"] <= part["accuracy"]["median"] <= part["accuracy"]["highest"]


def test_metric_names_are_what_mlflow_takes() -> None:
    assert (
        metric_name(["figures", "held out, one", "Web Attack – XSS", "f1"])
        == "figures/held out one/Web Attack - XSS/f1"
    )
