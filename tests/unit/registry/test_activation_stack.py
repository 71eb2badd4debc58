"""Which model a rollback goes back to, whatever was activated and rolled back before."""

from datetime import UTC, datetime

import pytest

from netheal.registry.changes import activation_stack
from netheal.registry.records import ModelEvent


def events(history: str) -> list[ModelEvent]:
    """`1 2 <1`: model 1, then model 2, then back to model 1."""
    moment = datetime(2024, 12, 1, tzinfo=UTC)
    return [
        ModelEvent(at, int(word.strip("<")), "attack_classifier", moment, "a", "", "active", word.startswith("<"), "")
        for at, word in enumerate(history.split())
    ]


@pytest.mark.parametrize(
    ("history", "stack"),
    [
        ("", []),
        ("1", [1]),
        ("1 2", [1, 2]),
        ("1 2 <1", [1]),
        ("1 2 3 <2", [1, 2]),
        ("1 2 3 <2 <1", [1]),
        ("1 2 3 <1", [1]),
        ("1 2 <1 3", [1, 3]),
        ("1 2 <1 2", [1, 2]),
        ("1 1", [1]),
        ("1 2 1", [1, 2, 1]),
        ("1 2 1 <2", [1, 2]),
    ],
)
def test_the_stack_of_activations(history: str, stack: list[int]) -> None:
    assert activation_stack(events(history)) == stack
