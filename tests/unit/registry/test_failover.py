"""A model that fails on real rows is replaced, and the rows are scored again."""

from collections.abc import Set

import pytest

from netheal.errors import ModelFailure
from netheal.registry.failover import score_with_failover


class Registry:
    """Models in the order in which they come back, and those that fail on every row."""

    def __init__(self, *models: str, failing: str = "") -> None:
        self.models, self.failing = list(models), failing
        self.failed: list[tuple[str, set[str]]] = []

    def score(self, without: Set[str]) -> str:
        model = next(model for model in self.models if model not in without)
        if model in self.failing:
            raise ModelFailure("it failed", model)
        return model

    def fail_over(self, failure: ModelFailure, failed: Set[str]) -> None:
        self.failed.append((failure.bundle_hash, set(failed)))


def test_nothing_is_replaced_where_no_model_fails() -> None:
    registry = Registry("c", "b")
    assert score_with_failover(registry.score, registry.fail_over) == "c"
    assert registry.failed == []


def test_each_model_that_fails_is_replaced_before_the_rows_are_scored_again() -> None:
    registry = Registry("c", "b", "a", failing="cb")
    assert score_with_failover(registry.score, registry.fail_over) == "a"
    assert registry.failed == [("c", {"c"}), ("b", {"c", "b"})]


def test_the_last_failure_allowed_is_raised_once_its_model_was_replaced() -> None:
    registry = Registry("c", "b", "a", failing="cba")
    with pytest.raises(ModelFailure) as failure:
        score_with_failover(registry.score, registry.fail_over, most_failures=2)
    assert failure.value.bundle_hash == "b"
    assert [model for model, _ in registry.failed] == ["c", "b"]
